"""Pages of rows that are listed by their identifiers: where one ends, the next begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

AT_ONCE = 50


def page_of(rows: QuerySet[Any], shaped: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """The first rows as ``items``, each *shaped*; ``next`` is the last one's id, if more follow."""
    found = list(rows[: AT_ONCE + 1])
    page = found[:AT_ONCE]
    return {
        "items": [shaped(row) for row in page],
        "next": page[-1].pk if len(found) > AT_ONCE else None,
    }
