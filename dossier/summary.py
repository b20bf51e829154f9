"""The one page: what a dossier shows in pictures, and the same in words for who does not see them.

Nothing stands here that is not in a section: a kind of dossier without oversight and incidents has
no pictures of them either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.utils.translation import gettext as _

from dossier import charts
from dossier.document import Document
from dossier.incident_register import IncidentAsRecorded
from dossier.languages import write_number
from dossier.material import Material
from dossier.models import Kind
from dossier.phrases import say
from dossier.printing import STATE_LABELS, STATE_TONES, capitalised
from dossier.sections.incidents import NONE_RECORDED, STATUSES
from dossier.sections.logbook import ENDING_LABELS
from dossier.sections.oversight import DECISION_LABELS, decisions

# More do not fit on the page; one fewer where an alarm stands there too.
MOST_CLOCKS = 6
_HEIGHT, _HEIGHT_AMONG_OTHERS = 230, 135


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture under its heading. ``text`` says the same; without a ``picture`` it is printed.

    ``note`` is a line under the picture.
    """

    title: str
    text: str
    picture: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many fields of the dossier are in one state."""

    label: str
    tone: str
    count: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The page. ``pictures`` are its SVGs by the names that the figures use."""

    tiles: tuple[tuple[str, str], ...]
    figures: tuple[Figure, ...]
    states: tuple[StateCount, ...]
    pictures: dict[str, str] = field(default_factory=dict)


def summary(material: Material, document: Document) -> Summary:
    """The page of *material* in the language that is spoken."""
    pictures: dict[str, str] = {}
    figures = [_regions(material, pictures), _endings(material, pictures)]
    if material.kind is Kind.FULL:
        figures += [_oversight(material, pictures), _incidents(material, pictures)]
    return Summary(_tiles(material, document), tuple(figures), _states(document), pictures)


def _tiles(material: Material, document: Document) -> tuple[tuple[str, str], ...]:
    data = material.collected
    numbers = (
        (data.calls, _("calls to models")),
        (len(data.models), _("models called")),
        (data.records, _("records in the log")),
        (len(document.gaps()), _("fields without an answer")),
    )
    return tuple((write_number(number), caption) for number, caption in numbers)


def _states(document: Document) -> tuple[StateCount, ...]:
    return tuple(
        StateCount(str(STATE_LABELS[state]), STATE_TONES.get(state, "gap"), write_number(count))
        for state, count in document.state_counts().items()
        if count
    )


# -- Figures ---------------------------------------------------------------------------------------


def _regions(material: Material, pictures: dict[str, str]) -> Figure:
    calls, period = material.collected.calls_by_day, material.period
    by_region: dict[str, int] = {}
    for _day, region, count in calls:
        by_region[say(region)] = by_region.get(say(region), 0) + count
    pictures["regions"] = charts.calls_by_region(
        calls,
        period.first,
        period.last,
        height=_HEIGHT_AMONG_OTHERS if material.kind is Kind.FULL else _HEIGHT,
    )
    said = _enumerated(sorted(by_region.items())) or _("none")
    text = _("Calls over time by configured region: %(calls)s.") % {"calls": said}
    return Figure(_("Calls by configured region"), text, "regions")


def _endings(material: Material, pictures: dict[str, str]) -> Figure:
    totals = material.collected.totals().items()
    endings = [(say(ENDING_LABELS[state]), count) for state, count in totals]
    pictures["endings"] = charts.strip(endings)
    text = _("Calls by ending: %(calls)s.") % {"calls": _enumerated(endings)}
    return Figure(_("How calls ended"), text, "endings")


def _oversight(material: Material, pictures: dict[str, str]) -> Figure:
    data = material.collected
    counts = [
        *((say(DECISION_LABELS[name]), count) for name, count in decisions(material).items()),
        (_("Reviews open at the end of the period"), data.reviews.waiting),
        (_("Answers stopped by the user"), data.totals()["stopped"]),
        (
            _("Times the organisation stopped all use"),
            data.kinds.get("organisation.paused", 0),
        ),
    ]
    title = _("Human oversight")
    if not any(count for _name, count in counts):
        return Figure(title, _("No oversight was recorded in the period: no review and no stop."))
    pictures["oversight"] = charts.bars(counts)
    text = _("Recorded acts of oversight: %(acts)s.") % {"acts": _enumerated(counts)}
    return Figure(title, text, "oversight")


def _incidents(material: Material, pictures: dict[str, str]) -> Figure:
    """The most pressing incidents, each from awareness to report against its window."""
    title, found = _("Incidents and their time to report"), material.collected.incidents.incidents
    if not found:
        return Figure(title, f"{capitalised(say(NONE_RECORDED))}.")
    rows = [_bar(material, item) for item in found if item.aware_at and item.days]
    del rows[MOST_CLOCKS if material.integrity.verified else MOST_CLOCKS - 1 :]
    left_out = len(found) - len(rows)
    note = ""
    if left_out:
        note = _("Further incidents of the period: %(number)s (section 14).") % {
            "number": write_number(left_out)
        }
    if not rows:
        return Figure(title, _("No time to report ran for the incidents of the period."), "", note)
    pictures["clocks"] = charts.clocks(rows)
    said = "; ".join(
        f"{row.name}, {row.status}, {charts.used_of(row)}, {row.outcome}" for row in rows
    )
    text = _("Incidents with the days used of the time to report: %(incidents)s.")
    return Figure(title, text % {"incidents": said}, "clocks", note)


def _bar(material: Material, item: IncidentAsRecorded) -> charts.ClockBar:
    assert item.aware_at is not None
    assert item.days is not None
    until = item.stopped_at or material.collected.until
    return charts.ClockBar(
        name=item.name,
        status=say(STATUSES.get(item.status, item.status)),
        used=max((until - item.aware_at) / timedelta(days=1), 0.0),
        days=item.days,
        outcome=_outcome(material, item),
        is_running=item.stopped_at is None,
    )


def _outcome(material: Material, item: IncidentAsRecorded) -> str:
    assert item.due_at is not None
    if item.first_report_at is not None:
        return _("reported in time") if item.first_report_at <= item.due_at else _("reported late")
    if item.ended_at is not None:
        return _("ended without a report")
    if material.collected.until <= item.due_at:
        return _("time still runs")
    return _("time over, no report")


def _enumerated(counts: list[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {write_number(count)}" for name, count in counts)
