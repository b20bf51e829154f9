"""Where a record stands in its log's tree."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connection
from django.db.models import Max

from audit.models import SealState

# Within a generation rows of positions are ordered by transaction, so the row with a record is
# the last that begins with an earlier transaction, or one that begins with the same. Rows of a
# negative generation were sealed after a restore, in no such order; there are few. OFFSET 0 has the
# planner look each record up by the index, where it would compare it with every row of its log.
_PLACE = """
CROSS JOIN LATERAL (
    SELECT position.first + array_position(position.ids, record.id) - 1 AS index
    FROM audit_position AS position
    WHERE position.log_number = record.log_number
      AND position.generation = cluster.generation
      AND position.xid_from >= CASE WHEN cluster.generation < 0 THEN 0 ELSE coalesce(
          (SELECT earlier.xid_from FROM audit_position AS earlier
           WHERE earlier.log_number = record.log_number
             AND earlier.generation = cluster.generation
             AND earlier.xid_from < record.xid
           ORDER BY earlier.xid_from DESC LIMIT 1), record.xid) END
      AND (cluster.generation < 0 OR position.xid_from <= record.xid)
      AND record.id = ANY(position.ids)
    OFFSET 0
) AS place
"""
_FIND = f"""
SELECT record.id, place.index
FROM (SELECT id, log_number, xid::text::bigint AS xid FROM audit_record
      WHERE id = ANY(%(ids)s) AND log_number = %(log)s) AS record
CROSS JOIN unnest(%(generations)s::smallint[]) AS cluster(generation)
{_PLACE}
"""  # noqa: S608 - its own parts
_SIGNED = f"""
SELECT record.id
FROM (SELECT id, log_number, xid::text::bigint AS xid FROM audit_record
      WHERE id = ANY(%(ids)s)) AS record
JOIN audit_log AS log ON log.number = record.log_number
CROSS JOIN (SELECT max(generation)::integer AS newest FROM audit_sealstate) AS state
CROSS JOIN generate_series(-state.newest, state.newest) AS cluster(generation)
{_PLACE}
WHERE place.index < log.signed_size
"""  # noqa: S608 - its own parts


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


def signed_among(record_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the records, of whatever logs, that a signed checkpoint covers, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGNED, {"ids": list(record_ids)})
        return {record_id for (record_id,) in cursor.fetchall()}
