"""Signing in, where it leads, one's organisations and one's API keys."""

from __future__ import annotations

import html
import re

import pytest
from django.test import Client

from orgs.keys import create_key, tenant_of_text
from orgs.members import add_member
from orgs.models import ApiKey
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant
from tests.cast import PASSWORD, Cast

BACKEND = "django.contrib.auth.backends.ModelBackend"


def browser_of(tenant: Tenant) -> Client:
    client = Client()
    client.force_login(tenant.user, backend=BACKEND)
    return client


def sign_in(email: str, password: str, client: Client | None = None) -> tuple[Client, int, str]:
    client = client or Client(REMOTE_ADDR="192.0.2.7")
    response = client.post("/accounts/login/", {"login": email, "password": password})
    return client, response.status_code, response.content.decode()


def test_signing_in_leads_to_where_the_role_works(cast: Cast) -> None:
    places = {
        cast.alice: "/admin/",
        cast.olivia: "/admin/",
        cast.rita: "/admin/",
        cast.audrey: "/admin/",
        cast.max: "/chat/",
    }
    for tenant, place in places.items():
        client, status, _ = sign_in(tenant.user.email.upper(), PASSWORD)
        assert status == 302
        response = client.get("/")
        assert response["Location"] == place, tenant.role


def test_the_header_offers_what_the_role_may(cast: Cast) -> None:
    member = browser_of(cast.max).get("/account/data/").content.decode()
    assert 'href="/chat/"' in member
    assert 'href="/admin/"' not in member
    auditor = browser_of(cast.audrey).get("/account/data/").content.decode()
    assert 'href="/chat/"' not in auditor
    assert 'href="/admin/"' in auditor


def test_a_stranger_is_asked_to_sign_in(database: None) -> None:
    assert Client().get("/")["Location"] == "/accounts/login/"
    page = Client().get("/accounts/signup/").content.decode()
    assert "Nobody signs up by themselves here" in page
    assert "<form" not in page.partition("<main")[2]


def test_a_wrong_password_says_nothing_about_the_account(cast: Cast) -> None:
    _, _, known = sign_in(cast.max.user.email, "wrong", Client(REMOTE_ADDR="192.0.2.8"))
    _, _, unknown = sign_in("nobody@example.org", "wrong", Client(REMOTE_ADDR="192.0.2.8"))

    def errors(page: str) -> list[str]:
        return re.findall(r'role="alert">(.*?)</div>', page, re.DOTALL)

    assert errors(known)
    assert errors(known) == errors(unknown)


def test_ten_wrong_passwords_lock_one_account_and_say_so(cast: Cast) -> None:
    client = Client(REMOTE_ADDR="192.0.2.9")
    for _ in range(10):
        _, status, page = sign_in(cast.max.user.email, "wrong", client)
    assert status == 429
    assert "Locked for now" in page
    _, status, page = sign_in(cast.max.user.email.upper(), PASSWORD, client)
    assert status == 429, "the right password opened a locked account"
    _, status, _ = sign_in(cast.rita.user.email, PASSWORD, client)
    assert status == 302, "a colleague behind the same address was locked out"


def test_a_person_of_two_organisations_moves_between_them(cast: Cast) -> None:
    add_member(cast.other_organisation, cast.max.user, Role.AUDITOR)
    client = browser_of(cast.max)
    assert cast.other_organisation.name in client.get("/account/data/").content.decode()
    moved = client.post("/account/organisation/", {"organisation": str(cast.other_organisation.pk)})
    assert moved.status_code == 302
    assert client.get("/")["Location"] == "/admin/"
    page = client.get("/account/data/").content.decode()
    assert f"What {cast.other_organisation.name} holds about you" in page


@pytest.mark.parametrize("how", ["a stranger's", "nonsense"])
def test_nobody_moves_into_an_organisation_they_do_not_belong_to(cast: Cast, how: str) -> None:
    wanted = str(cast.other_organisation.pk) if how == "a stranger's" else "nonsense"
    client = browser_of(cast.max)
    response = client.post("/account/organisation/", {"organisation": wanted})
    assert response.status_code == 404
    page = client.get("/account/data/").content.decode()
    assert cast.other_organisation.name not in page


def test_a_new_key_is_shown_once_and_works(cast: Cast) -> None:
    client = browser_of(cast.max)
    made = client.post(
        "/account/keys/", {"name": "invoice bot", "scopes": ["chat"], "days": "30"}
    ).content.decode()
    found = re.search(r'id="new-key" value="(lxc_[^"]+)"', made)
    assert found is not None
    text = html.unescape(found[1])
    assert f"Bearer {text}" in html.unescape(made)
    tenant = tenant_of_text(text)
    assert tenant is not None
    assert tenant.user == cast.max.user
    assert tenant.permissions == {Permission.CHAT}
    again = client.get("/account/keys/").content.decode()
    assert "invoice bot" in again
    assert text not in again


def test_a_key_cannot_be_given_what_its_owner_lacks(cast: Cast) -> None:
    client = browser_of(cast.max)
    page = client.post(
        "/account/keys/", {"name": "too much", "scopes": ["audit:read"], "days": "30"}
    ).content.decode()
    assert "Select a valid choice" in page
    assert not ApiKey.objects.for_tenant(cast.max).exists()


def test_a_key_is_revoked_by_its_owner_only(cast: Cast) -> None:
    key, text = create_key(cast.max, name="bot", scopes=[Permission.CHAT])
    address = f"/account/keys/{key.pk}/revoke/"
    for stranger in (cast.rita, cast.charlie):
        assert browser_of(stranger).post(address).status_code == 404
    assert tenant_of_text(text) is not None
    client = browser_of(cast.max)
    assert client.get(address).status_code == 405
    assert client.post(address).status_code == 302
    assert tenant_of_text(text) is None
    assert "revoked" in client.get("/account/keys/").content.decode()


def test_an_address_is_not_changed_by_oneself(cast: Cast) -> None:
    client = browser_of(cast.max)
    response = client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    assert response.status_code == 302
    assert response["Location"] == "/account/data/"
    cast.max.user.refresh_from_db()
    assert cast.max.user.email != "new@example.org"


def test_two_step_sign_in_is_set_up_and_asked_for(cast: Cast) -> None:
    from allauth.mfa.totp.internal.auth import (
        format_hotp_value,
        hotp_value,
        yield_hotp_counters_from_time,
    )

    client, _, _ = sign_in(cast.max.user.email, PASSWORD)
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked["Location"].startswith("/accounts/reauthenticate/"), "no password was asked for"
    assert client.post(asked["Location"], {"password": PASSWORD}).status_code == 302
    page = client.get("/accounts/2fa/totp/activate/").content.decode()
    assert "<svg" in page
    assert "data:image" not in page, "the policy would not show it"
    found = re.search(r'id="authenticator_secret" value="([A-Z2-7]+)"', page)
    assert found is not None
    counter = next(iter(yield_hotp_counters_from_time()))
    code = format_hotp_value(hotp_value(found[1], counter))
    assert client.post("/accounts/2fa/totp/activate/", {"code": code}).status_code == 302
    again, status, _ = sign_in(cast.max.user.email, PASSWORD)
    assert status == 302
    assert again.get("/chat/").status_code == 302, "the password alone opened the account"
    assert "Two-Factor" in again.get("/accounts/2fa/authenticate/").content.decode()
