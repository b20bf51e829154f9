"""What the ledger stores beyond the plain rows of the records.

Records of 1 KB go into the ledger's table and into a bare one. Compared are the sizes on disk,
with indexes and TOAST, of everything that makes the ledger one: the transaction number and its
index, positions, tiles, checkpoints. The projection for searching is told apart: it is there for
people, can be rebuilt and is no evidence.

    python -m benchmarks.ledger_storage         (SCALE=full: 1 M records)
"""

from __future__ import annotations

import os

from benchmarks.ledger_instance import instance, is_full, tell, tell_machine

RECORD_BYTES = 1056
_PLAIN = """
CREATE TABLE bench_plain (id uuid NOT NULL PRIMARY KEY, log_number integer NOT NULL,
                          bytes bytea NOT NULL)
"""
_INSERT = """
INSERT INTO {table} (id, log_number, bytes)
SELECT uuidv7(), %s, decode(repeat(md5(random()::text), 66), 'hex')
FROM generate_series(1, %s)
"""
_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relkind = 'r' AND (relname = %s OR relname ~ ('^' || %s || '_(default|[0-9_]+)$'))
"""
_INDEX = """
INSERT INTO audit_recordindex (record_id, organisation_id, log_number, at, kind, actor_id,
    actor_type, provider, model, region, slots)
SELECT record.id, log.organisation_id, record.log_number, now(), 'inference.requested',
    record.id::text, 'user', 'mistral_ai', 'mistral-large-latest', 'EU', ARRAY['prompt']
FROM audit_record AS record JOIN audit_log AS log ON log.number = record.log_number
WHERE NOT EXISTS (SELECT FROM audit_recordindex AS found WHERE found.record_id = record.id)
"""


def main(scale: str | None = None) -> None:
    """Measure and print."""
    size = 1_000_000 if is_full(scale) else 50_000
    tell_machine()
    with instance(durable=False):
        from audit.models import Log
        from orgs.organisations import create_organisation

        for name in ("busy", "quiet"):
            create_organisation(name=name, slug=name)
        busy, quiet = Log.unscoped.order_by("number").values_list("number", flat=True)
        _do(_PLAIN)
        before = _sizes()
        plain = _fill("bench_plain", busy, size, each=5000)
        _fill("audit_record", busy, size, each=500, seal=True)
        after = _sizes()
        grown = {name: after[name] - before[name] for name in after}
        own = sum(grown.values()) - plain
        tell(
            "storage beyond the plain row of 1 KB, 500 records a round",
            100 * own / plain,
            "% of the plain row",
            goal="<= 15",
            reference=f"{size} records, plain {plain / size:.0f} bytes each; beyond: "
            + _shares(grown | {"audit_record": grown["audit_record"] - plain}, size),
        )
        _do(_INDEX)
        search = _size("audit_recordindex")
        tell(
            "the projection for searching, not counted above",
            100 * search / plain,
            "% of the plain row",
            reference=f"{search / size:.0f} bytes a record with its indexes",
        )
        _tell_quiet(quiet, size // 50)


def _tell_quiet(log: int, size: int) -> None:
    """The other end: every record gets a round, a row and a signed head of its own."""
    before = _sizes()
    _fill("audit_record", log, size, each=1, seal=True)
    after = _sizes()
    grown = {name: after[name] - before[name] for name in after if name != "audit_record"}
    tell(
        "the same where every record is sealed alone",
        100 * sum(grown.values()) / (size * RECORD_BYTES),
        "% of the record's bytes",
        reference=f"{size} records: " + _shares(grown, size),
    )


def _shares(grown: dict[str, int], size: int) -> str:
    return ", ".join(f"{name} {count / size:.0f}" for name, count in grown.items()) + " bytes each"


def _fill(table: str, log: int, size: int, *, each: int, seal: bool = False) -> int:
    """Insert *size* records, *each* a transaction; return the bytes the table then has."""
    from audit.sealing import seal_once

    for _ in range(0, size, each):
        _do(_INSERT.format(table=table), log, each)
        if seal:
            seal_once()
    return _size(table)


def _sizes() -> dict[str, int]:
    names = ("audit_record", "audit_position", "audit_tile", "audit_checkpoint")
    return {name: _size(name) for name in names}


def _size(table: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(_SIZE, [table, table])
        return int(cursor.fetchone()[0])


def _do(statement: str, *parameters: object) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
