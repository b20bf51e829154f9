"""``make run``: every process of the product on one machine, started, watched and stopped together.

It brings PostgreSQL and Valkey from wheels where ``DATABASE_URL`` or ``REDIS_URL`` is not set,
brings the database up to date, and then runs the processes of the ``Procfile``. What the person
must know stands in one block; what went wrong stands in one line that says what to do.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import environ

from lexcustis.demo_block import block
from lexcustis.embedded import EmbeddedServerError, servers
from lexcustis.instance import CannotStart, addresses_published, only_instance
from lexcustis.processes import Child, die_with_parent, read_procfile

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
LOCAL_PYTHON = ROOT / ".venv-local" / "bin" / "python"
READY_TIMEOUT_SECONDS = 90
# New work is refused first; the sealer goes last, so that it seals what the others wrote.
STOP_ORDER = ("web", "beat", "worker", "model", "sealer")


class Stopped(Exception):
    """The person asked to stop while the start was still under way."""


class Supervisor:
    """The sequence of a start, the watch, and the stop."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.home = Path(environment["LEXCUSTIS_HOME"])
        self.port = int(environment["PORT"])
        self.address = f"http://{HOST}:{self.port}"
        neighbour = self.port + 1 if self.port < 65535 else self.port - 1
        self.model_port = neighbour if environment["MODEL"] else 0
        if self.model_port:
            environment["LOCAL_MODEL_URL"] = f"http://{HOST}:{self.model_port}/v1"
        self.signals = 0
        self.children: dict[str, Child] = {}

    def run(self) -> int:
        """Run until Ctrl-C or SIGTERM; the exit code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        began = time.monotonic()
        try:
            with only_instance(self.home, f"process {os.getpid()}, {self.address}"):
                self._check_port(self.port)
                if self.model_port:
                    self._check_port(self.model_port)
                self._run_with_servers(began)
        except Stopped:
            say("Stopped.")
        except (CannotStart, EmbeddedServerError) as error:
            if self.signals:  # what was being started had been told to stop
                say("Stopped.")
                return 0
            say(f"lexcustis: {error}")
            return 2
        return 0

    def _run_with_servers(self, began: float) -> None:
        with servers(
            self.home,
            postgres="DATABASE_URL" not in self.environment,
            valkey="REDIS_URL" not in self.environment,
        ) as addresses:
            self.environment.update(addresses)
            self._go_on()
            with addresses_published(self.home, self.environment):
                self._prepare()
                try:
                    self._start_children()
                    self._wait_until_ready("web", f"{self.address}/readyz")
                    if self.model_port:
                        self._wait_until_ready("model", f"http://{HOST}:{self.model_port}/health")
                    say(block(self.address, self.environment, time.monotonic() - began))
                    self._watch()
                finally:
                    self._stop_children()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.signals += 1

    def _go_on(self) -> None:
        if self.signals:
            raise Stopped

    def _check_port(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise CannotStart(
                    f"Port {port} cannot be used ({error.strerror}): "
                    f"choose another one, for instance 'make run PORT={self.port + 2}'."
                ) from error

    def _prepare(self) -> None:
        """Migrate, collect the static files and seed the demo, in one process."""
        with (self.home / "log" / "prepare.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "manage.py", "prepare"],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - single thread
            )
            assert process.stdout is not None
            with process.stdout as lines:
                for line in lines:
                    say(line.rstrip())
                    if self.signals:
                        process.terminate()
            process.wait()
        self._go_on()
        if process.returncode != 0:
            reason = (self.home / "log" / "prepare.log").read_text(errors="replace")
            last = (reason.strip().splitlines() or ["no reason given"])[-1]
            raise CannotStart(f"{last[:500].removeprefix('CommandError: ')} (see {log.name})")

    def _start_children(self) -> None:
        commands = read_procfile(ROOT / "Procfile", self.environment)
        if self.model_port:
            script = ROOT / "lexcustis" / "local_model.py"
            commands["model"] = [str(LOCAL_PYTHON), "-I", str(script), str(self.model_port)]
        for name, command in commands.items():
            child = Child(name, command, self.home / "log" / f"{name}.log", self.environment)
            child.start()
            self.children[name] = child

    def _wait_until_ready(self, name: str, address: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not _answers(address):
            self._go_on()
            child = self.children[name]
            if not child.is_running or time.monotonic() > deadline:
                raise CannotStart(
                    f"The {name} process does not answer: {child.last_line()} ({child.log})"
                )
            time.sleep(0.1)

    def _watch(self) -> None:
        while not self.signals:
            for child in self.children.values():
                told = child.watch()
                if told:
                    say(told)
            time.sleep(0.1)

    def _stop_children(self) -> None:
        if not self.children:
            return
        say("Stopping …")
        asked_again = self.signals + 1
        for name in sorted(self.children, key=_stop_place):
            child = self.children[name]
            child.ask_to_stop()
            if not child.wait_stopped(lambda: self.signals >= asked_again):
                say(f"{name} did not stop by itself and was killed")
        say("Stopped.")


def _stop_place(name: str) -> int:
    return STOP_ORDER.index(name) if name in STOP_ORDER else 0


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - our own
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def say(text: str) -> None:
    """Print for the person at the terminal."""
    print(text, flush=True)  # noqa: T201 - this is the command's output


def environment_of_run() -> dict[str, str]:
    """The environment of every process: the person's, then ``.env``, then the demo's defaults."""
    environment = dict(os.environ)
    if (ROOT / ".env").exists():
        environ.Env.read_env(ROOT / ".env")
        environment = dict(os.environ)
    environment.setdefault("LEXCUSTIS_DEMO", "1")
    environment.setdefault("LEXCUSTIS_HOME", str(ROOT / "var"))
    environment.setdefault("PORT", "8000")
    environment.setdefault("MODEL", "")
    environment["HOST"] = HOST
    if "CSRF_TRUSTED_ORIGINS" not in environment:  # links in mails and for auditors lead here
        environment.setdefault("PUBLIC_URL", f"http://{HOST}:{environment['PORT']}")
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def main() -> int:
    """Run the product; the exit code."""
    environment = environment_of_run()
    if not environment["PORT"].isdecimal() or not 0 < int(environment["PORT"]) < 65536:
        say("lexcustis: PORT must be a number from 1 to 65535, for instance 'make run PORT=8001'.")
        return 2
    if environment["MODEL"] not in {"", "local"}:
        say("lexcustis: MODEL is 'local' or nothing: 'make run MODEL=local' or 'make run'.")
        return 2
    if environment["MODEL"] and not LOCAL_PYTHON.exists():
        say("lexcustis: the local model is not installed: start with 'make run MODEL=local'.")
        return 2
    os.chdir(ROOT)
    return Supervisor(environment).run()


if __name__ == "__main__":
    sys.exit(main())
