"""Where a record stands in its log's tree."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connection
from django.db.models import Max

from audit.models import Log, SealState
from audit.records import Receipt

# Within a generation rows of positions are ordered by transaction, so the row with a record is
# the last that begins with an earlier transaction, or one that begins with the same. Rows of a
# negative generation were sealed after a restore, in no such order; there are few.
_FIND = """
SELECT record.id, place.first + array_position(place.ids, record.id) - 1
FROM (SELECT id, log_number, xid::text::bigint AS xid FROM audit_record
      WHERE id = ANY(%(ids)s) AND log_number = %(log)s) AS record
CROSS JOIN unnest(%(generations)s::smallint[]) AS generation
CROSS JOIN LATERAL (
    SELECT position.first, position.ids FROM audit_position AS position
    WHERE position.log_number = record.log_number
      AND position.generation = generation
      AND position.xid_from >= CASE WHEN generation < 0 THEN 0 ELSE coalesce(
          (SELECT earlier.xid_from FROM audit_position AS earlier
           WHERE earlier.log_number = record.log_number
             AND earlier.generation = generation
             AND earlier.xid_from < record.xid
           ORDER BY earlier.xid_from DESC LIMIT 1), record.xid) END
      AND (generation < 0 OR position.xid_from <= record.xid)
      AND record.id = ANY(position.ids)
) AS place
"""


def positions_of(log_number: int, record_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The tree indexes of those of the records that are sealed, in one query."""
    newest = SealState.objects.aggregate(newest=Max("generation"))["newest"] or 1
    generations = [*range(newest, 0, -1), *range(-newest, -1)]
    with connection.cursor() as cursor:
        cursor.execute(
            _FIND, {"ids": list(record_ids), "log": log_number, "generations": generations}
        )
        return dict(cursor.fetchall())


def position_of(log_number: int, record_id: UUID) -> int | None:
    """The record's tree index, None until it is sealed."""
    return positions_of(log_number, [record_id]).get(record_id)


def is_signed(receipt: Receipt) -> bool:
    """Whether a signed checkpoint covers the record."""
    log = Log.unscoped.filter(  # the origin names the log
        origin=receipt.origin
    ).first()
    if log is None:
        return False
    position = position_of(log.number, receipt.record_id)
    return position is not None and position < log.signed_size
