"""A log's records in the order of its tree, read in pieces that are put together in the database.

A piece is what one row of positions names, at most 256 neighbours, so memory does not grow with
the log. Each query stands alone: what has a position never changes, so no transaction has to be
held open while millions of records pass by.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
from django.db import connection, connections

from audit.hashing import HASH_BYTES, TILE_WIDTH

_AT_ONCE = 1024  # records in one answer: a megabyte or two
# The records of a row of positions are found by their keys in one go, in whatever order that gives:
# nearly always that of the row. Else both orders are told, and the records are put in order here.
_PIECES = """
SELECT place.first, place.hashes, found.lines,
       CASE WHEN found.ids <> place.ids THEN place.ids::text END,
       CASE WHEN found.ids <> place.ids THEN found.ids::text END
FROM audit_position AS place
CROSS JOIN LATERAL (
    SELECT string_agg(bytes, '\\x0a'::bytea) AS lines, array_agg(id) AS ids FROM audit_record
    WHERE id = ANY (place.ids) AND log_number = place.log_number
) AS found
WHERE place.log_number = %s AND place.first > %s AND place.first < %s
ORDER BY place.first
"""

# Where somebody removed one of them, or put a line's end into it: each for itself.
_ONE_BY_ONE = """
SELECT record.bytes FROM audit_position AS place
CROSS JOIN LATERAL unnest(place.ids) WITH ORDINALITY AS wanted(id, nth)
LEFT JOIN audit_record AS record
       ON record.id = wanted.id AND record.log_number = place.log_number
WHERE place.log_number = %s AND place.first = %s
ORDER BY wanted.nth
"""

_Row = tuple[int, bytes, bytes | None, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Piece:
    """Neighbouring records from position ``first`` on, and their stored leaf hashes in one.

    In the place of a record that was removed, or made something that is no line, stands none: an
    empty line, whose hash is never the stored one.
    """

    first: int
    records: list[bytes]
    hashes: bytes
    lines: bytes
    """The records as lines, each with its line feed."""

    @property
    def end(self) -> int:
        """The position after the last record."""
        return self.first + len(self.records)


def pieces(log_number: int, first: int, end: int) -> Iterator[Piece]:
    """The records at positions *first* to *end* - 1, as far as there are positions.

    The database looks for the next ones while somebody works on these, on a connection of its own:
    what has a position is committed.
    """
    bounds = [(start, min(start + _AT_ONCE, end)) for start in range(first, end, _AT_ONCE)]
    if len(bounds) < 2:  # nothing is next
        for only in bounds:
            yield from _pieces(log_number, _rows(log_number, *only), *only)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="record-stream") as reader:
        try:
            asked = reader.submit(_rows, log_number, *bounds[0])
            for number, here in enumerate(bounds, 1):
                rows = asked.result()
                if number < len(bounds):
                    asked = reader.submit(_rows, log_number, *bounds[number])
                yield from _pieces(log_number, rows, *here)
        finally:
            reader.submit(connections.close_all)


def _rows(log_number: int, start: int, until: int) -> list[_Row]:
    connection.ensure_connection()
    # The driver's own cursor: Django's asks in text, where every byte travels as two digits.
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(_PIECES, [log_number, start - TILE_WIDTH, until], binary=True)
        rows: list[_Row] = cursor.fetchall()
    return [row for row in rows if row[0] + len(row[1]) // HASH_BYTES > start]


def _pieces(log_number: int, rows: list[_Row], start: int, until: int) -> Iterator[Piece]:
    for row in rows:
        yield _piece(log_number, row, start, until)


def _piece(log_number: int, row: _Row, start: int, until: int) -> Piece:
    """What lies between *start* and *until* of one row of positions."""
    begins, hashes, data, wanted, found = row
    count = len(hashes) // HASH_BYTES
    records = data.split(b"\n") if data is not None else []
    if wanted is not None and found is not None:
        records = _put_in_order(records, _ids(found), _ids(wanted))
    is_whole = data is not None and len(records) == count
    if not is_whole:
        records = _one_by_one(log_number, begins)
    low, high = max(start - begins, 0), min(until - begins, count)
    if data is not None and is_whole and wanted is None and (low, high) == (0, count):
        return Piece(begins, records, hashes, data + b"\n")
    part = records[low:high]
    return Piece(
        begins + low,
        part,
        hashes[low * HASH_BYTES : high * HASH_BYTES],
        b"\n".join([*part, b""]),
    )


def _one_by_one(log_number: int, first: int) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(_ONE_BY_ONE, [log_number, first])
        found = [bytes(data or b"") for (data,) in cursor.fetchall()]
    return [b"" if b"\n" in data else data for data in found]


def _ids(array: str) -> list[str]:
    """The members of an array as PostgreSQL writes it."""
    return array[1:-1].split(",")


def _put_in_order(records: list[bytes], found: list[str], wanted: list[str]) -> list[bytes]:
    """The records in the wanted order; none where they are not those that are wanted."""
    if len(records) != len(found) or sorted(found) != sorted(wanted):
        return []
    by_id = dict(zip(found, records, strict=True))
    return [by_id[record_id] for record_id in wanted]
