"""What a record's page says of its content: whose it is, what became of it, who may read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from audit.content_models import Disclosure, ErasureRequest, Hold
from audit.erasure import Ground
from audit.erasure_requests import open_requests
from audit.kinds import Kind
from audit.models import Content, RecordIndex
from audit.reading import ContentDamaged, ContentGone, read_content, read_contents
from audit.records import parse
from audit.verification import excuses
from orgs.roles import Permission
from orgs.tenancy import Tenant

SHOWN_CHARACTERS = 20_000

# The records of erasures name what they erased in their bytes alone: the index has no column.
_GONE_BY = """
SELECT found.record_id, found.at, found.kind, record.bytes
FROM audit_recordindex AS found JOIN audit_record AS record ON record.id = found.record_id
WHERE found.organisation_id = %(organisation)s
  AND found.kind IN ('content.erased', 'content.expired')
  AND found.at >= %(since)s AND position(%(named)s::bytea IN record.bytes) > 0
ORDER BY found.at
"""


@dataclass(frozen=True, slots=True)
class Erasure:
    """The record by which a text went, and the ground that it gives."""

    record_id: UUID
    at: datetime
    is_expiry: bool
    ground: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One content slot: what the record commits to, and what became of the text.

    ``text`` is there only where it is the reader's own. Gone without an ``erasure`` is a failure
    of the log, and the page says so.
    """

    name: str
    commitment: str
    media: str
    size: int
    is_stored: bool
    erasure: Erasure | None
    text: str | None


@dataclass(frozen=True, slots=True)
class ContentPage:
    """The content of one record, as one person may see it."""

    slots: list[Slot]
    is_own: bool
    holds: list[Hold]
    disclosure: Disclosure | None
    to_erase: ErasureRequest | None
    may_ask: bool
    may_erase: bool

    @property
    def is_stored(self) -> bool:
        """Whether any text is still there."""
        return any(slot.is_stored for slot in self.slots)

    @property
    def may_read(self) -> bool:
        """Whether the reader's own request was released, and still is."""
        asked = self.disclosure
        return (
            asked is not None and asked.expires_at is not None and asked.expires_at > timezone.now()
        )

    @property
    def waits(self) -> bool:
        """Whether the reader has asked and nobody has decided."""
        return self.disclosure is not None and self.disclosure.decided_at is None


def content_page(tenant: Tenant, row: RecordIndex, record: dict[str, Any]) -> ContentPage:
    """What the tenant may see of the content that *record*, the row's own bytes, commits to."""
    own = is_own(tenant, row)
    asked = _asked(tenant, row)
    return ContentPage(
        slots=_slots(row, record, own=own),
        is_own=own,
        holds=holds_over(tenant, row),
        disclosure=asked,
        to_erase=_to_erase(tenant, row),
        may_ask=tenant.may(Permission.CONTENT_READ) and not own,
        may_erase=tenant.may(Permission.CONTENT_ERASE),
    )


def is_own(tenant: Tenant, row: RecordIndex) -> bool:
    """Whether the person wrote the content, or asked for the answer that it is."""
    if tenant.api_key is not None:
        return False
    rows = RecordIndex.objects.for_tenant(tenant).filter(
        actor_type="user", actor_id=str(tenant.user.pk)
    )
    return rows.filter(pk__in=[row.pk, row.request_id or row.pk]).exists()


def holds_over(tenant: Tenant, row: RecordIndex) -> list[Hold]:
    """The legal holds that forbid to erase the record's content, as the database applies them."""
    return list(
        Hold.objects.for_tenant(tenant)
        .filter(released_at=None, actor_id__in=["", row.actor_id])
        .filter(Q(since=None) | Q(since__lte=row.at), Q(until=None) | Q(until__gt=row.at))
    )


def reason_of(disclosure: Disclosure) -> str | None:
    """Why somebody asks, or why that cannot be read; None where the reason itself was erased.

    It is written for whoever decides, so reading it is no disclosure of its own.
    """
    try:
        return read_content(disclosure.organisation_id, disclosure.pk, "reason").decode()
    except ContentDamaged as error:
        return str(error)
    except ContentGone:
        return None


def as_text(data: bytes) -> str:
    """Content as a page shows it: its beginning, where it is very long."""
    text = data.decode(errors="replace")
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return text[:SHOWN_CHARACTERS] + f"\n… ({len(text) - SHOWN_CHARACTERS} more characters)"


def _asked(tenant: Tenant, row: RecordIndex) -> Disclosure | None:
    """The person's newest request to read this record."""
    asked: Disclosure | None = (
        Disclosure.objects.for_tenant(tenant)
        .filter(requested_by=tenant.user, record_ids__contains=[row.pk])
        .first()
    )
    return asked


def _to_erase(tenant: Tenant, row: RecordIndex) -> ErasureRequest | None:
    """The open request to erase some of the record's texts, for those who may see requests."""
    if not tenant.may(Permission.ORGANISATION_MANAGE):
        return None
    found: ErasureRequest | None = (
        open_requests(tenant).filter(places__contains=[[str(row.record_id)]]).first()
    )
    return found


def _slots(row: RecordIndex, record: dict[str, Any], *, own: bool) -> list[Slot]:
    said: dict[str, Any] = record.get("content", {})
    stored = set(
        Content.objects.filter(
            organisation_id=row.organisation_id, record_id=row.record_id
        ).values_list("slot", flat=True)
    )
    places = [(row.record_id, name) for name in stored & set(said)] if own else []
    texts = read_contents(row.organisation_id, places) if places else {}
    gone = _gone(row, [name for name in said if name not in stored])
    slots = []
    for name, slot in sorted(said.items()):
        data = texts.get((row.record_id, name))
        slots.append(
            Slot(
                name=name,
                commitment=slot["commitment"],
                media=slot["media"],
                size=slot["bytes"],
                is_stored=name in stored,
                erasure=gone.get(name),
                text=None if data is None else as_text(data),
            )
        )
    return slots


def _gone(row: RecordIndex, names: Sequence[str]) -> dict[str, Erasure]:
    """By which record each of these slots went."""
    if not names:
        return {}
    named = f'"record":"{row.record_id}"'.encode()
    with connection.cursor() as cursor:
        cursor.execute(
            _GONE_BY, {"organisation": row.organisation_id, "since": row.at, "named": named}
        )
        found = cursor.fetchall()
    erasures: dict[str, Erasure] = {}
    for record_id, at, kind, data in found:
        try:
            record = parse(bytes(data))
            excused = {slot for of, slot in excuses(record) if of == str(row.record_id)}
            ground = str(Ground(record["body"].get("lexcustis.ground")).label)
        except ValueError:  # somebody changed it: it explains nothing any more
            continue
        for name in excused & set(names):
            erasures[name] = Erasure(record_id, at, kind == Kind.CONTENT_EXPIRED, ground)
    return erasures
