"""Many dossiers, many workers, much trouble: each is published exactly once or not at all (P6).

Workers race for the same rows, tasks are delivered several times, workers die at any step and
come back as if nothing had been, disks fill up. ``LEXCUSTIS_SIMULATED_DOSSIERS`` says how many
dossiers there are.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from audit.canonical import decode
from audit.models import RecordIndex
from audit.reading import record_bytes
from dossier import production
from dossier.models import Dossier, Kind
from dossier.scheduling import request_dossier, tick
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_production import Killed, QuickPaper
from tests.sealing import seal

HOW_MANY = int(os.environ.get("LEXCUSTIS_SIMULATED_DOSSIERS", "12"))
WORKERS = 3
STAGES = ("copying records", "verifying the log", "setting pages", "packing", "publishing")


class Trouble:
    """Decides, from a seed, what goes wrong in an attempt."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lock = threading.Lock()
        self.counts: Counter[str] = Counter()

    def draw(self) -> str:
        with self.lock:
            what = self.random.choices(
                ["nothing", "killed", "disk full", "slept"], weights=[55, 25, 10, 10]
            )[0]
            self.counts[what] += 1
            return what

    def stage(self) -> str:
        with self.lock:
            return self.random.choice(STAGES)


def expire(dossier_id: Any) -> None:
    """The lease runs out, as it does when nobody renews it."""
    Dossier.unscoped.filter(pk=dossier_id, state__in=["running", "waiting"]).exclude(
        lease_expires_at=None
    ).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def no_pause(dossier_id: Any) -> None:
    """What was put off for a while is due now."""
    Dossier.unscoped.filter(pk=dossier_id, state="waiting").update(lease_expires_at=None)


def troubled(trouble: Trouble, reporter: Any) -> Any:
    """The real reporter, with what goes wrong at one of its steps."""

    def make(claim: production.Claim) -> Any:
        report, fate, stage = reporter(claim), trouble.draw(), trouble.stage()

        def step(name: str, percent: int) -> None:
            report(name, percent)
            if name != stage:
                return
            if fate == "killed":
                raise Killed
            if fate == "disk full":
                raise OSError(28, "No space left on device")
            if fate == "slept":  # so long that another worker takes over
                expire(claim.dossier.pk)

        return step

    return make


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_dossier_is_published_once_whatever_happens(cast: Cast, monkeypatch) -> None:
    call(cast.max, datetime(2026, 3, 10, 12, tzinfo=UTC))
    kinds = list(Kind)
    ids = [
        request_dossier(
            cast.olivia,
            kind=kinds[number % 3],
            first=date(2026, 1, 1) + timedelta(days=number // 3),
            last=date(2026, 3, 31),
        ).pk
        for number in range(HOW_MANY)
    ]
    seal()
    trouble = Trouble(seed=53)
    monkeypatch.setattr(production, "_reporter", troubled(trouble, production._reporter))
    monkeypatch.setattr(production, "MOST_ATTEMPTS", 1000)
    monkeypatch.setattr("dossier.integrity.PATIENCE", timedelta(0))

    def work(seed: int) -> None:
        order = random.Random(seed)
        try:
            while Dossier.unscoped.filter(pk__in=ids).exclude(state="published").exists():
                dossier_id = order.choice(ids)  # redelivered, out of order, to everybody
                try:
                    production.render(dossier_id, QuickPaper())
                except Killed:
                    expire(dossier_id)
                no_pause(dossier_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(WORKERS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        tick()
        for thread in threads:
            thread.join(0.5)

    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    published = Counter(
        decode(record_bytes(cast.organisation.pk, record_id))["body"]["lexcustis.dossier.id"]
        for record_id in rows.filter(kind="dossier.published").values_list("record_id", flat=True)
    )
    assert published == Counter({str(dossier_id): 1 for dossier_id in ids})
    assert trouble.counts["killed"]
    assert trouble.counts["disk full"]
    for dossier in Dossier.objects.for_tenant(cast.olivia):
        assert default_storage.size(dossier.file.name) == dossier.file_bytes
        folder = f"dossiers/{dossier.organisation_id}/{dossier.pk}"
        stored = [
            name
            for fence in default_storage.listdir(folder)[0]
            for name in default_storage.listdir(f"{folder}/{fence}")[1]
        ]
        assert len(stored) == 1, "files that no row names are left over"
