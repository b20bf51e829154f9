"""The environment of clients and simulators that others wrote; ``make clients`` makes it.

They pull in too much for the environment of the product and of its tests: they run in one of
their own, by their own interpreter, against a live server.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / ".venv-clients" / "bin"
NODE_MODULES = ROOT / ".venv-clients" / "node_modules"
_HERE = Path(__file__).resolve().parent

needs_clients = pytest.mark.skipif(
    not (BIN / "litellm").exists(),
    reason="the foreign clients are not installed: run 'make clients'",
)
needs_aimock = pytest.mark.skipif(
    not (NODE_MODULES / "@copilotkit" / "aimock").exists(),
    reason="aimock is not installed: run 'make clients' where npm and Node 20 are",
)


def run_client(script: str, *arguments: str) -> dict[str, Any]:
    """What *script* of this folder reports when it runs in the clients' environment."""
    done = subprocess.run(
        [str(BIN / "python"), "-I", str(_HERE / script), *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        # Nothing of ours, and nothing is fetched at run time.
        env={
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LANGSMITH_TRACING": "false",
        },
    )
    assert done.returncode == 0, f"{script} failed:\n{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
