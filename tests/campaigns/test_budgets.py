"""Budgets keep exact account of many calls at once, and no calls together pass a limit."""

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
def test_no_counter_drifts_and_no_limit_is_passed() -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_HOME"}
    }
    scale = "full" if os.environ.get("SCALE") == "full" else "ci"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.budget_campaign"],
        cwd=ROOT, env=inherited | {"SCALE": scale},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines() if '"figure"' in line]
    assert len(figures) == 7
    assert all(figure["met"] for figure in figures), figures
