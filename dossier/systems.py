"""The AI systems that a dossier speaks of, as they stood in the register, with what was called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from django.db.models import CharField, Count, Max, Min, QuerySet
from django.db.models.functions import Cast

from dossier.periods import Period
from llm.models import Inference
from orgs.models import AISystem, Organisation


@dataclass(frozen=True, slots=True)
class SystemUse:
    """The calls of one system in a period; ``first_record`` proves the first."""

    calls: int
    first_at: datetime
    last_at: datetime
    first_record: str
    last_record: str


@dataclass(frozen=True, slots=True)
class SystemInPeriod:
    """One system of the register. ``use`` is None where nothing was called."""

    id: str
    name: str
    purpose: str
    status: str
    in_use_since: date | None
    retired_on: date | None
    overseers: tuple[str, ...]
    is_default: bool
    registered_at: datetime
    changed_at: datetime
    use: SystemUse | None

    @property
    def called_after_retirement(self) -> bool:
        """Whether calls were recorded after the day on which it is said to have been retired."""
        return bool(self.use and self.retired_on and self.use.last_at.date() > self.retired_on)


def uses_by_system(inferences: QuerySet[Inference]) -> dict[UUID | None, SystemUse]:
    """The calls of each system; None stands for calls from before the register."""
    text_id = Cast("id", CharField())
    rows = (
        inferences.order_by()
        .values("system_id")
        .annotate(
            calls=Count("id"),
            first_at=Min("started_at"),
            last_at=Max("started_at"),
            # Identifiers are version 7 UUIDs: their text sorts by time.
            first_id=Min(text_id),
            last_id=Max(text_id),
        )
    )
    return {
        row["system_id"]: SystemUse(
            row["calls"], row["first_at"], row["last_at"], row["first_id"], row["last_id"]
        )
        for row in rows
    }


def systems_in(
    organisation: Organisation,
    period: Period,
    as_of: datetime,
    uses: Mapping[UUID | None, SystemUse],
) -> tuple[SystemInPeriod, ...]:
    """The systems of the register at *as_of*, without those that were retired before *period*."""
    rows = AISystem.objects.for_organisation(organisation.pk).filter(created_at__lte=as_of)
    found = []
    for row in rows.prefetch_related("overseers").order_by("created_at", "id"):
        use = uses.get(row.pk)
        if use is None and row.retired_on is not None and row.retired_on < period.first:
            continue
        found.append(
            SystemInPeriod(
                id=str(row.pk),
                name=row.name,
                purpose=row.purpose,
                status=row.status,
                in_use_since=row.in_use_since,
                retired_on=row.retired_on,
                overseers=tuple(sorted(str(person) for person in row.overseers.all())),
                is_default=row.pk == organisation.default_system_id,
                registered_at=row.created_at,
                changed_at=row.changed_at,
                use=use,
            )
        )
    return tuple(found)
