"""Statements that share one way to the server: what the sealer saves its time with.

A round of sealing is a few statements over hundreds of rows. Sent one by one each waits for the
server's answer; sent together they wait once. Values travel in PostgreSQL's binary form, so that a
kilobyte of record is a kilobyte and not two of hexadecimal digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor

Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]


def ask_together(*statements: Statement) -> list[Rows]:
    """Run statements in order in the open transaction; the rows of each, none where it has none.

    Each sees what was committed when it began, also while it waited behind the others. Errors are
    Django's own; the first ends the transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("Statements that belong together need a transaction around them.")
    link = connection.connection
    with connection.wrap_database_errors:
        cursors = [Cursor(link) for _statement in statements]
        with link.pipeline():
            for cursor, (query, parameters) in zip(cursors, statements, strict=True):
                cursor.execute(query, parameters, binary=True)
        return [cursor.fetchall() if cursor.description else [] for cursor in cursors]


def ask(query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Rows:
    """One statement's rows."""
    return ask_together((query, parameters))[0]
