"""The seam through which this floor announces what changed, without knowing who listens.

:mod:`audit` subscribes when Django starts. A subscriber runs inside the transaction that makes
the change, so the change and its record are committed together or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

SYSTEM: Mapping[str, str] = {"id": "system", "type": "system"}


@dataclass(frozen=True, slots=True)
class Change:
    """One change to an organisation: ``kind`` is a ledger kind such as ``member.added``.

    ``details`` go into the log in clear: opaque ids, roles, numbers, names of fields; never a
    person's name, an address or free text.
    """

    kind: str
    organisation_id: UUID
    actor: Mapping[str, str]
    subject_id: UUID
    details: Mapping[str, Any] = field(default_factory=dict)


_subscribers: list[Callable[[Change], None]] = []


def subscribe(subscriber: Callable[[Change], None]) -> None:
    """Have *subscriber* called with every change, inside its transaction."""
    if subscriber not in _subscribers:
        _subscribers.append(subscriber)


def announce(change: Change) -> None:
    """Tell every subscriber of *change*. Must be called inside the transaction that makes it."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A change is announced inside the transaction that makes it.")
    for subscriber in _subscribers:
        subscriber(change)
