"""Schedules: every full month once, also after a stop, a double tick or a dead broker."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from dossier import scheduling
from dossier.models import Dossier, DossierSchedule
from dossier.schedules import create_schedule
from dossier.scheduling import request_dossier, tick
from orgs.tenancy import PermissionRefused
from tests.cast import Cast


def months(cast: Cast) -> list[str]:
    rows = Dossier.objects.for_tenant(cast.olivia).order_by("period_start")
    return [f"{row.period_start:%Y-%m}" for row in rows]


@pytest.fixture
def schedule(cast: Cast) -> DossierSchedule:
    """One that has existed since June."""
    row = create_schedule(cast.olivia, kind="art53", catch_up_months=3)
    since = datetime(2026, 6, 15, tzinfo=UTC)
    DossierSchedule.objects.for_tenant(cast.olivia).update(created_at=since)
    row.refresh_from_db()
    return row


def test_the_month_before_is_due_on_the_first_in_the_organisations_own_time(cast, schedule) -> None:
    DossierSchedule.objects.for_tenant(cast.olivia).update(catch_up_months=1)
    before_midnight = datetime(2026, 8, 31, 21, 59, tzinfo=UTC)  # 23:59 in Brussels
    tick(before_midnight)
    assert months(cast) == ["2026-07"]
    tick(before_midnight + timedelta(minutes=1))
    assert months(cast) == ["2026-07", "2026-08"]


def test_missed_months_are_caught_up_once_and_no_further_back_than_asked(cast, schedule) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    tick(now)
    assert months(cast) == ["2026-08", "2026-09", "2026-10"]
    tick(now)
    tick(now + timedelta(days=1))
    assert months(cast) == ["2026-08", "2026-09", "2026-10"]


def test_what_was_over_before_the_schedule_is_not_made(cast: Cast, schedule) -> None:
    tick(datetime(2026, 7, 2, tzinfo=UTC))
    assert months(cast) == ["2026-06"]


def test_the_clock_may_jump_back_and_forth(cast: Cast, schedule) -> None:
    now = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the night the clocks go back
    for days in (0, 1, -1, 0, 30, -30):
        tick(now + timedelta(days=days))
    assert months(cast) == ["2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]


def test_a_schedule_that_is_off_makes_nothing(cast: Cast, schedule) -> None:
    DossierSchedule.objects.for_tenant(cast.olivia).update(is_enabled=False)
    tick(datetime(2026, 11, 21, tzinfo=UTC))
    assert months(cast) == []


def test_ticks_at_the_same_moment_open_each_dossier_once(cast: Cast, schedule) -> None:
    barrier = threading.Barrier(4)

    def work() -> None:
        try:
            barrier.wait()
            tick(datetime(2026, 11, 21, tzinfo=UTC))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert months(cast) == ["2026-08", "2026-09", "2026-10"]


def test_one_organisations_trouble_does_not_stop_the_others(cast, schedule, monkeypatch) -> None:
    broken = create_schedule(cast.olivia, kind="art10")
    open_due = scheduling._open_due

    def failing(row, now):
        if row.pk == broken.pk:
            raise RuntimeError("broken")
        return open_due(row, now)

    monkeypatch.setattr(scheduling, "_open_due", failing)
    DossierSchedule.unscoped.filter(pk=broken.pk).update(
        created_at=datetime(2020, 1, 1, tzinfo=UTC)
    )
    tick(datetime(2026, 11, 21, tzinfo=UTC))
    assert months(cast) == ["2026-08", "2026-09", "2026-10"]


def test_a_broker_that_is_gone_loses_nothing(cast: Cast, monkeypatch, settings) -> None:
    from celery import current_app
    from kombu.exceptions import OperationalError

    rung: list[str] = []

    def gone(*args, **kwargs):
        raise OperationalError("no route to Redis")

    monkeypatch.setattr(current_app, "send_task", gone)
    day = timezone.localdate() - timedelta(days=1)
    made = request_dossier(cast.olivia, kind="art53", first=day, last=day)
    assert made.state == "waiting"
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **kw: rung.append(args[0]))
    tick()
    assert str(made.pk) in rung


def test_what_a_worker_left_is_rung_for_again(cast: Cast, monkeypatch) -> None:
    from celery import current_app

    from dossier.production import claim_dossier

    rung: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **kw: rung.append(args[0]))
    day = timezone.localdate() - timedelta(days=1)
    made = request_dossier(cast.olivia, kind="art53", first=day, last=day)
    claim_dossier(made.pk)
    rung.clear()
    tick()
    assert str(made.pk) not in rung
    tick(timezone.now() + timedelta(minutes=6))
    assert str(made.pk) in rung


def test_quarters_and_years_come_beside_the_months(cast: Cast, schedule) -> None:
    for rhythm in ("quarter", "year"):
        row = create_schedule(cast.olivia, kind="art53", rhythm=rhythm, catch_up_months=1)
        DossierSchedule.objects.for_tenant(cast.olivia).filter(pk=row.pk).update(
            created_at=datetime(2026, 6, 15, tzinfo=UTC)
        )
    DossierSchedule.objects.for_tenant(cast.olivia).update(catch_up_months=1)
    for hour in (22, 23):  # the year ends at eleven in the evening, UTC
        tick(datetime(2026, 12, 31, hour, 30, tzinfo=UTC))
    rows = Dossier.objects.for_tenant(cast.olivia).order_by("period_start", "period_end")
    made = [f"{row.period_start} {row.period_end}" for row in rows]
    assert made == [
        "2026-01-01 2026-12-31",
        "2026-10-01 2026-12-31",
        "2026-11-01 2026-11-30",
        "2026-12-01 2026-12-31",
    ]


def test_asking_without_a_broker_takes_no_longer_than_a_person_waits(cast, settings) -> None:
    import time

    from celery import current_app

    before = current_app.conf.broker_url, current_app.conf.broker_write_url
    current_app.conf.broker_url = current_app.conf.broker_write_url = "redis://127.0.0.1:9/0"
    try:
        day = timezone.localdate() - timedelta(days=1)
        started = time.monotonic()
        made = request_dossier(cast.olivia, kind="art53", first=day, last=day)
        waited = time.monotonic() - started
    finally:
        current_app.conf.broker_url, current_app.conf.broker_write_url = before
    assert made.state == "waiting"
    assert waited < 6, "the connection was tried again and again"


def test_only_who_may_ask_may_schedule(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        create_schedule(cast.alice, kind="art53")
