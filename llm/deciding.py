"""Calls that wait to be decided are decided together.

To decide a call is some Python and three ways to the database: what is read for it, what it
reserves, and the record of its request. A thread that takes all calls that wait goes each way once
for all of them: what several ask alike is read once, after the last of them came, and their records
are one COMMIT. A call that comes alone is decided at once.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import OperationalError, connections

from audit.ledger import Receipt
from llm import budgets
from llm.calls import Call
from llm.pump import record_requests
from orgs.handover import hand_over
from orgs.prepared_queries import asking_once

logger = structlog.get_logger(__name__)

_MOST_AT_ONCE = 16
# More threads would only wait for each other. Usually one is at work; another one helps where that
# takes so long over what it has.
_MOST_THREADS = 4
_HELP_SECONDS = 0.05
# Whoever waited so long for a database that fails speaks for those who come after it.
_LONG_SECONDS = 1.0

DecidedCall = tuple[Call, Receipt | None]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A call to be decided, in the context of whoever asks for it: language, request id."""

    prepared: Callable[[], Call]
    future: asyncio.Future[DecidedCall]
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    call: Call | None = None
    receipt: Receipt | None = None
    error: Exception | None = None

    def go_on(self, step: Callable[..., Call], *given: Any) -> None:
        """Take the next step; what it raises belongs to whoever asked, and to nobody else."""
        try:
            self.call = self.context.run(step, *given)
        except Exception as error:
            self.call, self.error = None, error

    def note(self, recorded: Receipt | Exception | None) -> None:
        """What became of the record of the request."""
        if isinstance(recorded, Exception):
            self.error = recorded
        else:
            self.receipt = recorded

    @property
    def outcome(self) -> DecidedCall | Exception:
        """What whoever asked gets, once it is decided."""
        if self.error is None and self.call is not None:
            return self.call, self.receipt
        return self.error or RuntimeError("Nothing was decided.")


class _Deciders:
    """The calls that wait, and the threads that take them."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting] = deque()
        self._at_work = 0
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_MOST_THREADS, thread_name_prefix="deciding")

    def put(self, one: _Waiting) -> None:
        """Let a call be decided: by a thread that begins now, or by the one that is at work."""
        self._waiting.append(one)
        if not self._begin(most=1):
            one.future.get_loop().call_later(_HELP_SECONDS, self._begin)

    def _begin(self, most: int = _MOST_THREADS) -> bool:
        """Set another thread to work, if calls wait and fewer than *most* are at it."""
        with self._lock:
            if not self._waiting or self._at_work >= most:
                return False
            self._at_work += 1
        self._threads.submit(self._work)
        return True

    def _work(self) -> None:
        while batch := self._taken():
            try:
                _decide(batch)
            except Exception as error:  # nobody may wait for ever
                logger.exception("inference.not_decided", calls=len(batch))
                for one in batch:
                    one.error = one.error or error
            hand_over((one.future, one.outcome) for one in batch)

    def _taken(self) -> list[_Waiting]:
        """What waits, up to a limit; with nothing this thread's work is over."""
        with self._lock:
            count = min(len(self._waiting), _MOST_AT_ONCE)
            if not count:
                self._at_work -= 1
            return [self._waiting.popleft() for _ in range(count)]


_deciders = _Deciders()


def soon_decided(prepared: Callable[[], Call]) -> asyncio.Future[DecidedCall]:
    """Decide the call that *prepared* makes, in another thread.

    The receipt is that of its request, None where the ledger is busy and it is not recorded yet.
    The future may raise what *prepared* raises, and :class:`llm.calls.CallFailed`.
    """
    future: asyncio.Future[DecidedCall] = asyncio.get_running_loop().create_future()
    _deciders.put(_Waiting(prepared, future))
    return future


def _decide(batch: list[_Waiting]) -> None:
    """Prepare, admit and record. A connection to the database is held for the first two only."""
    try:
        with asking_once():
            _prepare(batch)
            ready = _going_on(batch)
            passed = budgets.reserve([call for _one, call in ready])
            for (one, call), outcome in zip(ready, passed, strict=True):
                one.go_on(budgets.judged, call, outcome)
    finally:
        connections.close_all()
    if ready := _going_on(batch):
        recorded = record_requests([call for _one, call in ready])
        for (one, _call), receipt in zip(ready, recorded, strict=True):
            one.note(receipt)


def _prepare(batch: list[_Waiting]) -> None:
    """Everything that is read for the calls."""
    began = time.monotonic()
    for number, one in enumerate(batch):
        one.go_on(one.prepared)
        if isinstance(one.error, OperationalError) and time.monotonic() - began > _LONG_SECONDS:
            for other in batch[number + 1 :]:
                other.error = one.error
            return


def _going_on(batch: list[_Waiting]) -> list[tuple[_Waiting, Call]]:
    """Those that nothing has failed for so far."""
    return [(one, one.call) for one in batch if one.call is not None]
