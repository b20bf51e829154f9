"""Tags of the admin's pages: icons, charts, times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

register = template.Library()
# Icons that the chat has too.
_SHARED = frozenset(
    {
        *("record", "mark", "key", "building", "user", "ai", "edit", "shield", "lock"),
        *("check", "alert"),
    }
)


@register.simple_tag
def mark(name: str) -> SafeString:
    """An icon of the admin: decoration beside words that say the same."""
    source = static("lexcustis/admin-icons.svg")
    if name in _SHARED:
        source = static("lexcustis/icons.svg")
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        name,
        source,
        name,
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A time to the second in the organisation's zone, machine-readable with its offset."""
    if value is None:
        return "—"
    local = timezone.localtime(value)
    shown = local.strftime("%Y-%m-%d %H:%M:%S")
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), shown)


@register.inclusion_tag("admin/charts/bars.html")
def bars(days: Sequence[Any], label: str) -> dict[str, Any]:
    """A bar for each day: ``days`` have ``day``, ``total`` and ``not_completed``.

    Plain SVG shapes with attributes and classes: no script, no style. The table below the drawing
    says the same in words.
    """
    width, height, gap = 20.0, 96.0, 4.0
    highest = max((day.total for day in days), default=0)
    unit = height / highest if highest else 0.0
    return {
        "label": label,
        "width": round(len(days) * width, 1),
        "height": height,
        "highest": highest,
        "days": days,
        "columns": [
            {
                "x": round(index * width + gap / 2, 1),
                "width": width - gap,
                "y": round(height - day.total * unit, 2),
                "height": round(day.total * unit, 2),
                "bad_y": round(height - day.not_completed * unit, 2),
                "bad_height": round(day.not_completed * unit, 2),
                "day": day,
            }
            for index, day in enumerate(days)
        ],
    }


@register.filter
def ago(value: datetime) -> str:
    """How long ago, in words."""
    if timezone.now() - value < timedelta(minutes=1):
        return _("just now")
    return _("%(time)s ago") % {"time": timesince(value, depth=1)}


@register.filter
def short_day(value: date) -> str:
    """Day and month, such as “3 Oct”."""
    return date_format(value, "j M")
