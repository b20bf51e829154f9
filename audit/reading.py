"""Reading records and their content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from django.utils.translation import gettext as _

from audit.canonical import NotCanonical
from audit.commitments import SALT_BYTES
from audit.models import Content, Log, Record, RecordIndex
from audit.records import content_place, parse
from orgs import vault
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet

logger = structlog.get_logger(__name__)


class RecordNotFound(LookupError):
    """The organisation's log has no such record."""


class ContentGone(LookupError):
    """The content does not exist any more: it was erased, or its time was over."""


class ContentDamaged(ContentGone):
    """The content is stored, but does not open: it was changed, or its key is missing."""


def records(tenant: Tenant) -> TenantQuerySet[RecordIndex]:
    """The index of the organisation's records, newest first. Needs ``audit:read``."""
    tenant.require(Permission.AUDIT_READ)
    return RecordIndex.objects.for_tenant(tenant)


def record_bytes(organisation_id: UUID, record_id: UUID) -> bytes:
    """A record's canonical bytes. Raises :class:`RecordNotFound`."""
    return bytes(stored_record(organisation_id, record_id).bytes)


def stored_record(organisation_id: UUID, record_id: UUID) -> Record:
    """The row that holds a record of the organisation's. Raises :class:`RecordNotFound`."""
    numbers = Log.objects.for_organisation(organisation_id).values("number")
    record = Record.objects.filter(pk=record_id, log_number__in=numbers).first()
    if record is None:
        raise RecordNotFound(f"There is no record {record_id}.")
    return record


def read_record(organisation_id: UUID, record_id: UUID) -> dict[str, Any] | None:
    """What a record says; None where somebody removed it, or made it something else.

    Verification names such a record. Pages that gather many go on without it.
    """
    try:
        return said_by(record_bytes(organisation_id, record_id))
    except RecordNotFound:
        return None


def said_by(data: bytes) -> dict[str, Any] | None:
    """What a record's bytes say; None where they are no record any more."""
    try:
        return parse(data)
    except NotCanonical:
        return None


def read_content(organisation_id: UUID, record_id: UUID, slot: str) -> bytes:
    """The text of one content slot. Raises :class:`ContentGone` or :class:`ContentDamaged`.

    Who may read it is decided before: one's own is ordinary, anybody else's is
    :mod:`audit.break_glass`.
    """
    place = record_id, slot
    content = read_contents(organisation_id, [place])[place]
    if content is not None:
        return content
    if damaged(organisation_id, [place]):
        raise ContentDamaged(
            _(
                "What is stored of this text does not open: it was changed in the database, or its "
                "key is missing. Verify the log."
            )
        )
    raise ContentGone(_("The content was erased, or its time was over."))


def read_contents(
    organisation_id: UUID, places: Iterable[tuple[UUID, str]]
) -> dict[tuple[UUID, str], bytes | None]:
    """The texts of many content slots in one query; None where one is gone or damaged.

    One that does not open takes none of the others with it.
    """
    texts: dict[tuple[UUID, str], bytes | None] = dict.fromkeys(places)
    rows = Content.objects.filter(
        organisation_id=organisation_id, record_id__in={record_id for record_id, _slot in texts}
    )
    for row in rows:
        if (row.record_id, row.slot) in texts:
            try:
                texts[row.record_id, row.slot] = opened(row)[1]
            except vault.VaultError as error:
                logger.error("content does not open", record=str(row.record_id), why=str(error))
    return texts


def damaged(organisation_id: UUID, unread: Iterable[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of the slots without a text that are stored all the same."""
    places = set(unread)
    if not places:
        return places
    rows = Content.objects.filter(
        organisation_id=organisation_id, record_id__in={record_id for record_id, _slot in places}
    )
    return places & set(rows.values_list("record_id", "slot"))


def opened(row: Any) -> tuple[bytes, bytes]:
    """Salt and text of a content row."""
    place = content_place(row.record_id, row.slot)
    plain = vault.unseal(row.organisation_id, row.sealed, place=place)
    return plain[:SALT_BYTES], plain[SALT_BYTES:]
