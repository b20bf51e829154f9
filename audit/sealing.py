"""Sealing: committed records get their places in the tree.

A round takes every record whose transaction is older than all that still run (the
``pg_snapshot_xmin`` watermark), so that no later commit can slip in before them, and appends them
to their logs' trees: positions, full tiles and the new head, in one transaction that compares
the old head. Then the signer signs. Several sealers may run; one works at a time per shard.

Transaction numbers mean something within one PostgreSQL cluster only. When the database finds
itself in another cluster, after a restore, one round compares every record with the positions that
exist, and a new generation of positions begins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db import connection, transaction
from django.utils import timezone

from audit.checkpoints import sign_heads
from audit.hashing import TILE_WIDTH, Frontier, leaf_hash
from audit.models import Log, SealState
from audit.positions import positions_of

logger = structlog.get_logger(__name__)

ROUND_LIMIT = 20_000
_LOCK = 0x4C58  # "LX"
_LOOKED_EVERY = timedelta(seconds=5)

_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"
_WATERMARK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_CANDIDATES = """
SELECT xid::text::bigint, id, log_number, bytes FROM audit_record
WHERE xid >= %(from)s::text::xid8 AND xid < %(until)s::text::xid8
  AND log_number %% %(shards)s = %(shard)s
ORDER BY xid, id LIMIT %(limit)s
"""
# Every record without a position, whatever its transaction: only after a restore.
_WITHOUT_POSITION = """
SELECT xid::text::bigint, record.id, log_number, bytes FROM audit_record AS record
LEFT JOIN (SELECT unnest(ids) AS id FROM audit_position) AS placed ON placed.id = record.id
WHERE placed.id IS NULL AND log_number %% %(shards)s = %(shard)s
ORDER BY record.id
"""
_MOVE = """
UPDATE audit_log SET size = head.size, root = head.root, frontier = head.frontier, sealed_at = %s
FROM unnest(%s::integer[], %s::bigint[], %s::bigint[], %s::bytea[], %s::bytea[])
  AS head(number, was, size, root, frontier)
WHERE audit_log.number = head.number AND audit_log.size = head.was
RETURNING audit_log.number
"""
_PAST_EVERY_XID = "SELECT coalesce(max(xid::text::bigint), 0) + 1 FROM audit_record"

_Row = tuple[int, UUID, int, bytes]


@dataclass
class SealReport:
    """What a round did."""

    busy: bool = False  # another sealer works on this shard
    sealed: int = 0
    logs: set[int] = field(default_factory=set)
    signed: int = 0
    more: bool = False  # the round was full: there is more to seal at once
    problems: list[str] = field(default_factory=list)


class HeadMoved(Exception):
    """A log's head changed while it was being extended: somebody else seals, or tampered."""


def seal_once(*, shard: int = 0, shards: int = 1) -> SealReport:
    """Seal and sign what is committed, of all logs or of one shard of them."""
    report = SealReport()
    with transaction.atomic():
        state = _state(shard, shards)
        if state is None:
            report.busy = True
            return report
        if state.cluster == _value(_CLUSTER):
            rows = _take(state, report, shard=shard, shards=shards)
            _extend_logs(rows, generation=state.generation, report=report)
        else:
            rows = _take_after_restore(state, shard=shard, shards=shards)
            _extend_logs(rows, generation=-state.generation, report=report)
    signed, problems = sign_heads(shard=shard, shards=shards)
    report.signed = signed
    report.problems += problems
    return report


def _state(shard: int, shards: int) -> SealState | None:
    """The shard's state, locked; None where another sealer is at work on it.

    A round holds the division lock with others; changing the number of shards needs it alone.
    """
    if not _lock("pg_try_advisory_xact_lock_shared", 0):
        return None
    if not _lock("pg_try_advisory_xact_lock", 1 + shard):
        return None
    name = f"{shard}/{shards}"
    state = SealState.objects.filter(pk=name).first()
    if state is None and _lock("pg_try_advisory_xact_lock", 0):
        _divide(shards)
        state = SealState.objects.get_or_create(pk=name, defaults={"cluster": _value(_CLUSTER)})[0]
    return state


def _divide(shards: int) -> None:
    """Begin sealing in *shards* shards where another number was in use: compare what overlaps."""
    before = list(SealState.objects.exclude(pk__endswith=f"/{shards}"))
    if not before:
        return
    clusters = {state.cluster for state in before}
    cluster = clusters.pop() if len(clusters) == 1 else "several"
    for shard in range(shards):
        SealState.objects.update_or_create(
            pk=f"{shard}/{shards}",
            defaults={
                "next_xid": min(state.next_xid for state in before),
                "check_until": max(max(state.next_xid, state.check_until) for state in before),
                "generation": max(state.generation for state in before),
                "cluster": cluster,
            },
        )
    SealState.objects.exclude(pk__endswith=f"/{shards}").delete()


def _lock(function: str, key: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_LOCK, key])
        return bool(cursor.fetchone()[0])


def _take(state: SealState, report: SealReport, *, shard: int, shards: int) -> Sequence[_Row]:
    """The records of this round; the state is moved behind them."""
    watermark = _value(_WATERMARK)
    parameters = {"shard": shard, "shards": shards, "from": state.next_xid, "until": watermark}
    rows = _rows(_CANDIDATES, {**parameters, "limit": ROUND_LIMIT})
    next_xid = watermark
    if len(rows) == ROUND_LIMIT:
        report.more = True
        rows, next_xid = _whole_transactions(rows, parameters)
    if state.next_xid < state.check_until:
        rows = _without_position(rows)
    now = timezone.now()
    if rows or report.more or now - state.looked_at > _LOOKED_EVERY:
        state.next_xid, state.looked_at = next_xid, now
        state.save(update_fields=["next_xid", "looked_at"])
    return rows


def _take_after_restore(state: SealState, *, shard: int, shards: int) -> Sequence[_Row]:
    """Whatever has no position in this new cluster; a new generation of positions begins."""
    # The watermark first: what commits from now on has a later transaction.
    watermark = _value(_WATERMARK)
    rows = _rows(_WITHOUT_POSITION, {"shard": shard, "shards": shards})
    cluster = _value(_CLUSTER)
    logger.warning("seal.other_cluster", before=state.cluster, now=cluster, records=len(rows))
    state.cluster, state.generation = cluster, state.generation + 1
    state.next_xid, state.check_until = watermark, _value(_PAST_EVERY_XID)
    state.looked_at = timezone.now()
    state.save()
    return rows


def _whole_transactions(rows: list[_Row], parameters: dict[str, int]) -> tuple[list[_Row], int]:
    """Cut a full round before its last transaction, or extend it to that transaction's end."""
    last = rows[-1][0]
    if rows[0][0] == last:
        rows = _rows(_CANDIDATES, {**parameters, "until": last + 1, "limit": None})
        return rows, last + 1
    return [row for row in rows if row[0] != last], last


def _without_position(rows: Iterable[_Row]) -> list[_Row]:
    by_log: dict[int, list[UUID]] = defaultdict(list)
    rows = list(rows)
    for _xid, record_id, log_number, _data in rows:
        by_log[log_number].append(record_id)
    sealed = {
        record_id for number, ids in by_log.items() for record_id in positions_of(number, ids)
    }
    return [row for row in rows if row[1] not in sealed]


def _extend_logs(rows: Sequence[_Row], *, generation: int, report: SealReport) -> None:
    by_log: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        by_log[row[2]].append(row)
    logs = Log.unscoped.in_bulk(by_log)  # the sealer seals everybody's
    positions: list[tuple[Any, ...]] = []
    tiles: list[tuple[Any, ...]] = []
    heads: list[tuple[Log, Frontier]] = []
    for number, of_log in by_log.items():
        log = logs.get(number)
        if log is None:
            report.problems.append(f"There are records of log {number}, which does not exist.")
            continue
        leaves = [leaf_hash(data) for _xid, _id, _number, data in of_log]
        positions += _position_rows(log, of_log, leaves, generation)
        frontier = _frontier_of(log)
        tiles += [(number, *tile) for tile in frontier.extend(leaves)]
        heads.append((log, frontier))
        report.logs.add(number)
        report.sealed += len(of_log)
    if heads:
        _move_heads(heads)
    with connection.cursor() as cursor:
        if positions:
            cursor.executemany(
                "INSERT INTO audit_position (log_number, generation, first, xid_from, ids, hashes)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                positions,
            )
        if tiles:
            cursor.executemany(
                "INSERT INTO audit_tile (log_number, level, index, root) VALUES (%s, %s, %s, %s)",
                tiles,
            )


def _position_rows(
    log: Log, rows: Sequence[_Row], leaves: Sequence[bytes], generation: int
) -> list[tuple[Any, ...]]:
    """Rows of up to 256 neighbours, none across a tile's border."""
    result: list[tuple[Any, ...]] = []
    start = 0
    while start < len(rows):
        first = log.size + start
        end = min(len(rows), start + TILE_WIDTH - first % TILE_WIDTH)
        ids = [record_id for _xid, record_id, _number, _data in rows[start:end]]
        hashes = b"".join(leaves[start:end])
        result.append((log.number, generation, first, rows[start][0], ids, hashes))
        start = end
    return result


def _frontier_of(log: Log) -> Frontier:
    """The frontier of the stored head. Raises :class:`HeadMoved` where it contradicts the root."""
    frontier = Frontier.from_bytes(log.size, bytes(log.frontier))
    if frontier.root != bytes(log.root):
        raise HeadMoved(f"The stored head of {log.origin} contradicts itself.")
    return frontier


def _move_heads(heads: Sequence[tuple[Log, Frontier]]) -> None:
    """Store the new heads, each only if the old one still stands: one statement for all logs."""
    columns: list[list[Any]] = [
        [log.number for log, _frontier in heads],
        [log.size for log, _frontier in heads],
        [frontier.size for _log, frontier in heads],
        [frontier.root for _log, frontier in heads],
        [frontier.to_bytes() for _log, frontier in heads],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_MOVE, [timezone.now(), *columns])
        moved = {number for (number,) in cursor.fetchall()}
    for log, _frontier in heads:
        if log.number not in moved:
            raise HeadMoved(f"The head of {log.origin} moved while it was being extended.")


def _rows(query: str, parameters: dict[str, Any]) -> list[_Row]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        rows: list[_Row] = cursor.fetchall()
        return rows


def _value(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]
