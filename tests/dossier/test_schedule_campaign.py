"""P6: each period of every schedule gives one dossier, whatever is killed, full, late or lost.

A small run of ``benchmarks/dossier_campaign.py``, which says what goes wrong in it. ``SCALE=full``
runs all of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_dossier_is_written_twice_or_not_at_all() -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_HOME"}
    }
    if os.environ.get("SCALE") != "full":
        inherited |= {"SCALE": "ci", "LEXCUSTIS_SIMULATED_SCHEDULES": "12"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.dossier_campaign"],
        cwd=ROOT, env=inherited, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    figures = {line["figure"]: line for line in lines}
    assert figures["schedules simulated"]["met"]
    assert figures["processes killed over them"]["met"]
    assert figures["dossiers written twice or not at all"]["value"] == 0
    assert figures["their logs and bundles that do not verify"]["value"] == 0
