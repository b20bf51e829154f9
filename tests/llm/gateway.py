"""Providers of a test: real HTTP servers on loopback in a thread, as rows of the organisation."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from audit.canonical import decode
from audit.models import RecordIndex
from audit.reading import record_bytes
from llm import provider_settings
from llm.models import Inference, ProviderSettings
from tests.cast import Cast
from tests.llm.providers.loopback import Loopback, Reply, Request, loopback_server, sse

# The application's loop is closed by the test, and may not hold a connection then.
CLOSE = {"connection": "close"}
USAGE = {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}


def ask(client: httpx2.Client, **values: Any) -> httpx2.Response:
    """A question in the chat, and its whole answer."""
    return client.post("/api/v1/chat", json={"message": "Hello", "stream": False, **values})


def answering(text: str = "Hello there", model: str = "m-2026", **values: Any) -> Reply:
    """A whole answer in OpenAI's form, streamed."""
    return Reply(
        [
            sse(_chunk({"role": "assistant", "content": ""}, model)),
            *(sse(_chunk({"content": f"{word} "}, model)) for word in text.split()),
            sse(_chunk({}, model, "stop"), {"choices": [], "usage": USAGE}, "[DONE]"),
        ],
        headers=CLOSE,
        **values,
    )


def accepted_only(**values: Any) -> Reply:
    """The beginning of an answer, without any word of it."""
    return Reply(
        [sse(_chunk({"role": "assistant", "content": ""}, "m-2026"))], headers=CLOSE, **values
    )


def refusing(status: int, **headers: str) -> Reply:
    named = CLOSE | {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply.json({"error": {"message": "no", "type": "server_error"}}, status, headers=named)


def one_after_another(*replies: Reply) -> Callable[[Request], Reply]:
    """Each request gets the next reply, and the last one again and again."""
    left = list(replies)
    return lambda _request: left.pop(0) if len(left) > 1 else left[0]


def _chunk(delta: dict[str, Any], model: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "up-1", "object": "chat.completion.chunk", "model": model, "choices": [choice]}


@dataclass
class Gateway:
    """Makes providers of *cast*'s organisation that call servers of this test."""

    cast: Cast
    loop: asyncio.AbstractEventLoop
    servers: dict[str, Loopback] = field(default_factory=dict)
    rows: dict[str, ProviderSettings] = field(default_factory=dict)

    def add(self, name: str, *replies: Reply, **values: Any) -> Loopback:
        """A provider that gives these replies, by the order of adding; its server."""
        server = asyncio.run_coroutine_threadsafe(self._serve(), self.loop).result(10)
        server.answer = one_after_another(*replies)
        defaults: dict[str, Any] = {
            "vendor": "openai_compatible",
            "default_model": "m",
            "base_url": f"{server.origin}/v1",
            "data_region": "EU",
            "priority": 10 + len(self.servers),
        }
        self.servers[name] = server
        self.rows[name] = provider_settings.create(
            tenant=self.cast.alice, name=name, **(defaults | values)
        )
        return server

    def dead(self, name: str, **values: Any) -> None:
        """A provider whose server is not there."""
        self.add(name, refusing(500), **({"base_url": "http://127.0.0.1:9/v1"} | values))

    async def _serve(self) -> Loopback:
        made = loopback_server()
        server = await made.__aenter__()
        self._open.append(made)
        return server

    _open: list[Any] = field(default_factory=list)

    def calls(self, name: str) -> int:
        """How many chats reached a provider."""
        return sum("chat/completions" in r.target for r in self.servers[name].requests)

    def attempts(self, *, ended: bool = True) -> list[Inference]:
        """The organisation's calls in their order, once all have ended."""
        rows = Inference.objects.for_organisation(self.cast.organisation.pk)
        deadline = time.monotonic() + 10
        while ended and rows.filter(state="started").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        return list(rows.order_by("started_at", "attempt"))

    def record(self, record_id: Any) -> dict[str, Any]:
        """A record as it stands in the log."""
        return decode(record_bytes(self.cast.organisation.pk, record_id))

    def kinds(self) -> list[str]:
        """The kinds of all records of calls, oldest first."""
        rows = RecordIndex.objects.for_organisation(self.cast.organisation.pk)
        found = rows.filter(kind__startswith="inference.").order_by("at", "record_id")
        return list(found.values_list("kind", flat=True))


@contextlib.contextmanager
def gateway_of(cast: Cast) -> Iterator[Gateway]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    made = Gateway(cast, loop)
    try:
        yield made
    finally:

        async def close() -> None:
            for server in made._open:
                await server.__aexit__(None, None, None)

        asyncio.run_coroutine_threadsafe(close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
