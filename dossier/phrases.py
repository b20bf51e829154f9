"""Sentences with something in them, which each language says in its own way.

A manifest holds the English text. A :class:`Phrase` *is* that text, and remembers the message and
the parts it was made of, so that paper can say the same in the language that is spoken there.
Plain strings of this software need nothing of the sort: they are messages as they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from django.utils.translation import gettext

from dossier.languages import write_dates, write_day, write_moment, write_number

Part = str | int | float | date | datetime


class Phrase(str):
    """An English sentence that knows its message, such as ``%(part)s of %(whole)s``."""

    message: str
    parts: Mapping[str, Part]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied, it stays what it is."""
        return (_make, (self.message, dict(self.parts)))


def phrase(message: str, **parts: Part) -> Phrase:
    """*message* with its ``%(name)s`` filled in.

    A part that is itself a phrase is translated, a number or date is written as the language
    does, and a plain string stays as it is: a name, an identifier, somebody's own words.
    """
    return _make(message, parts)


def _make(message: str, parts: Mapping[str, Part]) -> Phrase:
    made = Phrase(message % {name: _in_manifest(part) for name, part in parts.items()})
    made.message, made.parts = message, parts
    return made


def _in_manifest(part: Part) -> str:
    """A part as manifests write it: no language, one digit after the point, UTC."""
    match part:
        case datetime():
            return f"{part.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case date():
            return part.isoformat()
        case float():
            return f"{part:.1f}"
        case _:
            return str(part)


def say(text: str) -> str:
    """*text* in the language that is spoken now; what is no message of ours stays as it is."""
    if isinstance(text, Phrase):
        return gettext(text.message) % {name: _on_paper(part) for name, part in text.parts.items()}
    return gettext(text) if text else ""


def _on_paper(part: Part) -> str:
    match part:
        case Phrase():
            return say(part)
        case datetime():
            return write_moment(part)
        case date():
            return write_day(part)
        case float():
            return write_number(part, digits=1)
        case int():
            return write_number(part)
        case _:
            return write_dates(part)
