"""What a thread has for coroutines that wait: each event loop is woken once for all of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

# A future of an event loop with its result, or with the exception that it is to raise.
Answer = tuple[asyncio.Future[Any], Any]


def hand_over(answers: Iterable[Answer]) -> None:
    """Set the results of futures whose event loops run in other threads; never waits.

    Nothing happens to a future that is done, nor to those of a loop that is closed.
    """
    own: dict[asyncio.AbstractEventLoop, list[Answer]] = defaultdict(list)
    for future, outcome in answers:
        own[future.get_loop()].append((future, outcome))
    for loop, found in own.items():
        with contextlib.suppress(RuntimeError):  # it is closed: nobody waits there any more
            loop.call_soon_threadsafe(_set, found)


def _set(answers: list[Answer]) -> None:
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
