"""An incident in few words: what is left of its clock, what it led to, which step was taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext

from audit.kinds import Kind
from audit.models import Record
from audit.reading import said_by
from orgs.tenancy import Tenant
from oversight.clocks import Clock, clock_of
from oversight.incidents import texts_of
from oversight.models import Category, Incident, IncidentEvent

CATEGORIES = {
    "": gettext_lazy("not assessed"),
    Category.HEALTH: gettext_lazy("harm to health"),
    Category.INFRASTRUCTURE: gettext_lazy("critical infrastructure"),
    Category.RIGHTS: gettext_lazy("fundamental rights"),
    Category.PROPERTY: gettext_lazy("property or environment"),
    Category.NONE: gettext_lazy("none of Art. 3(49)"),
}
_OUTCOME = "lexcustis.incident.status"


@dataclass(frozen=True, slots=True)
class ClockWords:
    """A clock as a badge: ``tone`` is ``good``, ``warn``, ``bad`` or empty."""

    tone: str
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an incident's history; ``text`` is None where it was erased."""

    record_id: UUID
    at: datetime
    person: str
    words: str
    text: str | None
    is_first: bool


def clock_words(incident: Incident, now: datetime | None = None) -> ClockWords:
    """What remains of the time to report, such as “31 h left” or “reported in time”."""
    now = now or timezone.now()
    clock = clock_of(incident, now)
    if clock is None:
        return ClockWords("", _("nothing to report"))
    if clock.stopped_at is not None:
        return _stopped(incident, clock)
    if clock.state == "over":
        return ClockWords("bad", _("over since %(time)s") % {"time": duration(now - clock.ends_at)})
    tone = "warn" if clock.state == "near" else ""
    return ClockWords(tone, _("%(time)s left") % {"time": duration(clock.ends_at - now)})


def _stopped(incident: Incident, clock: Clock) -> ClockWords:
    if incident.initial_report_at is None and incident.reported_at is None:
        return ClockWords("", _("ended without a report"))
    if clock.is_late:
        return ClockWords("bad", _("reported late"))
    return ClockWords("good", _("reported in time"))


def duration(time: timedelta) -> str:
    """A time in its largest useful unit, rounded down: hours up to three days, then days."""
    minutes = int(time.total_seconds() // 60)
    if minutes < 60:
        return _("%(count)d min") % {"count": minutes}
    if minutes < 72 * 60:
        return _("%(count)d h") % {"count": minutes // 60}
    days = minutes // (24 * 60)
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


def history_of(tenant: Tenant, incident: Incident) -> list[Step]:
    """All steps with their texts, oldest first, in a fixed number of queries.

    Needs ``incident:manage``.
    """
    events = list(incident.events.select_related("person"))
    texts = texts_of(tenant, events)
    said = _bodies(events)
    return [
        Step(
            event.record_id,
            event.at,
            str(event.person),
            _step_words(event.kind, said.get(event.record_id, {})),
            texts[event.record_id],
            event.kind == Kind.INCIDENT_OPENED,
        )
        for event in events
    ]


def _bodies(events: Sequence[IncidentEvent]) -> dict[UUID, dict[str, Any]]:
    """What the steps' records say; one that is no record any more is left out."""
    rows = Record.objects.filter(pk__in=[event.record_id for event in events])
    said = {row.pk: said_by(bytes(row.bytes)) for row in rows}
    return {pk: record["body"] for pk, record in said.items() if record is not None}


def _step_words(kind: str, body: dict[str, Any]) -> str:
    """What was done, as the record says it."""
    status = body.get(_OUTCOME, "")
    changed: list[str] = body.get("lexcustis.changed_fields", [])
    if kind == Kind.INCIDENT_OPENED:
        return _("Entered")
    if kind == Kind.INCIDENT_REPORTED:
        is_initial = status == Incident.Status.INITIAL_REPORT_SENT
        return _("Initial report sent") if is_initial else _("Complete report sent")
    if changed == ["status"] or kind == Kind.INCIDENT_CLOSED:
        name = dict(Incident.Status.choices).get(status, status)
        return _("Moved to “%(status)s”") % {"status": name}
    acts = {
        "provider_informed_at": _("Provider informed"),
        "record_ids": _("Records attached"),
        "freeze": _("Freeze of providers changed"),
    }
    if len(changed) == 1 and changed[0] in acts:
        return acts[changed[0]]
    fields = {field.name: field.verbose_name for field in Incident._meta.fields}
    names = ", ".join(str(fields.get(name, name)) for name in changed)
    return (
        pgettext("step of an incident", "Assessed: %(fields)s") % {"fields": names}
        if names
        else _("Assessed")
    )
