"""P2: an acknowledged record is never lost, whatever is killed, and the log still verifies."""

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
def test_no_acknowledged_record_is_lost_by_kill_9() -> None:
    scale = os.environ.get("SCALE", "ci")
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_HOME"}
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kill_campaign"],
        cwd=ROOT, env=inherited | {"SCALE": "full" if scale == "full" else "ci"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    figures = {line["figure"]: line for line in lines if "figure" in line}
    assert figures["kills survived"]["met"]
    assert figures["acknowledged records lost"]["value"] == 0
    assert figures["logs that do not verify after the kills"]["value"] == 0
