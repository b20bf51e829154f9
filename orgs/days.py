"""Days: which one it is for an organisation, and which can only be a slip of the finger."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _

FIRST_DAY = date(2000, 1, 1)
LAST_DAY = date(2099, 12, 31)


def today_in(zone: str) -> date:
    """Today's date in a time zone, such as an organisation's."""
    return timezone.localdate(timezone=ZoneInfo(zone))


def require_plausible(**days: date | None) -> None:
    """Refuse days before 2000 or after 2099, by the names of their fields."""
    slips = [name for name, day in days.items() if day and not FIRST_DAY <= day <= LAST_DAY]
    if slips:
        message = _("The year is mistyped: it lies before 2000 or after 2099.")
        raise ValidationError(dict.fromkeys(slips, message))
