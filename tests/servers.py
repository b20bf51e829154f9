"""Starts real, throw-away PostgreSQL and Valkey servers before Django reads its settings.

Loaded by ``-p tests.servers``. Where ``DATABASE_URL`` and ``REDIS_URL`` are set, those serve.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from lexcustis.embedded import servers

_stack = contextlib.ExitStack()


def _start() -> None:
    os.environ.setdefault("LEXCUSTIS_DEMO", "1")
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # the controller's servers serve all workers
    home = Path(tempfile.mkdtemp(prefix="lexcustis-test-"))
    home.chmod(0o755)
    _stack.callback(shutil.rmtree, home, ignore_errors=True)
    os.environ.setdefault("LEXCUSTIS_HOME", str(home))
    os.environ.update(
        _stack.enter_context(
            servers(
                home,
                postgres="DATABASE_URL" not in os.environ,
                valkey="REDIS_URL" not in os.environ,
                durable=False,
            )
        )
    )


def pytest_unconfigure() -> None:
    _stack.close()


_start()
