"""Writer numbers: 1, 2, 3 … for each writer in each log, without a hole in honest operation.

A hole is evidence that a record was deleted before it was sealed, so numbers must survive
roll-backs: a number whose transaction was rolled back is used again. A writer is one database
connection; it has another random id in each log, so that logs cannot be matched by it.
"""

from __future__ import annotations

import secrets
import weakref
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(slots=True)
class _Writer:
    """One connection's writer in one log."""

    id: str = field(default_factory=lambda: secrets.token_hex(6))
    committed: int = 0


@dataclass(frozen=True, slots=True)
class _Taken:
    """A number used in the open transaction: a commit hook that counts it as committed."""

    writer: _Writer

    def __call__(self) -> None:
        self.writer.committed += 1


# Bound to the driver's connection: once that is lost nobody knows what was committed, so the next
# connection has new writers. A forked child never uses its parent's connections.
_writers: weakref.WeakKeyDictionary[Any, defaultdict[int, _Writer]] = weakref.WeakKeyDictionary()


class Numbers:
    """The numbers of records that are sent together on a connection without a transaction.

    Whoever sends them says when they were committed; the numbers of a batch that was not are used
    again.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._of_connection = _writers_of(connection)
        self._taken: Counter[int] = Counter()

    def next(self, log_number: int) -> tuple[str, int]:
        """Writer id and number for the next record of this log; the same until it is taken."""
        writer = self._of_connection[log_number]
        return writer.id, writer.committed + self._taken[log_number] + 1

    def take(self, log_number: int) -> None:
        """Take that number: there is a record that has it."""
        self._taken[log_number] += 1

    def are_committed(self) -> None:
        """Count them."""
        for log_number, count in self._taken.items():
            self._of_connection[log_number].committed += count
        self._taken.clear()


def _writers_of(connection: BaseDatabaseWrapper) -> defaultdict[int, _Writer]:
    connection.ensure_connection()
    return _writers.setdefault(connection.connection, defaultdict(_Writer))


def take_number(connection: BaseDatabaseWrapper, log_number: int) -> tuple[str, int]:
    """Writer id and number for the next record of this log in the connection's transaction."""
    if not connection.in_atomic_block:
        raise RuntimeError("A record is appended inside a transaction.")
    writer = _writers_of(connection)[log_number]
    # Django drops the hooks of whatever was rolled back, savepoints included, so the hooks that
    # are still there are the numbers in use.
    # Typed as pairs by the stubs; Django keeps triples.
    hooks: Any = connection.run_on_commit
    pending = sum(
        isinstance(hook, _Taken) and hook.writer is writer for _savepoints, hook, _robust in hooks
    )
    # First in the list: a hook of somebody else that appends must find all numbers counted.
    savepoints = set(connection.savepoint_ids)
    hooks.insert(0, (savepoints, _Taken(writer), False))
    return writer.id, writer.committed + pending + 1


def give_number_back(connection: BaseDatabaseWrapper) -> None:
    """Undo the last :func:`take_number` on this connection."""
    del connection.run_on_commit[0]
