"""The client of the gateway's measurements: raw sockets, since an SDK would be the bottleneck.

:class:`Direct` (one request at a time) builds on the client of :mod:`benchmarks.first_token`;
:func:`together` opens many streams in one event loop.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from benchmarks.first_token import Client

WORD = "word"
_END = b"0\r\n\r\n"
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Target:
    """Something that answers chat completions: the upstream itself, ours, or another's gateway."""

    name: str
    port: int
    key: str = ""
    pid: int = 0

    def request(self, model: str, *, word: str = WORD, streamed: bool = True) -> bytes:
        """The bytes of one request; the same for all but the key."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": f"{word} is what to say"}],
        }
        if streamed:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        data = json.dumps(body).encode()
        lines = ["POST /v1/chat/completions HTTP/1.1", f"Host: 127.0.0.1:{self.port}"]
        lines += [f"Content-Length: {len(data)}", "Content-Type: application/json"]
        if self.key:
            lines.append(f"Authorization: Bearer {self.key}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + data

    def client(self, model: str) -> Client:
        """A kept connection for one request after the other."""
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        body = {"model": model, "messages": [{"role": "user", "content": f"{WORD} is what to say"}]}
        return Client(
            self.port, "/v1/chat/completions", headers, body | {"stream": True}, WORD.encode()
        )


def told(port: int, path: str) -> Any:
    """What the upstream tells of itself: ``/journal`` or ``/open``."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
        return json.loads(answer.read())


@dataclass
class Seen:
    """One stream as its client saw it; times in seconds."""

    began: float
    first: float = 0.0
    last: float = 0.0
    over: float = 0.0
    pieces: int = 0
    events: int = 0
    gaps: list[float] = field(default_factory=list)
    problem: str = ""
    received: bytearray = field(default_factory=bytearray)  # where it is kept

    @property
    def per_second(self) -> float:
        """Pieces of the answer a second, from the request to the end."""
        return self.pieces / (self.over - self.began)

    @property
    def first_token_ms(self) -> float:
        """From the request to the first piece of the answer."""
        return (self.first - self.began) * 1000


class Stream(asyncio.Protocol):
    """One request on a connection of its own."""

    def __init__(
        self, request: bytes, word: bytes, over: asyncio.Future[Seen], *, keep: bool = False
    ) -> None:
        self._request = request
        self._word = word
        self.over = over
        self._keep = keep
        self._tail = b""
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.seen = Seen(time.monotonic())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit
        self.seen.began = time.monotonic()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count and time the pieces."""
        now, seen = time.monotonic(), self.seen
        if self._keep:
            seen.received += data
        joined = self._tail + data
        pieces = joined.count(self._word)
        seen.events += joined.count(b"data: {")
        if pieces:
            if seen.first:
                seen.gaps.append(now - seen.last)
            else:
                seen.first = now
                self._begin()
            seen.last = now
            seen.pieces += pieces
        if joined.endswith(_END):
            self._finish(now)
            return
        # What may be the first half of a word or of the end stays for the next time.
        self._tail = joined[-(len(self._word) - 1) :]
        if joined.startswith(b"HTTP/1.1 ") and not joined.startswith(b"HTTP/1.1 200"):
            seen.problem = joined[:300].decode(errors="replace")

    def connection_lost(self, error: Exception | None) -> None:
        """A connection that is lost before the end is a failed stream."""
        if not self.over.done():
            self.seen.problem = self.seen.problem or f"the connection was lost: {error!r}"
            self._finish(time.monotonic())

    def go(self) -> None:
        """Close the connection now, as a reader does who has seen enough."""
        self.seen.over = time.monotonic()
        self._transport.abort()
        if not self.over.done():
            self.over.set_result(self.seen)

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def _finish(self, now: float) -> None:
        self.seen.over = now
        self._begin()
        if not self.over.done():
            self.over.set_result(self.seen)
        self._transport.close()


async def open_stream(target: Target, request: bytes, word: str, *, keep: bool = False) -> Stream:
    """Begin a stream; its end is :func:`ended`."""
    loop = asyncio.get_running_loop()
    over: asyncio.Future[Seen] = loop.create_future()
    _, stream = await loop.create_connection(
        lambda: Stream(request, word.encode(), over, keep=keep), "127.0.0.1", target.port
    )
    return stream


async def ended(stream: Stream) -> Seen:
    """Wait until *stream* is over."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await stream.over
    except TimeoutError:
        stream.seen.problem = "no end in time"
        return stream.seen


@dataclass(frozen=True)
class Crowd:
    """Many streams at once, and what they came to."""

    seen: Sequence[Seen]
    pieces: int

    @property
    def failed(self) -> list[str]:
        """What went wrong with those that have not their whole answer."""
        return [
            one.problem or f"{one.pieces} pieces of {self.pieces}"
            for one in self.seen
            if one.problem or one.pieces != self.pieces
        ]

    @property
    def first_token_ms(self) -> float:
        """Median over the streams that got one."""
        return statistics.median(one.first_token_ms for one in self.seen if one.first)

    @property
    def gap_p99_ms(self) -> float:
        """The gap between two pieces that only one in a hundred exceeds."""
        gaps = sorted(gap for one in self.seen for gap in one.gaps)
        return gaps[int(len(gaps) * 0.99)] * 1000 if gaps else 0.0


def together(
    target: Target,
    model: str,
    count: int,
    *,
    over_seconds: float = 0.0,
    when_open: Callable[[], None] | None = None,
) -> Crowd:
    """*count* streams at once, begun within *over_seconds*; *when_open* runs once all have text."""
    return uvloop.run(_together(target, model, count, over_seconds, when_open))


async def _together(
    target: Target,
    model: str,
    count: int,
    over_seconds: float,
    when_open: Callable[[], None] | None,
) -> Crowd:
    request = target.request(model)
    streams = []
    begun = asyncio.get_running_loop().time()
    for number in range(count):
        pause = begun + over_seconds * number / count - asyncio.get_running_loop().time()
        if pause > 0:
            await asyncio.sleep(pause)
        streams.append(await open_stream(target, request, WORD))
    if when_open is not None:
        await asyncio.gather(*(one.begun for one in streams))
        await asyncio.to_thread(when_open)
    seen = await asyncio.gather(*(ended(one) for one in streams))
    return Crowd(seen, int(model[1:].partition("-")[0]))


def flood(target: Target, model: str) -> Seen:
    """One stream as fast as it goes."""
    return together(target, model, 1).seen[0]


def requests_per_second(target: Target, model: str, *, clients: int, seconds: float) -> float:
    """Whole answers a second over *clients* kept connections."""
    return uvloop.run(_requests(target, model, clients, seconds))


async def _requests(target: Target, model: str, clients: int, seconds: float) -> float:
    request = target.request(model, streamed=False)
    began = time.monotonic()
    done = await asyncio.gather(
        *(_ask_again(target, request, began + seconds) for _ in range(clients))
    )
    return sum(done) / (time.monotonic() - began)


async def _ask_again(target: Target, request: bytes, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    done = 0
    while time.monotonic() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        body = await (reader.readexactly(int(length)) if length else reader.readuntil(_END))
        if not head.startswith(b"HTTP/1.1 200") or WORD.encode() not in body:
            raise ValueError(f"{target.name}: {head[:200]!r} {body[:300]!r}")
        done += 1
    writer.close()
    return done
