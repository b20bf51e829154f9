"""Periods: whole days in the organisation's own time zone."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import models
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Period:
    """From the first day to the last, both included, as the clocks of *zone* count days.

    A day of a change to or from summer time has 23 or 25 hours; :attr:`opens` and :attr:`closes`
    take care of that.
    """

    first: date
    last: date
    zone: str

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("A period ends on or after the day it begins.")

    @property
    def opens(self) -> datetime:
        """The first moment of the period, in UTC."""
        return _midnight(self.first, self.zone)

    @property
    def closes(self) -> datetime:
        """The first moment after the period, in UTC."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    def until(self, as_of: datetime) -> datetime:
        """The first moment that a statement of *as_of* says nothing of."""
        return min(self.closes, as_of)

    @property
    def days(self) -> int:
        """How many calendar days."""
        return (self.last - self.first).days + 1


def _midnight(day: date, zone: str) -> datetime:
    return datetime.combine(day, time.min, ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


def today(now: datetime, zone: str) -> date:
    """The calendar day of *now* in *zone*."""
    return now.astimezone(ZoneInfo(zone)).date()


def month_before(day: date) -> tuple[date, date]:
    """The first and last day of the last full month before *day*."""
    return full_periods_before(day, 1, Rhythm.MONTH)[0]


class Rhythm(models.TextChoices):
    """How often a schedule has a dossier made: for every full period of this length."""

    MONTH = "month", _("every month")
    QUARTER = "quarter", _("every quarter")
    YEAR = "year", _("every year")


MONTHS_OF = {Rhythm.MONTH: 1, Rhythm.QUARTER: 3, Rhythm.YEAR: 12}


def whole_period(year: int, number: int, rhythm: Rhythm) -> tuple[date, date]:
    """First and last day of a calendar period; *number* counts from 1 within the year."""
    length = MONTHS_OF[rhythm]
    first = date(year, (number - 1) * length + 1, 1)
    return first, _months_on(first, length) - timedelta(days=1)


def full_periods_before(day: date, count: int, rhythm: Rhythm) -> list[tuple[date, date]]:
    """The last *count* full calendar months, quarters or years before *day*, oldest first."""
    length = MONTHS_OF[rhythm]
    start = date(day.year, (day.month - 1) // length * length + 1, 1)
    starts = [_months_on(start, -length * back) for back in range(count, -1, -1)]
    return [(first, after - timedelta(days=1)) for first, after in itertools.pairwise(starts)]


def due_periods(day: date, months: int, rhythm: Rhythm) -> list[tuple[date, date]]:
    """The full periods that ended within the last *months* full months before *day*, in order."""
    since = _months_on(day.replace(day=1), -months)
    found = full_periods_before(day, months // MONTHS_OF[rhythm] + 1, rhythm)
    return [(first, last) for first, last in found if last >= since]


def period_before(first: date, last: date) -> tuple[date, date]:
    """The period to compare with: the calendar period before, else as many days before."""
    after = last + timedelta(days=1)
    months = (after.year - first.year) * 12 + after.month - first.month
    is_calendar = first.day == after.day == 1 and months in MONTHS_OF.values()
    start = _months_on(first, -months) if is_calendar else first - (after - first)
    return start, first - timedelta(days=1)


_NAMED = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d)|-Q(?P<quarter>[1-4]))?")


def named_period(name: str) -> tuple[date, date]:
    """The days of ``2026``, ``2026-Q3`` or ``2026-10``. Raises ``ValueError`` for anything else."""
    match = _NAMED.fullmatch(name)
    if match is None:
        raise ValueError("A period is written as 2026, 2026-Q3 or 2026-10.")
    year = int(match["year"])
    if not 2000 <= year <= 2999:
        raise ValueError("The year of a period has four digits, from 2000 on.")
    if match["month"]:
        return whole_period(year, int(match["month"]), Rhythm.MONTH)
    if match["quarter"]:
        return whole_period(year, int(match["quarter"]), Rhythm.QUARTER)
    return whole_period(year, 1, Rhythm.YEAR)


def name_of_period(first: date, last: date) -> str:
    """``2026``, ``2026-Q3`` or ``2026-10`` where it is one, else an empty string."""
    for rhythm, name in (
        (Rhythm.MONTH, f"{first:%Y-%m}"),
        (Rhythm.QUARTER, f"{first:%Y}-Q{(first.month - 1) // 3 + 1}"),
        (Rhythm.YEAR, f"{first:%Y}"),
    ):
        number = (first.month - 1) // MONTHS_OF[rhythm] + 1
        if (first, last) == whole_period(first.year, number, rhythm):
            return name
    return ""


def _months_on(first: date, count: int) -> date:
    """The first day of the month *count* months after that of *first*, which is a first day."""
    months = first.year * 12 + first.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)
