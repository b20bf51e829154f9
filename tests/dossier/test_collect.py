"""What is collected is what happened in the period, seen as of one moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from dossier.collect import Collected, collect, one_snapshot
from dossier.periods import Period
from tests.cast import Cast
from tests.dossier.scene import call

OCTOBER = Period(date(2026, 10, 1), date(2026, 10, 31), "Europe/Brussels")


def picture(cast: Cast, as_of: datetime | None = None, period: Period = OCTOBER) -> Collected:
    with one_snapshot():
        return collect(cast.organisation.pk, period, as_of or timezone.now())


def test_calls_are_counted_by_model_region_and_ending(cast: Cast) -> None:
    noon = datetime(2026, 10, 10, 12, tzinfo=UTC)
    first = call(cast.max, noon)
    call(cast.rita, noon + timedelta(hours=1), state="failed")
    last = call(cast.max, noon + timedelta(hours=2), state="stopped")
    call(cast.max, noon, model="gpt-5.5", provider="openai", region="US", answered_by="gpt-5.5")

    data = picture(cast)

    assert data.calls == data.requests_recorded == 4
    assert [(use.model, use.region, use.calls) for use in data.uses] == [
        ("mistral-large-latest", "EU", 3),
        ("gpt-5.5", "US", 1),
    ]
    mistral = data.uses[0]
    assert mistral.endings == {
        "completed": 1, "stopped": 1, "failed": 1, "blocked": 0, "interrupted": 0,
    }  # fmt: skip
    assert (mistral.first_record, mistral.last_record) == (str(first), str(last))
    assert mistral.response_models == ("mistral-large-2411",)
    assert (mistral.input_tokens, mistral.output_tokens, mistral.without_usage) == (42, 128, 2)
    assert mistral.people == 2
    assert data.endings_recorded == data.totals()


def test_a_period_is_whole_days_of_the_organisations_time_zone(cast: Cast) -> None:
    just_before = datetime(2026, 9, 30, 21, 59, 59, tzinfo=UTC)  # 23:59:59 in Brussels
    for second in (just_before, just_before + timedelta(seconds=1)):
        call(cast.max, second)
    last = datetime(2026, 10, 31, 22, 59, 59, tzinfo=UTC)  # winter time has begun
    for second in (last, last + timedelta(seconds=1)):
        call(cast.max, second)
    assert picture(cast).calls == 2
    assert OCTOBER.closes - OCTOBER.opens == timedelta(days=31, hours=1)


def test_another_organisation_is_not_in_it(cast: Cast) -> None:
    call(cast.charlie, datetime(2026, 10, 10, tzinfo=UTC))
    assert picture(cast).calls == 0
    assert picture(cast).uses == ()


def test_a_second_look_as_of_the_same_moment_sees_the_same(cast: Cast) -> None:
    now = timezone.now()
    today = Period(now.date(), now.date() + timedelta(days=1), "UTC")
    call(cast.max, now - timedelta(seconds=1))  # ends one second after the moment
    first = picture(cast, now, today)
    assert first.uses[0].running == 1
    call(cast.max, now + timedelta(seconds=5))
    assert picture(cast, now, today) == first


def test_the_picture_is_taken_in_one_read_only_snapshot(cast: Cast) -> None:
    with one_snapshot():
        assert transaction.get_connection().in_atomic_block
        with pytest.raises(Exception, match="read-only"):
            call(cast.max, timezone.now())


def test_a_period_does_not_run_backwards() -> None:
    with pytest.raises(ValueError):
        Period(date(2026, 10, 2), date(2026, 10, 1), "UTC")
