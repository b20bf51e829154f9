"""A stock Celery worker of the campaign of dossiers: real pages, killed with all its processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks.dossier_calendar import KINDS, organisation_of
from benchmarks.dossier_trouble import Journal
from benchmarks.kill_campaign import _in_child
from benchmarks.ledger_instance import ROOT

PATIENCE_SECONDS = 900


def real_scene(organisations: int) -> None:
    """Schedules by the true clock: the last three full months of each kind are due."""
    from django.utils import timezone

    from dossier.models import DossierSchedule
    from dossier.schedules import create_schedule
    from dossier.tasks import tick
    from orgs.models import User
    from tests.dossier.scene import call

    officer = User.objects.get(email="officer@example.org")
    for number in range(organisations):
        tenant = organisation_of(f"celery-{number}", "Europe/Berlin", officer)
        call(tenant, timezone.now() - timedelta(days=40))
        create_schedule(tenant, kind=KINDS[number % 3])
        DossierSchedule.objects.for_tenant(tenant).update(
            created_at=timezone.now() - timedelta(days=150)
        )
    tick()


def expected_of_celery(organisations: int) -> set[tuple[str, str, date, date]]:
    """Three full months each, counted back from today by hand."""
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
        deadline = time.monotonic() + PATIENCE_SECONDS
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
