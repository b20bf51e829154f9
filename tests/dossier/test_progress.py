"""What a person who waits is told: how far it is, how long still, and when nobody works on it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from dossier.models import Dossier, Kind
from dossier.production import LEASE, claim_dossier, render
from dossier.progress import is_alive, seconds_left
from dossier.scheduling import request_dossier
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_access import browser
from tests.dossier.test_production import QuickPaper

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


@pytest.fixture
def running(cast: Cast) -> Dossier:
    """Twenty seconds into its first attempt, a quarter done."""
    call(cast.max, datetime(2026, 10, 10, 12, tzinfo=UTC))
    made = request_dossier(cast.olivia, kind=Kind.ART53, first=FIRST, last=LAST)
    claim_dossier(made.pk)
    Dossier.objects.for_tenant(cast.olivia).filter(pk=made.pk).update(
        percent=25, stage="verifying the log", started_at=timezone.now() - timedelta(seconds=20)
    )
    made.refresh_from_db()
    return made


def test_the_rest_takes_in_proportion_to_what_is_done(running: Dossier) -> None:
    assert running.started_at is not None
    at = running.started_at + timedelta(seconds=20)
    assert seconds_left(running, at) == 60
    running.percent = 80
    assert seconds_left(running, at) == 5
    running.percent = 2
    assert seconds_left(running, at) is None, "too early to say"


def test_the_last_of_the_kind_says_more_than_nothing_and_shortens_no_estimate(
    cast: Cast, running: Dossier
) -> None:
    earlier = request_dossier(cast.olivia, kind=Kind.ART53, first=date(2026, 9, 1), last=LAST)
    assert render(earlier.pk, QuickPaper())
    Dossier.objects.for_tenant(cast.olivia).filter(pk=earlier.pk).update(
        started_at=timezone.now() - timedelta(seconds=100), published_at=timezone.now()
    )
    assert running.started_at is not None
    at = running.started_at + timedelta(seconds=20)
    running.percent = 2
    assert seconds_left(running, at) in range(79, 82)
    running.percent = 10
    assert seconds_left(running, at) == 180


def test_who_waits_sees_stage_percent_and_time_and_can_cancel(cast: Cast, running: Dossier) -> None:
    client = browser(cast.olivia)
    address = f"/admin/dossier/dossier/{running.pk}/change/"
    answer = client.get(address)
    page = answer.content.decode()
    assert "verifying the log, 25 %" in page
    assert 'value="25"' in page
    assert "s left" in page
    assert answer.headers["Refresh"]
    shown = client.get(f"/api/v1/dossiers/{running.pk}").json()
    assert (shown["stage"], shown["percent"]) == ("verifying the log", 25)
    assert shown["seconds_left"] >= 60
    client.post(f"/admin/dossier/dossier/{running.pk}/cancel/")
    running.refresh_from_db()
    assert running.state == Dossier.State.CANCELLED
    assert client.get(f"/api/v1/dossiers/{running.pk}").json()["seconds_left"] is None
    assert "Try again" in client.get(address).content.decode()


def test_a_worker_that_was_killed_leaves_no_bar_that_stands_still(cast, running: Dossier) -> None:
    later = timezone.now() + LEASE + timedelta(seconds=1)
    assert is_alive(running)
    assert not is_alive(running, later)
    assert seconds_left(running, later) is None
    Dossier.objects.for_tenant(cast.olivia).filter(pk=running.pk).update(
        lease_expires_at=timezone.now()
    )
    page = browser(cast.olivia).get(f"/admin/dossier/dossier/{running.pk}/change/").content.decode()
    assert "interrupted, 25 %; a worker takes it up" in page
    assert render(running.pk, QuickPaper())
