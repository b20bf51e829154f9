"""Where a record stands in its log's tree."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

# Within a generation rows of positions are ordered by transaction, so the row with a record is
# the last that begins with an earlier transaction, or one that begins with the same. Rows of a
# negative generation were sealed after a restore, in no such order; there are few. OFFSET 0 has the
# planner look each record up by the index, where it would compare it with every row of its log.
_PLACES = """
SELECT record.id, place.index
FROM (SELECT id, log_number, xid::text::bigint AS xid FROM audit_record
      WHERE id = ANY(%(ids)s)) AS record
CROSS JOIN (SELECT coalesce(max(generation), 1)::integer AS newest FROM audit_sealstate) AS state
CROSS JOIN generate_series(-state.newest, state.newest) AS cluster(generation)
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
_OF_LOG = _PLACES + "WHERE record.log_number = %(log)s"
_SIGNED = _PLACES + (
    "JOIN audit_log AS log ON log.number = record.log_number WHERE place.index < log.signed_size"
)


def positions_of(log_number: int, record_ids: Iterable[UUID]) -> dict[UUID, int]:
    """The tree indexes of those of the records that are sealed, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_LOG, {"ids": list(record_ids), "log": log_number})
        return dict(cursor.fetchall())


def position_of(log_number: int, record_id: UUID) -> int | None:
    """The record's tree index, None until it is sealed."""
    return positions_of(log_number, [record_id]).get(record_id)


def signed_among(record_ids: Iterable[UUID]) -> set[UUID]:
    """Those of the records, of whatever logs, that a signed checkpoint covers, in one query."""
    with connection.cursor() as cursor:
        cursor.execute(_SIGNED, {"ids": list(record_ids)})
        return {record_id for record_id, _index in cursor.fetchall()}
