"""The readers of byte streams, against a plain reading of the whole."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.providers.errors import BadResponse
from llm.providers.framing import JsonLines, ServerSentEvent, ServerSentEvents


def read(pieces: list[bytes], limit: int = 1 << 20) -> list[ServerSentEvent]:
    reader = ServerSentEvents(limit=limit)
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.finish()


def plain(stream: bytes) -> list[ServerSentEvent]:
    """The HTML standard read literally, with the whole stream at hand."""
    events, name, data = [], "", []
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        field, _, value = line.partition(":")
        if not line:
            if data:
                events.append(ServerSentEvent(name, "\n".join(data)))
            name, data = "", []
        elif field == "data":
            data.append(value.removeprefix(" "))
        elif field == "event":
            name = value.removeprefix(" ")
    return events


pieces_of_streams = st.lists(
    st.sampled_from(
        [
            *(b"data", b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"event: error\n", b"id: 1\n"),
            *(b"data: {}\n", b": ping\n", b"x", b"\xf0\x9f", b"retry:1\n"),
            "data: Grüße 🌍\n\n".encode(),
        ]
    ),
    max_size=30,
)


@given(pieces_of_streams)
def test_any_cut_reads_like_the_whole(pieces: list[bytes]) -> None:
    assert read(pieces) == plain(b"".join(pieces))


@given(st.binary(max_size=200), st.integers(1, 7))
def test_any_bytes_read_like_the_whole(stream: bytes, size: int) -> None:
    cut = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert read(cut) == plain(stream)


def test_several_data_lines_are_one_event_and_unnamed_events_have_no_name() -> None:
    stream = b"event: a\ndata: 1\ndata:2\ndata\n\ndata: 3\n\n"
    assert read([stream]) == [ServerSentEvent("a", "1\n2\n"), ServerSentEvent("", "3")]


@pytest.mark.parametrize("stream", [b"data: " + b"x" * 2000, b"data: " + b"x" * 600 + b"\n"])
def test_an_event_beyond_the_limit_is_refused_however_it_grows(stream: bytes) -> None:
    with pytest.raises(BadResponse):
        read([stream] * 3, limit=1024)
    with pytest.raises(BadResponse):
        read([stream[at : at + 1] for at in range(len(stream))] * 3, limit=1024)


def test_a_long_line_in_small_pieces_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        begin = time.perf_counter()
        read([b"data: ", *([b"x" * 10] * count)], limit=1 << 30)
        return time.perf_counter() - begin

    seconds(1000)
    assert seconds(200_000) < 60 * max(seconds(20_000), 0.005)


def test_lines_of_json_are_split_at_line_ends_only() -> None:
    reader = JsonLines()
    stream = '{"a": "x\u2028y"}\r\n\n  \n{"b": "é"}'.encode()
    lines = [line for at in range(len(stream)) for line in reader.feed(stream[at : at + 1])]
    assert lines + reader.finish() == ['{"a": "x\u2028y"}', '{"b": "é"}']
