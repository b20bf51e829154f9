"""Incidents (Art. 73, Art. 26(5)): entered, assessed, reported, ended; each step is a record.

Whoever chats can enter one about their own answers; who handles incidents does the rest. A
deployer informs the provider first (Art. 26(5)); until the authority knows, what may matter to an
evaluation is not altered (Art. 73(6)): the settings of a provider can be frozen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from audit.models import RecordIndex
from audit.reading import read_contents
from audit.records import write_time
from llm import provider_settings
from llm.models import Inference
from orgs.days import require_plausible
from orgs.identifiers import uuid7
from orgs.models import AISystem
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet
from oversight import task_list
from oversight.clocks import clock_of
from oversight.models import Category, Incident, IncidentEvent
from oversight.written import as_kept

MOST_RECORDS = 50
MOST_CHARACTERS = 20_000
# What an assessment may change; the rest follows from acts.
FIELDS = frozenset(
    {
        *("category", "is_death", "is_widespread", "severity", "causal_link", "causal_link_at"),
        *("occurred_at", "aware_at", "country", "persons_affected", "system"),
    }
)
_Status = Incident.Status
# The moves that a person makes by themselves; reports make the others.
MOVES: Mapping[str, tuple[str, ...]] = {
    _Status.OPEN: (_Status.UNDER_REVIEW, _Status.NOT_SERIOUS),
    _Status.UNDER_REVIEW: (_Status.NOT_SERIOUS, _Status.RESOLVED),
    _Status.INITIAL_REPORT_SENT: (),
    _Status.REPORTED: (_Status.RESOLVED,),
    _Status.RESOLVED: (_Status.CLOSED, _Status.UNDER_REVIEW),
    _Status.CLOSED: (_Status.UNDER_REVIEW,),
    _Status.NOT_SERIOUS: (_Status.UNDER_REVIEW, _Status.CLOSED),
}
# Where a complete report can be noted; an initial one only where none was.
REPORTABLE = frozenset({_Status.OPEN, _Status.UNDER_REVIEW, _Status.INITIAL_REPORT_SENT})
# The moments of an incident that are known or not.
MOMENTS = (
    *("aware_at", "occurred_at", "causal_link_at", "provider_informed_at"),
    *("initial_report_at", "reported_at", "ended_at"),
)
# A minute for clocks that differ, of a browser and of the server.
_SLACK = timedelta(minutes=1)


def open_incident(
    tenant: Tenant, *, description: str, record_ids: Iterable[UUID] = (), **fields: Any
) -> Incident:
    """Enter an incident; *fields* are those of :data:`FIELDS`. The clock runs from ``aware_at``.

    Needs ``incident:manage``, or ``chat`` where the records are of one's own answers and nothing
    but the severity is said.
    """
    if not tenant.may(Permission.INCIDENT_MANAGE):
        tenant.require(Permission.CHAT)
        if set(fields) - {"severity"}:
            tenant.require(Permission.INCIDENT_MANAGE)
    _require_known(fields)
    now = timezone.now()
    incident = Incident(
        id=uuid7(),
        organisation_id=tenant.organisation_id,
        reporter=tenant.user,
        opened_at=now,
        **{"aware_at": now, **fields},
    )
    incident.record_ids = _existing(tenant, record_ids)
    _check(tenant, incident)
    text = _require_text(description, "description")
    with transaction.atomic():
        incident.save(force_insert=True)
        _record(tenant, incident, Kind.INCIDENT_OPENED, {"description": text})
        task_list.follow(tenant, incident)
    return incident


def assess(tenant: Tenant, incident: Incident, *, reason: str, **fields: Any) -> Incident:
    """Say what it is: fields of :data:`FIELDS`, with a reason. The clock is computed anew.

    Needs ``incident:manage``. An open incident is under review from then on.
    """
    _require_known(fields)
    with transaction.atomic():
        row = _locked(tenant, incident)
        changed = sorted(name for name, value in fields.items() if getattr(row, name) != value)
        for name in changed:
            setattr(row, name, fields[name])
        if "causal_link" in changed and "causal_link_at" not in changed:
            row.causal_link_at = timezone.now() if row.causal_link else None
        if row.status == _Status.OPEN:
            row.status = _Status.UNDER_REVIEW
        elif not changed:
            return row
        _step(tenant, row, Kind.INCIDENT_UPDATED, reason, changed=changed)
    return row


def attach(
    tenant: Tenant, incident: Incident, *, record_ids: Iterable[UUID], reason: str
) -> Incident:
    """Name further records of the log as evidence. Needs ``incident:manage``."""
    with transaction.atomic():
        row = _locked(tenant, incident)
        row.record_ids = _existing(tenant, [*row.record_ids, *record_ids])
        _step(tenant, row, Kind.INCIDENT_UPDATED, reason, changed=["record_ids"])
    return row


def move(tenant: Tenant, incident: Incident, *, status: str, reason: str) -> Incident:
    """Move on: resolve, close, take up again, or find it not serious. Needs ``incident:manage``."""
    with transaction.atomic():
        row = _locked(tenant, incident)
        if status not in MOVES[row.status]:
            raise ValidationError(
                {
                    "status": _("An incident that is “%(now)s” cannot become “%(then)s”.")
                    % {"now": row.get_status_display(), "then": dict(_Status.choices).get(status)}
                }
            )
        if status == _Status.CLOSED and frozen_by(tenant, row):
            raise ValidationError(_("Lift the freeze of its providers first."))
        was_over = row.is_over
        row.status = status
        if not row.is_over:
            row.ended_at = None
        elif not was_over:
            row.ended_at = timezone.now()
        ends = status in (_Status.CLOSED, _Status.NOT_SERIOUS)
        kind = Kind.INCIDENT_CLOSED if ends else Kind.INCIDENT_UPDATED
        _step(tenant, row, kind, reason, changed=["status"])
    return row


def inform_provider(
    tenant: Tenant, incident: Incident, *, informed_at: datetime, statement: str
) -> Incident:
    """Note that the system's provider was informed (Art. 26(5)), when, and how.

    Needs ``incident:manage``.
    """
    with transaction.atomic():
        row = _locked(tenant, incident)
        _require_past(informed_at=informed_at)
        row.provider_informed_at = informed_at
        _step(tenant, row, Kind.INCIDENT_UPDATED, statement, changed=["provider_informed_at"])
    return row


def report(
    tenant: Tenant,
    incident: Incident,
    *,
    is_complete: bool,
    sent_at: datetime,
    authority: str,
    reference: str = "",
    statement: str,
) -> Incident:
    """Note a report to the authority: an initial, incomplete one, or the complete one (73(5)).

    This product sends nothing to an authority: people do. Needs ``incident:manage``.
    """
    with transaction.atomic():
        row = _locked(tenant, incident)
        is_first = row.status != _Status.INITIAL_REPORT_SENT
        if row.status not in REPORTABLE or not (is_complete or is_first):
            raise ValidationError(
                _("No such report is expected of an incident that is “%(now)s”.")
                % {"now": row.get_status_display()}
            )
        _require_past(sent_at=sent_at)
        row.authority, row.reference = authority.strip(), reference.strip()
        if not row.authority:
            raise ValidationError({"authority": _("Say which authority it went to.")})
        if is_complete:
            row.status, row.reported_at = _Status.REPORTED, sent_at
        else:
            row.status, row.initial_report_at = _Status.INITIAL_REPORT_SENT, sent_at
        _step(tenant, row, Kind.INCIDENT_REPORTED, statement, changed=["status"])
    return row


def freeze(
    tenant: Tenant, incident: Incident, *, provider_ids: Iterable[UUID], reason: str
) -> Incident:
    """Let nobody change the settings of these providers, and of no others, for the incident.

    Art. 73(6): what could affect a later evaluation of the causes is not altered before the
    authority is informed. Without providers the freeze is lifted. Needs ``incident:manage``.
    """
    with transaction.atomic():
        row = _locked(tenant, incident)
        provider_settings.freeze(tenant=tenant, settings_ids=set(provider_ids), cause=row.pk)
        _step(tenant, row, Kind.INCIDENT_UPDATED, reason, changed=["freeze"])
    return row


def frozen_by(tenant: Tenant, incident: Incident) -> list[UUID]:
    """The providers that are frozen because of the incident."""
    return provider_settings.frozen_because_of(tenant=tenant, cause=incident.pk)


def incidents_of(tenant: Tenant) -> TenantQuerySet[Incident]:
    """The organisation's incidents, newest first. Needs ``incident:manage``."""
    tenant.require(Permission.INCIDENT_MANAGE)
    return Incident.objects.for_tenant(tenant).select_related("system", "reporter")


def find_incident(tenant: Tenant, incident_id: UUID) -> Incident:
    """One of the organisation's incidents; ``Http404`` for any other."""
    found: Incident | None = incidents_of(tenant).filter(pk=incident_id).first()
    if found is None:
        raise Http404
    return found


def texts_of(tenant: Tenant, events: Sequence[IncidentEvent]) -> dict[UUID, str | None]:
    """What was written at each step, by its record; None where it was erased or does not open."""
    tenant.require(Permission.INCIDENT_MANAGE)
    slots = {event.record_id: _slot(event.kind) for event in events}
    found = read_contents(tenant.organisation_id, slots.items())
    return {
        record_id: None if (data := found[record_id, slot]) is None else data.decode()
        for record_id, slot in slots.items()
    }


def descriptions_of(tenant: Tenant, incidents: Iterable[Incident]) -> dict[UUID, str | None]:
    """How the incidents were described when they were entered, by their ids."""
    tenant.require(Permission.INCIDENT_MANAGE)
    places = [(incident.pk, "description") for incident in incidents]
    found = read_contents(tenant.organisation_id, places)
    return {pk: None if data is None else data.decode() for (pk, _slot_), data in found.items()}


def _slot(kind: str) -> str:
    return "description" if kind == Kind.INCIDENT_OPENED else "reason"


def _locked(tenant: Tenant, incident: Incident) -> Incident:
    tenant.require(Permission.INCIDENT_MANAGE)
    rows = Incident.objects.for_tenant(tenant).select_for_update()
    row: Incident | None = rows.filter(pk=incident.pk).first()
    if row is None:
        raise Http404
    return row


def _step(
    tenant: Tenant, row: Incident, kind: Kind, reason: str, *, changed: Sequence[str]
) -> None:
    """Store and record one step, inside the caller's transaction; the task follows."""
    _check(tenant, row)
    text = _require_text(reason, "reason")
    row.save()
    _record(tenant, row, kind, {"reason": text}, changed=changed)
    task_list.follow(tenant, row)


def _record(
    tenant: Tenant, row: Incident, kind: Kind, texts: dict[str, str], changed: Sequence[str] = ()
) -> None:
    links = [Link(record_id, "about") for record_id in row.record_ids]
    is_first = kind is Kind.INCIDENT_OPENED
    receipt = append(
        Draft(
            tenant.organisation_id,
            kind,
            tenant.actor,
            as_recorded(row) | ({"lexcustis.changed_fields": sorted(changed)} if changed else {}),
            content={slot: Text(text) for slot, text in texts.items()},
            links=links if is_first else [Link(row.pk, "incident"), *links],
            id=row.pk if is_first else None,
        )
    )
    IncidentEvent.objects.create(
        record_id=receipt.record_id,
        organisation_id=tenant.organisation_id,
        incident=row,
        kind=kind.value,
        person=tenant.user,
        at=receipt.at,
    )


def as_recorded(row: Incident) -> dict[str, Any]:
    """All that is known of the incident but what people wrote, as each of its records says it."""
    clock = clock_of(row)
    moments = {name: getattr(row, name) for name in MOMENTS}
    values = {
        "id": str(row.pk),
        "category": row.category,
        "death": row.is_death,
        "widespread": row.is_widespread,
        "severity": row.severity,
        "status": row.status,
        "causal_link": row.causal_link,
        "country": row.country,
        "persons_affected": row.persons_affected,
        "system_id": str(row.system_id) if row.system_id else "",
        "authority": row.authority,
        "reference": row.reference,
        "window": clock.window.law if clock else "",
        "due_at": write_time(clock.ends_at) if clock else "",
        **{name: write_time(moment) for name, moment in moments.items() if moment is not None},
    }
    return {
        f"lexcustis.incident.{name}": value
        for name, value in values.items()
        if value not in ("", None)
    }


def _existing(tenant: Tenant, record_ids: Iterable[UUID]) -> list[UUID]:
    """The records of the organisation's log; one's own, for who does not handle incidents."""
    wanted = list(dict.fromkeys(record_ids))
    if len(wanted) > MOST_RECORDS:
        raise ValidationError({"record_ids": _("Name at most 50 records.")})
    rows = RecordIndex.objects.for_tenant(tenant)
    if not tenant.may(Permission.INCIDENT_MANAGE):
        # A key of one's own may have asked, and nobody wrote the end of what was interrupted.
        calls = Inference.objects.for_tenant(tenant).filter(user_id=tenant.user.pk)
        asked, ended = calls.filter(pk__in=wanted), calls.filter(end_record_id__in=wanted)
        own = Q(actor_type=tenant.actor["type"], actor_id=tenant.actor["id"])
        own |= Q(pk__in=asked.values("pk")) | Q(pk__in=ended.values("end_record_id"))
        rows = rows.filter(own)
    if rows.filter(pk__in=wanted).count() != len(wanted):
        raise ValidationError({"record_ids": _("There is no such record in the audit log.")})
    return wanted


def _check(tenant: Tenant, incident: Incident) -> None:
    # Before the database's own constraint says the same in its words.
    if incident.is_death and incident.category not in ("", Category.HEALTH):
        raise ValidationError({"category": _("The death of a person is harm to health.")})
    incident.full_clean(exclude=["organisation", "reporter", "system"])
    _require_past(
        aware_at=incident.aware_at,
        occurred_at=incident.occurred_at,
        causal_link_at=incident.causal_link_at,
    )
    if incident.occurred_at and incident.occurred_at > incident.aware_at + _SLACK:
        raise ValidationError({"aware_at": _("Nobody learns of it before it occurs.")})
    if incident.system_id is not None:
        systems = AISystem.objects.for_tenant(tenant)
        if not systems.filter(pk=incident.system_id).exists():
            raise ValidationError({"system": _("There is no such AI system.")})


def _require_past(**moments: datetime | None) -> None:
    require_plausible(**{name: at.date() for name, at in moments.items() if at})
    late = [name for name, at in moments.items() if at and at > timezone.now() + _SLACK]
    if late:
        raise ValidationError(dict.fromkeys(late, _("This moment is still to come.")))


def _require_text(text: str, field: str) -> str:
    text = as_kept(text)
    if len(text) < 10:
        raise ValidationError({field: _("Say it in a sentence.")})
    if len(text) > MOST_CHARACTERS:
        raise ValidationError({field: _("Write at most 20,000 characters.")})
    return text


def _require_known(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise TypeError(f"Not fields of an incident: {', '.join(unknown)}.")
