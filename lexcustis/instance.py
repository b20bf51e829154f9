"""The one running instance of a data folder: its lock, and where to reach its servers.

While ``make run`` runs, ``var/instance.env`` holds the addresses of its servers, readable by its
owner alone, so that ``manage.py verify`` and the like work in another terminal.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

LOCK = "supervisor.lock"
ADDRESSES = "instance.env"
_SHARED = (
    "LEXCUSTIS_DEMO",
    "LEXCUSTIS_HOME",
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "SEALER_DATABASE_URL",
    "REDIS_URL",
)


class CannotStart(Exception):
    """Something the person must change first; the message says what."""


class AlreadyRunning(CannotStart):
    """Another process runs on the same data folder."""


@contextlib.contextmanager
def only_instance(home: Path, description: str) -> Iterator[None]:
    """Hold the lock of the data folder; the end of this process frees it in any case.

    *description* says to whoever comes second where the first one is. Raises
    :class:`AlreadyRunning`, or :class:`CannotStart` where the folder cannot be written.
    """
    try:
        (home / "log").mkdir(parents=True, exist_ok=True)
        lock = (home / LOCK).open("a+")
    except OSError as error:
        raise CannotStart(
            f"Cannot write to {home} ({error.strerror}): make it writable, "
            "or set LEXCUSTIS_HOME to a folder that is."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise AlreadyRunning(
                f"Lex Custis already runs on {home} ({lock.read().strip()}): "
                "stop it there with Ctrl-C, or set LEXCUSTIS_HOME to another folder."
            ) from error
        lock.truncate(0)
        lock.write(description)
        lock.flush()
        yield


@contextlib.contextmanager
def addresses_published(home: Path, environment: Mapping[str, str]) -> Iterator[None]:
    """Write the addresses of the running servers for commands in other terminals."""
    path = home / ADDRESSES
    lines = [f"{name}={environment[name]}\n" for name in _SHARED if name in environment]
    path.unlink(missing_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text("".join(lines))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def join_running(root: Path) -> None:
    """Have this process use the servers of the running instance, where it names none itself."""
    if "DATABASE_URL" in os.environ or "SECRET_KEY" in os.environ or (root / ".env").exists():
        return
    home = Path(os.environ.get("LEXCUSTIS_HOME") or root / "var")
    with contextlib.suppress(OSError):
        for line in (home / ADDRESSES).read_text().splitlines():
            name, _, value = line.partition("=")
            os.environ.setdefault(name, value)
