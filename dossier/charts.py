"""Pictures of numbers, drawn here as SVG: no script, no library, the same bytes each time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from xml.sax.saxutils import escape

from django.utils.translation import gettext as _
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

from dossier.languages import write_number, write_short_day
from dossier.phrases import say

WIDTH = 680
_FONT = "font-family='Liberation Sans, DejaVu Sans, sans-serif'"
_INK, _MUTED, _LINE = "#1b2430", "#56606d", "#c9cfcb"
# Told apart by lightness too, for those who see no colours and for black-and-white print.
COLOURS = ("#0f5e63", "#d08c1f", "#6b4c9a", "#8aa8a6", "#a3262a", "#3f4a56")
_MOST_BARS = 62
_LABELS = 190  # the room for labels beside bars, unless one is longer


def calls_by_region(
    calls: Sequence[tuple[date, str, int]], first: date, last: date, *, height: int = 220
) -> str:
    """Stacked bars of calls for each day; for long periods of each week, then each month."""
    step = _step((last - first).days + 1)
    buckets = _buckets(first, last, step)
    totals: dict[date, dict[str, int]] = {start: defaultdict(int) for start in buckets}
    for day, region, count in calls:
        totals[_bucket_of(day, buckets)][region] += count
    regions = sorted({region for _, region, _ in calls})
    top = max((sum(by.values()) for by in totals.values()), default=0) or 1
    ceiling = _round_up(top)
    left, bottom, right = 44, height - 26, WIDTH - 8
    slot = (right - left) / len(buckets)
    parts = _axis(ceiling, left=left, right=right, top=24, bottom=bottom)
    for number, start in enumerate(buckets):
        parts += _stack(
            totals[start], regions, x=left + number * slot, width=slot, ceiling=ceiling,
            bottom=bottom, room=bottom - 24,
        )  # fmt: skip
    parts += _dates(buckets, left=left, slot=slot, y=height - 10)
    parts += _legend([say(region) for region in regions] or [_("no calls")])
    return _svg(height, parts)


def _step(days: int) -> str:
    if days <= _MOST_BARS:
        return "day"
    return "week" if days <= 7 * _MOST_BARS else "month"


def _buckets(first: date, last: date, step: str) -> list[date]:
    starts, day = [], first
    while day <= last:
        starts.append(day)
        if step == "month":
            day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        else:
            day += timedelta(days=1 if step == "day" else 7)
    return starts


def _bucket_of(day: date, buckets: Sequence[date]) -> date:
    fitting = [start for start in buckets if start <= day]
    return fitting[-1] if fitting else buckets[0]


def _round_up(value: int) -> int:
    """The next number of the form 1, 2 or 5 times a power of ten."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power >= value:
                return step * power
        power *= 10


def _axis(ceiling: int, *, left: int, right: int, top: int, bottom: int) -> list[str]:
    parts = []
    for share in (0, 0.5, 1) if ceiling % 2 == 0 else (0, 1):
        y = bottom - (bottom - top) * share
        label = write_number(ceiling * share)
        parts.append(
            f"<line x1='{left}' x2='{right}' y1='{y:.1f}' y2='{y:.1f}' stroke='{_LINE}' "
            f"stroke-width='0.6'/><text x='{left - 6}' y='{y + 3:.1f}' text-anchor='end' "
            f"font-size='9' fill='{_MUTED}' {_FONT}>{label}</text>"
        )
    return parts


def _stack(
    counts: Mapping[str, int],
    regions: Sequence[str],
    *,
    x: float,
    width: float,
    ceiling: int,
    bottom: float,
    room: float,
) -> list[str]:
    parts, y = [], bottom
    gap = min(2.0, width * 0.2)
    for number, region in enumerate(regions):
        tall = counts.get(region, 0) / ceiling * room
        if not tall:
            continue
        y -= tall
        parts.append(
            f"<rect x='{x + gap / 2:.2f}' y='{y:.2f}' width='{width - gap:.2f}' "
            f"height='{tall:.2f}' fill='{COLOURS[number % len(COLOURS)]}'/>"
        )
    return parts


def _dates(buckets: Sequence[date], *, left: int, slot: float, y: int) -> list[str]:
    every = max(1, -(-len(buckets) // 8))
    return [
        f"<text x='{left + (number + 0.5) * slot:.1f}' y='{y}' text-anchor='middle' "
        f"font-size='9' fill='{_MUTED}' {_FONT}>{escape(write_short_day(start))}</text>"
        for number, start in enumerate(buckets)
        if number % every == 0
    ]


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], 44.0
    for number, name in enumerate(names):
        parts.append(_named(number, name, x=x, top=4))
        x += 30 + 5.6 * len(name)
    return parts


def _named(number: int, name: str, *, x: float, top: float) -> str:
    """The colour of the part with this number, and its name beside it."""
    return (
        f"<rect x='{x:.1f}' y='{top:g}' width='9' height='9' "
        f"fill='{COLOURS[number % len(COLOURS)]}'/>"
        f"<text x='{x + 13:.1f}' y='{top + 8:g}' font-size='9.5' fill='{_INK}' {_FONT}>"
        f"{escape(name)}</text>"
    )


def bars(values: Sequence[tuple[str, int]]) -> str:
    """Horizontal bars with their numbers, one for each named value; zero is shown as zero."""
    longest = max((len(name) for name, _count in values), default=0)
    label_width = min(max(_LABELS, 5.4 * longest + 12), WIDTH / 2)
    top = max((count for _, count in values), default=0) or 1
    row, parts = 17, []
    room = WIDTH - label_width - 60
    for number, (name, count) in enumerate(values):
        y = number * row
        wide = count / top * room
        parts.append(
            f"<text x='{label_width - 8:g}' y='{y + 12}' text-anchor='end' font-size='10' "
            f"fill='{_INK}' {_FONT}>{escape(name)}</text>"
            f"<rect x='{label_width:g}' y='{y + 3}' width='{max(wide, 0.8):.2f}' height='11' "
            f"fill='{COLOURS[0] if count else _LINE}'/>"
            f"<text x='{label_width + max(wide, 0.8) + 6:.2f}' y='{y + 12}' font-size='10' "
            f"fill='{_MUTED}' {_FONT}>{write_number(count)}</text>"
        )
    return _svg(row * max(len(values), 1) + 2, parts)


def strip(values: Sequence[tuple[str, int]]) -> str:
    """One bar of all of them, and their names with their numbers under it."""
    total, x, parts = sum(count for _, count in values), 0.0, []
    if not total:
        parts.append(f"<rect x='0' y='0' width='{WIDTH}' height='11' fill='{_LINE}'/>")
    for number, (_name, count) in enumerate(values):
        wide = count / max(total, 1) * WIDTH
        if wide:
            parts.append(
                f"<rect x='{x:.2f}' y='0' width='{wide:.2f}' height='11' "
                f"fill='{COLOURS[number % len(COLOURS)]}'/>"
            )
        x += wide
    names = [f"{name} {write_number(count)}" for name, count in values]
    lines, legend = _flowing(names, y=18)
    return _svg(18 + _LINE_HEIGHT * lines, [*parts, *legend])


_LINE_HEIGHT = 15


def _flowing(names: Sequence[str], *, y: float) -> tuple[int, list[str]]:
    """Names with their colours, in as many lines as they need."""
    parts, x, lines = [], 0.0, 1
    for number, name in enumerate(names):
        wide = 26 + 5.3 * len(name)
        if x and x + wide > WIDTH:
            x, lines = 0.0, lines + 1
        parts.append(_named(number, name, x=x, top=y + _LINE_HEIGHT * (lines - 1)))
        x += wide
    return lines, parts


@dataclass(frozen=True, slots=True)
class ClockBar:
    """One incident's time to report: how many days are used of how many, and what came of it."""

    name: str
    status: str
    used: float
    days: int
    outcome: str
    is_running: bool


def used_of(row: ClockBar) -> str:
    """How much of the time is used, in words."""
    return _("%(used)s of %(days)s days") % {
        "used": write_number(row.used, digits=1),
        "days": write_number(row.days),
    }


_CLOCK_ROW, _CLOCK_LEFT, _CLOCK_RIGHT = 24, 150, 150


def clocks(rows: Sequence[ClockBar]) -> str:
    """A bar for each incident from awareness to report, or on to the end, against its window.

    Bars that would be more than twice as long as the longest window are cut; the number of days
    stands beside them.
    """
    longest = max(row.days for row in rows)
    end = min(max(longest, *(row.used for row in rows)), 2 * longest)
    room = WIDTH - _CLOCK_LEFT - _CLOCK_RIGHT
    bottom = _CLOCK_ROW * len(rows) + 2
    parts = _days(end, room=room, bottom=bottom)
    for number, row in enumerate(rows):
        parts += _clock_bar(row, y=number * _CLOCK_ROW + 2, unit=room / end, end=end)
    return _svg(bottom + 14, parts)


def _days(end: float, *, room: float, bottom: float) -> list[str]:
    """The axis: days since the organisation became aware."""
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100) if end / step <= 8)
    parts = []
    for day in range(0, int(end) + 1, step):
        x = _CLOCK_LEFT + day / end * room
        parts.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='0' y2='{bottom}' stroke='{_LINE}' "
            f"stroke-width='0.5'/><text x='{x:.1f}' y='{bottom + 10}' text-anchor='middle' "
            f"font-size='9' fill='{_MUTED}' {_FONT}>{write_number(day)}</text>"
        )
    words = escape(_("days since awareness"))
    parts.append(
        f"<text x='{WIDTH - _CLOCK_RIGHT + 14}' y='{bottom + 10}' font-size='9' "
        f"fill='{_MUTED}' {_FONT}>{words}</text>"
    )
    return parts


def _clock_bar(row: ClockBar, *, y: float, unit: float, end: float) -> list[str]:
    left, used = _CLOCK_LEFT, min(row.used, end)
    inside, beyond = min(used, row.days) * unit, max(used - row.days, 0) * unit
    tip = left + inside + beyond
    window = left + row.days * unit
    beside = WIDTH - _CLOCK_RIGHT + 14
    parts = [
        _rectangle(left, y + 1, row.days * unit, 18, "#dbe7e6"),
        _rectangle(left, y + 5, max(inside, 0.8), 10, COLOURS[0]),
    ]
    if beyond:
        parts.append(_rectangle(window, y + 5, beyond, 10, COLOURS[4]))
    parts.append(
        f"<line x1='{window:.2f}' x2='{window:.2f}' y1='{y}' y2='{y + 20}' stroke='{_INK}' "
        f"stroke-width='1.4'/>"
    )
    if row.is_running:  # it goes on
        colour = COLOURS[4] if beyond else COLOURS[0]
        parts.append(f"<path d='M{tip:.2f} {y + 2}l8 8l-8 8z' fill='{colour}'/>")
    if row.used > end:  # it is longer than can be shown
        parts.append(f"<path d='M{tip - 14:.2f} {y + 18}l4 -16h4l-4 16z' fill='#ffffff'/>")
    for x, anchor, first, second in (
        (left - 8, "end", row.name, row.status),
        (beside, "start", used_of(row), row.outcome),
    ):
        parts.append(
            f"<text x='{x}' y='{y + 9}' text-anchor='{anchor}' font-size='9.5' fill='{_INK}' "
            f"{_FONT}>{escape(first)}</text>"
            f"<text x='{x}' y='{y + 19}' text-anchor='{anchor}' font-size='8.5' fill='{_MUTED}' "
            f"{_FONT}>{escape(second)}</text>"
        )
    return parts


def _rectangle(x: float, y: float, wide: float, tall: float, colour: str) -> str:
    return f"<rect x='{x:.2f}' y='{y:.2f}' width='{wide:.2f}' height='{tall:g}' fill='{colour}'/>"


def qr_code(text: str) -> str:
    """*text* as a QR code (ISO/IEC 18004, error correction M): one path of square modules."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=4)
    code.add_data(text)
    code.make(fit=True)
    matrix = code.get_matrix()
    squares = "".join(
        f"M{x} {y}h1v1h-1z"
        for y, row in enumerate(matrix)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    side = len(matrix)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {side} {side}' width='{side}' "
        f"height='{side}'><rect width='{side}' height='{side}' fill='#ffffff'/>"
        f"<path d='{squares}' fill='{_INK}'/></svg>"
    )


def watermark(words: str) -> str:
    """*words* across a page, so light that what stands on it stays legible."""
    return (
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 600 600' width='600' height='600'>"
        f"<text x='300' y='320' text-anchor='middle' font-size='{1050 / max(len(words), 10):.1f}' "
        f"font-weight='bold' fill='#f3ede1' transform='rotate(-45 300 300)' {_FONT}>"
        f"{escape(words)}</text></svg>"
    )


def _svg(height: float, parts: Sequence[str]) -> str:
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:g}' "
        f"width='{WIDTH}' height='{height:g}'>{''.join(parts)}</svg>"
    )
