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
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.utils import timezone

from audit.checkpoints import Growth, sign_heads
from audit.hashing import TILE_WIDTH, Frontier, leaf_hash
from audit.models import SealState
from audit.positions import positions_of
from audit.tree import growth_proof
from orgs.trips import Statement, ask, ask_together

logger = structlog.get_logger(__name__)

ROUND_LIMIT = 20_000
_LOCK = 0x4C58  # "LX"
_LOOKED_EVERY = timedelta(seconds=5)

_CLUSTER = "SELECT system_identifier::text FROM pg_control_system()"
_WATERMARK = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
# A round holds the division lock with others; changing the number of shards needs it alone.
_LOCK_SHARD = """
SELECT pg_try_advisory_xact_lock_shared(%(lock)s, 0)
   AND pg_try_advisory_xact_lock(%(lock)s, 1 + %(shard)s)
"""
_LOCK_DIVISION = "SELECT pg_try_advisory_xact_lock(%s, 0)"
# With what a connection has by default, two thousand records are sorted by way of the disk.
_MEMORY = "SET LOCAL work_mem = '64MB'"
_STATE = """
SELECT next_xid, check_until, generation, cluster, looked_at,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
       (SELECT system_identifier::text FROM pg_control_system())
FROM audit_sealstate WHERE shard = %s
"""
# Ids travel as text: they are only handed on, and nobody makes objects of them. The order names the
# table's columns, which the index gives in order; bare names would mean the answer's, and sort all
# that waits before the first of it is taken.
_CANDIDATES = """
SELECT xid::text::bigint, id::text, log_number, bytes FROM audit_record
WHERE xid >= %(from)s::text::xid8 AND xid < %(until)s::text::xid8
  AND log_number %% %(shards)s = %(shard)s
ORDER BY audit_record.xid, audit_record.id LIMIT %(limit)s
"""
# Every record without a position, whatever its transaction: only after a restore.
_WITHOUT_POSITION = """
SELECT xid::text::bigint, record.id::text, log_number, bytes FROM audit_record AS record
LEFT JOIN (SELECT unnest(ids) AS id FROM audit_position) AS placed ON placed.id = record.id
WHERE placed.id IS NULL AND log_number %% %(shards)s = %(shard)s
ORDER BY record.id
"""
_HEADS = "SELECT number, origin, size, root, frontier FROM audit_log WHERE number = ANY(%s)"
_MOVE = """
UPDATE audit_log SET size = head.size, root = head.root, frontier = head.frontier, sealed_at = %s
FROM unnest(%b::integer[], %b::bigint[], %b::bigint[], %b::bytea[], %b::bytea[])
  AS head(number, was, size, root, frontier)
WHERE audit_log.number = head.number AND audit_log.size = head.was
RETURNING audit_log.number
"""
# All ids and hashes stand in two long values; each row takes its neighbours from *since* on.
_PLACE = """
INSERT INTO audit_position (log_number, generation, first, xid_from, ids, hashes)
SELECT number, %(generation)s, first, xid_from, taken.ids[since:since + width - 1],
       substr(taken.hashes, (since - 1) * 32 + 1, width * 32)
FROM (SELECT %(ids)s::uuid[], %(hashes)b::bytea) AS taken(ids, hashes),
     unnest(%(numbers)b::integer[], %(firsts)b::bigint[], %(xids)b::bigint[],
            %(sinces)b::integer[], %(widths)b::integer[])
       AS place(number, first, xid_from, since, width)
"""
_TILES = """
INSERT INTO audit_tile (log_number, level, index, root)
SELECT * FROM unnest(%b::integer[], %b::smallint[], %b::bigint[], %b::bytea[])
"""
_STEP = "UPDATE audit_sealstate SET next_xid = %s, looked_at = %s WHERE shard = %s"
_PAST_EVERY_XID = "SELECT coalesce(max(xid::text::bigint), 0) + 1 FROM audit_record"

_Row = tuple[int, str, int, bytes]


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


@dataclass(frozen=True, slots=True)
class _Head:
    """A log's stored head."""

    number: int
    origin: str
    size: int
    frontier: Frontier


@dataclass(frozen=True, slots=True)
class _Round:
    """What a round finds: how far its shard is sealed, the watermark, the cluster it is in."""

    state: SealState
    watermark: int
    cluster: str


def seal_once(*, shard: int = 0, shards: int = 1) -> SealReport:
    """Seal and sign what is committed, of all logs or of one shard of them."""
    report = SealReport()
    with transaction.atomic():
        found = _begin(shard, shards)
        if found is None:
            report.busy = True
            return report
        state = found.state
        if state.cluster == found.cluster:
            rows, step = _take(found, report, shard=shard, shards=shards)
            grown = _extend_logs(rows, step, generation=state.generation, report=report)
        else:
            rows = _take_after_restore(state, shard=shard, shards=shards)
            grown = _extend_logs(rows, [], generation=-state.generation, report=report)
    signed, problems = sign_heads(grown, shard=shard, shards=shards)
    report.signed = signed
    report.problems += problems
    return report


def _begin(shard: int, shards: int) -> _Round | None:
    """Lock the shard and look; None where another sealer is at work on it.

    The state is read behind the lock, by a statement of its own: one that began before another
    sealer's end would show what that one found, and its records would be placed twice.
    """
    name = f"{shard}/{shards}"
    lock = {"lock": _LOCK, "shard": shard}
    locked, _none, rows = ask_together((_LOCK_SHARD, lock), (_MEMORY, ()), (_STATE, [name]))
    if not locked[0][0]:
        return None
    if not rows:
        if not _value(_LOCK_DIVISION, _LOCK):
            return None
        _divide(shards)
        SealState.objects.get_or_create(pk=name, defaults={"cluster": _value(_CLUSTER)})
        rows = ask(_STATE, [name])
    next_xid, check_until, generation, before, looked_at, watermark, cluster = rows[0]
    state = SealState(
        shard=name,
        next_xid=next_xid,
        check_until=check_until,
        generation=generation,
        cluster=before,
        looked_at=looked_at,
    )
    return _Round(state, watermark, cluster)


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


def _take(
    found: _Round, report: SealReport, *, shard: int, shards: int
) -> tuple[Sequence[_Row], list[Statement]]:
    """The records of this round, and the statement that moves the state behind them."""
    state = found.state
    parameters = {
        "shard": shard,
        "shards": shards,
        "from": state.next_xid,
        "until": found.watermark,
    }
    rows = ask(_CANDIDATES, {**parameters, "limit": ROUND_LIMIT}, binary=True)
    next_xid = found.watermark
    if len(rows) == ROUND_LIMIT:
        report.more = True
        rows, next_xid = _whole_transactions(rows, parameters)
    if state.next_xid < state.check_until:
        rows = _without_position(rows)
    now = timezone.now()
    if rows or report.more or now - state.looked_at > _LOOKED_EVERY:
        return rows, [(_STEP, [next_xid, now, state.pk])]
    return rows, []


def _take_after_restore(state: SealState, *, shard: int, shards: int) -> Sequence[_Row]:
    """Whatever has no position in this new cluster; a new generation of positions begins."""
    # The watermark first: what commits from now on has a later transaction.
    watermark = _value(_WATERMARK)
    rows = ask(_WITHOUT_POSITION, {"shard": shard, "shards": shards}, binary=True)
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
        rows = ask(_CANDIDATES, {**parameters, "until": last + 1, "limit": None}, binary=True)
        return rows, last + 1
    return [row for row in rows if row[0] != last], last


def _without_position(rows: Iterable[_Row]) -> list[_Row]:
    by_log: dict[int, list[UUID]] = defaultdict(list)
    rows = list(rows)
    for _xid, record_id, log_number, _data in rows:
        by_log[log_number].append(UUID(record_id))
    sealed = {
        str(record_id) for number, ids in by_log.items() for record_id in positions_of(number, ids)
    }
    return [row for row in rows if row[1] not in sealed]


def _extend_logs(
    rows: Sequence[_Row], also: list[Statement], *, generation: int, report: SealReport
) -> dict[int, Growth]:
    """Append the rows to their logs' trees; *also* is sent with what that writes.

    Returns for each log how its tree grew, to have it signed.
    """
    by_log: dict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        by_log[row[2]].append(row)
    heads = _heads(by_log) if by_log else {}
    places = _Places(generation)
    tiles: list[tuple[int, int, int, bytes]] = []
    moved: list[_Head] = []
    grown: dict[int, Growth] = {}
    for number, of_log in by_log.items():
        head = heads.get(number)
        if head is None:
            report.problems.append(f"There are records of log {number}, which does not exist.")
            continue
        leaves = [leaf_hash(data) for _xid, _id, _number, data in of_log]
        before = Frontier(head.size, head.frontier.hashes)
        places.add(head, of_log, leaves)
        tiles += [(number, *tile) for tile in head.frontier.extend(leaves)]
        moved.append(head)
        proof = growth_proof(before, head.frontier)
        grown[number] = Growth(head.size, head.frontier.size, proof)
    report.logs.update(grown)
    report.sealed += len(places.ids)
    _write(moved, places, tiles, also)
    return grown


class _Places:
    """The rows of positions that a round adds, column by column."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._hashes: list[bytes] = []
        self.ids: list[str] = []

    def add(self, head: _Head, rows: Sequence[_Row], leaves: Sequence[bytes]) -> None:
        """Rows of up to 256 neighbours, none across a tile's border."""
        start = 0
        while start < len(rows):
            first = head.size + start
            end = min(len(rows), start + TILE_WIDTH - first % TILE_WIDTH)
            since = len(self.ids) + start + 1  # PostgreSQL counts from one
            self._rows.append((head.number, first, rows[start][0], since, end - start))
            start = end
        self.ids += [record_id for _xid, record_id, _number, _data in rows]
        self._hashes += leaves

    def statement(self) -> Statement:
        """What inserts them."""
        names = ("numbers", "firsts", "xids", "sinces", "widths")
        columns = dict(zip(names, map(list, zip(*self._rows, strict=True)), strict=True))
        ids = "{" + ",".join(self.ids) + "}"
        hashes = b"".join(self._hashes)
        return _PLACE, {**columns, "generation": self._generation, "ids": ids, "hashes": hashes}


def _heads(numbers: Iterable[int]) -> dict[int, _Head]:
    """The stored heads. Raises :class:`HeadMoved` where one contradicts its frontier."""
    heads = {}
    for number, origin, size, root, hashes in ask(_HEADS, [list(numbers)], binary=True):
        frontier = Frontier.from_bytes(size, hashes)
        if frontier.root != root:
            raise HeadMoved(f"The stored head of {origin} contradicts itself.")
        heads[number] = _Head(number, origin, size, frontier)
    return heads


def _write(
    heads: Sequence[_Head],
    places: _Places,
    tiles: list[tuple[int, int, int, bytes]],
    also: list[Statement],
) -> None:
    """Store all in one trip: new heads, each only if the old one still stands, then the rest."""
    statements = list(also)
    if heads:
        columns = [
            [head.number for head in heads],
            [head.size for head in heads],
            [head.frontier.size for head in heads],
            [head.frontier.root for head in heads],
            [head.frontier.to_bytes() for head in heads],
        ]
        statements = [(_MOVE, [timezone.now(), *columns]), places.statement(), *also]
    if tiles:
        statements.append((_TILES, [list(column) for column in zip(*tiles, strict=True)]))
    if not statements:
        return
    try:
        moved = {row[0] for row in ask_together(*statements)[0]}
    except IntegrityError as error:
        raise HeadMoved("The places of this round's records are taken.") from error
    for head in heads:
        if head.number not in moved:
            raise HeadMoved(f"The head of {head.origin} moved while it was being extended.")


def _value(query: str, *parameters: int) -> int:
    """The one value that a query gives."""
    value: int = ask(query, parameters)[0][0]
    return value
