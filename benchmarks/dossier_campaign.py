"""Whether each dossier of many schedules is written exactly once, whatever happens (P6).

Organisations in four time zones schedule dossiers for months, quarters and years. Simulated clocks
walk from October 2020 over two changes from summer time (Berlin on 25 October; Havana on the very
first of November, whose midnight comes twice) to the new year. At each step two processes look
through the schedules at the same moment, one of them at times a day off or killed half-way; two
workers, whose clocks are off now and then, render what is rung for, get the same again, are killed
at every stage, frozen until their lease is over, and cut short by full disks. Redis is killed and
loses everything. Then a stock Celery worker, with real pages, is killed again and again over a few
more. At the end there must be one row, one file, one record of asking and one of publishing for
each period that was due, the calls on either side of each midnight in the right one, and every log
verifies.

    python -m benchmarks.dossier_campaign       (SCALE=ci: 200 schedules, SCALE=full: 2,000)

``LEXCUSTIS_SIMULATED_SCHEDULES`` sets another number. Leases run out by the simulated clock, for
the Celery worker by hand; attempts are not counted, so that nothing is given up.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.dossier_proof import check
from benchmarks.dossier_trouble import Clock, Fate, Journal, trouble_rendering, troubled_opening
from benchmarks.kill_campaign import Children, Servers, _in_child, seal, servers
from benchmarks.ledger_instance import ROOT, is_full, tell, tell_machine

ZONES = ("Europe/Berlin", "America/Havana", "Pacific/Kiritimati", "America/New_York")
KINDS = ("art53", "art10", "full")
RHYTHMS = ("month", "quarter", "year")
_PER_ORGANISATION = len(KINDS) * len(RHYTHMS)

OPENED = datetime(2020, 10, 24, 20, tzinfo=UTC)
STEPS = tuple(
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        "2020-10-24 22:30", "2020-10-25 00:30", "2020-10-25 01:00", "2020-10-25 01:30",
        "2020-10-31 09:59:59", "2020-10-31 10:00", "2020-10-31 22:59:59", "2020-10-31 23:00",
        "2020-11-01 03:59:59", "2020-11-01 04:00", "2020-11-01 04:59", "2020-11-01 05:00",
        "2020-11-30 22:59", "2020-12-01 00:00", "2020-12-01 05:00", "2020-12-31 10:00",
        "2020-12-31 23:00", "2021-01-01 05:00", "2021-01-02 00:00",
    )
)  # fmt: skip
# A schedule of months exists since one of these days; what was over before is not made.
SINCE = {
    "art53": OPENED,
    "art10": datetime(2020, 11, 10, tzinfo=UTC),
    "full": datetime(2020, 12, 5, tzinfo=UTC),
}
# Either side of each midnight that matters, in UTC: Berlin's, Havana's (twice), the new year.
CALLS = tuple(
    datetime.fromisoformat(f"{moment}+00:00")
    for moment in (
        "2020-10-25 00:30", "2020-10-25 01:30", "2020-10-31 09:59:59", "2020-10-31 10:00",
        "2020-10-31 22:59:59", "2020-10-31 23:00", "2020-11-01 03:59:59", "2020-11-01 04:00",
        "2020-11-01 04:59:59", "2020-11-01 05:00", "2020-12-31 22:59:59", "2020-12-31 23:00",
        "2021-01-01 04:59:59", "2021-01-01 05:00",
    )
)  # fmt: skip
_SKEWS = (timedelta(0),) * 6 + (timedelta(days=1), timedelta(days=-1)) * 2
_PATIENCE_SECONDS = 1800


def how_many(scale: str | None) -> int:
    """Of schedules."""
    given = os.environ.get("LEXCUSTIS_SIMULATED_SCHEDULES")
    return int(given) if given else 2000 if is_full(scale) else 200


# -- The scene -------------------------------------------------------------------------------------


def set_the_scene(schedules: int, clock: Clock) -> None:
    """Organisations, one officer of them all, their calls and their schedules."""
    from django.core.management import call_command

    from dossier.models import DossierSchedule
    from dossier.schedules import create_schedule
    from orgs.models import User
    from orgs.system_models import AISystem
    from tests.dossier.scene import call

    call_command("migrate", verbosity=0)
    clock.set(OPENED)
    clock.rule()
    officer = User.objects.create_user("officer@example.org", None, name="Olivia")
    for first in range(0, schedules, _PER_ORGANISATION):
        number = first // _PER_ORGANISATION
        tenant = _organisation(f"campaign-{number}", ZONES[number % len(ZONES)], officer)
        for at in CALLS:
            call(tenant, at)
        for place in range(min(_PER_ORGANISATION, schedules - first)):
            kind, rhythm = KINDS[place % 3], RHYTHMS[place // 3]
            row = create_schedule(tenant, kind=kind, rhythm=rhythm)
            since = SINCE[kind] if rhythm == "month" else OPENED
            DossierSchedule.objects.for_tenant(tenant).filter(pk=row.pk).update(created_at=since)
    # Every organisation's first: models read the true clock when a row is made.
    AISystem.unscoped.update(created_at=OPENED)


def _organisation(slug: str, zone: str, officer: Any) -> Any:
    from orgs.members import add_member
    from orgs.organisations import create_organisation
    from orgs.roles import Role
    from orgs.tenancy import tenant_of

    organisation = create_organisation(name=slug.title(), slug=slug, time_zone=zone)
    return tenant_of(add_member(organisation, officer, Role.COMPLIANCE_OFFICER))


def expected(place: int) -> list[tuple[date, date]]:
    """The periods that the schedule at *place* of an organisation is due for, from the calendar."""
    kind, rhythm = KINDS[place % 3], RHYTHMS[place // 3]
    if rhythm == "year":
        return [(date(2020, 1, 1), date(2020, 12, 31))]
    if rhythm == "quarter":
        return [(date(2020, 10, 1), date(2020, 12, 31))]
    months = [
        (date(2020, 10, 1), date(2020, 10, 31)),
        (date(2020, 11, 1), date(2020, 11, 30)),
        (date(2020, 12, 1), date(2020, 12, 31)),
    ]
    return [month for month in months if month[1] >= SINCE[kind].date()]


def all_expected(schedules: int) -> set[tuple[str, str, date, date]]:
    """Organisation, kind, first and last day of every dossier that there has to be."""
    return {
        (f"campaign-{number // _PER_ORGANISATION}", KINDS[number % _PER_ORGANISATION % 3], *days)
        for number in range(schedules)
        for days in expected(number % _PER_ORGANISATION)
    }


# -- Processes -------------------------------------------------------------------------------------


def work(clock: Clock, journal: Journal, seed: int) -> None:
    """A worker: takes what is rung for from the broker, and some of it twice."""
    from celery import current_app

    chance = random.Random(os.urandom(8))
    skew = chance.choice(_SKEWS)
    clock.rule(skew)
    if skew:
        journal.note("worker's clock a day off")
    trouble_rendering(Fate(journal, clock, seed))
    while True:
        try:
            with current_app.connection_for_read() as connection:
                _take_from(connection.SimpleQueue("celery"), journal, chance)
        except Exception:
            time.sleep(0.1)  # the broker is gone; it comes back


def _take_from(queue: Any, journal: Journal, chance: random.Random) -> None:
    from dossier import tasks

    while True:
        try:
            message = queue.get(timeout=1)
        except queue.Empty:
            continue
        tasks.render(message.payload[0][0])
        if chance.random() < 0.2:
            journal.note("delivered again")
            message.requeue()
        else:
            message.ack()


def look(clock: Clock, journal: Journal, skew: timedelta, chance: random.Random | None) -> None:
    """What beat has done every minute; with *chance* it dies on the way."""
    from dossier import tasks

    clock.rule(skew)
    journal.note(f"ticks {skew.days:+d} d" if skew else "ticks")
    if chance is None:
        tasks.tick()
        return
    with troubled_opening(journal, chance):
        tasks.tick()


class Campaign:
    """The walk through simulated time, with all that goes wrong on the way."""

    def __init__(self, running: Servers, clock: Clock, seed: int) -> None:
        self.servers, self.clock, self.seed = running, clock, seed
        self.journal = Journal(running.home / "troubles")
        self.children = Children(running.home)
        self.chance = random.Random(seed)
        self.works: dict[str, Callable[[], None]] = {"sealer": seal}
        for number in (1, 2):
            self.works[f"worker{number}"] = lambda: work(clock, self.journal, seed)

    def run(self) -> None:
        """Every step, then on until nothing waits any more."""
        losses = self.chance.sample(range(2, len(STEPS) - 2), 3)
        for number, moment in enumerate(STEPS):
            if number in losses:
                self._lose_redis()
            self.clock.set(moment)
            self._look_twice()
            if number in losses:
                self.servers.start_redis()
            self._keep_working()
        self._finish()

    def stop(self) -> None:
        """End every process."""
        for name in list(self.children.running):
            self.children.kill(name)

    def _keep_working(self) -> None:
        for name, work_of in self.works.items():
            if not self.children.is_running(name):
                self.children.start(name, work_of)

    def _look_twice(self) -> None:
        """Two at the same moment; who is killed comes again, as beat does a minute later."""
        seed = self.chance.randrange(2**32)
        looks = {
            "tick1": (timedelta(0), None),
            "tick2": (
                self.chance.choice(_SKEWS),
                random.Random(seed) if self.chance.random() < 0.5 else None,
            ),
        }
        for name, (skew, chance) in looks.items():
            self._start_look(name, skew, chance)
        while sum(self.children.is_running(name) for name in looks):
            self._keep_working()
            time.sleep(0.02)
        self._start_look("tick2", timedelta(0), None)
        while self.children.is_running("tick2"):
            self._keep_working()
            time.sleep(0.02)

    def _start_look(self, name: str, skew: timedelta, chance: random.Random | None) -> None:
        self.children.start(name, lambda: look(self.clock, self.journal, skew, chance))

    def _lose_redis(self) -> None:
        """Killed, with everything it held, and away for a while."""
        self.journal.note("Redis lost")
        process = self.servers.processes["redis"]
        process.kill()
        process.wait()
        shutil.rmtree(self.servers.home / "valkey")

    def _finish(self) -> None:
        """Hours pass until each dossier is published, however often its worker was killed."""
        deadline, moment = time.monotonic() + _PATIENCE_SECONDS, STEPS[-1]
        pause = 2.0
        while True:
            _in_child(lambda: _write_waiting(self.servers.home))
            waiting = int((self.servers.home / "waiting").read_text())
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{waiting} dossiers still wait; see {self.servers.home}.")
            moment = min(moment + timedelta(hours=6), STEPS[-1] + timedelta(days=20))
            self.clock.set(moment)
            self._start_look("tick1", timedelta(0), None)
            # Each time all leases are over: a slow machine must have ever longer to do its work.
            pause *= 1.1
            until = time.monotonic() + pause
            while time.monotonic() < until:
                self._keep_working()
                time.sleep(0.05)


def _write_waiting(home: Path) -> None:
    from dossier.models import Dossier

    count = Dossier.unscoped.exclude(state=Dossier.State.PUBLISHED).count()
    (home / "waiting").write_text(str(count))


# -- A stock worker --------------------------------------------------------------------------------


def real_scene(organisations: int) -> None:
    """Schedules by the true clock: the last three full months of each kind are due."""
    from django.utils import timezone

    from dossier.models import DossierSchedule
    from dossier.schedules import create_schedule
    from dossier.tasks import tick
    from orgs.models import User
    from tests.dossier.scene import call

    # Every organisation's: the simulated ones have had their time.
    DossierSchedule.unscoped.update(is_enabled=False)
    officer = User.objects.get(email="officer@example.org")
    for number in range(organisations):
        tenant = _organisation(f"celery-{number}", "Europe/Berlin", officer)
        call(tenant, timezone.now() - timedelta(days=40))
        create_schedule(tenant, kind=KINDS[number % 3])
        DossierSchedule.objects.for_tenant(tenant).update(
            created_at=timezone.now() - timedelta(days=150)
        )
    tick()


def expected_of_celery(organisations: int) -> set[tuple[str, str, date, date]]:
    """Three full months each, counted back from today by hand."""
    from zoneinfo import ZoneInfo

    found = set()
    first = datetime.now(ZoneInfo("Europe/Berlin")).date().replace(day=1)
    for _ in range(3):
        last = first - timedelta(days=1)
        first = last.replace(day=1)
        found |= {(f"celery-{n}", KINDS[n % 3], first, last) for n in range(organisations)}
    return found


class RealWorker:
    """``celery worker`` as production starts it, killed with all its processes."""

    def __init__(self, home: Path, journal: Journal) -> None:
        self.home, self.journal = home, journal
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the same servers."""
        command = [sys.executable, "-m", "celery", "-A", "lexcustis.celery", "worker",
                   "--concurrency", "2", "--loglevel", "error"]  # fmt: skip
        with (self.home / "celery.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL to all of it at once."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def run(self, kills: int, chance: random.Random) -> None:
        """Kill it while it works, until it has been killed so often; then let it finish."""
        self.start()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            _in_child(lambda: _write_progress(self.home))
            running, waiting = map(int, (self.home / "progress").read_text().split())
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"{waiting} dossiers still wait; see {self.home}/celery.log.")
            if running and kills:
                kills -= 1
                time.sleep(chance.random() * 2)
                self.journal.note("killed: stock Celery worker")
                self.kill()
                _in_child(_the_lease_is_over)
                self.start()
            _in_child(_tick_for_real)
            time.sleep(0.5)


def _write_progress(home: Path) -> None:
    from dossier.models import Dossier

    rows = Dossier.unscoped.exclude(state=Dossier.State.PUBLISHED)
    running = rows.filter(state=Dossier.State.RUNNING).count()
    (home / "progress").write_text(f"{running} {rows.count()}")


def _the_lease_is_over() -> None:
    from django.utils import timezone

    from dossier.models import Dossier

    Dossier.unscoped.exclude(state=Dossier.State.PUBLISHED).exclude(lease_expires_at=None).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )


def _tick_for_real() -> None:
    from dossier.tasks import tick

    tick()


# -- All of it -------------------------------------------------------------------------------------


def main(scale: str | None = None) -> None:
    """Run the campaign and print its figures."""
    schedules, seed = how_many(scale), int(os.environ.get("SEED", "1"))
    organisations = 12 if schedules >= 2000 else 3 if schedules >= 200 else 1
    tell_machine()
    os.environ["EMAIL_URL"] = "dummymail://"
    started = time.monotonic()
    with servers() as running:
        clock = Clock()
        _in_child(lambda: set_the_scene(schedules, clock))
        campaign = Campaign(running, clock, seed)
        worker = RealWorker(running.home, campaign.journal)
        try:
            campaign._keep_working()
            campaign.run()
            for name in ("worker1", "worker2"):
                campaign.children.kill(name)
            _in_child(lambda: real_scene(organisations))
            worker.run(organisations * 2, campaign.chance)
        finally:
            campaign.stop()
            worker.kill()
        counts = campaign.journal.counts()
        killed = {name[8:]: n for name, n in counts.items() if name.startswith("killed: ")}
        other = {name: n for name, n in counts.items() if not name.startswith("killed: ")}
        seconds = time.monotonic() - started
        tell(
            "schedules simulated",
            schedules + organisations,
            "schedules",
            goal=f">= {schedules}",
            reference=f"{', '.join(ZONES)}; of them {organisations} by a stock Celery worker with "
            f"real pages; {seconds:.0f} s, SEED={seed}",
        )
        tell(
            "processes killed over them",
            sum(killed.values()),
            "kill -9",
            goal=f">= {schedules // 4}",
            reference=_list(killed) + "; also " + _list(other),
        )
        due = all_expected(schedules) | expected_of_celery(organisations)
        _in_child(lambda: check(due, CALLS))


def _list(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    main(os.environ.get("SCALE"))
