"""Cutting a provider's byte stream into events: server-sent events and lines of JSON.

Both readers are fed pieces as they come from the network, cut anywhere, also inside a character.
They are tolerant where vendors differ, and refuse an event that grows without end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from llm.providers.errors import BadResponse

MAX_EVENT_BYTES = 4 * 1024 * 1024

_Item = TypeVar("_Item")


class Framing(Protocol[_Item]):
    """Something that turns pieces of bytes into items."""

    def feed(self, piece: bytes) -> list[_Item]:
        """The items that *piece* completes."""

    def finish(self) -> list[_Item]:
        """The items that the end of the stream completes."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: its name (``""`` where the vendor gives none) and its data lines joined."""

    name: str
    data: str


class Lines:
    r"""Lines ended by ``\n``, ``\r\n`` or ``\r``, without their ends."""

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._limit = limit
        # Pieces of the line that has not ended yet: joined once, so that a long line is linear.
        self._open: list[bytes] = []
        self._open_bytes = 0

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that *piece* completes."""
        if not piece:
            return []
        if self._open_bytes + len(piece) > self._limit and b"\n" not in piece:
            raise too_large(self._limit)
        if b"\n" not in piece and b"\r" not in piece and not self._ends_in_return():
            self._keep(piece)
            return []
        lines = (b"".join(self._open) + piece).splitlines(keepends=True)
        self._open, self._open_bytes = [], 0
        # A lone \r at the very end may be the first half of \r\n: wait for the next piece.
        if not lines[-1].endswith(b"\n"):
            self._keep(lines.pop())
        return [line.rstrip(b"\r\n") for line in lines]

    def finish(self) -> list[bytes]:
        """The last line, where its end is missing."""
        rest = b"".join(self._open)
        self._open, self._open_bytes = [], 0
        return [rest.rstrip(b"\r\n")] if rest else []

    def _keep(self, piece: bytes) -> None:
        self._open.append(piece)
        self._open_bytes += len(piece)
        if self._open_bytes > self._limit:
            raise too_large(self._limit)

    def _ends_in_return(self) -> bool:
        return bool(self._open) and self._open[-1].endswith(b"\r")


class ServerSentEvents:
    """The HTML standard's event stream, from bytes.

    Comments, ``id``, ``retry`` and events named ``ping`` are dropped; an event whose final blank
    line is missing counts at the end of the stream, since some servers leave it out.
    """

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._lines = Lines(limit=limit)
        self._limit = limit
        self._name = ""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._at_start = True

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The events that *piece* completes."""
        return self._read(self._lines.feed(piece))

    def finish(self) -> list[ServerSentEvent]:
        """The last event, where the stream ended without a blank line."""
        return self._read([*self._lines.finish(), b""])

    def _read(self, lines: list[bytes]) -> list[ServerSentEvent]:
        events: list[ServerSentEvent] = []
        for line in lines:
            if self._at_start:
                self._at_start = False
                line = line.removeprefix(b"\xef\xbb\xbf")  # noqa: PLW2901 - the byte order mark
            if not line:
                # A ping keeps the connection alive and says nothing.
                if self._data and self._name != "ping":
                    data = b"\n".join(self._data).decode("utf-8", "replace")
                    events.append(ServerSentEvent(self._name, data))
                self._name, self._data, self._data_bytes = "", [], 0
                continue
            self._field(line)
        return events

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value)
            if self._data_bytes > self._limit:
                raise too_large(self._limit)
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")


class JsonLines:
    """Newline-delimited JSON: each item is the text of one line; empty lines are dropped."""

    def __init__(self, *, limit: int = MAX_EVENT_BYTES) -> None:
        self._lines = Lines(limit=limit)

    def feed(self, piece: bytes) -> list[str]:
        """The lines that *piece* completes."""
        return [line.decode("utf-8", "replace") for line in self._lines.feed(piece) if line.strip()]

    def finish(self) -> list[str]:
        """The last line, where its end is missing."""
        return [line.decode("utf-8", "replace") for line in self._lines.finish() if line.strip()]


def too_large(limit: int) -> BadResponse:
    """The refusal of an answer or event beyond *limit* bytes."""
    return BadResponse(f"The provider sent more than {limit:,} bytes at once; the call was ended.")
