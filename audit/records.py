"""What is to be recorded, what the caller gets back, and the bytes in between."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from audit.canonical import NotCanonical, decode, encode
from audit.commitments import commitment, fresh_salt
from audit.hashing import leaf_hash
from audit.kinds import Kind
from audit.logs import LogName
from orgs import vault
from orgs.identifiers import uuid7

VERSION = 1
_SLOT = re.compile(r"[a-z][a-z0-9_]{0,31}")
_MEDIA = re.compile(r"[\x20-\x7e]{1,100}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_PARTS: dict[str, type] = {
    "actor": dict,
    "at": str,
    "body": dict,
    "content": dict,
    "id": str,
    "kind": str,
    "links": list,
    "log": str,
    "v": int,
    "writer": list,
}
_LINK = {"id": str, "rel": str}
_CONTENT = {"bytes": int, "commitment": str, "media": str}


@dataclass(frozen=True, slots=True)
class Text:
    """One content slot. A ``str`` is encoded as UTF-8."""

    data: str | bytes
    media: str = "text/plain"

    @property
    def as_bytes(self) -> bytes:
        """The content as it is committed to."""
        return self.data.encode() if isinstance(self.data, str) else self.data


@dataclass(frozen=True, slots=True)
class Link:
    """A relation to another record of the same log."""

    id: UUID
    rel: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What happened, before it is a record.

    ``body`` and ``actor`` stand in the log in clear: opaque ids, numbers, names of things; never
    free text or anything personal, which belongs into ``content``. ``at`` is the claimed time,
    by default now.
    """

    organisation_id: UUID
    kind: Kind
    actor: Mapping[str, str]
    body: Mapping[str, Any]
    content: Mapping[str, Text] = field(default_factory=dict)
    links: Sequence[Link] = ()
    at: datetime | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the caller may keep: with it, a lost record is provably lost."""

    record_id: UUID
    origin: str
    leaf_hash: bytes
    at: datetime

    @property
    def header(self) -> str:
        """The value of the HTTP header ``Lexcustis-Record``."""
        encoded = base64.b64encode(self.leaf_hash).decode()
        return f"{self.origin}#{self.record_id};{encoded}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A record ready to be inserted."""

    receipt: Receipt
    log_number: int
    data: bytes
    organisation_id: UUID
    contents: list[tuple[str, bytes]]  # slot, sealed salt and text
    index: Mapping[str, Any]  # the columns of its RecordIndex
    is_awaited: bool


def prepare(draft: Draft, log: LogName, writer: tuple[str, int]) -> Prepared:
    """Build the record: draw salts, commit to the content, seal it, write the canonical bytes.

    Raises :class:`audit.canonical.NotCanonical` where the draft cannot be written.
    """
    at = (draft.at or timezone.now()).astimezone(UTC)
    record_id = draft.id or uuid7(at)
    slots: dict[str, dict[str, Any]] = {}
    contents: list[tuple[str, bytes]] = []
    for slot, text in draft.content.items():
        if not _SLOT.fullmatch(slot) or not _MEDIA.fullmatch(text.media):
            raise NotCanonical(f"$.content: the slot {slot!r} of {text.media!r} is not allowed")
        salt, content = fresh_salt(), text.as_bytes
        slots[slot] = {
            "bytes": len(content),
            "commitment": commitment(
                salt=salt,
                origin=log.origin,
                record_id=record_id,
                slot=slot,
                media=text.media,
                content=content,
            ),
            "media": text.media,
        }
        place = content_place(record_id, slot)
        contents.append((slot, vault.seal(draft.organisation_id, salt + content, place=place)))
    record = {
        "actor": dict(draft.actor),
        "at": write_time(at),
        "body": dict(draft.body),
        "content": slots,
        "id": str(record_id),
        "kind": draft.kind.value,
        "links": [{"id": str(link.id), "rel": link.rel} for link in draft.links],
        "log": log.origin,
        "v": VERSION,
        "writer": list(writer),
    }
    data = encode(record)
    return Prepared(
        receipt=Receipt(record_id, log.origin, leaf_hash(data), at),
        log_number=log.number,
        data=data,
        organisation_id=draft.organisation_id,
        contents=contents,
        index=index_columns(record, organisation_id=draft.organisation_id, log_number=log.number),
        is_awaited=draft.kind.is_awaited,
    )


def parse(data: bytes) -> dict[str, Any]:
    """What a record's bytes say, with every part of the format at its place.

    Raises :class:`audit.canonical.NotCanonical`: whoever owns the database can store anything.
    """
    record = decode(data)
    for part, kind in _PARTS.items():
        if not isinstance(record.get(part), kind):
            raise NotCanonical(f"$.{part}: not there, or not what it must be")
    writer = record["writer"]
    if [type(item) for item in writer] != [str, int]:
        raise NotCanonical("$.writer: not a name and a number")
    if not all(isinstance(value, str) for value in record["actor"].values()):
        raise NotCanonical("$.actor: not texts alone")
    for part, entries, form in (
        ("links", record["links"], _LINK),
        ("content", record["content"].values(), _CONTENT),
    ):
        for entry in entries:
            if not isinstance(entry, dict) or {k: type(entry[k]) for k in entry} != form:
                raise NotCanonical(f"$.{part}: an entry is not of {', '.join(form)}")
    try:
        read_time(record["at"])
        for name in (record["id"], *(link["id"] for link in record["links"])):
            UUID(name)
    except (ValueError, TypeError, AttributeError) as error:
        raise NotCanonical("$: a time or an identifier is none") from error
    return record


def index_columns(
    record: Mapping[str, Any], *, organisation_id: UUID, log_number: int
) -> dict[str, Any]:
    """The projection of a record: the columns of its :class:`audit.models.RecordIndex`."""
    body = record["body"]
    request = next((link["id"] for link in record["links"] if link["rel"] == "request"), None)
    return {
        "record_id": UUID(record["id"]),
        "organisation_id": organisation_id,
        "log_number": log_number,
        "at": read_time(record["at"]),
        "kind": record["kind"],
        "actor_id": record["actor"].get("id", "")[:64],
        "actor_type": record["actor"].get("type", "")[:20],
        "provider": str(body.get("gen_ai.provider.name") or "")[:100],
        "model": str(body.get("gen_ai.response.model") or body.get("gen_ai.request.model") or "")[
            :200
        ],
        "region": str(body.get("lexcustis.data_region") or "")[:20],
        "request_id": UUID(request) if request else None,
        "slots": sorted(record["content"]),
    }


def content_place(record_id: UUID, slot: str) -> str:
    """The vault's name for where a content slot stands."""
    return f"content/{record_id}/{slot}"


def write_time(at: datetime) -> str:
    """A time as records write it: UTC, six decimals, ``Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """The time that :func:`write_time` wrote. Raises ValueError for any other way to write it."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is not a time as records write it")
    return datetime.fromisoformat(text)
