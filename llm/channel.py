"""The bounded way from the task that reads upstream to the response that writes downstream."""

from __future__ import annotations

import asyncio
from collections import deque

# Pieces that may wait for a slow reader before the upstream call has to wait too.
CAPACITY = 64


class ReaderGone(Exception):
    """Nobody takes what is written."""


class Channel:
    """Pieces of text for one reader, with back-pressure; bound to one event loop.

    Whatever waits is handed over joined, so that a reader who is behind catches up in one step.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._pieces: deque[str] = deque()
        self._closed = False
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    async def put(self, piece: str, *, patience: float) -> None:
        """Hand *piece* over; wait while the reader is behind.

        Raises :class:`ReaderGone` where the reader took nothing for *patience* seconds.
        """
        if len(self._pieces) >= self._capacity:
            self._writer = asyncio.get_running_loop().create_future()
            done, _ = await asyncio.wait({self._writer}, timeout=patience)
            if not done:
                raise ReaderGone
        self._pieces.append(piece)
        _wake(self._reader)

    def close(self) -> None:
        """No more will come. Never waits."""
        self._closed = True
        _wake(self._reader)

    async def get(self, *, patience: float | None = None) -> str | None:
        """All that waits, joined; None at the end; "" where nothing came for *patience* seconds."""
        if not self._pieces and not self._closed:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(patience):
                    await self._reader
            except TimeoutError:
                return ""
            finally:
                self._reader = None
        if not self._pieces:
            return None
        joined = self._pieces[0] if len(self._pieces) == 1 else "".join(self._pieces)
        self._pieces.clear()
        _wake(self._writer)
        return joined


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
