"""Making the search index anew from the records: it is a projection and nothing else."""

from __future__ import annotations

import json

from django.db import transaction

from audit.models import Log, Record, RecordIndex
from audit.records import index_row

_AT_ONCE = 1000


def rebuild_index() -> int:
    """Make every row of the index again from the records' bytes; return how many."""
    logs = Log.unscoped.in_bulk()  # everybody's
    count = 0
    with transaction.atomic():
        written = dict(
            RecordIndex.unscoped.values_list(  # the only thing that records do not say
                "pk", "written_at"
            )
        )
        RecordIndex.unscoped.all().delete()
        rows: list[RecordIndex] = []
        for record in Record.objects.order_by("pk").iterator(_AT_ONCE):
            log = logs[record.log_number]
            row = index_row(
                json.loads(bytes(record.bytes)),
                organisation_id=log.organisation_id,
                log_number=log.number,
            )
            row.written_at = written.get(record.pk, row.at)
            rows.append(row)
            if len(rows) == _AT_ONCE:
                count += len(RecordIndex.unscoped.bulk_create(rows))
                rows = []
        count += len(RecordIndex.unscoped.bulk_create(rows))
    return count
