"""Each vendor's documented stream, whole, cut at every byte, and in the shapes servers vary it."""

from __future__ import annotations

import pytest

from llm.providers.base import ChatMessage, ChatResponse
from tests.llm.providers.golden import Golden
from tests.llm.providers.loopback import Loopback, Reply
from tests.llm.providers.streams import ALL

HELLO = [ChatMessage("user", "Say hello.")]

TEXTS = {name: golden for name, golden in ALL.items() if golden.vendor != "bedrock"}

each_golden = pytest.mark.parametrize("golden", ALL.values(), ids=ALL)
each_text = pytest.mark.parametrize("golden", TEXTS.values(), ids=TEXTS)


async def read(loopback: Loopback, golden: Golden, pieces: list[bytes]) -> ChatResponse:
    loopback.always(Reply(pieces, media=golden.media))
    provider = loopback.provider(golden.vendor, path=golden.path, **golden.configuration)
    return await provider.chat(HELLO)


def check(golden: Golden, response: ChatResponse) -> None:
    assert response.text == golden.text
    assert response.usage == golden.usage
    assert response.finish_reason is golden.finish
    assert response.model == golden.model
    assert response.upstream_id == golden.upstream_id
    assert response.tool_calls == golden.tool_calls
    assert response.reasoning == golden.reasoning
    assert response.location == golden.location


@each_golden
async def test_a_documented_stream_is_read(loopback: Loopback, golden: Golden) -> None:
    check(golden, await read(loopback, golden, [golden.stream]))


@each_golden
async def test_it_is_read_the_same_when_cut_at_every_byte(
    loopback: Loopback, golden: Golden
) -> None:
    for cut in range(1, len(golden.stream)):
        pieces = [golden.stream[:cut], golden.stream[cut:]]
        check(golden, await read(loopback, golden, pieces))


@each_golden
async def test_it_is_read_the_same_byte_by_byte(loopback: Loopback, golden: Golden) -> None:
    pieces = [golden.stream[at : at + 1] for at in range(len(golden.stream))]
    check(golden, await read(loopback, golden, pieces))


@each_text
async def test_line_ends_of_windows_comments_and_a_missing_last_line_change_nothing(
    loopback: Loopback, golden: Golden
) -> None:
    changed = golden.stream.replace(b"\n", b"\r\n").removesuffix(b"\r\n\r\n").removesuffix(b"\r\n")
    if golden.media == "text/event-stream":
        changed = b"\xef\xbb\xbf: keep-alive\r\n\r\n" + changed
        changed = changed.replace(b"\r\n\r\n", b"\r\n: ping\r\nid: 7\r\nretry: 100\r\n\r\n")
    check(golden, await read(loopback, golden, [changed]))


@each_golden
async def test_the_connection_serves_again(loopback: Loopback, golden: Golden) -> None:
    for _ in range(3):
        check(golden, await read(loopback, golden, [golden.stream]))
    assert loopback.connections == 1


@each_golden
async def test_an_answer_cut_off_anywhere_is_never_a_whole_answer(
    loopback: Loopback, golden: Golden
) -> None:
    """Whatever a prefix of the stream gives, it is an error or the complete answer."""
    from llm.providers.errors import ProviderError

    whole = 0
    for cut in range(0, len(golden.stream), 7):
        try:
            response = await read(loopback, golden, [golden.stream[:cut]])
        except ProviderError:
            continue
        whole += 1
        assert response.text == golden.text
        assert response.finish_reason is golden.finish
    assert whole < len(golden.stream) / 7 / 2
