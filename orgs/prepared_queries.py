"""Queries whose SQL is written once per process and planned once per connection.

Django writes the SQL of a query anew whenever it is asked, and PostgreSQL plans it anew; for the
few that stand between a question and its first token either takes longer than the answer.
"""

from __future__ import annotations

import contextlib
import copy
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

from orgs.trips import Change, ask, ask_together

_Model = TypeVar("_Model", bound=models.Model)


class PreparedQuery(Generic[_Model]):
    """A query with places for values: ``PreparedQuery(make, *examples)(*values)`` lists its rows.

    *make* gets the examples, which differ from each other and from every other value in the
    query, and returns the query set; whatever values it is called with later, the SQL is the same
    (no None, no list). Related rows and annotations come as the query set says.
    """

    def __init__(self, make: Callable[..., models.QuerySet[_Model]], *examples: Hashable) -> None:
        self._make = make
        self._examples = examples

    def __call__(self, *values: Any) -> list[_Model]:
        """The rows for *values*, one for each example. Reads the database."""
        ahead = getattr(_ahead, "rows", {}).pop((self, values), None)
        rows = ask(self._written.sql, self.params(values)) if ahead is None else ahead
        found = self._written.query_set.all()
        found.query = found.query.chain(_Answered)
        found.query.answer = (self._written, rows)  # type: ignore[attr-defined]
        return list(found)

    def params(self, values: Sequence[Any]) -> list[Any]:
        """What stands in the places of the SQL for *values*."""
        return [known if place is None else values[place] for place, known in self._written.places]

    @property
    def sql(self) -> str:
        """The statement."""
        return self._written.sql

    @cached_property
    def _written(self) -> _Written:
        query_set = self._make(*self._examples)
        compiler: SQLCompiler = query_set.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        converters = compiler.get_converters([column for column, *_ in compiler.select])
        places = [
            (self._examples.index(value) if value in self._examples else None, value)
            for value in params
        ]
        if {place for place, _ in places} - {None} != set(range(len(self._examples))):
            raise ValueError("The query does not hold each of its examples.")
        return _Written(query_set, compiler, sql, places, converters)


@dataclass(frozen=True, slots=True)
class _Written:
    """A query as it was written once: its SQL, and how rows become objects."""

    query_set: models.QuerySet[Any]
    compiler: SQLCompiler
    sql: str
    places: list[tuple[int | None, Any]]
    converters: Any


class _Answered(Query):
    """A query whose rows are there."""

    answer: tuple[_Written, list[tuple[Any, ...]]]

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: Any = True
    ) -> Any:
        """The compiler that wrote the SQL; it has the rows already."""
        written, rows = self.answer
        compiler: Any = copy.copy(written.compiler)
        compiler.query, compiler.using = self, using
        compiler.connection = connection or connections[using]
        compiler.execute_sql = lambda *_args, **_options: [rows]
        compiler.get_converters = lambda _columns: written.converters
        return compiler


Question = tuple[PreparedQuery[Any], tuple[Any, ...]]
_ahead = threading.local()


@contextlib.contextmanager
def reading_ahead() -> Iterator[None]:
    """In this block, on this thread, :func:`read_ahead` does what it says; else nothing."""
    _ahead.rows = {}
    try:
        yield
    finally:
        del _ahead.rows


def read_ahead(*questions: Question) -> None:
    """Ask now, on one way to the server, what will be asked: each answer is given once."""
    if hasattr(_ahead, "rows"):
        found = ask_together(*((query.sql, query.params(values)) for query, values in questions))
        _ahead.rows.update(zip(questions, found, strict=True))


def insertion(row: models.Model) -> Change:
    """What inserts *row*, whose key is set.

    What ``save`` does, where its SQL is the same each time; for fields that the server reads from
    their text.
    """
    fields, sql = _insertion(type(row))
    return Change(sql, [field.pre_save(row, add=True) for field in fields])


@cache
def _insertion(model: type[models.Model]) -> tuple[list[Any], str]:
    """The columns that the database does not fill itself, and the statement."""
    concrete: Sequence[Any] = model._meta.concrete_fields
    fields = [field for field in concrete if not field.has_db_default()]
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    return fields, f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names only
