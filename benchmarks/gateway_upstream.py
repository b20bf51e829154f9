"""The upstream of the gateway's measurements: a model server on loopback that does almost nothing.

It speaks OpenAI's chat completions, streamed and whole. The model's name says how it answers:
``n2000-i0`` in 2,000 pieces without a pause, ``n40-i50`` in 40 with 50 ms between them. Each piece
is the first word of the last message and a space, so that an answer can be told from every other;
the usage is drawn by chance, so that nobody can guess it. ``GET /journal`` tells of every call what
was said of its usage and when its connection was over, on the clock that all processes share.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
import time
from typing import Any

CALL_PATHS = (b"/v1/chat/completions", b"/chat/completions")
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_LAST = b"0\r\n\r\n"


class Journal:
    """What became of every call, by the id in its answer."""

    def __init__(self) -> None:
        self.calls: dict[str, dict[str, Any]] = {}
        self.open = 0
        self._chance = random.Random(1)

    def begin(self, word: str, pieces: int) -> str:
        """Note a call, and decide its usage."""
        name = f"chatcmpl-{len(self.calls)}"
        self.open += 1
        self.calls[name] = {
            "word": word,
            "input_tokens": self._chance.randrange(5, 5000),
            "output_tokens": pieces + self._chance.randrange(0, 5000),
            "completed": False,
            "over": None,
        }
        return name

    def end(self, name: str, *, completed: bool) -> None:
        """Note that all was sent, or that the other side has gone."""
        self.open -= 1
        self.calls[name] |= {"completed": completed, "over": time.monotonic()}


class Conversation:
    """One connection, read and written as anybody would who writes such a server in Python."""

    def __init__(
        self, journal: Journal, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._writer = writer

    async def serve(self) -> None:
        """Answer one request after the other. Ends at once when the other side has gone."""
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
            body = await self._reader.readexactly(int(length or 0))
            path = head.split(b" ", 2)[1]
            if path in CALL_PATHS:
                await self._answer(json.loads(body))
            else:
                self._tell(path)

    async def _answer(self, asked: dict[str, Any]) -> None:
        pieces, interval = (int(part[1:]) for part in asked["model"].split("-"))
        word = _first_word(asked["messages"][-1]["content"])
        name, completed = self._journal.begin(word, pieces), False
        # Nobody sends before the answer is over: whatever can be read is the end.
        gone = asyncio.ensure_future(self._reader.read(1))
        answering = asyncio.current_task()
        assert answering is not None
        gone.add_done_callback(lambda done: done.cancelled() or answering.cancel())
        try:
            if asked.get("stream"):
                await self._stream(asked["model"], name, word, pieces, interval / 1000)
            else:
                await asyncio.sleep(pieces * interval / 1000)
                texts = _in_turns(word)
                text = "".join(texts[number % 2] for number in range(pieces))
                self._whole(self._completion(asked["model"], name, text))
            completed = True
        finally:
            self._journal.end(name, completed=completed)
            gone.cancel()
            await asyncio.wait({gone})

    async def _stream(self, model: str, name: str, word: str, pieces: int, seconds: float) -> None:
        chunk = {"id": name, "object": "chat.completion.chunk", "created": 1, "model": model}
        texts = []
        for text in _in_turns(word):
            delta = {"index": 0, "delta": {"content": text}, "finish_reason": None}
            texts.append(_chunk(json.dumps({**chunk, "choices": [delta]})))
        stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
        last = _chunk(json.dumps({**chunk, "choices": [stop]}))
        last += _chunk(json.dumps({**chunk, "choices": [], "usage": self._usage(name)}))
        self._writer.write(_HEAD + texts[0])
        for number in range(1, pieces):
            await asyncio.sleep(seconds)
            self._writer.write(texts[number % 2])
            await self._writer.drain()
        self._writer.write(last + _chunk("[DONE]") + _LAST)

    def _completion(self, model: str, name: str, text: str) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return {
            "id": name,
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": [choice],
            "usage": self._usage(name),
        }

    def _usage(self, name: str) -> dict[str, int]:
        call = self._journal.calls[name]
        prompt, answer = call["input_tokens"], call["output_tokens"]
        return {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
        }

    def _tell(self, path: bytes) -> None:
        told: dict[bytes, Any] = {
            b"/journal": self._journal.calls,
            b"/open": self._journal.open,
        }
        self._whole(told.get(path))

    def _whole(self, answer: Any) -> None:
        body = json.dumps(answer).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        self._writer.write(head.encode() + b"\r\n\r\n" + body)


def serve(port: int) -> None:
    """Serve until the process is ended."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(port))


async def _serve(port: int) -> None:
    journal = Journal()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(asyncio.CancelledError, asyncio.IncompleteReadError, OSError):
            await Conversation(journal, reader, writer).serve()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


def _first_word(content: Any) -> str:
    text = content if isinstance(content, str) else content[0]["text"]
    return str(text).split()[0] + " "


def _in_turns(word: str) -> tuple[str, str]:
    """Two texts in turns: some gateways cut off a model that only repeats itself."""
    return word, word.replace(" ", "\n")


def _chunk(data: str) -> bytes:
    event = f"data: {data}\n\n".encode()
    return f"{len(event):x}\r\n".encode() + event + b"\r\n"
