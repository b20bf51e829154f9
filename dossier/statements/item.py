"""One statement: its key, its article, its help and an example."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class About(enum.StrEnum):
    """What a statement is about."""

    ORGANISATION = "organisation"
    SYSTEM = "system"
    PROVIDER = "provider"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Item:
    """One statement that a person can make.

    ``choices`` closes the answers where the law knows only some; ``form`` asks for a number or a
    date; ``missing`` is printed where nobody has answered.
    """

    key: str
    label: str
    law: tuple[str, ...]
    help: str
    example: str
    about: About = About.ORGANISATION
    choices: tuple[str, ...] = ()
    form: str = "text"  # or "date" (ISO 8601), or "number" (a positive one, 3.2e22 too)

    @property
    def missing(self) -> str:
        """Why the leaf is unknown."""
        return "not declared by the organisation"
