"""Calendar periods: full months, quarters and years, their names, and what came before them."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from dossier.periods import (
    Rhythm,
    due_periods,
    full_periods_before,
    month_before,
    name_of_period,
    named_period,
    period_before,
)
from dossier.scheduling import asked_days

days = st.dates(date(2001, 1, 1), date(2900, 12, 31))


def test_the_month_before_has_the_days_of_its_calendar() -> None:
    assert month_before(date(2026, 3, 31)) == (date(2026, 2, 1), date(2026, 2, 28))
    assert month_before(date(2028, 3, 1)) == (date(2028, 2, 1), date(2028, 2, 29))


def test_full_periods_come_oldest_first_and_cross_years() -> None:
    months = full_periods_before(date(2026, 2, 1), 3, Rhythm.MONTH)
    assert [first.month for first, _ in months] == [11, 12, 1]
    assert full_periods_before(date(2026, 2, 14), 2, Rhythm.QUARTER) == [
        (date(2025, 7, 1), date(2025, 9, 30)),
        (date(2025, 10, 1), date(2025, 12, 31)),
    ]
    assert full_periods_before(date(2026, 12, 31), 1, Rhythm.YEAR) == [
        (date(2025, 1, 1), date(2025, 12, 31))
    ]


@pytest.mark.parametrize(
    ("day", "rhythm", "due"),
    [
        (date(2026, 11, 21), Rhythm.MONTH, ["2026-08", "2026-09", "2026-10"]),
        (date(2026, 11, 21), Rhythm.QUARTER, ["2026-Q3"]),
        (date(2026, 11, 21), Rhythm.YEAR, []),
        (date(2027, 1, 1), Rhythm.QUARTER, ["2026-Q4"]),
        (date(2027, 1, 1), Rhythm.YEAR, ["2026"]),
        (date(2027, 3, 31), Rhythm.YEAR, ["2026"]),
        (date(2027, 4, 1), Rhythm.YEAR, []),
    ],
)
def test_what_ended_within_three_months_is_due(day, rhythm, due) -> None:
    assert [name_of_period(*found) for found in due_periods(day, 3, rhythm)] == due


@given(days, st.sampled_from(Rhythm))
def test_a_name_means_the_days_it_was_made_of(day: date, rhythm: Rhythm) -> None:
    (found,) = full_periods_before(day, 1, rhythm)
    assert named_period(name_of_period(*found)) == found


@given(days, st.sampled_from(Rhythm))
def test_full_periods_touch_and_end_before_the_day(day: date, rhythm: Rhythm) -> None:
    found = full_periods_before(day, 5, rhythm)
    for (_, last), (first, _) in itertools.pairwise(found):
        assert first - last == timedelta(days=1)
    assert found[-1][1] < day


@pytest.mark.parametrize(
    ("period", "before"),
    [
        (named_period("2026-10"), named_period("2026-09")),
        (named_period("2026-03"), named_period("2026-02")),
        (named_period("2026-Q1"), named_period("2025-Q4")),
        (named_period("2026"), named_period("2025")),
        (
            (date(2026, 10, 8), date(2026, 10, 14)),
            (date(2026, 10, 1), date(2026, 10, 7)),
        ),
        (
            (date(2026, 10, 1), date(2026, 10, 30)),
            (date(2026, 9, 1), date(2026, 9, 30)),
        ),
    ],
)
def test_the_period_before_is_of_the_same_kind(period, before) -> None:
    assert period_before(*period) == before


@pytest.mark.parametrize("name", ["2026-13", "2026-00", "2026-Q5", "0000", "9999-12", "26", ""])
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        asked_days(name, None, None)


def test_a_request_names_the_period_one_way() -> None:
    first, last = date(2026, 10, 1), date(2026, 10, 31)
    assert asked_days(None, first, last) == asked_days("2026-10", None, None) == (first, last)
    with pytest.raises(ValidationError):
        asked_days("2026-10", first, last)
    with pytest.raises(ValidationError):
        asked_days(None, first, None)
