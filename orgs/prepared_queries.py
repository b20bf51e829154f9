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

from orgs.trips import Change, Rows, ask, ask_together

# Values whose rows a process keeps with what it made of them, for each query.
_MOST_REMEMBERED = 256

_Model = TypeVar("_Model", bound=models.Model)
_Made = TypeVar("_Made")


class PreparedQuery(Generic[_Model]):
    """A query with places for values: ``PreparedQuery(make, *examples)(*values)`` lists its rows.

    *make* gets the examples, which differ from each other and from every other value in the
    query, and returns the query set; whatever values it is called with later, the SQL is the same
    (no None, no list). Related rows and annotations come as the query set says.
    """

    def __init__(self, make: Callable[..., models.QuerySet[_Model]], *examples: Hashable) -> None:
        self._make = make
        self._examples = examples
        self._made: dict[tuple[Any, ...], tuple[Rows, list[_Model]]] = {}

    def __call__(self, *values: Any) -> list[_Model]:
        """The rows for *values*, one for each example. Reads the database."""
        return list(once(self._read, *values))

    def _read(self, *values: Any) -> list[_Model]:
        return self.found(ask(self.sql, self.params(values)))

    def found(self, rows: Rows) -> list[_Model]:
        """The objects that *rows* say."""
        found = self._written.query_set.all()
        found.query = found.query.chain(_Answered)
        found.query.answer = (self._written, rows)  # type: ignore[attr-defined]
        return list(found)

    def found_again(self, values: tuple[Any, ...], rows: Rows) -> list[_Model]:
        """:meth:`found`, as copies of what was made for *values* before, where *rows* are the same.

        Django takes several times as long to make objects of rows, while somebody waits.
        """
        known = self._made.get(values)
        if known is None or known[0] != rows:
            if len(self._made) >= _MOST_REMEMBERED:
                self._made.clear()
            known = self._made[values] = rows, self.found(rows)
        done: dict[int, Any] = {}
        return [_copied(one, done) for one in known[1]]

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


def _copied(row: Any, done: dict[int, Any]) -> Any:
    """*row* and its related rows, none of them shared: whoever has one may ask for more of it.

    What ``copy.copy`` does at twice the cost, and not for related rows. *done* holds copies by the
    ids of what they copy: two rows may name each other.
    """
    if id(row) in done:
        return done[id(row)]
    made = done[id(row)] = row.__class__.__new__(row.__class__)
    for name, value in row.__dict__.items():
        made.__dict__[name] = value.copy() if isinstance(value, (list, dict)) else value
    made._state = copy.copy(row._state)
    made._state.fields_cache = related = row._state.fields_cache.copy()
    for name, other in related.items():
        if isinstance(other, models.Model):
            related[name] = _copied(other, done)
    return made


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

    answer: tuple[_Written, Rows]

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
_Answers = dict[tuple[Callable[..., Any], tuple[Hashable, ...]], Any]
_asked = threading.local()


@contextlib.contextmanager
def asking_once() -> Iterator[None]:
    """In this block, on this thread, each question is asked once.

    Whoever asks it again gets the same objects, which nobody may change, and :func:`read_ahead`
    does what it says. For what is decided at one moment.
    """
    _asked.answers = {}
    try:
        yield
    finally:
        del _asked.answers


def once(make: Callable[..., _Made], *given: Hashable) -> _Made:
    """What *make* makes of *given*: in a block of :func:`asking_once` the same for all who ask."""
    answers: _Answers = getattr(_asked, "answers", {})  # outside of a block it is forgotten
    if (make, given) not in answers:
        answers[make, given] = make(*given)
    made: _Made = answers[make, given]
    return made


def read_ahead(*questions: Question) -> None:
    """Ask now, on one way to the server, what will be asked; nothing outside of the block."""
    answers: _Answers | None = getattr(_asked, "answers", None)
    if answers is None:
        return
    new = [(query, values) for query, values in questions if (query._read, values) not in answers]
    if new:
        told = ask_together(*((query.sql, query.params(values)) for query, values in new))
        for (query, values), rows in zip(new, told, strict=True):
            answers[query._read, values] = query.found_again(values, rows)


def insertion(model: type[models.Model], /, **values: Any) -> Change:
    """What inserts a row of *model* with *values*, by the names of their columns, and its defaults.

    What ``save`` does, where its SQL is the same each time; for fields that the server reads from
    their text. Raises TypeError for a column that the model has not.
    """
    defaults, sql = _insertion(model)
    row = [values.pop(name) if name in values else default() for name, default in defaults]
    if values:
        raise TypeError(f"{model.__name__} has no {', '.join(values)}.")
    return Change(sql, row)


@cache
def _insertion(model: type[models.Model]) -> tuple[list[tuple[str, Callable[[], Any]]], str]:
    """The columns that the database does not fill itself with their defaults, and the statement."""
    concrete: Sequence[Any] = model._meta.concrete_fields
    fields = [field for field in concrete if not field.has_db_default()]
    if any(
        getattr(field, name, False) for field in fields for name in ("auto_now", "auto_now_add")
    ):
        raise TypeError(f"{model.__name__} has a time that only Django's save() knows.")
    quote = connections[DEFAULT_DB_ALIAS].ops.quote_name
    columns = ", ".join(quote(field.column) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    sql = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - names only
    return [(field.attname, field.get_default) for field in fields], sql
