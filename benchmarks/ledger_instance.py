"""What the ledger's measurements share: sizes, a throw-away instance, one line for each figure."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def is_full(scale: str | None = None) -> bool:
    """Whether to measure at full size. ``SCALE`` is ``ci``, ``full``, or a number (1 is full)."""
    scale = scale or os.environ.get("SCALE", "ci")
    if scale in {"ci", "full"}:
        return scale == "full"
    return float(scale) >= 1


def tell(
    figure: str, value: float, unit: str, *, goal: str | None = None, reference: str = ""
) -> None:
    """Print one figure as a line of JSON. *goal* is like ``">= 0.85"``, or None."""
    met = None
    if goal is not None:
        sign, _, limit = goal.partition(" ")
        met = value >= float(limit) if sign == ">=" else value <= float(limit)
    line = {
        "figure": figure,
        "value": round(value, 4),
        "unit": unit,
        "goal": goal,
        "reference": reference,
        "met": met,
    }
    print(json.dumps(line, ensure_ascii=False), flush=True)


def tell_machine() -> None:
    """Say on standard error where and when is measured."""
    line = {
        "machine": f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load": [round(value, 1) for value in os.getloadavg()],
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    print(json.dumps(line), file=sys.stderr)


def spread(values: Sequence[float]) -> str:
    """Median and range of some rounds, for a figure's reference."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


@contextlib.contextmanager
def instance(*, durable: bool = True) -> Iterator[dict[str, str]]:
    """A fresh PostgreSQL with the product's tables, and Django set up on it.

    Yields the environment for further processes. One in a process: Django is set up once.
    """
    from lexcustis.embedded import servers

    home = Path(tempfile.mkdtemp(prefix="lexcustis-bench-", dir="/var/tmp"))
    home.chmod(0o755)
    try:
        with servers(home, valkey=False, durable=durable) as addresses:
            environment = {"LEXCUSTIS_DEMO": "1", "LEXCUSTIS_HOME": str(home), "LOG_LEVEL": "ERROR"}
            os.environ.update(environment | addresses)
            os.environ["DJANGO_SETTINGS_MODULE"] = "lexcustis.settings"
            import django

            django.setup()
            from django.core.management import call_command
            from django.db import connections

            call_command("migrate", verbosity=0)
            try:
                yield dict(os.environ)
            finally:
                connections.close_all()
                connections["default"].close_pool()  # type: ignore[attr-defined]
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextlib.contextmanager
def sealer(environment: dict[str, str], *, period_seconds: float) -> Iterator[None]:
    """``manage.py seal`` as a process of its own, running when this is entered."""
    from audit.models import SealState

    process = subprocess.Popen(
        [sys.executable, "manage.py", "seal"],
        cwd=ROOT,
        env=environment | {"SEAL_PERIOD_SECONDS": str(period_seconds)},
    )
    try:
        before = SealState.objects.order_by("looked_at").first()
        while True:
            state = SealState.objects.order_by("looked_at").first()
            if state and (before is None or state.looked_at > before.looked_at):
                break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def wait_until_sealed() -> float:
    """Wait until every record of every log is under a signed head; the seconds that took."""
    from django.db import connection

    started = time.perf_counter()
    query = (
        "SELECT (SELECT count(*) FROM audit_record) = (SELECT coalesce(sum(signed_size), 0)"
        " FROM audit_log)"
    )
    while True:
        with connection.cursor() as cursor:
            cursor.execute(query)
            if cursor.fetchone()[0]:
                return time.perf_counter() - started
        time.sleep(0.1)
