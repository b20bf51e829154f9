"""Writing to the ledger.

:func:`append` records inside the caller's transaction: what is recorded and what it is about are
committed together. :func:`commit` and :func:`commit_blocking` hand the draft to this process's
writer and return after COMMIT, together with others that came at the same moment.

No lock is taken and no previous hash is read: the sealer gives records their places later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import connection

from audit.awaited import note_at_commit, note_committed
from audit.logs import log_name
from audit.models import RecordIndex
from audit.numbering import give_number_back, take_number
from audit.records import Draft, Link, Prepared, Receipt, Text, prepare
from orgs.prepared_queries import insertion
from orgs.trips import Change, change_together

__all__ = [
    "Draft",
    "LedgerUnavailable",
    "Link",
    "Receipt",
    "Text",
    "append",
    "commit",
    "commit_blocking",
    "commit_together",
]

SEAL_CHANNEL = "lexcustis_seal"

# Tells what is changed with a record, in the same statement.
Companion = Callable[[Receipt], Sequence[Change]]


class LedgerUnavailable(Exception):
    """The record could not be written in time. Whatever it was about must not happen (P1)."""


def append(draft: Draft) -> Receipt:
    """Record *draft* inside the open transaction; if that rolls back, nothing was recorded."""
    log = log_name(draft.organisation_id)
    number = take_number(connection, log.number)
    try:
        prepared = prepare(draft, log, number)
    except Exception:
        give_number_back(connection)
        raise
    change_together(insertions(prepared))
    if prepared.is_awaited:
        note_at_commit(prepared.receipt)
    return prepared.receipt


async def commit(draft: Draft, companion: Companion | None = None) -> Receipt:
    """Record *draft* and return after COMMIT, without a thread of its own.

    *companion* is asked what changes with it, and may be asked again after a lost connection. If
    it raises, or a change does, this draft alone is not recorded and the exception reaches the
    caller. Raises :class:`LedgerUnavailable`.
    """
    from audit.writer import wait_async

    return _noted(draft, await wait_async(draft, companion))


def commit_blocking(draft: Draft, companion: Companion | None = None) -> Receipt:
    """:func:`commit` for synchronous code. Not while holding locks the companion needs."""
    from audit.writer import wait, write

    (outcome,) = write([(draft, companion)]) or [wait(draft, companion)]
    if isinstance(outcome, Exception):
        raise outcome
    return _noted(draft, outcome)


def commit_together(
    drafts: Sequence[tuple[Draft, Companion | None]],
) -> Sequence[Receipt | Exception | None]:
    """:func:`commit_blocking` for several in one transaction: each one's receipt or error.

    All None where others wrote for half a second, and then nothing is done: for a thread that has
    better things to do than to wait for them.
    """
    from audit.writer import write

    outcomes = write(drafts, seconds=0.5)
    if outcomes is None:
        return [None] * len(drafts)
    for (draft, _companion), outcome in zip(drafts, outcomes, strict=True):
        if isinstance(outcome, Receipt):
            _noted(draft, outcome)
    return outcomes


def _noted(draft: Draft, receipt: Receipt) -> Receipt:
    if draft.kind.is_awaited:
        note_committed(receipt)
    return receipt


def insertions(record: Prepared) -> list[Change]:
    """What inserts a record with its content and its row in the index."""
    receipt = record.receipt
    changes = [
        Change(
            "INSERT INTO audit_record (id, log_number, bytes) VALUES (%s, %s, %s)",
            [receipt.record_id, record.log_number, record.data],
            # Notifying serialises commits, so only where a person waits for the seal.
            then=f"pg_notify('{SEAL_CHANNEL}', '')" if record.is_awaited else "",
        ),
        insertion(RecordIndex, **record.index),
    ]
    for slot, sealed in record.contents:
        values = [receipt.record_id, slot, record.organisation_id, sealed]
        changes.append(Change(_CONTENT, values))
    return changes


_CONTENT = """
    INSERT INTO audit_content (record_id, slot, organisation_id, sealed) VALUES (%s, %s, %s, %s)
"""
