"""The writer of this process: one connection, everything that waits in one transaction.

A draft that finds the writer idle is written at once, by the thread that brings it if that can
wait; drafts that arrive while it is busy share the next COMMIT. The writer's own thread starts with
the first draft, is made anew after a fork, and ends with the process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import copy
import os
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import structlog
from django.db import (
    DEFAULT_DB_ALIAS,
    Error,
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend

from audit.ledger import Companion, LedgerUnavailable, insertions
from audit.logs import log_name
from audit.models import Record
from audit.numbering import Numbers
from audit.records import Draft, Prepared, Receipt, prepare
from orgs.handover import hand_over
from orgs.trips import Change, change_together

logger = structlog.get_logger(__name__)

# A database that answers nothing for so long cannot be reached: what waits is refused.
PATIENCE_SECONDS = 5.0
# While it answers, drafts wait for their turn, but no longer than this.
LONGEST_SECONDS = 60.0
# A draft that is being written when patience ends gets this much longer.
_GRACE_SECONDS = 1.0
_BATCH = 64
_RETRY_PAUSE_SECONDS = 0.1


@dataclass(slots=True)
class _Job:
    """One draft on its way, and the future of whoever waits for it elsewhere."""

    draft: Draft
    companion: Companion | None
    future: Future[Receipt] | asyncio.Future[Receipt] | None = None
    since: float = field(default_factory=time.monotonic)
    prepared: Prepared | None = None
    # As it went out on connections that were lost on the way: one of them may have arrived.
    lost: list[Prepared] = field(default_factory=list)
    error: Exception | None = None

    @property
    def outcome(self) -> Receipt | Exception:
        """The receipt, once it is written, or why it is not."""
        if self.error is None and self.prepared is not None:
            return self.prepared.receipt
        return self.error or LedgerUnavailable("Nothing was written.")


def write(
    drafts: Sequence[tuple[Draft, Companion | None]], *, seconds: float = 0.0
) -> list[Receipt | Exception] | None:
    """Write drafts here: what :func:`wait` returns or raises for each.

    None where it is not this thread's turn within *seconds*. Never in an event loop. To hand them
    to another thread and wait takes longer than to write them.
    """
    jobs = [_Job(draft, companion) for draft, companion in drafts]
    return [job.outcome for job in jobs] if _writer().write(jobs, seconds) else None


def wait(draft: Draft, companion: Companion | None) -> Receipt:
    """Hand a draft to this process's writer: the receipt, after COMMIT.

    Raises :class:`LedgerUnavailable` when patience ends.
    """
    future: Future[Receipt] = Future()
    job = _Job(draft, companion, future)
    _writer().put(job)
    while (left := _left(job)) > 0:
        with contextlib.suppress(TimeoutError):
            return future.result(left)
    future.cancel()
    raise _out_of_patience()


async def wait_async(draft: Draft, companion: Companion | None) -> Receipt:
    """:func:`wait` for asynchronous code."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Receipt] = loop.create_future()
    job = _Job(draft, companion, future)
    timer: asyncio.TimerHandle

    def look() -> None:
        nonlocal timer
        if (left := _left(job)) > 0:
            timer = loop.call_later(left, look)
        elif not future.done():
            future.set_exception(_out_of_patience())

    timer = loop.call_later(_left(job), look)
    _writer().put(job)
    try:
        return await future
    finally:
        timer.cancel()


def _out_of_patience() -> LedgerUnavailable:
    return LedgerUnavailable("The ledger did not answer in time.")


def _patient_until(since: float) -> float:
    """When patience with a draft of *since* ends: it begins anew whenever the database answers."""
    return min(max(since, _answered_at) + PATIENCE_SECONDS, since + LONGEST_SECONDS)


def _left(job: _Job) -> float:
    """The seconds that whoever waits for *job* goes on waiting."""
    return _patient_until(job.since) + _GRACE_SECONDS - time.monotonic()


class _Writer:
    """The connection, the queue of those who wait for it, and the thread that serves them."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._turn = threading.Lock()  # whoever has it uses the connection
        self._is_waiting = False  # the thread, for its turn
        self._connection = _own_connection()
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)
        self._thread.start()

    def put(self, job: _Job) -> None:
        self._jobs.put(job)

    def write(self, jobs: list[_Job], seconds: float) -> bool:
        """Write *jobs* and what waits, if it can be their turn. Whether they were written.

        Whoever may not wait stands back for the writer's own thread where that waits.
        """
        if _in_event_loop() or (self._is_waiting and not seconds):
            return False
        if not self._turn.acquire(timeout=seconds):
            return False
        try:
            self._write([*jobs])  # what waits joins them
        finally:
            self._turn.release()
        return True

    def stop(self) -> None:
        """Write what waits, close the connection, end the thread."""
        self._jobs.put(None)
        self._thread.join(PATIENCE_SECONDS)

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            self._is_waiting = True
            with self._turn:
                self._is_waiting = False
                self._write([first])
        with self._turn:
            self._connection.close()

    def _write(self, batch: list[_Job]) -> None:
        """Write a batch, filled up with what waits."""
        while len(batch) < _BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)  # for the thread
                break
            batch.append(job)
        with _through(self._connection):
            _finish([job for job in batch if _is_wanted(job)])


def _is_wanted(job: _Job) -> bool:
    """Whether somebody still waits for a job: from now on nobody can take it back."""
    if isinstance(job.future, Future):
        return job.future.set_running_or_notify_cancel()
    return job.future is None or not job.future.done()


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextlib.contextmanager
def _through(wrapper: BaseDatabaseWrapper) -> Iterator[None]:
    """Let this thread's default connection be another one."""
    before = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = wrapper
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = before


def _own_connection() -> BaseDatabaseWrapper:
    """A connection outside the pool, which requests may have used up, for whoever has the turn."""
    values = copy.deepcopy(connections[DEFAULT_DB_ALIAS].settings_dict)
    values["CONN_MAX_AGE"] = None
    options = values.setdefault("OPTIONS", {})
    options.pop("pool", None)
    options.setdefault("connect_timeout", 3)
    options["application_name"] = "lexcustis-writer"
    # The same few statements again and again: the server binds their values and remembers plans.
    options["server_side_binding"] = True
    wrapper: BaseDatabaseWrapper = load_backend(values["ENGINE"]).DatabaseWrapper(
        values, DEFAULT_DB_ALIAS
    )
    wrapper.inc_thread_sharing()
    return wrapper


def _finish(jobs: list[_Job]) -> None:
    """Write the jobs, and answer each."""
    while jobs:
        try:
            _write_together(jobs)
        except (OperationalError, InterfaceError) as error:
            connection.close()
            jobs = _to_repeat(jobs, error)
            time.sleep(_RETRY_PAUSE_SECONDS)
            continue
        except Exception as error:  # it must reach the caller it belongs to, and no other
            if len(jobs) > 1:
                for job in jobs:
                    _finish([job])
                return
            # What was lost on its way may have arrived after all, later than it was looked for.
            if not (isinstance(error, IntegrityError) and _has_arrived(jobs[0])):
                jobs[0].error = error
        _answer(jobs)
        return


def _write_together(jobs: list[_Job]) -> None:
    """Write all jobs in one transaction, each with one statement.

    Raises what one of them is to blame for.
    """
    for job in jobs:
        job.prepared = job.error = None
    numbers = Numbers(connection)
    ready = [changes for job in jobs if (changes := _changes_of(job, numbers))]
    if ready:
        change_together(*ready)
        numbers.are_committed()
        _note_answer()


def _changes_of(job: _Job, numbers: Numbers) -> list[Change]:
    """What writes a job. Nothing where its draft cannot be a record, which is its own error."""
    try:
        log = log_name(job.draft.organisation_id)
        job.prepared = prepare(job.draft, log, numbers.next(log.number))
    except Error:
        raise
    except Exception as error:
        job.error = error
        return []
    numbers.take(log.number)
    companion = job.companion(job.prepared.receipt) if job.companion is not None else ()
    return [*insertions(job.prepared), *companion]


def _note_answer() -> None:
    global _answered_at  # noqa: PLW0603 - of this process's one writer
    _answered_at = time.monotonic()


def _to_repeat(jobs: list[_Job], error: Exception) -> list[_Job]:
    """After a lost connection: answer what was committed after all and what waited too long."""
    waiting = []
    for job in jobs:
        if job.prepared is not None:
            job.lost.append(job.prepared)
            # One record, however often it is sent: the first that arrives shuts the others out.
            job.draft = replace(job.draft, id=job.prepared.receipt.record_id)
        if _has_arrived(job):
            _answer([job])
        elif time.monotonic() < _patient_until(job.since):
            waiting.append(job)
        else:
            logger.error("ledger.unavailable", kind=job.draft.kind.value, error=repr(error))
            job.error = LedgerUnavailable("The ledger cannot be reached.")
            _answer([job])
    return waiting


def _has_arrived(job: _Job) -> bool:
    """Whether the record is in the database as it once went out, as far as that can be asked."""
    ids = [prepared.receipt.record_id for prepared in job.lost]
    try:
        stored = {bytes(record.bytes) for record in Record.objects.filter(pk__in=ids)}
    except Error:
        return False
    for prepared in job.lost:
        if prepared.data in stored:
            job.prepared = prepared
            return True
    return False


def _answer(jobs: Sequence[_Job]) -> None:
    """Tell those who wait elsewhere."""
    in_loops = []
    for job in jobs:
        outcome = job.outcome
        if isinstance(job.future, asyncio.Future):
            in_loops.append((job.future, outcome))
        elif job.future is not None:
            if isinstance(outcome, Exception):
                job.future.set_exception(outcome)
            else:
                job.future.set_result(outcome)
    hand_over(in_loops)


_answered_at = 0.0
_current: _Writer | None = None
_lock = threading.Lock()


def _writer() -> _Writer:
    global _current  # noqa: PLW0603 - one writer in each process
    with _lock:
        if _current is None:
            _current = _Writer()
        return _current


def stop_writer() -> None:
    """End this process's writer; the next draft starts another."""
    global _current
    with _lock:
        writer, _current = _current, None
    if writer is not None:
        writer.stop()


def _forget_writer() -> None:
    global _current, _lock
    _current, _lock = None, threading.Lock()


atexit.register(stop_writer)
os.register_at_fork(after_in_child=_forget_writer)
