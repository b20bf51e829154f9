"""Which version of a model answered, and when that changed under the same name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Count, Max, Min, QuerySet
from django.db.models.functions import Cast

from llm.models import Inference


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version that answered under the name *model*; ``first_record`` proves since when."""

    provider: str
    model: str
    answered_by: str
    calls: int
    first_at: datetime
    last_at: datetime
    first_record: str


def snapshots(inferences: QuerySet[Inference]) -> tuple[Snapshot, ...]:
    """The versions of each model, in the order in which they first answered."""
    rows = (
        inferences.exclude(response_model="")
        .order_by()
        .values("provider_name", "requested_model", "response_model")
        .annotate(
            calls=Count("id"),
            first_at=Min("started_at"),
            last_at=Max("started_at"),
            first_id=Min(Cast("id", CharField())),
        )
        .order_by("provider_name", "requested_model", "first_at", "response_model")
    )
    return tuple(
        Snapshot(
            provider=row["provider_name"],
            model=row["requested_model"],
            answered_by=row["response_model"],
            calls=row["calls"],
            first_at=row["first_at"],
            last_at=row["last_at"],
            first_record=row["first_id"],
        )
        for row in rows
    )


def last_before(inferences: QuerySet[Inference]) -> dict[tuple[str, str], str]:
    """The version of each model that answered last, for comparison with what came after."""
    rows = (
        inferences.exclude(response_model="")
        .order_by("provider_name", "requested_model", "-started_at")
        .distinct("provider_name", "requested_model")
        .values_list("provider_name", "requested_model", "response_model")
    )
    return {(provider, model): answered for provider, model, answered in rows}
