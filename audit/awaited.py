"""The receipts that a request must see sealed before it is answered.

Whoever answers people opens a collector (:func:`collecting`); the ledger notes in it, after COMMIT,
each record of a kind that a person waits for. Outside of a request there is no collector, and
nobody waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import transaction

from audit.records import Receipt


class Collector:
    """What was committed so far. Shared by every thread and task that the request uses."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self._is_open = True

    def add(self, receipt: Receipt) -> None:
        """Note a committed record. Nothing once the request is answered: a task may outlive it."""
        if self._is_open:
            self.receipts.append(receipt)

    def close(self) -> None:
        """Note nothing more."""
        self._is_open = False


# The collector is changed, never replaced: so what another thread notes is seen in this one.
_current: ContextVar[Collector | None] = ContextVar("awaited_records", default=None)


@contextmanager
def collecting() -> Iterator[Collector]:
    """Collect the awaited records that are committed within."""
    collector = Collector()
    token = _current.set(collector)
    try:
        yield collector
    finally:
        collector.close()
        _current.reset(token)


def note_committed(receipt: Receipt) -> None:
    """Note an awaited record that is committed."""
    if (collector := _current.get()) is not None:
        collector.add(receipt)


def note_at_commit(receipt: Receipt) -> None:
    """Note an awaited record once the open transaction is committed; never if it rolls back."""
    if (collector := _current.get()) is not None:
        transaction.on_commit(lambda: collector.add(receipt))
