"""Queries written once give what the plain ones give."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from django.db import connection, connections

from orgs.identifiers import uuid7
from orgs.models import Membership, User
from orgs.prepared_queries import (
    PreparedQuery,
    asking_once,
    insertion,
    once,
    read_ahead,
)
from orgs.trips import ask, change_together
from tests.cast import Cast


def _of_organisation(organisation_id: UUID, role: str):
    members = Membership.objects.for_organisation(organisation_id).exclude(role=role)
    return members.select_related("user", "organisation").order_by("pk")


def test_the_rows_are_those_of_the_plain_query(cast: Cast) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    for role in ("member", "auditor"):
        plain = list(_of_organisation(cast.organisation.pk, role))
        found = prepared(cast.organisation.pk, role)
        assert found == plain
        assert [row.user.email for row in found] == [row.user.email for row in plain]
        assert {row.organisation.name for row in found} == {cast.organisation.name}
    assert prepared(UUID(int=9), "member") == []


def test_related_rows_come_along(cast: Cast, django_assert_num_queries) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    found = prepared(cast.organisation.pk, "auditor")
    with django_assert_num_queries(0):
        assert found
        assert all(row.user.name for row in found)


@pytest.mark.parametrize("threshold", [5, None])
def test_plans_are_remembered_unless_a_pooler_shares_connections(
    database: None, threshold: int | None
) -> None:
    """``threshold`` is what the setting DATABASE_REMEMBERS_PLANS turns into."""
    mark = secrets.token_hex(8)
    connection.ensure_connection()
    before = connection.connection.prepare_threshold
    connection.connection.prepare_threshold = threshold
    for number in range(3):
        assert ask(f"SELECT %s::integer + 1 /* {mark} */", [number]) == [(number + 1,)]
    connection.connection.prepare_threshold = before
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        remembered = [statement for (statement,) in cursor.fetchall() if mark in statement]
    assert len(remembered) == (0 if threshold is None else 1)


def test_each_thread_asks_on_its_own_connection(cast: Cast) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    expected = prepared(cast.organisation.pk, "auditor")

    def found_by(_number: int) -> list[Membership]:
        try:
            return prepared(cast.organisation.pk, "auditor")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as threads:
        assert all(found == expected for found in threads.map(found_by, range(40)))


def test_a_query_without_one_of_its_places_is_a_mistake(cast: Cast) -> None:
    forgetful = PreparedQuery(
        lambda organisation_id, _role: Membership.objects.for_organisation(organisation_id),
        UUID(int=1),
        "role",
    )
    with pytest.raises(ValueError, match="examples"):
        forgetful(cast.organisation.pk, "member")


def test_rows_are_inserted_as_django_would_write_them(cast: Cast) -> None:
    made = [
        User(email=f"{name}-{cast.organisation.slug}@example.org", name=name)
        for name in ("Ada", "Zoë")
    ]
    names = [field.attname for field in User._meta.concrete_fields]
    values = [{name: getattr(user, name) for name in names} for user in made]
    change_together([insertion(User, **row) for row in values])
    for user in made:
        found = User.objects.get(pk=user.pk)
        assert (found.name, found.created_at, found.is_active) == (
            user.name,
            user.created_at,
            True,
        )


@pytest.mark.usefixtures("cast")
def test_rows_have_the_defaults_of_their_columns_and_no_others() -> None:
    email = f"{uuid7()}@example.org"
    change_together([insertion(User, email=email, name="Ada")])
    found = User.objects.get(email=email)
    assert (found.name, found.is_active, found.is_staff) == ("Ada", True, False)
    with pytest.raises(TypeError, match="no nickname"):
        insertion(User, email=email, nickname="A")


def test_a_question_is_asked_once_in_its_block_and_anew_after_it(cast: Cast) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    values, nobody = (cast.organisation.pk, "auditor"), (UUID(int=9), "auditor")
    expected = prepared(*values)
    with asking_once():
        read_ahead((prepared, values), (prepared, nobody))
        removed = Membership.objects.for_organisation(cast.organisation.pk)
        removed.exclude(role="auditor").delete()
        assert prepared(*nobody) == []
        first, second = prepared(*values), prepared(*values)
        assert first == second == expected
        first.clear()  # a list of one's own
        assert prepared(*values) == expected
    assert prepared(*values) == []
    read_ahead((prepared, values))  # outside of a block it reads nothing
    Membership.unscoped.create(
        organisation=cast.organisation, user=expected[0].user, role=expected[0].role
    )
    assert len(prepared(*values)) == 1


def test_what_is_made_once_is_the_same_for_all_in_its_block() -> None:
    with asking_once():
        first = once(list, "ab")
        assert first == ["a", "b"]
        assert once(list, "ab") is first
        assert once(tuple, "ab") == ("a", "b")
        assert once(list, "c") == ["c"]
    assert once(list, "ab") is not once(list, "ab")


def test_what_was_made_of_rows_is_made_anew_once_they_change(cast: Cast) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    values = (cast.organisation.pk, "auditor")

    def read() -> list[Membership]:
        with asking_once():
            read_ahead((prepared, values))
            return prepared(*values)

    first, again = read(), read()
    assert again == first == list(_of_organisation(*values))
    assert len(prepared._made) == 1
    User.objects.filter(pk=first[0].user_id).update(name="Somebody Else")
    changed = read()
    assert changed[0].user.name == "Somebody Else"
    assert [row.user.name for row in changed] == [
        row.user.name for row in _of_organisation(*values)
    ]


def test_nothing_that_is_done_to_a_row_meets_whoever_reads_it_next(
    cast: Cast, django_assert_num_queries
) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    values = (cast.organisation.pk, "auditor")

    def read() -> Membership:
        with asking_once():
            read_ahead((prepared, values))
            return prepared(*values)[0]

    first, second = read(), read()
    regions = list(second.organisation.allowed_regions)
    first.organisation.name = "Changed"
    first.organisation.allowed_regions.append("XX")
    assert first.organisation.default_system.name  # asked for, and remembered in that object
    third = read()
    assert third.organisation.name == second.organisation.name == cast.organisation.name
    assert third.organisation.allowed_regions == second.organisation.allowed_regions == regions
    assert "default_system" not in third.organisation._state.fields_cache
    with django_assert_num_queries(0):
        assert third.user.email == second.user.email


def test_threads_share_no_answers(cast: Cast) -> None:
    prepared = PreparedQuery(_of_organisation, UUID(int=1), "example")
    values = (cast.organisation.pk, "auditor")

    def found_there() -> int:
        try:
            return len(prepared(*values))
        finally:
            connections.close_all()

    with asking_once(), ThreadPoolExecutor(1) as thread:
        before = len(prepared(*values))
        removed = Membership.objects.for_organisation(cast.organisation.pk)
        removed.exclude(role="auditor").delete()
        assert (before > 0, thread.submit(found_there).result()) == (True, 0)
