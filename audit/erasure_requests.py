"""Erasing by two: one asks on a legal ground, another who may erase confirms it within a week.

An organisation demands it or does not; by default one person erases. The request, its refusal and
the erasure are records; the erasure bears the name of who confirmed it and leads to the request.
What expires needs no record: the request says until when it stands.
"""

from __future__ import annotations

from datetime import UTC, timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.content_models import ErasureRequest, ErasureRule
from audit.erasure import (
    Ground,
    Places,
    batches,
    demands_two_people,
    erase,
    erase_as,
    existing,
    require_ground,
)
from audit.kinds import Kind
from audit.ledger import Draft, Link, Receipt, append
from audit.models import RecordIndex
from audit.reading import read_record
from audit.two_people import locked_for_decision
from orgs.identifiers import uuid7
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet

CONFIRMABLE_FOR = timedelta(days=7)
_RELATION = "erasure_request"


def demand_two_people(tenant: Tenant, demanded: bool) -> None:
    """Demand, or no longer, that a second person confirms each erasure.

    Needs ``organisation:manage``. Who may erase may not lift the rule: it would bind nobody.
    """
    tenant.require(Permission.ORGANISATION_MANAGE)
    if not demanded and tenant.may(Permission.CONTENT_ERASE):
        raise ValidationError(_("Who may erase cannot lift the rule that two people do it."))
    with transaction.atomic():
        if demands_two_people(tenant.organisation_id) == demanded:
            return
        ErasureRule.objects.for_tenant(tenant).update_or_create(
            organisation_id=tenant.organisation_id, defaults={"two_people": demanded}
        )
        body = {"lexcustis.erasure.two_people": demanded}
        append(Draft(tenant.organisation_id, Kind.POLICY_CHANGED, tenant.actor, body))


def erase_or_request(
    tenant: Tenant, places: Places, ground: Ground
) -> ErasureRequest | list[Receipt]:
    """Erase, or ask to where the organisation demands two people: the request, or the receipts.

    Needs ``content:erase``. Raises :class:`audit.erasure.Held`.
    """
    if demands_two_people(tenant.organisation_id):
        return request_erasure(tenant, places, ground)
    return erase(tenant, places, ground)


def request_erasure(tenant: Tenant, places: Places, ground: Ground) -> ErasureRequest:
    """Ask to erase content slots, named as (record id, slot). Needs ``content:erase``."""
    require_ground(tenant, ground)
    found = existing(tenant.organisation_id, places)
    if not found:
        raise ValidationError(_("There is no text to erase."))
    now = timezone.now()
    request = ErasureRequest(
        id=uuid7(),
        organisation_id=tenant.organisation_id,
        places=[[str(record_id), slot] for record_id, slot in sorted(found)],
        ground=ground.value,
        requested_by=tenant.user,
        requested_at=now,
        expires_at=now + CONFIRMABLE_FOR,
    )
    until = request.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with transaction.atomic():
        request.save(force_insert=True)
        for number, entries in enumerate(batches(found)):
            append(
                Draft(
                    tenant.organisation_id,
                    Kind.CONTENT_ERASURE_REQUESTED,
                    tenant.actor,
                    {
                        "lexcustis.to_erase": entries,
                        "lexcustis.ground": ground.value,
                        "lexcustis.until": until,
                    },
                    links=[Link(request.pk, _RELATION)] if number else [],
                    id=None if number else request.pk,
                )
            )
    return request


def decide_erasure(tenant: Tenant, request: ErasureRequest, *, confirm: bool) -> ErasureRequest:
    """Confirm what somebody else asked for, which erases it at once, or refuse it.

    Needs ``content:erase``, to be another person, and to be in time. Raises
    :class:`audit.erasure.Held` where a legal hold covers some of it: the request then stands.
    """
    tenant.require(Permission.CONTENT_ERASE)
    with transaction.atomic():
        row = locked_for_decision(tenant, request)
        if not row.is_open:
            raise ValidationError(_("The time to confirm this is over: it is to be asked anew."))
        states = ErasureRequest.State
        row.state = states.CONFIRMED if confirm else states.REFUSED
        row.decided_by, row.decided_at = tenant.user, timezone.now()
        row.save()
        links = [Link(row.pk, _RELATION)]
        if confirm:
            erase_as(
                tenant.organisation_id,
                [(UUID(record_id), slot) for record_id, slot in row.places],
                Ground(row.ground),
                actor=tenant.actor,
                kind=Kind.CONTENT_ERASED,
                links=links,
            )
        else:
            kind = Kind.CONTENT_ERASURE_REFUSED
            append(Draft(tenant.organisation_id, kind, tenant.actor, {}, links=links))
    return row


def open_requests(tenant: Tenant) -> TenantQuerySet[ErasureRequest]:
    """The requests that can still be decided."""
    return ErasureRequest.objects.for_tenant(tenant).filter(
        state=ErasureRequest.State.REQUESTED, expires_at__gt=timezone.now()
    )


def erasures_of(request: ErasureRequest) -> list[UUID]:
    """The records of the erasure that this request led to; none unless it was confirmed.

    They bear the name of who confirmed it and lead to the request.
    """
    if request.state != ErasureRequest.State.CONFIRMED or request.decided_at is None:
        return []
    moment = timedelta(minutes=1)
    near = RecordIndex.objects.for_organisation(request.organisation_id).filter(
        kind=Kind.CONTENT_ERASED,
        at__gte=request.decided_at - moment,
        at__lte=request.decided_at + moment,
    )
    link = {"id": str(request.pk), "rel": _RELATION}
    return [
        pk
        for pk in near.order_by("pk").values_list("pk", flat=True)
        if (said := read_record(request.organisation_id, pk)) and link in said["links"]
    ]
