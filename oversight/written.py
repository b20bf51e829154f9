"""What people write, as it is kept: a browser's line ends are not their own words."""

from __future__ import annotations


def as_kept(text: str) -> str:
    """The text without blanks around it, each line ended by a line feed alone."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()
