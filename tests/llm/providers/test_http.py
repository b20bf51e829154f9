"""What goes wrong on the way to a provider, and what may never go out or come back."""

from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import logging
import ssl
import time
import zlib
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from llm.providers import http, pinned
from llm.providers.addresses import parse_base_url
from llm.providers.base import ChatMessage
from llm.providers.errors import (
    BadResponse,
    ContentRefused,
    ContextTooLong,
    InvalidRequest,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from llm.providers.http import Upstream
from llm.providers.pinned import close_clients
from tests.llm.providers.golden import OPENAI, TEXT, chunk
from tests.llm.providers.loopback import KEY, LOOPBACK, Loopback, Reply, loopback_server, sse

HELLO = [ChatMessage("user", "Say hello.")]


async def ask(loopback: Loopback, reply: Reply, **values: object) -> str:
    loopback.always(reply)
    provider = loopback.provider("openai_compatible", path="/v1", **values)
    return (await provider.chat(HELLO)).text


def openai_error(code: str, message: str = "…", kind: str = "invalid_request_error") -> dict:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


REFUSALS = [
    (401, openai_error("invalid_api_key"), Unauthorised),
    (403, openai_error("", kind="permission_error"), Unauthorised),
    (402, openai_error("payment_required"), QuotaExhausted),
    (429, openai_error("rate_limit_exceeded", "Rate limit reached"), RateLimited),
    (429, openai_error("insufficient_quota", "You exceeded your quota"), QuotaExhausted),
    (429, openai_error("", "This account's spend limit is reached"), QuotaExhausted),
    (400, openai_error("context_length_exceeded"), ContextTooLong),
    (400, {"error": {"code": 400, "type": "exceed_context_size_error"}}, ContextTooLong),
    (
        400,
        {"object": "error", "message": "This model's maximum context length is 8"},
        ContextTooLong,
    ),
    (413, {"message": "Request Entity Too Large"}, ContextTooLong),
    (400, openai_error("content_filter"), ContentRefused),
    (404, openai_error("model_not_found"), InvalidRequest),
    (404, {"error": "model 'llama9' not found"}, InvalidRequest),
    (
        422,
        {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs", "type": "x"}]},
        InvalidRequest,
    ),
    (400, openai_error("unsupported_parameter"), InvalidRequest),
    (408, {}, Unavailable),
    (500, {"error": {"message": "The server had an error"}}, Unavailable),
    (502, {"message": "Bad gateway"}, Unavailable),
    (503, {"error": {"message": "Loading model", "code": 503}}, Unavailable),
    (529, {"type": "error", "error": {"type": "overloaded_error"}}, Unavailable),
    (498, openai_error("flex_capacity_exceeded"), Unavailable),
]


@pytest.mark.parametrize(("status", "body", "kind"), REFUSALS)
async def test_each_refusal_becomes_the_error_that_says_what_to_do(
    loopback: Loopback, status: int, body: object, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind) as caught:
        await ask(loopback, Reply.json(body, status))
    assert type(caught.value) is kind
    assert caught.value.upstream_status == status


async def test_the_providers_code_is_kept_but_never_its_words(loopback: Loopback) -> None:
    body = openai_error("unsupported_parameter", f"Key {KEY} said: {HELLO[0].content}")
    with pytest.raises(InvalidRequest) as caught:
        await ask(loopback, Reply.json(body, 400))
    assert caught.value.upstream_code == "unsupported_parameter"
    assert KEY not in str(caught.value)
    assert HELLO[0].content not in str(caught.value)


def extra(*place: object) -> dict[str, Any]:
    return {"detail": [{"loc": ["body", *place], "msg": "…", "input": KEY}]}


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"error": {"message": "…", "param": "temperature"}}, "temperature"),
        ({"error": {"message": "…", "param": "messages.[2].content"}}, "messages.[2].content"),
        ({"error": {"message": "…", "param": "tools[0].function.name"}}, "tools[0].function.name"),
        (extra("reasoning_effort"), "reasoning_effort"),
        (extra("messages", 0, "user", "name"), "messages.0.user.name"),
        ({"object": "error", "message": extra("store")}, "store"),
        ({"error": {"message": "…", "param": f"messages of {KEY}"}}, ""),
        ({"error": {"message": "…", "param": "max@example.org"}}, ""),
        ({"error": {"message": "…", "param": ["temperature"]}}, ""),
        ({"detail": [{"loc": "body"}]}, ""),
        ({"detail": []}, ""),
    ],
)
async def test_the_parameter_that_a_provider_names_is_told(
    loopback: Loopback, body: object, parameter: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ask(loopback, Reply.json(body, 422))
    place = f", because of {parameter}" if parameter else ""
    assert f"does not take this request{place}" in str(caught.value)
    assert ("because of" in str(caught.value)) == bool(parameter)
    assert KEY not in str(caught.value)


async def test_a_code_that_is_not_a_code_is_dropped(loopback: Loopback) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ask(loopback, Reply.json(openai_error(f"bad {KEY}", kind=f"x {KEY}"), 400))
    assert caught.value.upstream_code == ""
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "99999999"}, 3600),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_retry_after_is_read(
    loopback: Loopback, headers: dict[str, str], seconds: float | None
) -> None:
    with pytest.raises(RateLimited) as caught:
        await ask(loopback, Reply.json({}, 429, headers=headers))
    assert caught.value.retry_after == seconds


async def test_retry_after_may_be_a_date(loopback: Loopback) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    header = {"retry-after": format_datetime(at, usegmt=True)}
    with pytest.raises(Unavailable) as caught:
        await ask(loopback, Reply.json({}, 503, headers=header))
    assert caught.value.retry_after == pytest.approx(90, abs=3)


async def test_a_web_page_with_status_200_is_not_an_answer(loopback: Loopback) -> None:
    page = Reply([b"<!doctype html><title>Sign in</title>"], media="text/html; charset=utf-8")
    with pytest.raises(BadResponse, match="a web page"):
        await ask(loopback, page)
    with pytest.raises(BadResponse, match="a web page"):
        await loopback.provider("openai_compatible").list_models()


async def test_a_redirect_is_an_error_and_is_not_followed(loopback: Loopback) -> None:
    async with loopback_server() as elsewhere:
        elsewhere.always(Reply([OPENAI.stream]))
        to = {"location": f"{elsewhere.origin}/v1/chat/completions"}
        for status in (301, 302, 303, 307, 308):
            with pytest.raises(BadResponse, match="redirect"):
                await ask(loopback, Reply(status=status, headers=to))
        assert elsewhere.requests == []


async def test_a_gzip_bomb_is_cut_off(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    compressor = zlib.compressobj(9, wbits=31)
    bomb = b"".join(compressor.compress(b" " * 1_000_000) for _ in range(200)) + compressor.flush()
    assert len(bomb) < 300_000
    reply = Reply([bomb], media="application/json", headers={"content-encoding": "gzip"})
    with pytest.raises(BadResponse, match="more than"):
        await ask(loopback, reply)
    reply.media = "text/event-stream"
    with pytest.raises(BadResponse, match="more than"):
        await ask(loopback, reply)


async def test_compressed_answers_are_read_though_not_asked_for(loopback: Loopback) -> None:
    gzipped = Reply([gzip.compress(OPENAI.stream)], headers={"content-encoding": "gzip"})
    assert await ask(loopback, gzipped) == TEXT
    assert loopback.requests[0].headers["accept-encoding"] == "identity"
    with pytest.raises(BadResponse):
        await ask(loopback, Reply([b"not gzip"], headers={"content-encoding": "gzip"}))


async def test_an_endless_event_is_cut_off(loopback: Loopback) -> None:
    def endless():
        yield b"data: "
        for _ in range(200):
            yield b"x" * 65536

    with pytest.raises(BadResponse, match="more than"):
        await ask(loopback, Reply(endless()))


async def test_an_endless_stream_is_cut_off_by_the_total_time(loopback: Loopback) -> None:
    def endless():
        while True:
            yield sse(chunk({"content": "again "}))

    begin = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        await ask(loopback, Reply(endless(), pause=0.02), total_seconds=0.6)
    assert time.monotonic() - begin < 2


async def test_a_stall_before_the_first_byte_is_unavailable(loopback: Loopback) -> None:
    begin = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        await ask(loopback, Reply(then="hang"), idle_seconds=0.3)
    assert time.monotonic() - begin < 3


async def test_a_server_that_accepts_and_says_nothing_is_unavailable(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    with pytest.raises(Unavailable, match="in time"):
        await ask(loopback, Reply(before=5), idle_seconds=0.2)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_whole_answer_may_be_silent_while_it_is_made(
    loopback: Loopback, streamed: bool
) -> None:
    choice = {"message": {"content": "Hi"}, "finish_reason": "stop"}
    loopback.always(Reply.json({"id": "1", "model": "m", "choices": [choice]}, before=1.0))
    provider = loopback.provider("openai_compatible", idle_seconds=0.2)
    with mock.patch("llm.providers.http.CONNECT_SECONDS", 0.5):
        asked = provider.chat([ChatMessage("user", "Hi")], streamed=streamed)
        if streamed:
            with pytest.raises(Unavailable, match="in time"):
                await asked
        else:
            assert (await asked).text == "Hi"


async def test_a_whole_answer_takes_no_longer_than_a_call_may(loopback: Loopback) -> None:
    loopback.always(Reply.json({}, before=5))
    provider = loopback.provider("openai_compatible", total_seconds=0.3)
    with (
        mock.patch("llm.providers.http.CONNECT_SECONDS", 0.2),
        pytest.raises(Unavailable, match="in time"),
    ):
        await provider.chat([ChatMessage("user", "Hi")], streamed=False)


async def test_a_stall_in_the_middle_is_unavailable_and_keeps_what_came(loopback: Loopback) -> None:
    loopback.always(Reply([sse(chunk({"content": "Half"}))], then="hang"))
    provider = loopback.provider("openai_compatible", idle_seconds=0.3)
    stream = provider.stream_chat(HELLO)
    with pytest.raises(Unavailable, match="in time"):
        async for _ in stream:
            pass
    assert stream.text == "Half"


async def test_keep_alive_comments_do_not_hide_a_stall(loopback: Loopback) -> None:
    def comments():
        yield sse(chunk({"content": "Half"}))
        while True:
            yield b": keep-alive\n\n"

    begin = time.monotonic()
    with pytest.raises(Unavailable, match="in time"):
        await ask(loopback, Reply(comments(), pause=0.05), idle_seconds=0.4)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("then", ["cut", "reset"])
async def test_a_connection_lost_in_the_middle_is_unavailable(
    loopback: Loopback, then: str
) -> None:
    with pytest.raises(Unavailable, match="too early"):
        await ask(loopback, Reply([OPENAI.stream[:400]], then=then))


async def test_an_answer_without_a_proper_end_is_whole_when_it_says_so(loopback: Loopback) -> None:
    """Some servers close the connection right after ``[DONE]``; all of the answer is there."""
    assert await ask(loopback, Reply([OPENAI.stream], then="cut")) == TEXT
    begin = time.monotonic()
    assert await ask(loopback, Reply([OPENAI.stream], then="hang")) == TEXT
    assert time.monotonic() - begin < 10


async def test_nothing_listens(loopback: Loopback) -> None:
    provider = loopback.provider("openai_compatible")
    loopback.stop()
    provider.upstream = Upstream(
        "x", "The provider", parse_base_url("http://127.0.0.1:1"), networks=LOOPBACK
    )
    with pytest.raises(Unavailable, match="cannot be reached"):
        await provider.chat(HELLO)
    assert not (await provider.health_check()).ok


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"error": {"message": "overloaded", "type": "server_error"}}, Unavailable),
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, RateLimited),
        ({"error": {"message": "…", "code": "content_filter"}}, ContentRefused),
        ({"error": {"message": "Internal", "code": 500}}, Unavailable),
        ({"error": "something"}, Unavailable),
        (("error", {"message": "broke", "type": "server_error"}), Unavailable),
        ({"object": "error", "message": "the model failed", "code": 50000}, Unavailable),
        ({**chunk({}), "x_groq": {"error": "over capacity"}}, Unavailable),
    ],
)
@pytest.mark.parametrize("first", [True, False])
async def test_an_error_inside_a_stream_with_status_200_is_an_error(
    loopback: Loopback, event: object, kind: type[ProviderError], first: bool
) -> None:
    before = [] if first else [chunk({"content": "Half"})]
    with pytest.raises(kind):
        await ask(loopback, Reply([sse(*before, event, "[DONE]")]))


async def test_an_error_in_the_first_event_is_known_before_the_answer_begins(
    loopback: Loopback,
) -> None:
    loopback.always(Reply([sse({"error": {"message": "…", "type": "server_error"}})]))
    stream = loopback.provider("openai_compatible").stream_chat(HELLO)
    with pytest.raises(Unavailable):
        await stream.open()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: [DONE]\n\n",
        b"data: {broken\n\n",
        b"data: []\n\n",
        b"data: 7\n\n",
        b": only comments\n\n",
        b'data: {"choices": [{"delta": {}, "finish_reason": "error"}]}\n\n',
    ],
)
async def test_nothing_is_never_an_answer(loopback: Loopback, body: bytes) -> None:
    with pytest.raises(ProviderError):
        await ask(loopback, Reply([body]))


async def test_deeply_nested_json_is_refused_not_a_crash(loopback: Loopback) -> None:
    deep = b'{"a":' * 100_000
    with pytest.raises(BadResponse):
        await ask(loopback, Reply([b"data: " + deep + b"\n\n"]))
    with pytest.raises(BadResponse):
        await ask(loopback, Reply([deep], media="application/json"))


async def test_stopping_closes_the_call_at_once(loopback: Loopback) -> None:
    loopback.always(Reply([sse(chunk({"content": "Half"}))], then="hang"))
    stream = loopback.provider("openai_compatible").stream_chat(HELLO)
    async for _ in stream:
        break
    await stream.aclose()
    await asyncio.wait_for(loopback.closed_early.wait(), 5)


async def test_cancelling_closes_the_call_at_once_also_before_the_first_byte(
    loopback: Loopback,
) -> None:
    loopback.always(Reply(then="hang"))
    stream = loopback.provider("openai_compatible").stream_chat(HELLO)
    task = asyncio.create_task(stream.open())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(loopback.closed_early.wait(), 5)


async def test_the_key_is_in_no_message_repr_or_log(
    loopback: Loopback, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = loopback.provider("openai_compatible")
    loopback.always(Reply.json(openai_error("invalid_api_key", f"Incorrect key: {KEY}"), 401))
    with pytest.raises(Unauthorised) as caught:
        await provider.chat(HELLO)
    assert loopback.requests[0].headers["authorization"] == f"Bearer {KEY}"
    texts = [
        str(caught.value),
        repr(caught.value),
        repr(provider),
        repr(provider.configuration),
        repr(provider.upstream),
        caplog.text,
    ]
    assert not any(KEY in text for text in texts)


async def test_a_key_that_cannot_be_a_header_is_an_error_without_the_key(
    loopback: Loopback,
) -> None:
    for key in ("sk-line\r\nx-injected: 1", "sk-schlüssel"):
        loopback.always(Reply([OPENAI.stream]))
        with pytest.raises(InvalidRequest) as caught:
            await loopback.provider("openai_compatible", key=key).chat(HELLO)
        assert key not in str(caught.value)
    assert loopback.requests == []


async def test_cookies_are_not_kept(loopback: Loopback) -> None:
    reply = Reply([OPENAI.stream], headers={"set-cookie": "tracker=1; Path=/"})
    await ask(loopback, reply)
    await ask(loopback, reply)
    assert all("cookie" not in request.headers for request in loopback.requests)


async def test_the_environments_proxy_is_not_used(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert await ask(loopback, Reply([OPENAI.stream])) == TEXT


async def test_two_settings_share_no_connection(loopback: Loopback) -> None:
    loopback.always(Reply([OPENAI.stream]))
    for identity in ("one", "two", "one", "two"):
        provider = loopback.provider("openai_compatible")
        provider.upstream = Upstream(identity, "P", provider.upstream.base_url, networks=LOOPBACK)
        await provider.chat(HELLO)
    assert loopback.connections == 2


async def test_a_loop_that_does_not_serve_keeps_no_connection(loopback: Loopback) -> None:
    await close_clients()
    loopback.always(Reply([OPENAI.stream]))
    provider = loopback.provider("openai_compatible")
    for _ in range(3):
        await provider.chat(HELLO)
    assert loopback.connections == 3


async def test_beyond_the_most_settings_only_idle_connections_close(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned, "MAX_CLIENTS", 1)
    loopback.always(Reply([sse(chunk({"content": "Half"}))], then="hang"))
    provider = loopback.provider("openai_compatible")
    running = provider.stream_chat(HELLO)
    await running.open()
    async with loopback_server() as elsewhere:
        elsewhere.always(Reply([OPENAI.stream]))
        for identity in ("one", "two", "one"):  # each closes the one before, never the running
            other = elsewhere.provider("openai_compatible")
            other.upstream = Upstream(identity, "P", other.upstream.base_url, networks=LOOPBACK)
            assert (await other.chat(HELLO)).text == TEXT
        assert elsewhere.connections == 3
    assert not loopback.closed_early.is_set()
    await running.aclose()
    await asyncio.wait_for(loopback.closed_early.wait(), 5)


async def test_a_call_cannot_leave_its_origin(loopback: Loopback) -> None:
    async with loopback_server() as elsewhere:
        upstream = loopback.provider("openai_compatible").upstream
        for path in (f"{elsewhere.origin}/models", "@127.0.0.1/models"):
            with pytest.raises(ProviderError):
                await upstream.json("GET", path)
        assert elsewhere.requests == []


# -- The pinned address ---------------------------------------------------------------------------


async def test_a_private_address_is_not_called_unless_the_operator_allows_it(
    loopback: Loopback,
) -> None:
    loopback.always(Reply([OPENAI.stream]))
    with pytest.raises(InvalidRequest, match="not a public address"):
        await loopback.provider("openai_compatible", networks=()).chat(HELLO)
    assert loopback.connections == 0


async def test_a_name_is_resolved_once_and_the_checked_address_is_called(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a name that is public when checked and private when called gains nothing."""
    answers = [["127.0.0.1"], ["127.0.0.1", "169.254.169.254"], ["93.184.216.34"]]
    asked: list[str] = []

    async def resolver(host: str, port: int, **_: object) -> list:
        asked.append(host)
        return [(2, 1, 6, "", (address, port)) for address in answers[len(asked) - 1]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver, raising=False)
    loopback.always(Reply([OPENAI.stream]))
    upstream = Upstream(
        "pinned",
        "The provider",
        parse_base_url(f"http://models.example:{loopback.port}/v1"),
        networks=LOOPBACK,
    )
    provider = loopback.provider("openai_compatible")
    provider.upstream = upstream
    assert (await provider.chat(HELLO)).text == TEXT
    assert asked == ["models.example"]
    assert loopback.requests[0].headers["host"] == f"models.example:{loopback.port}"
    await close_clients()
    with pytest.raises(InvalidRequest, match="not a public address"):
        await provider.chat(HELLO)  # one bad address among good ones refuses the name
    with pytest.raises(InvalidRequest, match="https"):
        await provider.chat(HELLO)  # public, but in clear
    assert len(loopback.requests) == 1


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate authority of our own and a server context for ``models.example``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "models.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("models.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    authority = folder / "ca.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return authority, context


async def test_tls_is_verified_for_the_name_though_the_address_is_pinned(
    certificates: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, context = certificates

    async def resolver(host: str, port: int, **_: object) -> list:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver, raising=False)
    async with loopback_server(context) as server:
        server.always(Reply([OPENAI.stream]))

        async def call(host: str, ca_file: str) -> str:
            url = parse_base_url(f"https://{host}:{server.port}/v1")
            provider = server.provider("openai_compatible")
            provider.upstream = Upstream(
                "tls", "The provider", url, networks=LOOPBACK, ca_file=ca_file
            )
            return (await provider.chat(HELLO)).text

        assert await call("models.example", str(authority)) == TEXT
        for host, ca_file in (("other.example", str(authority)), ("models.example", "")):
            with pytest.raises(Unavailable, match="certificate"):
                await call(host, ca_file)
        assert len(server.requests) == 1
