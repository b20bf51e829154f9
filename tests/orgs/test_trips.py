"""Statements that share one way to the server are all made, or none of them."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from orgs.models import User
from orgs.prepared_queries import insertion
from orgs.trips import Change, ask, ask_together, change_together


@pytest.fixture
def name(database: None) -> str:
    """A name that nobody has."""
    return f"Trips {secrets.token_hex(8)}"


def made(name: str) -> Change:
    """What makes a person: one without an organisation is in nobody's way afterwards."""
    return insertion(User, name=name, email=f"{secrets.token_hex(8)}@example.org")


def count_of(name: str) -> int:
    """How many people have that name."""
    return int(ask("SELECT count(*) FROM orgs_user WHERE name = %s::text", [name])[0][0])


def test_answers_come_in_the_order_of_the_questions(database: None) -> None:
    questions = [("SELECT %s::integer", [number]) for number in range(50)]
    assert ask_together(*questions) == [[(number,)] for number in range(50)]
    long = "x" * 100_000  # more than the driver puts down before it sends
    questions = [("SELECT length(%s::text)", [long]) for _number in range(5)]
    assert ask_together(*questions) == [[(100_000,)]] * 5


def test_changes_are_committed_together(name: str) -> None:
    change_together([made(name)], [made(name)], [made(name)])
    assert count_of(name) == 3


def test_nothing_is_left_of_changes_that_the_server_refuses(name: str) -> None:
    one = made(name)
    with pytest.raises(IntegrityError):
        change_together([made(name)], [one], [one])
    assert count_of(name) == 0


def test_nothing_is_left_of_changes_that_cannot_be_written(name: str) -> None:
    """The driver finds out when it has put down the first of them already."""
    with pytest.raises(DataError):
        change_together([made(name)], [made(f"{name}\0")])
    assert count_of(name) == 0


def test_nothing_is_left_of_a_transaction_either(name: str) -> None:
    with transaction.atomic():
        change_together([made(name)])
        with pytest.raises(DataError):
            change_together([made(name)], [made(f"{name}\0")])
    assert count_of(name) == 0


def test_a_transaction_is_begun_once(name: str) -> None:
    said: list[Any] = []
    connection.ensure_connection()
    connection.connection.add_notice_handler(said.append)
    with transaction.atomic():
        change_together([made(name)], [made(name)])
        assert count_of(name) == 2
        transaction.set_rollback(True)
    connection.connection.remove_notice_handler(said.append)
    assert not said
    assert count_of(name) == 0
