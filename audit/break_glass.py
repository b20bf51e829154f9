"""Reading texts of other people: one asks with a reason, another decides, the person sees it.

Every step is a record. Nothing is shown before the record of the reading is committed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.content_models import Disclosure
from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from audit.models import RecordIndex
from audit.reading import read_content, read_record
from audit.two_people import locked_for_decision
from orgs.identifiers import uuid7
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused, Tenant, TenantQuerySet

READABLE_FOR = timedelta(hours=24)
_MOST_RECORDS = 200


class NotDisclosed(Exception):
    """The text may not be read: not asked for, not released, not by this person, or too late."""


def request_disclosure(tenant: Tenant, record_ids: Sequence[UUID], reason: str) -> Disclosure:
    """Ask to read the content of these records. Needs ``content:read`` and a reason."""
    tenant.require(Permission.CONTENT_READ)
    if len(reason.strip()) < 10:
        raise ValidationError(_("Say in a sentence why these texts must be read."))
    rows = list(RecordIndex.objects.for_tenant(tenant).filter(pk__in=record_ids))
    if not rows or len(rows) != len(set(record_ids)) or len(rows) > _MOST_RECORDS:
        raise ValidationError(_("Name between 1 and 200 records of this organisation."))
    disclosure_id = uuid7()
    disclosure = Disclosure(
        id=disclosure_id,
        organisation_id=tenant.organisation_id,
        record_ids=[row.pk for row in rows],
        concerned=_concerned(tenant, rows),
        requested_by=tenant.user,
    )
    with transaction.atomic():
        disclosure.save(force_insert=True)
        append(
            Draft(
                tenant.organisation_id,
                Kind.CONTENT_REQUESTED,
                tenant.actor,
                {"lexcustis.disclosure.records": [str(row.pk) for row in rows]},
                content={"reason": Text(reason.strip())},
                id=disclosure_id,
            )
        )
    return disclosure


def decide(tenant: Tenant, disclosure: Disclosure, *, release: bool) -> Disclosure:
    """Release or refuse what somebody else has asked for.

    Needs ``content:read`` or ``organisation:manage``, and to be another person.
    """
    if not tenant.may(Permission.CONTENT_READ) and not tenant.may(Permission.ORGANISATION_MANAGE):
        raise PermissionRefused(Permission.CONTENT_READ)
    with transaction.atomic():
        row = locked_for_decision(tenant, disclosure)
        row.state = Disclosure.State.RELEASED if release else Disclosure.State.REFUSED
        row.decided_by, row.decided_at = tenant.user, timezone.now()
        row.expires_at = row.decided_at + READABLE_FOR if release else None
        row.save()
        kind = Kind.CONTENT_RELEASED if release else Kind.CONTENT_REFUSED
        link = Link(row.pk, "disclosure")
        append(Draft(tenant.organisation_id, kind, tenant.actor, {}, links=[link]))
    return row


def read_disclosed(tenant: Tenant, disclosure: Disclosure, record_id: UUID, slot: str) -> bytes:
    """The text of a slot that was released to this person; that it was read is recorded first.

    Raises :class:`NotDisclosed` and :class:`audit.reading.ContentGone`.
    """
    tenant.require(Permission.CONTENT_READ)
    row = Disclosure.objects.for_tenant(tenant).filter(pk=disclosure.pk).first()
    if (
        row is None
        or row.state != Disclosure.State.RELEASED
        or row.requested_by_id != tenant.user.pk
        or record_id not in row.record_ids
        or row.expires_at < timezone.now()
    ):
        raise NotDisclosed(_("This text was not released to you, or no longer is."))
    with transaction.atomic():
        links = [Link(row.pk, "disclosure"), Link(record_id, "content")]
        body = {"lexcustis.slot": slot}
        append(Draft(tenant.organisation_id, Kind.CONTENT_READ, tenant.actor, body, links=links))
    return read_content(tenant.organisation_id, record_id, slot)


def disclosures_about(tenant: Tenant) -> TenantQuerySet[Disclosure]:
    """Who asked to read this person's texts, when, and how it was decided: theirs to see."""
    return Disclosure.objects.for_tenant(tenant).filter(concerned__contains=[str(tenant.user.pk)])


def openings_about(tenant: Tenant) -> dict[UUID, list[datetime]]:
    """When this person's texts were opened, by the id of the disclosure that allowed it."""
    asked = set(disclosures_about(tenant).values_list("pk", flat=True))
    openings: dict[UUID, list[datetime]] = {pk: [] for pk in asked}
    if not asked:
        return openings
    records = RecordIndex.objects.for_tenant(tenant)
    for reading in records.filter(kind=Kind.CONTENT_READ).order_by("at"):
        written = read_record(tenant.organisation_id, reading.pk)
        links = {link["rel"]: UUID(link["id"]) for link in written["links"]} if written else {}
        if links.get("disclosure") not in asked:
            continue
        read = list(records.filter(pk=links.get("content")))
        if str(tenant.user.pk) in _concerned(tenant, read):
            openings[links["disclosure"]].append(reading.at)
    return openings


def _concerned(tenant: Tenant, rows: Sequence[RecordIndex]) -> list[str]:
    """Whose texts they are: the actors of the records, or of the requests they answer."""
    actors = {row.actor_id for row in rows if row.actor_type == "user"}
    requests = [row.request_id for row in rows if row.request_id is not None]
    actors |= set(
        RecordIndex.objects.for_tenant(tenant)
        .filter(pk__in=requests, actor_type="user")
        .values_list("actor_id", flat=True)
    )
    return sorted(actors)
