"""Statements that share one way to the server: what a call and a round of sealing save time with.

Sent one by one each statement waits for the server's answer; sent together they wait once. The
server plans each of them once per connection and remembers it, unless the setting
DATABASE_REMEMBERS_PLANS is off.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg import Cursor
from psycopg.pq import ExecStatus, PipelineStatus

Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]


def ask_together(*statements: Statement, binary: bool = False) -> list[Rows]:
    """Run statements in order on this thread's connection: the rows of each, where it has any.

    They are one transaction, the open one if there is one: the first error ends it, and is
    Django's own. Each sees what was committed when it began, also while it waited behind the
    others. The server must be able to tell the types of the values. *binary*: rows travel in
    PostgreSQL's own form, so that a kilobyte of record is a kilobyte and not two of digits.
    """
    connection.ensure_connection()
    link = connection.connection
    with connection.wrap_database_errors:
        cursors = [Cursor(link) for _statement in statements]
        with link.pipeline() if len(statements) > 1 else contextlib.nullcontext():
            for cursor, (query, parameters) in zip(cursors, statements, strict=True):
                cursor.execute(query, parameters, prepare=True, binary=binary)
        # (psycopg's description, which would tell as well, describes every column.)
        return [cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]


def _has_rows(cursor: Cursor[Any]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK


def ask(
    query: str, parameters: Sequence[Any] | Mapping[str, Any] = (), *, binary: bool = False
) -> Rows:
    """One statement's rows."""
    return ask_together((query, parameters), binary=binary)[0]


@contextlib.contextmanager
def in_one_trip() -> Iterator[Callable[[], None]]:
    """Send what the block inserts together, and wait once, at its end.

    Only for statements whose results nobody reads before, not even how many rows they changed,
    unless the block calls what it is given, which waits for all answers so far. What a statement
    is to blame for is raised at the end, as Django's own errors. Inside of another such block it is
    a part of that.
    """
    connection.ensure_connection()
    link = connection.connection
    if link.pgconn.pipeline_status == PipelineStatus.ON:
        yield lambda: None
        return

    def wait() -> None:
        with connection.wrap_database_errors:
            pipeline.sync()

    with connection.wrap_database_errors, link.pipeline() as pipeline:
        yield wait
