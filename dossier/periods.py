"""Periods: whole days in the organisation's own time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo


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
    last = day.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def months_before(day: date, count: int) -> list[tuple[date, date]]:
    """The last *count* full months before *day*, oldest first."""
    months: list[tuple[date, date]] = []
    for _ in range(count):
        first, last = month_before(day)
        months.append((first, last))
        day = first
    return months[::-1]
