"""Running a campaign of ``benchmarks/`` as its command does, and reading its figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def figures_of(campaign: str, **smaller: str) -> list[dict[str, Any]]:
    """The figures that ``python -m benchmarks.<campaign>`` prints; it must end well.

    ``SCALE=full`` in the environment runs all of it, else the environment variables *smaller* hold.
    """
    own = {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_HOME"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    if os.environ.get("SCALE") != "full":
        environment |= {"SCALE": "ci", **smaller}
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{campaign}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if '"figure"' in line]
