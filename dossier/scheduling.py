"""Which dossiers there should be: those that people ask for, and those of the schedules.

Promise P6 is kept by the unique constraint of :class:`~dossier.models.Dossier`: whoever asks for
what exists gets what exists, be it a person who clicks twice or two ticks at the same moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, append
from dossier.doorbell import ring, ring_after_commit
from dossier.languages import check_languages
from dossier.models import Dossier, DossierSchedule, Kind
from dossier.periods import Rhythm, due_periods, named_period, today
from orgs.changes import SYSTEM
from orgs.days import FIRST_DAY
from orgs.models import Organisation, User
from orgs.roles import Permission
from orgs.tenancy import Tenant

logger = structlog.get_logger(__name__)

LONGEST_PERIOD = timedelta(days=366)
_RINGS_PER_TICK = 50


@dataclass(frozen=True, slots=True)
class Languages:
    """In which language ``dossier.pdf`` is, and in which others the same is printed beside it.

    Empty: in the organisation's language.
    """

    first: str = ""
    further: Sequence[str] = ()


def request_dossier(
    tenant: Tenant, *, kind: Kind, first: date, last: date, languages: Languages | None = None
) -> Dossier:
    """The dossier of this kind and period: a new one, or the one that exists.

    Languages are an input, not what tells dossiers apart (promise P6): whoever asks in another
    language for what is made or being made gets it as it is; whoever asks again for what failed
    or was cancelled gets it in the languages of the new request.

    One that failed or was cancelled is put back to work. Raises ``ValidationError`` for a period
    that lies in the future, runs backwards, is longer than a year or has a mistyped year.
    """
    tenant.require(Permission.DOSSIER_REQUEST)
    _check_period(first, last, today(timezone.now(), tenant.organisation.time_zone))
    with transaction.atomic():
        dossier, created = open_dossier(
            tenant.organisation,
            kind,
            first,
            last,
            actor=tenant.actor,
            requested_by=tenant.user,
            languages=languages,
        )
        if not created:
            _put_back(dossier, languages)
    return dossier


def asked_days(period: str | None, first: date | None, last: date | None) -> tuple[date, date]:
    """The days that a request means: those of a named *period*, else both that are given."""
    if period:
        if first or last:
            raise ValidationError({"period": _("Name the period, or its days, not both.")})
        try:
            return named_period(period)
        except ValueError as error:
            raise ValidationError({"period": str(error)}) from error
    if first is None or last is None:
        missing = "period_start" if first is None else "period_end"
        raise ValidationError({missing: _("Name the period, or its first and last day.")})
    return first, last


def _check_period(first: date, last: date, now: date) -> None:
    if last < first:
        raise ValidationError({"period_end": _("The last day lies before the first.")})
    if first < FIRST_DAY:
        raise ValidationError({"period_start": _("This day lies before any log.")})
    if last > now:
        raise ValidationError({"period_end": _("The last day lies in the future.")})
    if last - first > LONGEST_PERIOD:
        raise ValidationError({"period_end": _("A period is at most a year.")})


def open_dossier(
    organisation: Organisation,
    kind: Kind,
    first: date,
    last: date,
    *,
    actor: Mapping[str, str],
    requested_by: User | None = None,
    languages: Languages | None = None,
) -> tuple[Dossier, bool]:
    """Insert the row of a dossier, record that it was asked for, and ring; unless it exists."""
    with transaction.atomic():
        dossier, created = Dossier.unscoped.get_or_create(  # the organisation is in the values
            organisation=organisation,
            kind=kind,
            period_start=first,
            period_end=last,
            defaults={
                "time_zone": organisation.time_zone,
                "requested_by": requested_by,
                **_chosen(organisation, languages),
            },
        )
        if created:
            append(
                Draft(
                    organisation_id=organisation.pk,
                    kind=RecordKind.DOSSIER_REQUESTED,
                    actor=actor,
                    body=describe(dossier),
                )
            )
            ring_after_commit(dossier.pk)
    return dossier, created


def _chosen(organisation: Organisation, languages: Languages | None) -> dict[str, Any]:
    """The fields of the languages; the organisation's own where none is asked for."""
    wanted = languages or Languages()
    language = wanted.first or organisation.language
    further = check_languages(language, wanted.further)
    return {"language": language, "further_languages": further}


def describe(dossier: Dossier) -> dict[str, str]:
    """The dossier as records of the log name it."""
    return {
        "lexcustis.dossier.id": str(dossier.pk),
        "lexcustis.dossier.kind": dossier.kind,
        "lexcustis.dossier.period_start": dossier.period_start.isoformat(),
        "lexcustis.dossier.period_end": dossier.period_end.isoformat(),
    }


def _put_back(dossier: Dossier, languages: Languages | None) -> None:
    """Have another try at a dossier that failed or was cancelled, in *languages* where given."""
    chosen = _chosen(dossier.organisation, languages) if languages else {}
    changed = Dossier.unscoped.filter(  # this one row, already found within its organisation
        pk=dossier.pk, state__in=[Dossier.State.FAILED, Dossier.State.CANCELLED]
    ).update(
        state=Dossier.State.WAITING, stage="", percent=0, message="", attempts=0,
        as_of=None, checkpoint_size=None, lease_expires_at=None, **chosen,
    )  # fmt: skip
    if changed:
        dossier.refresh_from_db()
        ring_after_commit(dossier.pk)


def cancel(tenant: Tenant, dossier: Dossier) -> bool:
    """Stop a dossier that is not published yet. False where there was nothing to stop."""
    tenant.require(Permission.DOSSIER_REQUEST)
    changed = (
        Dossier.objects.for_tenant(tenant)
        .filter(pk=dossier.pk, state__in=[Dossier.State.WAITING, Dossier.State.RUNNING])
        .update(state=Dossier.State.CANCELLED, stage="", lease_expires_at=None)
    )
    return bool(changed)


def tick(now: datetime | None = None) -> int:
    """Open what the schedules are due for and ring for everything that waits.

    Returns how many dossiers were opened. Two ticks at once do no harm.
    """
    now = now or timezone.now()
    opened = 0
    schedules = DossierSchedule.unscoped.filter(is_enabled=True)  # of every organisation
    for schedule in schedules.select_related("organisation").order_by("created_at"):
        try:
            opened += _open_due(schedule, now)
        except Exception as error:
            # One organisation's trouble is not another's.
            logger.exception("dossier.schedule_failed", schedule=str(schedule.pk), exc_info=error)
    for dossier_id in _waiting(now):
        if not ring(dossier_id):
            break  # nobody hears it; the next tick finds the same rows
    return opened


def _open_due(schedule: DossierSchedule, now: datetime) -> int:
    organisation, opened = schedule.organisation, 0
    day = today(now, organisation.time_zone)
    since = today(schedule.created_at, organisation.time_zone)
    due = due_periods(day, schedule.catch_up_months, Rhythm(schedule.rhythm))
    for first, last in due:
        if last < since:
            continue  # over before anybody asked for a schedule
        _, created = open_dossier(
            organisation,
            Kind(schedule.kind),
            first,
            last,
            actor=SYSTEM,
            languages=Languages(schedule.language, schedule.further_languages),
        )
        opened += created
    return opened


def _waiting(now: datetime) -> list[UUID]:
    """What no worker holds: never started, put off until now, or left by one that died."""
    rows = Dossier.unscoped.filter(  # of every organisation
        Q(state=Dossier.State.WAITING, lease_expires_at=None)
        | Q(
            state__in=[Dossier.State.WAITING, Dossier.State.RUNNING],
            lease_expires_at__lte=now,
        )
    )
    return list(rows.order_by("created_at").values_list("pk", flat=True)[:_RINGS_PER_TICK])
