"""The languages of a dossier: which there are, and how each writes dates, numbers and countries.

Only paper has a language. Manifests, records and their hashes are the same whatever is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from babel import Locale
from babel.dates import format_date, format_datetime, format_skeleton
from babel.numbers import format_decimal
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _


class Language(models.TextChoices):
    """The languages in which a dossier can be printed, each in its own name."""

    ENGLISH = "en", "English"
    GERMAN = "de", "Deutsch"
    FRENCH = "fr", "Français"
    ITALIAN = "it", "Italiano"


# British dates and numbers for English; the others as their largest country writes them.
_LOCALES = {
    Language.ENGLISH: "en_GB",
    Language.GERMAN: "de_DE",
    Language.FRENCH: "fr_FR",
    Language.ITALIAN: "it_IT",
}
# These two count the first day of a month and number the others.
_FIRST_OF_MONTH = {Language.FRENCH: "1er", Language.ITALIAN: "1º"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?: UTC|Z)")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Within it, words, dates and numbers are those of *language*."""
    with override(Language(language).value):
        yield


def spoken() -> Language:
    """The language that is spoken now."""
    code = (get_language() or Language.ENGLISH.value).partition("-")[0]
    return Language(code) if code in Language.values else Language.ENGLISH


def locale() -> Locale:
    """The rules by which it writes."""
    return Locale.parse(_LOCALES[spoken()])


def check_languages(language: str, further: Sequence[str]) -> list[str]:
    """*further* without *language*, each once, sorted. Raises ``ValidationError``."""
    unknown = sorted({language, *further} - set(Language.values))
    if unknown:
        raise ValidationError(
            {
                "language": _("Not a language of dossiers: %(codes)s.")
                % {"codes": ", ".join(unknown)}
            }
        )
    return sorted(set(further) - {language})


# -- Dates, numbers, countries ---------------------------------------------------------------------


def write_day(day: date | str) -> str:
    """A day as people write it: 5 October 2026, 5. Oktober 2026, 5 octobre 2026, 5 ottobre 2026.

    *day* may be a date or a moment in the notation of manifests.
    """
    if isinstance(day, str):
        day = datetime.fromisoformat(day.replace("Z", "+00:00"))
    written = format_date(day, "long", locale=locale())
    if day.day == 1 and (ordinal := _FIRST_OF_MONTH.get(spoken())):
        return written.replace("1", ordinal, 1)
    return written


def write_short_day(day: date) -> str:
    """Day and short month, as under a chart: 5 Oct, 5. Okt., 5 oct., 5 ott."""
    return format_skeleton("MMMd", day, locale=locale())


def write_moment(at: datetime, *, seconds: bool = True) -> str:
    """A moment in UTC: day and time of 24 hours, with *seconds* or without."""
    time = format_datetime(at.astimezone(UTC), "HH:mm:ss" if seconds else "HH:mm", locale=locale())
    return f"{write_day(at.astimezone(UTC))}, {time} UTC"


def write_number(number: int | float | Decimal, *, digits: int | None = None) -> str:
    """A number with the language's marks, such as 1,234.5 or 1.234,5; *digits* after the mark."""
    if digits is None:
        return format_decimal(number, locale=locale())
    return format_decimal(number, format=f"#,##0.{'0' * digits}", locale=locale())


def write_country(code: str) -> str:
    """The name of the country with the ISO 3166 *code*; the code itself where there is none."""
    return str(locale().territories.get(code.upper(), code))


def write_dates(text: str) -> str:
    """*text* in the language's way where it is a day or moment in ISO notation, else unchanged."""
    if _DAY.fullmatch(text):
        return write_day(text)
    if found := _MOMENT.fullmatch(text):
        day, time = found.groups()
        return f"{write_day(day)}, {time} UTC"
    return text
