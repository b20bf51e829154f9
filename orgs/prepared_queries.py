"""Queries whose SQL is written once per process and planned once per connection.

Django writes the SQL of a query anew whenever it is asked, and PostgreSQL plans it anew; for the
few that stand between a question and its first token either takes longer than the answer.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Sequence
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models.sql import Query
from django.db.models.sql.compiler import SQLCompiler

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
        query_set, compiler, sql, places = self._written
        params = tuple(known if place is None else values[place] for place, known in places)
        found = query_set.all()
        found.query = found.query.chain(_PreparedSQL)
        found.query.written = (compiler, sql, params)  # type: ignore[attr-defined]
        return list(found)

    @cached_property
    def _written(
        self,
    ) -> tuple[models.QuerySet[_Model], SQLCompiler, str, list[tuple[int | None, Any]]]:
        query_set = self._make(*self._examples)
        compiler: SQLCompiler = query_set.query.get_compiler(DEFAULT_DB_ALIAS)
        sql, params = compiler.as_sql()
        places = [
            (self._examples.index(value) if value in self._examples else None, value)
            for value in params
        ]
        if {place for place, _ in places} - {None} != set(range(len(self._examples))):
            raise ValueError("The query does not hold each of its examples.")
        return query_set, compiler, sql, places


def ask(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement on this thread's connection, which remembers its plan.

    The values are bound by the server, which must be able to tell their types. Nothing is
    remembered where the setting DATABASE_REMEMBERS_PLANS is off.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with (
        connection.wrap_database_errors,
        psycopg.Cursor(connection.connection) as cursor,
    ):
        cursor.execute(sql, values, prepare=True)
        return cursor.fetchall()


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Insert *rows*, all of one model with their keys set, on this thread's connection.

    What ``bulk_create`` does, where its SQL is the same each time; nothing is asked back.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    fields, sql = _insertion(type(rows[0]))
    with connection.cursor() as cursor:
        cursor.executemany(
            sql,
            [
                [
                    field.get_db_prep_save(field.pre_save(row, add=True), connection)
                    for field in fields
                ]
                for row in rows
            ],
        )


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


class _PreparedSQL(Query):
    """A query that answers with the SQL it was given."""

    written: tuple[SQLCompiler, str, tuple[Any, ...]]

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: Any = True
    ) -> Any:
        """The compiler that wrote the SQL, on this thread's connection."""
        written, sql, params = self.written
        compiler = copy.copy(written)
        compiler.query, compiler.using = self, using
        compiler.connection = connection or connections[using]
        compiler.execute_sql = lambda *_args, **_options: [ask(sql, params)]  # type: ignore[method-assign,assignment]
        return compiler
