"""Watches over the silence of an upstream: a provider that stops in mid-answer is a failed one.

Adapters over HTTP time their own pieces; this holds for every adapter, also of a plug-in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from llm.providers.base import Event
from llm.providers.errors import Unavailable


class Silence:
    """Ends the task that reads *events* when nothing came for *seconds*.

    One timer for a whole call, looked at seldom: a timer for each piece would cost more than the
    piece. Time that the reader downstream takes does not count.
    """

    def __init__(self, events: AsyncGenerator[Event, None], seconds: float) -> None:
        self._events = events
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting_since: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.is_broken = False

    async def events(self) -> AsyncGenerator[Event, None]:
        """The same events, watched. Where it gets too quiet the reading task is cancelled."""
        self._task = asyncio.current_task()
        self._look()
        try:
            while True:
                self._waiting_since = self._loop.time()
                event = await anext(self._events, None)
                self._waiting_since = None
                if event is None:
                    return
                yield event
        finally:
            self._waiting_since = None
            if self._timer is not None:
                self._timer.cancel()
            await self._events.aclose()

    def error(self) -> Unavailable:
        """What to tell the person who waits."""
        return Unavailable("The provider stopped answering. Try again, or choose another one.")

    def _look(self) -> None:
        left = self._seconds
        if self._waiting_since is not None:
            left = self._waiting_since + self._seconds - self._loop.time()
        if left <= 0 and self._task is not None:
            self.is_broken = True
            self._task.cancel()
        else:
            self._timer = self._loop.call_later(max(left, 0.01), self._look)
