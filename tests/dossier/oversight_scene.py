"""Reviews and incidents of a past period: the records that people's acts would have left then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from orgs.identifiers import uuid7
from orgs.tenancy import Tenant
from oversight.incidents import as_recorded
from oversight.models import Incident

BODY = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "mistral_ai"}


def asked_for(tenant: Tenant, at: datetime, inference_id: UUID) -> UUID:
    """Somebody asked at *at* that an answer is reviewed."""
    links = [Link(inference_id, "request")]
    return _append(tenant, Kind.OVERSIGHT_REQUESTED, at, BODY, links=links)


def decided(
    tenant: Tenant,
    at: datetime,
    inference_id: UUID,
    review_id: UUID,
    *,
    decision: str = "accepted",
    seconds: int = 60,
    reason: str = "correct",
) -> UUID:
    """A person decided at *at*, so many seconds after taking the review up."""
    body = BODY | {"lexcustis.review.reason": reason, "lexcustis.review.seconds": seconds}
    links = [Link(review_id, "review"), Link(inference_id, "request")]
    return _append(tenant, Kind(f"oversight.{decision}"), at, body, links=links)


def reviewed(asking: Tenant, reviewer: Tenant, at: datetime, **values: Any) -> UUID:
    """A review asked for at *at* and decided a minute later; the record of the decision."""
    inference_id = uuid7(at)
    review_id = asked_for(asking, at, inference_id)
    later = at + timedelta(minutes=1)
    return decided(reviewer, later, inference_id, review_id, **values)


def incident(tenant: Tenant, at: datetime, **values: Any) -> Incident:
    """An incident entered at *at*, of which nobody had known before; no row is made of it."""
    row = Incident(
        id=uuid7(at),
        organisation_id=tenant.organisation_id,
        reporter=tenant.user,
        **{"aware_at": at, **values},
    )
    _append(
        tenant,
        Kind.INCIDENT_OPENED,
        at,
        as_recorded(row),
        id=row.pk,
        content={"description": Text("The answer named a wrong dose.")},
    )
    return row


def stepped(
    tenant: Tenant, row: Incident, at: datetime, kind: str = "updated", **values: Any
) -> UUID:
    """A further step of the incident at *at*, after which its fields are *values*."""
    for name, value in values.items():
        setattr(row, name, value)
    return _append(
        tenant,
        Kind(f"incident.{kind}"),
        at,
        as_recorded(row),
        links=[Link(row.pk, "incident")],
        content={"reason": Text("Said so by the ward after its review.")},
    )


def _append(tenant: Tenant, kind: Kind, at: datetime, body: dict[str, Any], **parts: Any) -> UUID:
    draft = Draft(tenant.organisation_id, kind, tenant.actor, body, at=at, **parts)
    with transaction.atomic():
        return append(draft).record_id
