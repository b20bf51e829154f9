"""A whole running product for tests: the very command of ``make run``, on a free port.

Everything is real: PostgreSQL, Valkey, web, worker, beat and sealer, in a temporary home.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 150
STOP_SECONDS = 60
_OWN = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "VAULT_KEYS",
    "SEALED_WITHIN_SECONDS",
    "PYTEST_CURRENT_TEST",
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def new_home() -> Path:
    """A data folder that PostgreSQL's own user can enter where the tests run as root."""
    home = Path(tempfile.mkdtemp(prefix="lexcustis-home-"))
    home.chmod(0o755)
    return home


class Running:
    """One start of the product. ``output`` grows while it runs."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        self.home = home
        self.port = port
        self.address = f"http://127.0.0.1:{port}"
        self.mark = f"LEXCUSTIS_HOME={home}"
        inherited = {name: value for name, value in os.environ.items() if name not in _OWN}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lexcustis.supervisor"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=inherited
            | {"LEXCUSTIS_DEMO": "1", "LEXCUSTIS_HOME": str(home), "PORT": str(port)}
            | environment,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip())

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = READY_SECONDS) -> str:
        """The first line that holds *pattern*."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            if self.process.poll() is not None and not self._reader.is_alive():
                break
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} never came:\n{self.output}\n{self.logs()}")

    def wait_ready(self) -> Running:
        self.wait_for("Lex Custis is ready")
        self.wait_for("Stop: Ctrl-C")
        return self

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to stop; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"It did not stop:\n{self.output}\n{self.logs()}") from None
        self._reader.join(10)
        return code

    def processes(self) -> dict[int, str]:
        """Every process on this machine that belongs to this start, by id, with its command."""
        return processes_with(self.mark)

    def wait_gone(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while self.processes():
            assert time.monotonic() < deadline, f"left behind: {self.processes()}"
            time.sleep(0.1)

    def child(self, name: str) -> int:
        """The id of the process of this name in the Procfile."""
        sign = {"web": "uvicorn", "worker": " worker ", "beat": " beat ", "sealer": " seal"}[name]
        found = [number for number, command in self.processes().items() if sign in command]
        assert found, f"no {name} among {self.processes()}"
        return min(found)

    def logs(self) -> str:
        """The end of every log: what a failed test needs."""
        return "\n".join(
            f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}"
            for path in sorted((self.home / "log").glob("*.log"))
        )

    def remove(self) -> None:
        """Stop what runs, and delete the data."""
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)
        shutil.rmtree(self.home, ignore_errors=True)


def processes_with(mark: str) -> dict[int, str]:
    """Living processes whose environment or command names *mark* or what is in its value."""
    found: dict[int, str] = {}
    value = mark.partition("=")[2]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if state != "Z" and (mark.encode() in environment or value in command):
            found[int(folder.name)] = command.strip()
    return found


def environment_of(home: Path) -> Mapping[str, str]:
    """The addresses that the running instance publishes for commands."""
    lines = (home / "instance.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines)
