"""What goes wrong in the campaign of dossiers: clocks, kills, full disks, and time that passes.

Everything here is put around the product's own functions inside a forked process that makes or
opens dossiers. Each trouble is noted in a file before it strikes.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.sharedctypes import RawValue
from pathlib import Path
from typing import Any

REPORTED = (
    "copying records",
    "verifying the log",
    "writing manifests",
    "setting pages",
    "packing",
    "publishing",
)
STAGES = ("claimed", *REPORTED, "stored", "recorded", "published")
"""``stored``: the file, not the row; ``recorded``: the row, not yet committed."""

OPENING = ("before the record", "before the commit", "before the bell")
RIVAL = "rival"
"""The queue of a worker that only takes what another, frozen, still believes to hold."""
_TROUBLED_ATTEMPTS = 3
_FROZEN_SECONDS = 15
_UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


class Clock:
    """Simulated time, the same in every process that was forked after it was made."""

    def __init__(self) -> None:
        # Without a lock: whoever holds one may be killed.
        self._shift = RawValue("d", 0.0)

    def set(self, moment: datetime) -> None:
        """It is *moment* now."""
        self._shift.value = moment.timestamp() - time.time()

    def now(self, skew: timedelta = timedelta(0)) -> datetime:
        """What a clock shows that is *skew* off."""
        return datetime.fromtimestamp(time.time() + self._shift.value, UTC) + skew

    def rule(self, skew: timedelta = timedelta(0)) -> None:
        """Let this process live by it."""
        from django.utils import timezone

        timezone.now = lambda: self.now(skew)


class Journal:
    """What struck, one line each, written by processes that are about to be killed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, what: str) -> None:
        """One line by one write."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, f"{what}\n".encode())
        os.close(descriptor)

    def counts(self) -> Counter[str]:
        """How often what struck."""
        return Counter(self.path.read_text().splitlines())


class QuickPaper:
    """Pages as HTML alone: setting them as PDF takes longer than all the rest together."""

    def render(self, printout: Any) -> bytes:
        """Bytes that begin as a PDF does."""
        return b"%PDF-1.7 " + printout.html.encode()


def die(journal: Journal, where: str) -> None:
    """End as by ``kill -9``: nothing more runs, nothing is tidied up."""
    journal.note(f"killed: {where}")
    os.kill(os.getpid(), signal.SIGKILL)


class Fate:
    """What happens to one attempt, and at which stage."""

    def __init__(self, journal: Journal, clock: Clock, seed: int) -> None:
        self.journal, self.clock, self.seed = journal, clock, seed
        self.what, self.stage, self.row = "nothing", "", None

    def draw(self, claim: Any) -> None:
        """Decide for the attempt that *claim* begins; late ones are left in peace."""
        self.row = claim.dossier
        chance = random.Random(f"{self.seed} {claim.dossier.pk} {claim.fence}")
        self.what = chance.choices(["nothing", "kill", "full", "frozen"], [40, 35, 15, 10])[0]
        if claim.fence > _TROUBLED_ATTEMPTS:
            self.what = "nothing"
        self.stage = chance.choice(STAGES if self.what == "kill" else REPORTED)
        self.room = chance.randrange(100, 3000)

    def reach(self, stage: str) -> None:
        """The attempt is at *stage*."""
        if stage != self.stage:
            return
        what, self.what = self.what, "nothing"  # once, though a stage may be told many times
        if what == "kill":
            die(self.journal, stage)
        if what == "full":
            # The kernel cuts every file of this process there, in the middle of a write.
            self.journal.note(f"disk full: {stage}")
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.room, resource.RLIM_INFINITY))
        if what == "frozen":
            self.journal.note(f"frozen past the lease: {stage}")
            self._let_the_lease_run_out()

    def _let_the_lease_run_out(self) -> None:
        """Stand still while the rival takes the dossier; in half of the cases, publishes it."""
        from celery import current_app
        from kombu.exceptions import OperationalError

        from dossier.models import Dossier

        assert self.row is not None
        rows = Dossier.unscoped.filter(pk=self.row.pk)
        mine = rows.filter(fence=self.row.fence)
        mine.update(lease_expires_at=self.clock.now() - timedelta(days=2))
        try:
            with current_app.connection_for_write() as connection:
                connection.SimpleQueue(RIVAL).put([[str(self.row.pk)], {}, {}])
        except (OperationalError, OSError):
            return  # no broker just now: nobody hears of it
        goal = (
            rows.filter(state="published") if self.room % 2 else rows.exclude(fence=self.row.fence)
        )
        deadline = time.monotonic() + _FROZEN_SECONDS
        while not goal.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        if goal.exists():
            self.journal.note("came back after a rival")


def hurry() -> None:
    """Make dossiers without real pages, and as often as it takes, in this process."""
    from dossier import production

    production.WeasyPrintRenderer = QuickPaper  # type: ignore[assignment,misc]
    production.MOST_ATTEMPTS = 1000


def trouble_rendering(fate: Fate) -> None:
    """Put *fate* around the product's steps of making a dossier, in this process."""
    from dossier import production

    claim_dossier, reporter = production.claim_dossier, production._reporter
    publish_row, publish = production._publish_row, production._publish

    def claim(dossier_id: Any) -> Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, _UNLIMITED)
        claimed = claim_dossier(dossier_id)
        if claimed is not None:
            fate.draw(claimed)
            fate.reach("claimed")
        return claimed

    def report_to(claimed: Any) -> Callable[[str, int], None]:
        report = reporter(claimed)

        def reported(stage: str, percent: int) -> None:
            report(stage, percent)
            fate.reach(stage)

        return reported

    def put_in_row(claimed: Any, bundle: Any, name: str) -> None:
        fate.reach("stored")
        publish_row(claimed, bundle, name)
        fate.reach("recorded")

    def published(claimed: Any, bundle: Any) -> None:
        publish(claimed, bundle)
        fate.reach("published")

    production.claim_dossier, production._reporter = claim, report_to
    production._publish_row, production._publish = put_in_row, published
    production._remove_leftovers = _dying_before(fate, production._remove_leftovers)


def _dying_before(fate: Fate, remove: Callable[..., int]) -> Callable[..., int]:
    """The last stage comes before tidying up, wherever there is something to tidy."""

    def remove_leftovers(folder: str, but: str = "") -> int:
        fate.reach("published")
        return remove(folder, but)

    return remove_leftovers


@contextmanager
def troubled_opening(journal: Journal, chance: random.Random) -> Iterator[None]:
    """Die while the schedules are looked through, after some of them, at one of three places."""
    from dossier import scheduling

    where, after = chance.choice(OPENING), chance.randrange(8)
    append, ring = scheduling.append, scheduling.ring_after_commit
    count = 0

    def counted_append(draft: Any) -> Any:
        nonlocal count
        count += 1
        if where == OPENING[0] and count > after:
            die(journal, f"opening, {where}")
        receipt = append(draft)
        if where == OPENING[1] and count > after:
            die(journal, f"opening, {where}")
        return receipt

    def counted_ring(dossier_id: Any) -> None:
        from django.db import transaction

        if where == OPENING[2] and count > after:
            transaction.on_commit(lambda: die(journal, f"opening, {where}"))
        ring(dossier_id)

    scheduling.append, scheduling.ring_after_commit = counted_append, counted_ring
    try:
        yield
    finally:
        scheduling.append, scheduling.ring_after_commit = append, ring
