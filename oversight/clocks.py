"""How long there is to report an incident: Art. 73 of Regulation (EU) 2024/1689, as data.

The Act counts days "after awareness"; the deadline shown is the shorter reading, so many times 24
hours from the recorded moment of awareness. Where several cases fit, the shortest counts.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.utils import timezone

from oversight.models import Category, Incident

FACTS = Path(__file__).parent / "facts"
CLOCKS_FILE = FACTS / "incident_clocks.json"
# From this share of the window on, the clock is shown as near its end.
_NEAR = 0.5

_DEATH, _WIDESPREAD = "death_of_a_person", "widespread_infringement"
_INFRASTRUCTURE, _OTHER = "3(49)(b)_critical_infrastructure", "other_3(49)"


@dataclass(frozen=True, slots=True)
class Window:
    """One case of Art. 73: the longest time, and the paragraph that says so."""

    case: str
    law: str
    longest: timedelta


@dataclass(frozen=True, slots=True)
class Clock:
    """The time to report one incident: ``state`` is ``running``, ``near``, ``over``, ``stopped``.

    ``stopped`` means that a report was sent, at ``stopped_at``, or that nothing is to be reported.
    """

    window: Window
    started_at: datetime
    ends_at: datetime
    stopped_at: datetime | None
    state: str

    @property
    def is_late(self) -> bool:
        """Whether the report was sent, or is still to be sent, after the time was over."""
        return self.state == "over" or (
            self.stopped_at is not None and self.stopped_at > self.ends_at
        )


@functools.cache
def windows() -> dict[str, Window]:
    """The cases by name, as the file has them."""
    rows = json.loads(CLOCKS_FILE.read_text(encoding="utf-8"))["rows"]
    return {
        row["case"]: Window(row["case"], row["law"], timedelta(days=row["max_days"]))
        for row in rows
    }


def window_of(incident: Incident) -> Window | None:
    """The shortest window that fits; None where the incident is none of those of Art. 3(49).

    One that nobody has assessed may be any of them.
    """
    if incident.category == Category.NONE:
        return None
    fitting = {_OTHER}
    if incident.is_death:
        fitting.add(_DEATH)
    if incident.is_widespread:
        fitting.add(_WIDESPREAD)
    if incident.category in ("", Category.INFRASTRUCTURE):
        fitting.add(_INFRASTRUCTURE)
    known = windows()
    return min((known[case] for case in fitting), key=lambda window: window.longest)


def clock_of(incident: Incident, now: datetime | None = None) -> Clock | None:
    """The incident's clock; None where there is nothing to report."""
    window = window_of(incident)
    if window is None or incident.status == Incident.Status.NOT_SERIOUS:
        return None
    now = now or timezone.now()
    ends_at = incident.aware_at + window.longest
    sent = [at for at in (incident.initial_report_at, incident.reported_at) if at is not None]
    stopped_at = min(sent, default=incident.ended_at)
    if stopped_at is not None:
        state = "stopped"
    elif now >= ends_at:
        state = "over"
    else:
        is_near = now - incident.aware_at >= window.longest * _NEAR
        state = "near" if is_near else "running"
    return Clock(window, incident.aware_at, ends_at, stopped_at, state)
