"""What waits for people now, in three queries whatever the size of the organisation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q
from django.utils import timezone

from orgs.roles import Permission
from orgs.tenancy import Tenant
from oversight.clocks import clock_of
from oversight.incident_words import ClockWords, clock_words
from oversight.models import Incident, Review, Task

PATIENCE_WORKING_DAYS = 2
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class ReviewsState:
    """Reviews that nobody has taken up, and those that somebody has in hand."""

    waiting: int
    taken: int
    oldest_at: datetime | None

    @property
    def is_slow(self) -> bool:
        """Whether one has waited longer than two working days, Monday to Friday."""
        patience = before_working_days(timezone.now(), PATIENCE_WORKING_DAYS)
        return self.oldest_at is not None and self.oldest_at < patience


@dataclass(frozen=True, slots=True)
class IncidentsState:
    """Incidents that are not over, and those of them whose clock runs or is over."""

    open: int
    over: list[Incident]
    near: list[Incident]
    nearest: Incident | None
    nearest_words: ClockWords | None


@dataclass(frozen=True, slots=True)
class TasksState:
    """Tasks to do: those that are late, and the next one that is not."""

    open: int
    late: list[Task]
    next: Task | None


@dataclass(frozen=True, slots=True)
class OversightState:
    """A part is None for those who may not see it."""

    reviews: ReviewsState | None
    incidents: IncidentsState | None
    tasks: TasksState | None


def oversight_state(tenant: Tenant) -> OversightState | None:
    """What waits, as far as the tenant may know of it; None where that is nothing at all."""
    reviews = _reviews(tenant) if tenant.may(Permission.REVIEW) else None
    if not tenant.may(Permission.INCIDENT_MANAGE):
        return OversightState(reviews, None, None) if reviews else None
    return OversightState(reviews, _incidents(tenant), _tasks(tenant))


def before_working_days(moment: datetime, days: int) -> datetime:
    """The same time of day so many working days earlier, Saturdays and Sundays not counted."""
    at = timezone.localtime(moment)
    while days:
        at -= timedelta(days=1)
        days -= at.weekday() < _SATURDAY
    return at


def _reviews(tenant: Tenant) -> ReviewsState:
    waiting = Q(state=Review.State.WAITING)
    found = (
        Review.objects.for_tenant(tenant)
        .order_by()
        .aggregate(
            waiting=Count("pk", filter=waiting),
            taken=Count("pk", filter=Q(state=Review.State.TAKEN)),
            oldest_at=Min("requested_at", filter=waiting),
        )
    )
    return ReviewsState(**found)


def _incidents(tenant: Tenant) -> IncidentsState:
    now = timezone.now()
    rows = list(Incident.objects.for_tenant(tenant).exclude(status__in=Incident.OVER))
    clocks = [(row, clock) for row in rows if (clock := clock_of(row, now)) is not None]
    running = sorted(
        ((row, clock) for row, clock in clocks if clock.stopped_at is None),
        key=lambda pair: pair[1].ends_at,
    )
    nearest = running[0][0] if running else None
    return IncidentsState(
        open=len(rows),
        over=[row for row, clock in running if clock.state == "over"],
        near=[row for row, clock in running if clock.state == "near"],
        nearest=nearest,
        nearest_words=clock_words(nearest, now) if nearest else None,
    )


def _tasks(tenant: Tenant) -> TasksState:
    rows = list(Task.objects.for_tenant(tenant).filter(done_at=None).order_by("due_at"))
    late = [row for row in rows if row.is_late]
    coming = [row for row in rows if not row.is_late and row.due_at is not None]
    return TasksState(open=len(rows), late=late, next=coming[0] if coming else None)
