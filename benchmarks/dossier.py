"""How long a small dossier takes, from claim to published file: one JSON line.

    .venv/bin/python benchmarks/dossier.py [CALLS]

Starts throw-away servers, makes an organisation with CALLS calls (200: 400 records) in one month,
then makes the three kinds of dossier and reads the pages and seconds of each.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))


def main(calls: int) -> None:
    """Measure and print."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")
    os.environ["EMAIL_URL"] = "dummymail://"
    import django

    from tests import servers

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    try:
        print(json.dumps(measure(calls)))
    finally:
        from django.db import connections

        connections.close_all()
        servers.pytest_unconfigure()


def measure(calls: int) -> dict[str, object]:
    """Make the scene and the three dossiers."""
    from audit.sealing import seal_once
    from dossier.models import Dossier, Kind
    from dossier.production import render
    from dossier.scheduling import request_dossier
    from tests.cast import make_cast
    from tests.dossier.scene import call, settings_row

    cast = make_cast()
    row = settings_row(cast.alice)
    start = datetime(2026, 10, 1, 8, tzinfo=UTC)
    for number in range(calls):
        call(cast.max, start + timedelta(minutes=number * 40_000 / calls), settings=row)
    results: dict[str, object] = {"benchmark": "dossier", "records": calls * 2}
    for kind in Kind:
        made = request_dossier(
            cast.olivia, kind=kind, first=date(2026, 10, 1), last=date(2026, 10, 31)
        )
        seal_once()
        wall, cpu = time.perf_counter(), time.process_time()
        assert render(made.pk)
        made = Dossier.unscoped.get(pk=made.pk)
        results[kind.value] = {
            "seconds": round(time.perf_counter() - wall, 2),
            "cpu_seconds": round(time.process_time() - cpu, 2),
            "bytes": made.file_bytes,
        }
    results["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return results


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
