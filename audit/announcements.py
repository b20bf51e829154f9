"""What the organisation's floor announces becomes a record, in the same transaction."""

from __future__ import annotations

from audit.kinds import Kind
from audit.ledger import append
from audit.logs import open_log
from audit.records import Draft
from orgs.changes import Change


def record_change(change: Change) -> None:
    """Record a change announced by :mod:`orgs`; a new organisation gets its log first."""
    kind = Kind(change.kind)
    if kind is Kind.ORGANISATION_CREATED:
        open_log(change.organisation_id)
    body = {**change.details, "lexcustis.subject.id": str(change.subject_id)}
    append(Draft(change.organisation_id, kind, change.actor, body))
