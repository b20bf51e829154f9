"""Records read by what they themselves say: the index finds them, their bytes are the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from audit.models import Record, RecordIndex
from audit.reading import said_by
from audit.records import read_time

_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Said:
    """One record. ``body`` is None where its bytes are gone, or are not this record any more.

    What the index says of it (time, kind, actor) is there in any case, so that it is counted.
    """

    record_id: UUID
    kind: str
    at: datetime
    actor_id: str
    body: Mapping[str, Any] | None
    links: Sequence[Mapping[str, str]] = ()

    def linked(self, relation: str) -> UUID | None:
        """The record that it names with *relation*, or None."""
        for link in self.links:
            if link["rel"] == relation:
                return UUID(link["id"])
        return None

    def text(self, name: str) -> str:
        """A text of the body, ``""`` where there is none."""
        value = (self.body or {}).get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int | None:
        """A whole number of the body that is not below zero, or None."""
        value = (self.body or {}).get(name)
        is_one = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        return value if is_one else None

    def flag(self, name: str) -> bool:
        """Whether the body says yes."""
        return (self.body or {}).get(name) is True

    def moment(self, name: str) -> datetime | None:
        """A moment of the body, or None where there is none or it is written in another way."""
        try:
            return read_time(self.text(name))
        except ValueError:
            return None


def said_in(rows: QuerySet[RecordIndex]) -> Iterator[Said]:
    """The records of *rows* in the order of time, in one query however many there are.

    One that somebody removed or changed keeps none of the others from being read; which it is,
    verification says.
    """
    stored = Record.objects.filter(pk=OuterRef("record_id"), log_number=OuterRef("log_number"))
    found = (
        rows.annotate(stored=Subquery(stored.values("bytes")[:1]))
        .order_by("at", "record_id")
        .values_list("record_id", "kind", "at", "actor_id", "stored")
    )
    for record_id, kind, at, actor_id, data in found.iterator(chunk_size=_AT_ONCE):
        said = None if data is None else said_by(bytes(data))
        if said is None or (said["id"], said["kind"]) != (str(record_id), kind):
            yield Said(record_id, kind, at, actor_id, None)
        else:
            yield Said(record_id, kind, at, actor_id, said["body"], said["links"])
