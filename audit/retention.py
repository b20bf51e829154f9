"""Retention: content goes when its time is over, whole months at once where nothing in them stays.

Records and proofs stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.content_models import Hold, Retention
from audit.erasure import Ground, demands_two_people, erase_as
from audit.expired_months import drop_month, months_that_expired
from audit.kinds import Kind
from audit.ledger import Draft, append
from audit.models import Content, RecordIndex
from orgs.changes import SYSTEM
from orgs.roles import Permission
from orgs.tenancy import Tenant

MOST_DAYS = 36_500  # a hundred years; the calendar ends before an integer does
_AT_ONCE = 100

_DUE = """
SELECT content.record_id, content.slot FROM audit_content AS content
JOIN audit_recordindex AS found USING (record_id)
WHERE content.organisation_id = %(organisation)s AND found.at < %(before)s
"""


@dataclass(frozen=True, slots=True)
class Pruning:
    """What pruning did, or in a dry run would do, for one organisation.

    Of the *slots* that expired, *with_months* went with whole months of content.
    """

    organisation_id: UUID
    before: datetime
    slots: int
    held: int
    with_months: int = 0


@dataclass(frozen=True, slots=True)
class _Due:
    """What is over for one organisation."""

    organisation_id: UUID
    before: datetime
    free: list[tuple[UUID, str]]
    held: int


def retention_of(tenant: Tenant) -> int | None:
    """How many days content is kept; None keeps it. Needs ``organisation:manage``."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    found = Retention.objects.for_tenant(tenant).values_list("content_days", flat=True)
    days: int | None = found.first()
    return days


def set_retention(tenant: Tenant, content_days: int | None) -> Retention:
    """Say how many days content is kept; None keeps it. Needs ``organisation:manage``.

    Where two people are demanded for erasing, who may erase cannot shorten the time: that would be
    a way to erase alone.
    """
    before = retention_of(tenant)
    _check_days(content_days)
    shortens = content_days is not None and (before is None or content_days < before)
    binds = tenant.may(Permission.CONTENT_ERASE) and demands_two_people(tenant.organisation_id)
    if shortens and binds:
        raise ValidationError(_("Who may erase cannot shorten the time of keeping alone."))
    with transaction.atomic():
        retention = Retention(organisation_id=tenant.organisation_id, content_days=content_days)
        retention.save()
        body = {"lexcustis.retention.content_days": content_days}
        append(Draft(tenant.organisation_id, Kind.POLICY_CHANGED, tenant.actor, body))
    return retention


def preview(tenant: Tenant, content_days: int) -> Pruning:
    """What would expire if content were kept for so many days. Needs ``organisation:manage``."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    _check_days(content_days)
    due = _over(Retention(organisation_id=tenant.organisation_id, content_days=content_days))
    return _prune(due, frozenset(), dry_run=True)


def _check_days(content_days: int | None) -> None:
    if content_days is not None and not 1 <= content_days <= MOST_DAYS:
        message = _("Content is kept for 1 to %(most)s days, or until it is erased.")
        raise ValidationError({"content_days": message % {"most": MOST_DAYS}})


def prune(*, dry_run: bool = False) -> list[Pruning]:
    """Let the content expire whose time is over, in every organisation that has set one."""
    settings = Retention.unscoped.exclude(  # the clock prunes everybody's
        content_days=None
    )
    over = [_over(setting) for setting in settings]
    months = months_that_expired(place for due in over for place in due.free)
    if not dry_run:
        months = {name: texts for name, texts in months.items() if drop_month(name, texts)}
    dropped = {place for texts in months.values() for places in texts.values() for place in places}
    return [_prune(due, dropped, dry_run=dry_run) for due in over]


def _over(setting: Retention) -> _Due:
    assert setting.content_days is not None
    organisation_id = setting.organisation_id
    before = timezone.now() - timedelta(days=setting.content_days)
    due = _due(organisation_id, before)
    held = _held(organisation_id, {record_id for record_id, _slot in due})
    free = [place for place in due if place[0] not in held]
    return _Due(organisation_id, before, free, len(due) - len(free))


def _prune(due: _Due, dropped: Set[tuple[UUID, str]], *, dry_run: bool) -> Pruning:
    single = [place for place in due.free if place not in dropped]
    if not dry_run:
        for places in _chunks(single):
            erase_as(
                due.organisation_id,
                places,
                Ground.RETENTION,
                actor=SYSTEM,
                kind=Kind.CONTENT_EXPIRED,
            )
    return Pruning(
        due.organisation_id,
        due.before,
        slots=len(due.free),
        held=due.held,
        with_months=len(due.free) - len(single),
    )


def _due(organisation_id: UUID, before: datetime) -> list[tuple[UUID, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, {"organisation": organisation_id, "before": before})
        rows: list[tuple[UUID, str]] = cursor.fetchall()
        return rows


def _held(organisation_id: UUID, record_ids: set[UUID]) -> set[UUID]:
    held: set[UUID] = set()
    rows = RecordIndex.objects.for_organisation(organisation_id).filter(pk__in=record_ids)
    for hold in Hold.objects.for_organisation(organisation_id).filter(released_at=None):
        covered = Q()
        if hold.actor_id:
            covered &= Q(actor_id=hold.actor_id)
        if hold.since:
            covered &= Q(at__gte=hold.since)
        if hold.until:
            covered &= Q(at__lt=hold.until)
        held |= set(rows.filter(covered).values_list("pk", flat=True))
    return held


def _chunks(places: list[tuple[UUID, str]]) -> Iterator[list[tuple[UUID, str]]]:
    waiting = iter(places)
    while chunk := list(islice(waiting, _AT_ONCE)):
        yield chunk


def content_count(organisation_id: UUID) -> int:
    """How many content slots the organisation keeps."""
    return Content.objects.filter(organisation_id=organisation_id).count()
