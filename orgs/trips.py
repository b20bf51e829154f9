"""Statements that share one way to the server: what a call and a round of sealing save time with.

Sent one by one each statement waits for the server's answer; sent together they wait once. The
server plans each of them once per connection and remembers it, unless the setting
DATABASE_REMEMBERS_PLANS is off.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from django.db import connection
from psycopg import Connection, Cursor, RawCursor
from psycopg.abc import PipelineCommand
from psycopg.pq import ExecStatus

Statement = tuple[str, Sequence[Any] | Mapping[str, Any]]
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Change:
    """An INSERT or UPDATE, with a value for each ``%s``.

    ``then`` is an expression that is evaluated with it, in which ``{rows}`` stands for the number
    of rows that it changed.
    """

    sql: str
    values: Sequence[Any]
    then: str = ""


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
        with _one_way(link) if len(statements) > 1 else contextlib.nullcontext():
            for cursor, (query, parameters) in zip(cursors, statements, strict=True):
                cursor.execute(query, parameters, prepare=True, binary=binary)
        # (psycopg's description, which would tell as well, describes every column.)
        return [cursor.fetchall() if _has_rows(cursor) else [] for cursor in cursors]


@contextlib.contextmanager
def _one_way(link: Connection[Any]) -> Iterator[None]:
    """A pipeline whose statements leave together at its end.

    The driver's own sends each of them and looks for answers in between; every time Python lets
    another thread go first, and this one waits for its turn again.
    """
    with link.pipeline() as pipeline:
        put_down = partial(_put_down, pipeline.command_queue)
        pipeline._communicate_gen = put_down  # type: ignore[assignment, method-assign]
        try:
            yield
        except BaseException:
            link.close()  # else the end of the pipeline would commit what stood before the error
            connection.close()
            raise


def _put_down(commands: deque[PipelineCommand]) -> tuple[()]:
    """Write what is to be sent into the driver's buffer; the end of the pipeline sends it."""
    while commands:
        commands.popleft()()
    return ()


def _has_rows(cursor: Cursor[Any]) -> bool:
    return cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK


def ask(
    query: str, parameters: Sequence[Any] | Mapping[str, Any] = (), *, binary: bool = False
) -> Rows:
    """One statement's rows."""
    return ask_together((query, parameters), binary=binary)[0]


def change_together(*groups: Sequence[Change]) -> None:
    """Make all changes on this thread's connection: one transaction, the open one if there is one.

    The changes of a group are one statement, in which none sees what another does. Values go as
    text, whose types the server knows from its columns: so it has one plan, whatever is NULL.
    The first error ends the transaction, and is Django's own.
    """
    connection.ensure_connection()
    link = connection.connection
    # Outside of a transaction the server makes one of all that comes in a pipeline.
    way = _one_way(link) if len(groups) > 1 else contextlib.nullcontext()
    with connection.wrap_database_errors, way:
        for changes in groups:
            statement = _joined(tuple((change.sql, change.then) for change in changes))
            values = as_texts(value for change in changes for value in change.values)
            RawCursor(link).execute(statement, values, prepare=True)


@lru_cache(maxsize=256)
def _joined(changes: tuple[tuple[str, str], ...]) -> str:
    """One statement that makes all changes, its values numbered as the server wants them."""
    steps, then = [], []
    for number, (sql, expression) in enumerate(changes):
        is_counted = "{rows}" in expression
        steps.append(f"c{number} AS ({sql}{' RETURNING 1' if is_counted else ''})")
        if expression:
            then.append(expression.replace("{rows}", f"(SELECT count(*) FROM c{number})"))  # noqa: S608
    parts = ["WITH", ", ".join(steps), "SELECT", ", ".join(then)]
    first, *others = " ".join(parts).split("%s")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def as_texts(values: Iterable[Any]) -> list[str | bytes | None]:
    """Values as PostgreSQL reads them where it knows their types; bytes and NULL as they are."""
    write_of = _WRITTEN.get
    return [
        value if (write := write_of(type(value), str)) is None else write(value) for value in values
    ]


def _list_as_text(values: Sequence[Any]) -> str:
    escaped = (str(value).replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


_WRITTEN: dict[type, Callable[[Any], str] | None] = {
    str: None,
    bytes: None,
    type(None): None,
    bool: lambda value: "true" if value else "false",
    list: _list_as_text,
    date: date.isoformat,
    datetime: datetime.isoformat,
    UUID: lambda value: f"{value.int:032x}",  # four times as fast as with its dashes
}
