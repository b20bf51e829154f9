"""An answered question, as the chat turn would leave it, with its texts beside the log."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from llm.models import Inference
from orgs.tenancy import Tenant

ANSWER = "The notice period is three months."


def hours_ago(count: float) -> datetime:
    """A moment that many hours before now."""
    return timezone.now() - timedelta(hours=count)


def answered(
    tenant: Tenant,
    question: str = "How long is the notice period?",
    *,
    answer: str = ANSWER,
    **values: Any,
) -> Inference:
    """The tenant asked *question* and got *answer*; *values* are the call's."""
    at = timezone.now() - timedelta(seconds=5)
    body = {"gen_ai.provider.name": "simulated", "gen_ai.request.model": "sim-large"}
    with transaction.atomic():
        asked = append(
            Draft(
                tenant.organisation_id,
                Kind.INFERENCE_REQUESTED,
                tenant.actor,
                body,
                content={"prompt": Text(question)},
                at=at,
            )
        )
        ended = append(
            Draft(
                tenant.organisation_id,
                Kind.INFERENCE_COMPLETED,
                tenant.actor,
                body,
                content={"response": Text(answer, "text/markdown")},
                links=[Link(asked.record_id, "request")],
            )
        )
        row: Inference = Inference.objects.create(
            **{
                "id": asked.record_id,
                "organisation": tenant.organisation,
                "user": tenant.user,
                "provider_name": "simulated",
                "requested_model": "sim-large",
                "data_region": "self-hosted",
                "state": Inference.State.COMPLETED,
                "end_record_id": ended.record_id,
                "started_at": at,
                # Long: one that is still running is not to be swept away by other tests.
                "lease_expires_at": at + timedelta(days=1),
                **values,
            }
        )
    return row
