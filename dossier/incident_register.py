"""Incidents as the log tells them: each of its records says how the incident then stood.

Nothing is read from the rows that people work on, which may have changed since; so the register of
a period as of one moment stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from audit.kinds import Kind
from audit.models import RecordIndex
from dossier.said_records import Said, said_in
from oversight.models import Incident

KINDS = tuple(kind.value for kind in Kind if kind.subject == "incident")
_PREFIX = "lexcustis.incident."


@dataclass(frozen=True, slots=True)
class IncidentAsRecorded:
    """One incident, as the last of its records that can be read says it.

    ``record_ids`` are all of its records up to the moment of the statement, first to last;
    ``told_by`` is the one that the fields are of, None where none can be read: then nothing but
    that it was entered is known. ``window`` is the paragraph of Art. 73, ``""`` where no time runs.
    """

    id: UUID
    record_ids: tuple[UUID, ...]
    told_by: UUID | None
    kind: str
    opened_at: datetime
    category: str
    is_death: bool
    is_widespread: bool
    severity: str
    status: str
    causal_link: str
    country: str
    persons_affected: int | None
    system_id: str
    authority: str
    reference: str
    window: str
    due_at: datetime | None
    aware_at: datetime | None
    occurred_at: datetime | None
    provider_informed_at: datetime | None
    initial_report_at: datetime | None
    reported_at: datetime | None
    ended_at: datetime | None

    @property
    def name(self) -> str:
        """The short name that people see: the end of the identifier."""
        return f"…{str(self.id)[-12:]}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more was to be done about it."""
        return self.status in Incident.OVER

    @property
    def first_report_at(self) -> datetime | None:
        """When the first report was sent, initial or complete: it is the one the time is for."""
        sent = [at for at in (self.initial_report_at, self.reported_at) if at is not None]
        return min(sent, default=None)

    @property
    def stopped_at(self) -> datetime | None:
        """What stopped the time: the first report, else the incident's end."""
        return self.first_report_at or self.ended_at

    @property
    def days(self) -> int | None:
        """How many days the window has, None where no time runs or its ends are not recorded."""
        if self.due_at is None or self.aware_at is None:
            return None
        return (self.due_at - self.aware_at) // timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IncidentRegister:
    """The incidents of a period, the most pressing first.

    ``open_at_end`` counts those that were not over; ``unread`` the records of any incident that are
    gone or changed, up to the moment of the statement.
    """

    incidents: tuple[IncidentAsRecorded, ...]
    unread: int

    @property
    def open_at_end(self) -> int:
        """How many were not over at the end of the period, or at the statement if that is earlier.

        One of which no record can be read is not counted.
        """
        return sum(bool(item.told_by) and not item.is_over for item in self.incidents)


def incident_register(organisation_id: UUID, opens: datetime, until: datetime) -> IncidentRegister:
    """Incidents that were open between *opens* and *until*, or of which something was recorded."""
    rows = RecordIndex.objects.for_organisation(organisation_id).filter(
        kind__in=KINDS, at__lt=until
    )
    steps: dict[UUID, list[Said]] = {}
    unread = 0
    for said in said_in(rows):
        unread += said.body is None
        if (incident_id := _incident_of(said)) is not None:
            steps.setdefault(incident_id, []).append(said)
    found = [
        _as_recorded(incident_id, told)
        for incident_id, told in steps.items()
        if _was_open(told, opens)
    ]
    return IncidentRegister(tuple(sorted(found, key=_urgency)), unread)


def _incident_of(said: Said) -> UUID | None:
    """The incident that a record is of; None for a later step whose bytes are gone."""
    if said.kind == Kind.INCIDENT_OPENED:
        return said.record_id
    return said.linked("incident")


def _was_open(told: Iterable[Said], opens: datetime) -> bool:
    """Whether anything was recorded since *opens*, or it was not over then."""
    status = ""
    for said in told:
        if said.at >= opens:
            return True
        status = said.text(f"{_PREFIX}status") or status
    return status not in Incident.OVER


def _as_recorded(incident_id: UUID, told: list[Said]) -> IncidentAsRecorded:
    readable = [said for said in told if said.body is not None]
    last = readable[-1] if readable else told[-1]

    def text(name: str) -> str:
        return last.text(f"{_PREFIX}{name}")

    def moment(name: str) -> datetime | None:
        return last.moment(f"{_PREFIX}{name}")

    return IncidentAsRecorded(
        id=incident_id,
        record_ids=tuple(said.record_id for said in told),
        told_by=last.record_id if readable else None,
        kind=last.kind,
        opened_at=told[0].at,
        category=text("category"),
        is_death=last.flag(f"{_PREFIX}death"),
        is_widespread=last.flag(f"{_PREFIX}widespread"),
        severity=text("severity"),
        status=text("status"),
        causal_link=text("causal_link"),
        country=text("country"),
        persons_affected=last.number(f"{_PREFIX}persons_affected"),
        system_id=text("system_id"),
        authority=text("authority"),
        reference=text("reference"),
        window=text("window"),
        due_at=moment("due_at"),
        aware_at=moment("aware_at"),
        occurred_at=moment("occurred_at"),
        provider_informed_at=moment("provider_informed_at"),
        initial_report_at=moment("initial_report_at"),
        reported_at=moment("reported_at"),
        ended_at=moment("ended_at"),
    )


def _urgency(item: IncidentAsRecorded) -> tuple[int, float, str]:
    """Whose time runs, the nearest end first; then others not over, then those over, by newness."""
    if item.stopped_at is None and item.due_at is not None:
        return 0, item.due_at.timestamp(), str(item.id)
    return (2 if item.is_over else 1), -item.opened_at.timestamp(), str(item.id)
