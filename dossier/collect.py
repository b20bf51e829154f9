"""What the log and its projections say about a period, read as one consistent picture.

Everything is aggregated in the database: memory does not grow with the number of records. Rows
count by the moment they began; what ended after the moment of the statement counts as running, so
that a second attempt, later, sees the same world.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import CharField, Count, Max, Min, Q, QuerySet, Sum
from django.db.models.functions import Cast, TruncDate

from audit.kinds import Kind
from audit.models import RecordIndex
from dossier.incident_register import IncidentRegister, incident_register
from dossier.periods import Period
from dossier.review_figures import ReviewFigures, review_figures
from dossier.snapshots import Snapshot, last_before, snapshots
from dossier.systems import SystemUse, uses_by_system
from llm.models import Inference, ProviderSettings

ENDINGS = tuple(state for state in Inference.State.values if state != Inference.State.STARTED)
CHANGE_SUBJECTS = frozenset({"provider", "organisation", "policy"})
MOST_CHANGES = 40  # printed one by one; the others are counted and stand in the bundle
FEW_PEOPLE = 5  # below this a number of people is not printed: it would point at somebody


@dataclass(frozen=True, slots=True)
class Use:
    """One provider and model in one region, as seen in the log."""

    provider: str
    model: str
    region: str
    calls: int
    endings: Mapping[str, int]
    running: int
    input_tokens: int
    output_tokens: int
    without_usage: int
    people: int
    response_models: tuple[str, ...]
    settings_ids: tuple[UUID, ...]
    first_at: datetime
    last_at: datetime
    first_record: str
    last_record: str

    @property
    def sent(self) -> int:
        """Calls that were not blocked: what is blocked reaches no provider."""
        return self.calls - self.endings["blocked"]


def versions_of(uses: Iterable[Use]) -> list[str]:
    """The versions of models that answered in *uses*, as far as they named themselves."""
    return sorted({name for use in uses for name in use.response_models})


@dataclass(frozen=True, slots=True)
class Settings:
    """What an organisation has configured for one provider, at the moment of the statement."""

    id: UUID
    name: str
    vendor: str
    base_url: str
    data_region: str
    legal_entity: str
    transfer_mechanism: str
    transfer_checked_on: date | None
    training_use: str
    retention_at_provider: str
    is_enabled: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Collected:
    """The picture of one period."""

    period: Period
    as_of: datetime
    uses: tuple[Use, ...]
    kinds: Mapping[str, int]
    first_record: tuple[str, datetime] | None
    last_record: tuple[str, datetime] | None
    calls_by_day: tuple[tuple[date, str, int], ...]
    changes: tuple[tuple[datetime, str, str], ...]
    settings: tuple[Settings, ...]
    systems: Mapping[UUID | None, SystemUse]
    reviews: ReviewFigures
    incidents: IncidentRegister
    snapshots: tuple[Snapshot, ...]
    answered_before: Mapping[tuple[str, str], str]  # provider and model: the version before

    @property
    def until(self) -> datetime:
        """The end of what can be in it: that of the period, or the moment of the statement."""
        return self.period.until(self.as_of)

    @property
    def calls(self) -> int:
        """How many calls began in the period."""
        return sum(use.calls for use in self.uses)

    @property
    def records(self) -> int:
        """How many records of any kind the period has."""
        return sum(self.kinds.values())

    @property
    def changes_recorded(self) -> int:
        """How many records of changed settings and policy the period has."""
        kinds = self.kinds.items()
        return sum(count for kind, count in kinds if kind.partition(".")[0] in CHANGE_SUBJECTS)

    @property
    def requests_recorded(self) -> int:
        """How many requests the log has, counted independently of :attr:`calls`."""
        return self.kinds.get(Kind.INFERENCE_REQUESTED.value, 0)

    @property
    def endings_recorded(self) -> dict[str, int]:
        """How many records of each ending the period has."""
        return {state: self.kinds.get(f"inference.{state}", 0) for state in ENDINGS}

    def totals(self) -> dict[str, int]:
        """Calls by how they ended, over everything."""
        return {state: sum(use.endings[state] for use in self.uses) for state in ENDINGS}

    @property
    def called(self) -> list[Use]:
        """The uses in which something was sent."""
        return [use for use in self.uses if use.sent]

    @property
    def models(self) -> dict[tuple[str, str], list[Use]]:
        """:attr:`called` by provider and model, whatever the region; in their order."""
        found: dict[tuple[str, str], list[Use]] = defaultdict(list)
        for use in sorted(self.called, key=lambda it: (it.provider, it.model)):
            found[use.provider, use.model].append(use)
        return found

    @property
    def providers(self) -> list[str]:
        """The providers that were called, by name."""
        return sorted({use.provider for use in self.called})


@contextmanager
def one_snapshot() -> Iterator[None]:
    """A read-only transaction in which every query sees the same state of the database."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            # Every row of every answer is read: plan for all of them, and group them in memory.
            cursor.execute("SET LOCAL cursor_tuple_fraction = 1")
            cursor.execute("SET LOCAL work_mem = '64MB'")
        yield


def collect(organisation_id: UUID, period: Period, as_of: datetime) -> Collected:
    """Read the picture of *period* as it stood at *as_of*. Call it inside :func:`one_snapshot`."""
    opens, until = period.opens, period.until(as_of)
    inferences = Inference.objects.for_organisation(organisation_id).filter(
        started_at__gte=opens, started_at__lt=until
    )
    records = RecordIndex.objects.for_organisation(organisation_id).filter(
        at__gte=opens, at__lt=until
    )
    return Collected(
        period=period,
        as_of=as_of,
        uses=tuple(_uses(inferences, as_of)),
        kinds=_kinds(records),
        first_record=_edge(records, "at", "record_id"),
        last_record=_edge(records, "-at", "-record_id"),
        calls_by_day=_calls_by_day(inferences, period.zone),
        changes=_changes(records),
        settings=tuple(_settings(organisation_id)),
        systems=uses_by_system(inferences),
        reviews=review_figures(organisation_id, opens, until),
        incidents=incident_register(organisation_id, opens, until),
        snapshots=snapshots(inferences.filter(ended_at__lte=as_of)),
        answered_before=last_before(
            Inference.objects.for_organisation(organisation_id).filter(
                started_at__lt=period.opens, ended_at__lte=as_of
            )
        ),
    )


_NAMES = ("provider_name", "requested_model", "data_region")
_Names = tuple[str, str, str]


def _uses(inferences: QuerySet[Inference], as_of: datetime) -> Iterator[Use]:
    """One use for each provider, model and region.

    The database groups more finely and here the groups are added up: what it would have to sort
    half a million rows for (distinct values within a group) it hashes instead.
    """
    people = _people(inferences)
    groups: dict[_Names, list[dict[str, Any]]] = {}
    for row in _groups(inferences, as_of).iterator():
        names = (row["provider_name"], row["requested_model"], row["data_region"])
        groups.setdefault(names, []).append(dict(row))
    for names, rows in groups.items():
        yield _use(names, rows, people[names])


def _groups(inferences: QuerySet[Inference], as_of: datetime) -> QuerySet[Any, Any]:
    ended = Q(ended_at__lte=as_of)
    text_id = Cast("id", CharField())
    groups: QuerySet[Any, Any] = (
        inferences.order_by()
        .values(*_NAMES, "response_model", "provider_settings_id")
        .annotate(
            calls=Count("id"),
            **{f"n_{state}": Count("id", filter=ended & Q(state=state)) for state in ENDINGS},
            input_sum=Sum("input_tokens", filter=ended),
            output_sum=Sum("output_tokens", filter=ended),
            no_usage=Count("id", filter=ended & Q(input_tokens=None)),
            first_at=Min("started_at"),
            last_at=Max("started_at"),
            # Identifiers are version 7 UUIDs: their text sorts by time.
            first_id=Min(text_id),
            last_id=Max(text_id),
        )
        .order_by(*_NAMES)
    )
    return groups


def _people(inferences: QuerySet[Inference]) -> dict[_Names, int]:
    """How many people made the calls of each use."""
    each = inferences.order_by().values(*_NAMES, "user_id").distinct()
    sql, parameters = each.query.sql_with_params()
    names = ", ".join(_NAMES)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {names}, count(*) FROM ({sql}) AS person GROUP BY {names}",  # noqa: S608 - names only
            parameters,
        )
        return {
            (provider, model, region): people
            for provider, model, region, people in cursor.fetchall()
        }


def _use(names: _Names, rows: list[dict[str, Any]], people: int) -> Use:
    def total(column: str) -> int:
        return sum(row[column] or 0 for row in rows)

    endings = {state: total(f"n_{state}") for state in ENDINGS}
    settings = {row["provider_settings_id"] for row in rows} - {None}
    return Use(
        *names,
        calls=total("calls"),
        endings=endings,
        running=total("calls") - sum(endings.values()),
        input_tokens=total("input_sum"),
        output_tokens=total("output_sum"),
        without_usage=total("no_usage"),
        people=people,
        response_models=tuple(sorted({row["response_model"] for row in rows} - {""})),
        settings_ids=tuple(sorted(settings)),
        first_at=min(row["first_at"] for row in rows),
        last_at=max(row["last_at"] for row in rows),
        first_record=min(row["first_id"] for row in rows),
        last_record=max(row["last_id"] for row in rows),
    )


def _kinds(records: QuerySet[RecordIndex]) -> dict[str, int]:
    counts = records.order_by().values_list("kind").annotate(n=Count("record_id")).order_by("kind")
    return dict(counts.iterator())


def _edge(records: QuerySet[RecordIndex], *order: str) -> tuple[str, datetime] | None:
    row = records.order_by(*order).values_list("record_id", "at").first()
    return (str(row[0]), row[1]) if row else None


def _changes(records: QuerySet[RecordIndex]) -> tuple[tuple[datetime, str, str], ...]:
    """The first changes of settings and policy: time, kind, record. All are counted by kind."""
    kinds = [kind.value for kind in Kind if kind.subject in CHANGE_SUBJECTS]
    rows = records.filter(kind__in=kinds).order_by("at", "record_id")
    found = rows.values_list("at", "kind", "record_id")[:MOST_CHANGES]
    return tuple((at, kind, str(record_id)) for at, kind, record_id in found)


def _calls_by_day(inferences: QuerySet[Inference], zone: str) -> tuple[tuple[date, str, int], ...]:
    rows = (
        inferences.order_by()
        .annotate(day=TruncDate("started_at", tzinfo=ZoneInfo(zone)))
        .values_list("day", "data_region")
        .annotate(n=Count("id"))
        .order_by("day", "data_region")
    )
    return tuple((day, region, n) for day, region, n in rows.iterator())


def _settings(organisation_id: UUID) -> Iterator[Settings]:
    fields = [field for field in Settings.__dataclass_fields__ if field != "id"]
    rows = ProviderSettings.objects.for_organisation(organisation_id).order_by("name")
    for row in rows.values("id", *fields):
        yield Settings(**row)
