"""Which characters texts in requests may hold, as patterns that the API's description shows.

No text holds a NUL, which no column of PostgreSQL takes, or another control character.
"""

from __future__ import annotations

LINE = r"^[^\x00-\x1f\x7f]*$"
"""One line, which may be empty."""

FILLED_LINE = r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$"
"""One line with something in it."""

PROSE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""Lines and tabs, or nothing."""
