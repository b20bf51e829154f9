"""Erasing content: the text, its salt and its key go; the record and every proof stay.

The record ``content.erased`` and the deletion are one transaction, and the database refuses the
deletion without the record. A legal hold refuses both. An organisation may demand two people for
it: then what is asked for here is confirmed in :mod:`audit.erasure_requests`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.content_models import ErasureRule, Hold
from audit.inclusion import prove_inclusion
from audit.kinds import Kind
from audit.ledger import Draft, Link, Receipt, append
from audit.models import Content, RecordIndex
from orgs.changes import SYSTEM
from orgs.roles import Permission
from orgs.tenancy import Tenant

# One record of an erasure names so many others at most, to stay well under 16 KB.
_PER_RECORD = 120

Places = Iterable[tuple[UUID, str]]


class Ground(TextChoices):
    """Why content is erased."""

    REQUEST = "gdpr_17_1", _("Request of the person concerned (Art. 17(1) GDPR)")
    OBJECTION = "gdpr_21", _("Objection (Art. 21 GDPR)")
    UNLAWFUL = "gdpr_17_1_d", _("Processed unlawfully (Art. 17(1)(d) GDPR)")
    DUTY = "gdpr_17_1_e", _("Legal duty to erase (Art. 17(1)(e) GDPR)")
    MISTAKE = "mistake", _("Entered by mistake")
    RETENTION = "retention", _("Time of keeping is over")


class Held(Exception):
    """A legal hold covers the content."""


class SecondPersonNeeded(Exception):
    """The organisation demands that a second person confirms an erasure."""

    def __init__(self) -> None:
        super().__init__("This organisation demands that a second person confirms an erasure.")


def demands_two_people(organisation_id: UUID) -> bool:
    """Whether one person alone may not erase in this organisation. By default one may."""
    rules = ErasureRule.objects.for_organisation(organisation_id)
    return bool(rules.filter(two_people=True).exists())


def erase(tenant: Tenant, places: Places, ground: Ground) -> list[Receipt]:
    """Erase content slots, named as (record id, slot). Needs ``content:erase``.

    Slots that are gone already are left out. Returns the receipts of the records that say so.
    Raises :class:`Held` or :class:`SecondPersonNeeded`, and then erases nothing.
    """
    require_ground(tenant, ground)
    if demands_two_people(tenant.organisation_id):
        raise SecondPersonNeeded
    return erase_as(
        tenant.organisation_id, places, ground, actor=tenant.actor, kind=Kind.CONTENT_ERASED
    )


def erase_by_operator(organisation_id: UUID, places: Places, ground: Ground) -> list[Receipt]:
    """:func:`erase` at an operator's hands, who is no member: the organisation's rule binds too."""
    if demands_two_people(organisation_id):
        raise SecondPersonNeeded
    return erase_as(organisation_id, places, ground, actor=SYSTEM, kind=Kind.CONTENT_ERASED)


def require_ground(tenant: Tenant, ground: Ground) -> None:
    """Refuse who may not erase, and the ground that is no person's to name."""
    tenant.require(Permission.CONTENT_ERASE)
    if ground is Ground.RETENTION:
        raise ValidationError(_("Content expires by itself; a person names another ground."))


def erase_everything_of(tenant: Tenant, actor_id: str, ground: Ground) -> list[Receipt]:
    """Erase all content of one person's or key's requests and of the answers to them."""
    return erase(tenant, places_of(tenant, actor_id), ground)


def places_of(tenant: Tenant, actor_id: str) -> list[tuple[UUID, str]]:
    """The content slots of one person's or key's requests and of the answers to them."""
    tenant.require(Permission.CONTENT_ERASE)
    own = RecordIndex.objects.for_tenant(tenant).filter(actor_id=actor_id)
    answers = RecordIndex.objects.for_tenant(tenant).filter(request_id__in=own.values("pk"))
    rows = (own | answers).exclude(slots=[]).values_list("pk", "slots")
    return [(pk, slot) for pk, slots in rows for slot in slots]


def erase_as(
    organisation_id: UUID,
    places: Places,
    ground: Ground,
    *,
    actor: Any,
    kind: Kind,
    links: Sequence[Link] = (),
) -> list[Receipt]:
    """:func:`erase` without asking who may: for retention, which nobody requests."""
    receipts = []
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            for entries in batches(existing(organisation_id, places)):
                body = {"lexcustis.erased": entries, "lexcustis.ground": ground.value}
                receipt = append(Draft(organisation_id, kind, actor, body, links=links))
                for entry in entries:
                    cursor.execute(
                        "SELECT audit_erase(%s, %s, %s)",
                        [entry["record"], entry["slots"], receipt.record_id],
                    )
                receipts.append(receipt)
    except IntegrityError as error:
        raise Held(str(error).split("\n", maxsplit=1)[0]) from error
    return receipts


def certificate(organisation_id: UUID, erasure_id: UUID) -> dict[str, Any]:
    """What the person who asked gets: the record of the erasure, and the proof that it is logged.

    Raises :class:`audit.inclusion.NotSealedYet` for the moment until it is sealed.
    """
    proof = prove_inclusion(organisation_id, erasure_id)
    return {
        "format": "lex-custis/erasure/v1",
        "record": proof.record.decode(),
        "proof": proof.tlog_proof,
        "note": "Text, salt and key were deleted. Copies in backups go when the backups do.",
    }


def place_hold(
    tenant: Tenant, *, name: str, actor_id: str = "", since: Any = None, until: Any = None
) -> Hold:
    """Forbid to erase what the hold covers. Needs ``content:erase``."""
    tenant.require(Permission.CONTENT_ERASE)
    if since is not None and until is not None and since >= until:
        raise ValidationError({"until": _("A hold ends after it begins.")})
    for name_of_end, end in (("since", since), ("until", until)):
        # PostgreSQL keeps moments that Python cannot read again: one would close the whole list.
        if end is not None and not 1900 <= end.year < 9000:
            raise ValidationError({name_of_end: _("The year is mistyped.")})
    hold = Hold(
        organisation_id=tenant.organisation_id,
        name=name,
        actor_id=actor_id,
        since=since,
        until=until,
    )
    with transaction.atomic():
        hold.full_clean()
        hold.save(force_insert=True)
        body = {"lexcustis.subject.id": str(hold.pk), "lexcustis.held.actor": actor_id}
        append(Draft(tenant.organisation_id, Kind.CONTENT_HELD, tenant.actor, body))
    return hold


def release_hold(tenant: Tenant, hold: Hold) -> None:
    """End a hold. Needs ``content:erase``."""
    tenant.require(Permission.CONTENT_ERASE)
    with transaction.atomic():
        held = Hold.objects.for_tenant(tenant).filter(pk=hold.pk, released_at=None)
        if held.update(released_at=timezone.now()):
            body = {"lexcustis.subject.id": str(hold.pk)}
            append(Draft(tenant.organisation_id, Kind.CONTENT_UNHELD, tenant.actor, body))


def existing(organisation_id: UUID, places: Places) -> list[tuple[UUID, str]]:
    """Those of the slots that are still there."""
    wanted = set(places)
    rows = Content.objects.filter(
        organisation_id=organisation_id, record_id__in={record_id for record_id, _slot in wanted}
    ).values_list("record_id", "slot")
    return [place for place in rows if place in wanted]


def batches(places: list[tuple[UUID, str]]) -> Iterator[list[dict[str, Any]]]:
    """The slots as records name them, as many at a time as one record holds."""
    by_record: dict[UUID, list[str]] = defaultdict(list)
    for record_id, slot in places:
        by_record[record_id].append(slot)
    entries = [
        {"record": str(record_id), "slots": sorted(slots)}
        for record_id, slots in sorted(by_record.items())
    ]
    for start in range(0, len(entries), _PER_RECORD):
        yield entries[start : start + _PER_RECORD]
