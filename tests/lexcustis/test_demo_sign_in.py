"""One click signs in to the demo, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_PASSWORD
from orgs.models import User
from tests.cast import Cast

BUTTON = "Look around as"


@pytest.fixture
def member(database: None) -> Iterator[User]:
    """The demo's member, as the demo's seed makes them: whoever seeds it later finds nobody."""
    found = User.objects.filter(email="member@demo.example").first()
    user = found or User.objects.create_user("member@demo.example", DEMO_PASSWORD, name="Mira")
    yield user
    if found is None:
        User.objects.filter(pk=user.pk).update(email=f"{user.pk}@demo.example")


def test_one_click_signs_in(member: User) -> None:
    client = Client()
    page = client.get("/accounts/login/").content.decode()
    assert BUTTON in page
    assert all(f'value="{account.email}"' in page for account in DEMO_ACCOUNTS)
    assert client.post("/demo/sign-in/", {"email": member.email}).status_code == 302
    assert client.session["_auth_user_id"] == str(member.pk)


def test_outside_the_demo_there_is_no_such_door(member: User, settings: Any) -> None:
    settings.DEMO = False
    client = Client()
    assert BUTTON not in client.get("/accounts/login/").content.decode()
    assert client.post("/demo/sign-in/", {"email": member.email}).status_code == 404
    assert "_auth_user_id" not in client.session


def test_only_the_demos_own_accounts_are_offered(cast: Cast) -> None:
    client = Client()
    assert client.post("/demo/sign-in/", {"email": cast.alice.user.email}).status_code == 404
    assert "_auth_user_id" not in client.session


def test_a_link_or_a_foreign_form_does_not_sign_in(member: User) -> None:
    assert Client().get("/demo/sign-in/", {"email": member.email}).status_code == 405
    checked = Client(enforce_csrf_checks=True)
    assert checked.post("/demo/sign-in/", {"email": member.email}).status_code == 403


def test_it_leads_on_to_our_own_pages_only(member: User) -> None:
    client = Client()
    there = client.post("/demo/sign-in/", {"email": member.email, "next": "/account/data/"})
    assert there["Location"] == "/account/data/"
    for foreign in ("https://evil.example/", "//evil.example/", "javascript:alert(1)"):
        away = client.post("/demo/sign-in/", {"email": member.email, "next": foreign})
        assert away["Location"] == "/"
