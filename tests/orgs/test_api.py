"""The API of who: the caller, their keys, their colleagues."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from django.utils import timezone

from orgs.keys import create_key
from orgs.members import add_member
from orgs.models import ApiKey
from orgs.roles import Permission, Role
from tests.cast import Cast
from tests.live import signed_in, with_key


@pytest.fixture
def max_(web_server: str, cast: Cast) -> Iterator[httpx2.Client]:
    with signed_in(web_server, cast.max) as client:
        yield client


def test_me_says_who_where_and_what(max_: httpx2.Client, cast: Cast) -> None:
    me = max_.get("/api/v1/me").json()
    assert me["user"]["id"] == str(cast.max.user.pk)
    assert me["organisation"] == {
        "id": str(cast.organisation.pk),
        "name": cast.organisation.name,
        "role": "member",
    }
    assert me["permissions"] == ["chat"]
    assert me["api_key_id"] is None
    assert [one["role"] for one in me["organisations"]] == ["member"]


def test_a_key_sees_its_own_organisation_only(web_server: str, cast: Cast) -> None:
    add_member(cast.other_organisation, cast.max.user, Role.AUDITOR)
    key, text = create_key(cast.max, name="one", scopes=list(Permission))
    with signed_in(web_server, cast.max) as person:
        assert len(person.get("/api/v1/me").json()["organisations"]) == 2
    with with_key(web_server, text) as program:
        me = program.get("/api/v1/me").json()
    assert me["api_key_id"] == str(key.pk)
    assert me["permissions"] == ["chat"]
    assert [one["id"] for one in me["organisations"]] == [str(cast.organisation.pk)]


def test_a_key_is_made_shown_once_and_revoked(
    max_: httpx2.Client, web_server: str, cast: Cast
) -> None:
    later = (timezone.now() + timedelta(days=1)).isoformat()
    body = {"name": "Nightly", "scopes": ["chat"], "expires_at": later}
    made = max_.post("/api/v1/keys", json=body)
    assert made.status_code == 201
    key = made.json()
    (listed,) = max_.get("/api/v1/keys").json()
    assert listed["id"] == key["id"]
    assert "key" not in listed
    secret = key["key"].rpartition("_")[2]
    assert secret not in max_.get("/api/v1/keys").text
    with with_key(web_server, key["key"]) as program:
        assert program.get("/api/v1/me").status_code == 200
        assert max_.delete(f"/api/v1/keys/{key['id']}").status_code == 204
        assert program.get("/api/v1/me").status_code == 401
    assert ApiKey.objects.for_tenant(cast.max).get(pk=key["id"]).revoked_at is not None


def test_a_key_makes_no_keys(web_server: str, cast: Cast) -> None:
    _, text = create_key(cast.alice, name="one", scopes=[Permission.CHAT])
    with with_key(web_server, text) as program:
        response = program.post("/api/v1/keys", json={"name": "two", "scopes": ["member:manage"]})
    assert response.status_code == 403
    assert ApiKey.objects.for_tenant(cast.alice).count() == 1


def test_whose_keys_one_may_revoke(web_server: str, cast: Cast) -> None:
    key, _ = create_key(cast.max, name="his", scopes=[Permission.CHAT])
    for tenant, status in ((cast.rita, 404), (cast.charlie, 404), (cast.alice, 204)):
        with signed_in(web_server, tenant) as client:
            assert client.delete(f"/api/v1/keys/{key.pk}").status_code == status


def test_members_are_seen_by_whom_it_concerns(web_server: str, cast: Cast) -> None:
    with signed_in(web_server, cast.alice) as alice:
        members = alice.get("/api/v1/members").json()
    assert {one["role"] for one in members} == {role.value for role in Role}
    assert str(cast.charlie.user.pk) not in {one["user"]["id"] for one in members}
    with signed_in(web_server, cast.max) as plain:
        refused = plain.get("/api/v1/members")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
