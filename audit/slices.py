"""A period's records, with what proves that none is missing at either end.

A slice holds every record between two signed heads: the last one before the period and the first
one after it. The frontier at the first head (the roots of the perfect subtrees it is made of)
folds to that head's root; extended by the records of the slice it gives the second head's root.
So a record that is changed, left out or added anywhere between the two heads shows.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from django.db import connection
from django.utils import timezone

from audit.anchor_models import Anchor, AnchorKind
from audit.hashing import split
from audit.logs import current_log
from audit.models import Checkpoint, Log
from audit.record_stream import Piece, pieces
from audit.records import write_time
from audit.tree import StoredTree

FORMAT = "lex-custis/slice/v1"
RECORDS_FILE = "audit_log_period.jsonl"
# What a slice is checked with. Handed out and run as a file, never loaded here.
VERIFIER = Path(__file__).with_name("verifier.py")
_AT, _KIND, _TIME_BYTES = b'},"at":"', b',"kind":"', 27
# Times are claimed, so the records of a period need not be neighbours: the log is searched from
# its ends, record by record, for the first and the last that claim a time in the period.
_EDGE = """
SELECT place.first + entry.nth - 1
FROM audit_position AS place
CROSS JOIN LATERAL unnest(place.ids) WITH ORDINALITY AS entry(id, nth)
JOIN audit_recordindex AS record ON record.record_id = entry.id
WHERE place.log_number = %(log)s AND place.first < %(provable)s
  AND place.first + entry.nth <= %(provable)s
  AND record.organisation_id = %(organisation)s AND record.log_number = %(log)s
  AND record.at >= %(from)s AND record.at < %(until)s
ORDER BY place.first {direction}, entry.nth {direction} LIMIT 1
"""
_COUNT = """
SELECT count(*) FROM audit_recordindex
WHERE organisation_id = %(organisation)s AND log_number = %(log)s
  AND at >= %(from)s AND at < %(until)s
"""
# Of the records at some positions, how many the index has in the period.
_COUNT_AT = """
SELECT count(*) FROM unnest(%(positions)s::bigint[]) AS wanted(index)
CROSS JOIN LATERAL (
    SELECT ids[wanted.index - first + 1] AS id FROM audit_position
    WHERE log_number = %(log)s AND first <= wanted.index ORDER BY first DESC LIMIT 1
) AS place
JOIN audit_recordindex AS record ON record.record_id = place.id
WHERE record.organisation_id = %(organisation)s AND record.log_number = %(log)s
  AND record.at >= %(from)s AND record.at < %(until)s
"""


class Sink(Protocol):
    """What can be written to."""

    def write(self, data: bytes, /) -> object:
        """Write all of *data*."""


OpenRecords = Callable[[int], AbstractContextManager[Sink]]
"""Opens what records are written to, given how many there will be."""


@dataclass(frozen=True, slots=True)
class SliceReport:
    """What a slice holds: the records at positions ``first`` to ``end`` - 1.

    Of these ``holes`` are empty lines, where the database holds no record that is one;
    ``gone_in_period`` are those of them that the index has in the period.
    """

    origin: str
    first: int
    end: int
    records: int
    holes: int
    records_in_period: int
    kinds: dict[str, int]
    checkpoint_before: Checkpoint | None
    checkpoint_after: Checkpoint | None
    unsealed_in_period: int
    gone_in_period: int


@dataclass(frozen=True, slots=True)
class Limit:
    """The state of a log that a slice speaks of: its first *size* records, as known at *as_of*.

    With the same limit a slice has the same bytes, however the log and its anchors have grown.
    """

    size: int
    as_of: datetime


def export_period(
    organisation_id: UUID,
    start: datetime,
    end: datetime,
    folder: Path,
    *,
    limit: Limit | None = None,
    records: OpenRecords | None = None,
    witness: Callable[[Piece], None] | None = None,
) -> SliceReport:
    """Write the slice of the records that claim a time from *start* to before *end*.

    Writes ``audit_log_period.jsonl``, one record a line in the order of the tree, and ``proofs/``
    into *folder*: the frame, the checkpoints, and the leaf hashes, which name a wrong record.
    Records not yet sealed, or beyond *limit*, are not proved and only counted. By default the
    limit is the newest signed head and every anchor there is now. *records* opens what the records
    are written to instead of the file. *witness* is shown every piece of the log that was written.
    """
    log = current_log(organisation_id)
    limit = limit or Limit(log.signed_size, timezone.now())
    since, until = write_time(start).encode(), write_time(end).encode()
    places, count = _places(log, (start, end), limit)
    newest = _before(log, limit.size)
    before = _before(log, places[0]) if places else newest
    first = before.size if before else 0
    after = _after(log, places[1] + 1) if places else before
    last = after.size if after else first
    notes = {
        "before": before,
        "after": after,
        "latest": newest,
        "anchored": _anchored(log, last, limit),
    }
    _write_proofs(log, folder / "proofs", notes, period=(start, end), as_of=limit.as_of)
    kinds: Counter[bytes] = Counter()
    holes: list[int] = []
    with (
        records(last - first) if records else (folder / RECORDS_FILE).open("wb") as file,
        (folder / "proofs" / "leaf_hashes.bin").open("wb") as hashes,
    ):
        for piece in pieces(log.number, first, last):
            file.write(piece.lines)
            hashes.write(piece.hashes)
            if b"" in piece.records:
                holes += [n for n, record in enumerate(piece.records, piece.first) if not record]
            kinds.update(_kinds_between(piece.records, since, until))
            if witness is not None:
                witness(piece)
    gone = _count_at(log, (start, end), holes)
    return SliceReport(
        origin=log.origin,
        first=first,
        end=last,
        records=last - first,
        holes=len(holes),
        records_in_period=kinds.total(),
        kinds={kind.decode(errors="replace"): count for kind, count in sorted(kinds.items())},
        checkpoint_before=before,
        checkpoint_after=after,
        unsealed_in_period=max(count - kinds.total() - gone, 0),
        gone_in_period=gone,
    )


def times_of(records: list[bytes]) -> list[bytes]:
    """The claimed times of records, cut out of their canonical bytes.

    Keys are sorted and quotes inside of strings escaped: after the flat object ``actor`` comes
    ``at``.
    """
    return [record.partition(_AT)[2][:_TIME_BYTES] for record in records]


def kinds_of(records: list[bytes]) -> list[bytes]:
    """The kinds of records: after ``kind`` come only ``links``, ``log``, ``v`` and ``writer``."""
    return [record.rpartition(_KIND)[2].partition(b'"')[0] for record in records]


def _kinds_between(records: list[bytes], since: bytes, until: bytes) -> list[bytes]:
    times, kinds = times_of(records), kinds_of(records)
    if since <= min(times) and max(times) < until:
        return kinds
    return [kind for at, kind in zip(times, kinds, strict=True) if since <= at < until]


def records_between(log_number: int, first: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """Canonical bytes and stored leaf hash of the records at *first* to *end* - 1, in order."""
    for piece in pieces(log_number, first, end):
        yield from zip(piece.records, split(piece.hashes), strict=True)


def _places(
    log: Log, period: tuple[datetime, datetime], limit: Limit
) -> tuple[tuple[int, int] | None, int]:
    """The smallest and largest position of the period's records; how many there are at all."""
    # A head that is not signed yet proves nothing.
    parameters = {**_in_period(log, period), "provable": min(log.signed_size, limit.size)}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, parameters)
        count = cursor.fetchone()[0]
        edges = []
        for direction in ("ASC", "DESC") if count else ():
            cursor.execute(_EDGE.format(direction=direction), parameters)
            edges += cursor.fetchall()
    return ((edges[0][0], edges[1][0]) if edges else None), count


def _count_at(log: Log, period: tuple[datetime, datetime], positions: list[int]) -> int:
    """How many of the records at *positions*, which may be gone, the index has in the period."""
    if not positions:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_AT, {**_in_period(log, period), "positions": positions})
        count: int = cursor.fetchone()[0]
        return count


def _in_period(log: Log, period: tuple[datetime, datetime]) -> dict[str, Any]:
    return {
        "log": log.number,
        "organisation": log.organisation_id,
        "from": period[0],
        "until": period[1],
    }


def _before(log: Log, position: int) -> Checkpoint | None:
    checkpoints = Checkpoint.objects.filter(log_number=log.number, size__lte=position)
    return checkpoints.order_by("-size", "id").first()


def _after(log: Log, size: int) -> Checkpoint | None:
    checkpoints = Checkpoint.objects.filter(log_number=log.number, size__gte=size)
    return checkpoints.order_by("size", "id").first()


def _write_proofs(
    log: Log,
    folder: Path,
    notes: Mapping[str, Checkpoint | None],
    *,
    period: tuple[datetime, datetime],
    as_of: datetime,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tree = StoredTree(log.number)
    before, after, newest, anchored = (
        notes[name] for name in ("before", "after", "latest", "anchored")
    )
    first = before.size if before else 0
    end = after.size if after else first
    for name, checkpoint in notes.items():
        if checkpoint is not None:
            (folder / f"checkpoint_{name}.txt").write_text(checkpoint.note, encoding="utf-8")
    proof = {
        "format": FORMAT,
        "origin": log.origin,
        "period": {"from": write_time(period[0]), "until": write_time(period[1])},
        "first": first,
        "end": end,
        "frontier": _encoded(tree.frontier(first).hashes),
        "consistency_to_latest": _encoded(tree.consistency_proof(end, newest.size))
        if newest
        else [],
        "consistency_to_anchored": _encoded(tree.consistency_proof(end, anchored.size))
        if anchored
        else [],
    }
    if anchored is not None:
        _write_anchors(anchored, folder, as_of)
    (folder / "slice.json").write_text(json.dumps(proof, indent=1) + "\n", encoding="utf-8")


def _anchored(log: Log, size: int, limit: Limit) -> Checkpoint | None:
    """The first checkpoint over the slice that somebody outside has vouched for."""
    anchor = Anchor.unscoped.filter(  # the log names the organisation
        log_number=log.number, size__gte=size, received_at__lt=limit.as_of
    ).order_by("size", "id")
    first: Anchor | None = anchor.select_related("checkpoint").first()
    return first.checkpoint if first else None


def _write_anchors(checkpoint: Checkpoint, folder: Path, as_of: datetime) -> None:
    """Time stamps, each a file of its own, and the witnesses' signature lines in one."""
    anchors = Anchor.unscoped.filter(  # as above
        checkpoint=checkpoint, received_at__lt=as_of
    ).order_by("id")
    lines = []
    for number, anchor in enumerate(anchors, 1):
        if anchor.kind == AnchorKind.TIME_STAMP:
            path = folder / f"checkpoint_anchored.{number}.tsr"
            path.write_bytes(bytes(anchor.token))
        else:
            lines.append(bytes(anchor.token).decode())
    if lines:
        path = folder / "checkpoint_anchored.cosignatures"
        path.write_text("".join(lines), encoding="utf-8")


def _encoded(hashes: list[bytes]) -> list[str]:
    return [base64.b64encode(item).decode() for item in hashes]
