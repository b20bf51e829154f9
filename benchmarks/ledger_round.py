"""What a round of the sealer costs: CPU time and statements, which say something on a busy machine.

Each round 600 records of 1 KB are committed, one by one as callers do, then sealed and signed: all
in one log, or six in each of a hundred. CPU time is that of this process and of its PostgreSQL
backend, divided by what raw SHA-256 of the same bytes takes between the rounds; statements and ways
to the server are counted.

    python -m benchmarks.ledger_round          (SCALE=full for more rounds)
"""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import PipelineStatus

from benchmarks.ledger_instance import instance, is_full, spread, tell, tell_machine

RECORDS = 600
RECORD_BYTES = 1056
ORGANISATIONS = 100

_INSERT = """
INSERT INTO audit_record (id, log_number, bytes)
VALUES (uuidv7(), %s, decode(repeat('5a', %s), 'hex'))
"""


@dataclass
class Costs:
    """Seconds of CPU time of each round, and what went over the wire."""

    sealer: list[float] = field(default_factory=list)
    backend: list[float] = field(default_factory=list)
    raw: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    trips: list[int] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Each round's CPU time, with the mean of the backend's, by that of the bare hashes."""
        backend = statistics.mean(self.backend)  # its clock ticks are longer than a round
        return [(own + backend) / raw for own, raw in zip(self.sealer, self.raw, strict=True)]


class Counter:
    """Counts what the sealer's statements ask of the server."""

    def __init__(self) -> None:
        from orgs import trips

        self.statements = self.trips = 0
        counter = self

        class Cursor(psycopg.Cursor[Any]):
            def execute(self, *arguments: Any, **options: Any) -> Any:
                counter.statements += 1
                counter.trips += self.connection.pgconn.pipeline_status == PipelineStatus.OFF
                return super().execute(*arguments, **options)

        class Connection:
            """The connection, whose pipelines are counted: each is one way."""

            def __init__(self, real: Any) -> None:
                self._real = real

            def __getattr__(self, name: str) -> Any:
                counter.trips += name == "pipeline"
                return getattr(self._real, name)

        trips.Cursor = lambda link: Cursor(link._real)  # type: ignore[assignment,misc]
        trips.connection = _Around(trips.connection, Connection)  # type: ignore[assignment]


class _Around:
    """Django's connection, with psycopg's own inside wrapped."""

    def __init__(self, real: Any, wrap: Any) -> None:
        self._real, self._wrap = real, wrap

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return self._wrap(found) if name == "connection" else found


def measure(logs: list[int], rounds: int, counter: Counter) -> Costs:
    """Seal *rounds* times what was committed to these logs."""
    from django.db import connection

    from audit.sealing import seal_once

    costs = Costs()
    blocks = [b"Z" * RECORD_BYTES] * RECORDS
    for number in range(rounds + 3):  # three to get warm
        with connection.cursor() as cursor:
            for record in range(RECORDS):
                cursor.execute(_INSERT, [logs[record % len(logs)], RECORD_BYTES])
            cursor.execute("SELECT pg_backend_pid()")
            backend = cursor.fetchone()[0]
        counter.statements = counter.trips = 0
        before, began = _cpu_seconds(backend), time.process_time()
        report = seal_once()
        sealer = time.process_time() - began
        if report.sealed < RECORDS or report.signed < len(logs):
            raise RuntimeError(f"The round did not do its work: {report}")
        own = _cpu_seconds(backend) - before
        began = time.process_time()
        for _ in range(5):
            for block in blocks:
                hashlib.sha256(block).digest()
        raw = (time.process_time() - began) / 5
        if number >= 3:
            costs.sealer.append(sealer)
            costs.backend.append(own)
            costs.raw.append(raw)
            costs.statements.append(counter.statements)
            costs.trips.append(counter.trips + 2)  # two transactions are committed
    return costs


def _cpu_seconds(process: int) -> float:
    """User and system time of a process (Linux), in seconds."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks: int = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks


def main(scale: str | None = None) -> None:
    """Measure and print."""
    rounds = 300 if is_full(scale) else 60
    tell_machine()
    with instance():
        from audit.models import Log
        from audit.sealing import seal_once
        from orgs.organisations import create_organisation

        for number in range(ORGANISATIONS):
            create_organisation(name=f"Bench {number}", slug=f"bench-{number}")
        while seal_once().sealed:
            pass
        logs = sorted(Log.unscoped.values_list("number", flat=True))
        counter = Counter()
        for number in (1, ORGANISATIONS):
            _tell_costs(number, measure(logs[:number], rounds, counter))


def _tell_costs(logs: int, costs: Costs) -> None:
    name = f"{RECORDS} records in {logs} log{'s' if logs > 1 else ''}"
    milliseconds = [1000 * seconds for seconds in costs.sealer]
    tell(
        f"CPU time of a round, {name}",
        statistics.median(costs.ratios),
        "of raw SHA-256",
        reference=f"{len(costs.raw)} rounds: ratio {spread(costs.ratios)}; sealer "
        f"{spread(milliseconds)} ms, PostgreSQL {1000 * statistics.mean(costs.backend):.1f} ms",
    )
    tell(f"statements of a round, {name}", statistics.median(costs.statements), "statements")
    tell(f"ways to the server in a round, {name}", statistics.median(costs.trips), "ways")


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
