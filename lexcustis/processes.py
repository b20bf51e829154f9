"""One child process of the supervisor: started, watched, restarted, stopped with all it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import string
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_AFTER_SECONDS = 30.0  # a child that ran so long starts again with the shortest pause
LARGEST_LOG_BYTES = 10_000_000

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def read_procfile(path: Path, environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The commands of a Procfile by name, with ``$NAME`` replaced from *environment*.

    ``python`` becomes the interpreter that runs now.
    """
    commands: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, colon, command = line.partition(":")
        if not colon or name.startswith("#"):
            continue
        words = shlex.split(string.Template(command).substitute(environment))
        commands[name.strip()] = [sys.executable if word == "python" else word for word in words]
    return commands


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """What a child runs before its program, so that the death of its parent ends it (Linux).

    Even ``kill -9`` of the supervisor then leaves no process behind.
    """
    libc = _LIBC
    if libc is None:
        return None

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))

    return arrange


@dataclass
class Child:
    """A process that runs until it is stopped; its output goes to a file of its own."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str]
    stop_seconds: float = 30.0
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    _started_at: float = 0.0
    _start_again_at: float = 0.0
    _pause: float = field(default=FIRST_PAUSE_SECONDS)

    def start(self) -> None:
        """Start the process in a session of its own: Ctrl-C reaches the supervisor alone."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(self.environment),
                start_new_session=True,
                # Safe: this process has a single thread.
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509
            )
        self._started_at = time.monotonic()
        self._start_again_at = 0.0

    @property
    def is_running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def watch(self) -> str:
        """Start the process again where it died, after a pause that grows; say so in a line."""
        if self.is_running or self.process is None:
            return ""
        now = time.monotonic()
        if not self._start_again_at:
            self._kill_group()
            if now - self._started_at > STEADY_AFTER_SECONDS:
                self._pause = FIRST_PAUSE_SECONDS
            self._start_again_at = now + self._pause
            told = f"{self.name} ended ({self._how()}), starts again in {self._pause:.0f} s"
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            return f"{told}; see {self.log}"
        if now >= self._start_again_at:
            self.start()
            self.restarts += 1
            return f"{self.name} started again"
        return ""

    def ask_to_stop(self) -> None:
        """Ask the process to end."""
        if self.process is not None and self.is_running:
            self.process.terminate()

    def wait_stopped(self, hurry: Callable[[], bool]) -> bool:
        """Wait for the end, then end whatever it left; False where it had to be killed.

        *hurry* is asked now and then: once true, nobody waits any longer.
        """
        deadline = time.monotonic() + self.stop_seconds
        while self.is_running and time.monotonic() < deadline and not hurry():
            time.sleep(0.02)
        stopped_by_itself = not self.is_running
        self._kill_group()
        return stopped_by_itself

    def last_line(self) -> str:
        """The last line of the log: mostly the reason."""
        try:
            lines = self.log.read_text(errors="replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    def _kill_group(self) -> None:
        """Kill what is left of the process's session: it leads a process group of its own."""
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _how(self) -> str:
        code = self.process.returncode if self.process else 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"
