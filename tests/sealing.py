"""Sealing to the end, as tests want it before they look at a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from audit.models import Log, SealState
from audit.sealing import SealReport, seal_once
from audit.verification import verify_log


def wait_for_running_transactions(*, at_most: float = 60) -> None:
    """Return when every transaction that runs now has ended, so that nothing holds sealing back.

    A round seals only what is older than the oldest transaction of the whole server, and the tests
    that run beside this one have theirs there, in other databases.
    """
    deadline = time.monotonic() + at_most
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        ((now,),) = cursor.fetchall()
        while True:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            ((oldest,),) = cursor.fetchall()
            if oldest > now:
                return
            assert time.monotonic() < deadline, f"Transaction {oldest} never ended."
            time.sleep(0.01)


def seal() -> None:
    """Seal and sign everything that is committed now."""
    wait_for_running_transactions()
    while True:
        report = seal_once()
        assert problems_of(report) == []
        if not report.busy and not report.more:
            return


def problems_of(report: SealReport) -> list[str]:
    """What went wrong in a round, but for the logs that other tests damaged on purpose."""
    return [problem for problem in report.problems if not _is_damaged(problem)]


@contextmanager
def sealing_meanwhile() -> Iterator[None]:
    """A sealer at work, in a thread of its own."""
    stop = threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                seal()
                stop.wait(0.01)
        finally:
            connection.close()

    seal()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def sealer_was_seen(ago: timedelta) -> None:
    """As if the sealer had looked for the last time so long ago."""
    SealState.objects.update(looked_at=timezone.now() - ago)


def _is_damaged(problem: str) -> bool:
    """Whether the problem is with a log that another test has damaged on purpose."""
    log = Log.unscoped.filter(origin=problem.partition(": ")[0]).first()
    return log is not None and not verify_log(log.organisation_id).valid
