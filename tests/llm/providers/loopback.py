"""A real HTTP server on loopback that plays a provider: raw asyncio, so it can misbehave too."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from llm.providers.adapters import ConfiguredProvider
from llm.providers.addresses import allowed_networks
from llm.providers.configuration import Configuration
from llm.providers.registry import build, vendor

LOOPBACK = allowed_networks(["127.0.0.0/8", "::1/128"])
KEY = "sk-test-0123456789-secret"


@dataclass
class Reply:
    """What the server answers: ``pieces`` are sent one by one.

    ``then`` says what follows: ``end`` ends the body properly, ``cut`` closes the connection in
    the middle, ``reset`` resets it, ``hang`` keeps it open and silent.
    """

    pieces: Iterable[bytes] = ()
    status: int = 200
    media: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    then: str = "end"
    pause: float = 0.0
    before: float = 0.0

    @classmethod
    def json(cls, body: Any, status: int = 200, **values: Any) -> Reply:
        return cls([json.dumps(body).encode()], status, "application/json", **values)


@dataclass
class Request:
    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Loopback:
    """The server. ``answer`` is asked for a reply to each request; ``requests`` remembers them."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply] = lambda request: Reply(status=404)
        self.connections = 0
        self.closed_early = asyncio.Event()
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def always(self, reply: Reply) -> None:
        self.answer = lambda request: reply

    def provider(self, vendor_key: str, *, path: str = "", **values: Any) -> ConfiguredProvider:
        """An adapter that calls this server."""
        values = {"model": "a-model", "key": KEY, "networks": LOOPBACK, **values}
        return build(
            Configuration(
                vendor(vendor_key),
                identity=f"{vendor_key}-{self.port}",
                name="The provider",
                base_url=self.origin + path,
                **values,
            )
        )

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.closed_early.set()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {
            name.lower(): value for name, _, value in (li.partition(": ") for li in lines if li)
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        request = Request(method, target, headers, body)
        self.requests.append(request)
        reply = self.answer(request)
        if reply.before and await self._leaves(reader, writer, within=reply.before):
            raise ConnectionError
        if reply.then == "refuse":
            return False
        head_lines = [
            f"HTTP/1.1 {reply.status} Status",
            f"content-type: {reply.media}",
            "transfer-encoding: chunked",
            *(f"{name}: {value}" for name, value in reply.headers.items()),
        ]
        writer.write(("\r\n".join(head_lines) + "\r\n\r\n").encode("latin-1"))
        watch = asyncio.create_task(self._watch(reader, writer))
        try:
            for piece in reply.pieces:
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
                await asyncio.sleep(reply.pause)
                if watch.done():
                    raise ConnectionError
            if reply.then == "hang":
                await asyncio.wait([watch], timeout=60)
                raise ConnectionError
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
        if reply.then == "reset":
            writer.transport.abort()
            return False
        if reply.then == "cut":
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _leaves(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, within: float
    ) -> bool:
        """Whether the client closes within so many seconds."""
        try:
            async with asyncio.timeout(within):
                await self._watch(reader, writer)
        except TimeoutError:
            return False
        return True

    async def _watch(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """End when the client closes."""
        while not reader.at_eof() and not writer.is_closing():
            await asyncio.sleep(0.005)
        self.closed_early.set()

    def stop(self) -> None:
        for task in list(self._tasks):
            task.cancel()


@contextlib.asynccontextmanager
async def loopback_server(tls: Any = None) -> AsyncIterator[Loopback]:
    loopback = Loopback()
    server = await asyncio.start_server(loopback.serve, "127.0.0.1", 0, ssl=tls)
    loopback.port = server.sockets[0].getsockname()[1]
    try:
        yield loopback
    finally:
        loopback.stop()
        server.close()


def sse(*events: Any, end: str = "\n") -> bytes:
    """Server-sent events: a string is sent as it is, all else as JSON; a pair has a name."""
    made = ""
    for event in events:
        name, value = event if isinstance(event, tuple) else ("", event)
        data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        made += (f"event: {name}{end}" if name else "") + f"data: {data}{end}{end}"
    return made.encode()


def ndjson(*values: Any) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)
