"""Making the search index anew from the records: it is a projection and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef

from audit.models import Log, Record, RecordIndex
from audit.reading import said_by
from audit.records import index_columns

_AT_ONCE = 1000
# When a row was written is the only thing that the record does not say.
_FROM_RECORD = [
    field.name
    for field in RecordIndex._meta.concrete_fields
    if field.name not in {"record_id", "written_at"}
]


@dataclass(slots=True)
class Rebuilt:
    """How many records were indexed, and which rows could only be left as they were.

    Of what was changed or removed the index may hold all that is left.
    """

    count: int = 0
    unreadable: list[UUID] = field(default_factory=list)
    without_record: list[UUID] = field(default_factory=list)


def rebuild_index() -> Rebuilt:
    """Make the index again from the records' bytes, of every organisation."""
    logs = Log.unscoped.in_bulk()  # everybody's
    found = Rebuilt()
    rows: list[RecordIndex] = []
    with transaction.atomic():
        for record in Record.objects.order_by("pk").iterator(_AT_ONCE):
            said = said_by(bytes(record.bytes))
            # One that names another's identifier would take that one's place in the index.
            if said is None or said["id"] != str(record.pk):
                found.unreadable.append(record.pk)
                continue
            log = logs[record.log_number]
            columns = index_columns(
                said, organisation_id=log.organisation_id, log_number=log.number
            )
            rows.append(RecordIndex(**columns, written_at=columns["at"]))
            if len(rows) == _AT_ONCE:
                found.count += _store(rows)
                rows = []
        found.count += _store(rows)
        records = Record.objects.filter(pk=OuterRef("pk"))
        lost = RecordIndex.unscoped.exclude(Exists(records))  # everybody's
        found.without_record += lost.order_by("pk").values_list("pk", flat=True)
    return found


def _store(rows: list[RecordIndex]) -> int:
    stored = RecordIndex.unscoped.bulk_create(  # everybody's
        rows, update_conflicts=True, unique_fields=["record_id"], update_fields=_FROM_RECORD
    )
    return len(stored)
