"""Starts real, throw-away PostgreSQL and Valkey servers before Django reads its settings.

Loaded by ``-p tests.servers``. Where ``DATABASE_URL`` and ``REDIS_URL`` are set, those serve. Else
each process of tests has a PostgreSQL of its own: sealing waits for every transaction of a server,
also for those of another process's tests.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from lexcustis.embedded import is_embedded, servers

_stack = contextlib.ExitStack()


def _start() -> None:
    os.environ.setdefault("LEXCUSTIS_DEMO", "1")
    os.environ["SEALED_WITHIN_SECONDS"] = "0"  # nobody seals while a test waits for an answer
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    if is_worker and not is_embedded(os.environ["DATABASE_URL"]):
        return  # one server for all, as whoever runs the tests wants it
    home = Path(tempfile.mkdtemp(prefix="lexcustis-test-"))
    home.chmod(0o755)
    _stack.callback(shutil.rmtree, home, ignore_errors=True)
    os.environ.setdefault("LEXCUSTIS_HOME", str(home))
    os.environ.update(
        _stack.enter_context(
            servers(
                home,
                postgres=is_worker or "DATABASE_URL" not in os.environ,
                valkey="REDIS_URL" not in os.environ,
                durable=False,
            )
        )
    )


def pytest_unconfigure() -> None:
    _stack.close()


_start()
