"""Whether each dossier of many schedules is written exactly once, whatever happens (P6).

Organisations in four time zones schedule dossiers for months, quarters and years. Simulated clocks
walk from October 2020 over two changes from summer time (Berlin on 25 October; Havana on the very
first of November, whose midnight comes twice) to the new year. At each step two processes look
through the schedules at the same moment, one of them at times a day off or killed half-way; two
workers, whose clocks are off now and then, render what is rung for, get the same again, are killed
at every stage, frozen until a third has taken over, and cut short by full disks. Redis is killed
and loses everything. Then a stock Celery worker, with real pages, is killed again and again over a
few more. At the end there must be one row, one file, one record of asking and one of publishing for
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
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.dossier_calendar import CALLS, STEPS, ZONES, all_expected, set_the_scene
from benchmarks.dossier_proof import check
from benchmarks.dossier_stock_worker import (
    PATIENCE_SECONDS,
    RealWorker,
    expected_of_celery,
    real_scene,
)
from benchmarks.dossier_trouble import (
    RIVAL,
    Clock,
    Fate,
    Journal,
    hurry,
    trouble_rendering,
    troubled_opening,
)
from benchmarks.kill_campaign import Children, Servers, _in_child, seal, servers
from benchmarks.ledger_instance import is_full, tell, tell_machine

_SKEWS = (timedelta(0),) * 6 + (timedelta(days=1), timedelta(days=-1)) * 2


def how_many(scale: str | None) -> int:
    """Of schedules."""
    given = os.environ.get("LEXCUSTIS_SIMULATED_SCHEDULES")
    return int(given) if given else 2000 if is_full(scale) else 200


# -- Processes -------------------------------------------------------------------------------------


def work(clock: Clock, journal: Journal, seed: int) -> None:
    """A worker: takes what is rung for from the broker, and some of it twice."""
    chance = random.Random(os.urandom(8))
    skew = chance.choice(_SKEWS)
    clock.rule(skew)
    if skew:
        journal.note("worker's clock a day off")
    hurry()
    trouble_rendering(Fate(journal, clock, seed))
    _serve("celery", journal, chance)


def work_as_rival(clock: Clock, journal: Journal) -> None:
    """A worker without troubles of its own, for what others hold too long."""
    clock.rule()
    hurry()
    _serve(RIVAL, journal, random.Random(os.urandom(8)))


def _serve(name: str, journal: Journal, chance: random.Random) -> None:
    from celery import current_app

    while True:
        try:
            with current_app.connection_for_read() as connection:
                _take_from(connection.SimpleQueue(name), journal, chance)
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
        self.works: dict[str, Callable[[], None]] = {
            "sealer": seal,
            "rival": lambda: work_as_rival(clock, self.journal),
        }
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
                random.Random(seed) if self.chance.random() < 0.7 else None,
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
        _in_child(_end_the_schedules)
        deadline, moment = time.monotonic() + PATIENCE_SECONDS, STEPS[-1]
        pause, fewest = 2.0, 1 << 30
        while True:
            _in_child(lambda: _write_waiting(self.servers.home))
            waiting = int((self.servers.home / "waiting").read_text())
            if not waiting:
                return
            if waiting < fewest:
                fewest, deadline = waiting, time.monotonic() + PATIENCE_SECONDS
            if time.monotonic() > deadline:
                raise RuntimeError(f"{waiting} dossiers still wait; see {self.servers.home}.")
            moment += timedelta(hours=6)
            self.clock.set(moment)
            self._start_look("tick1", timedelta(0), None)
            # Each time all leases are over: a slow machine must have ever longer to do its work.
            pause = min(1.1 * pause, 12.0)
            until = time.monotonic() + pause
            while time.monotonic() < until:
                self._keep_working()
                time.sleep(0.05)


def _end_the_schedules() -> None:
    from dossier.models import DossierSchedule

    # Every organisation's: all that they are due for is open, and time goes on.
    DossierSchedule.unscoped.update(is_enabled=False)


def _write_waiting(home: Path) -> None:
    from dossier.models import Dossier

    count = Dossier.unscoped.exclude(state=Dossier.State.PUBLISHED).count()
    (home / "waiting").write_text(str(count))


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
            for name in ("worker1", "worker2", "rival"):
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
