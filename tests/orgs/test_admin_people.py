"""Members, keys, people and the organisation, as an administrator meets them in the admin."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from audit.models import RecordIndex
from orgs.keys import tenant_of_text
from orgs.models import ApiKey, Membership, Organisation, User
from orgs.roles import Role
from tests.admin_pages import signed_in
from tests.cast import PASSWORD, Cast


@pytest.fixture
def alice(cast: Cast) -> Client:
    return signed_in(cast.alice.user)


@pytest.fixture
def address() -> str:
    return f"nora-{secrets.token_hex(4)}@example.org"


@pytest.fixture
def operator(cast: Cast) -> Client:
    email = f"otto-{secrets.token_hex(4)}@example.org"
    return signed_in(User.objects.create_superuser(email, PASSWORD, name="Otto"))


def kinds(cast: Cast) -> list[str]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    return list(rows.order_by("-at", "-record_id").values_list("kind", flat=True))


def invite(client: Client, email: str, **values: Any) -> Any:
    values = {"email": email, "name": "Nora New", "role": Role.REVIEWER, **values}
    return client.post(reverse("admin:orgs_membership_add"), values, follow=True)


def test_an_invited_person_sets_a_password_by_the_link_in_the_mail(
    cast: Cast, alice: Client, address: str
) -> None:
    response = invite(alice, address)
    assert response.status_code == 200
    membership = Membership.objects.for_tenant(cast.alice).get(user__email=address)
    assert membership.role == Role.REVIEWER
    assert kinds(cast)[0] == "member.added"
    (letter,) = mail.outbox
    assert letter.to == [address]
    assert cast.organisation.name in letter.subject
    assert "Nora" not in letter.subject
    link = re.search(r"http://testserver(/\S+)", letter.body)
    assert link is not None
    stranger = Client()
    form = stranger.get(link[1], follow=True)
    assert "Choose a password" in form.content.decode()
    new = "a rather long passphrase 7"
    values = {"password1": new, "password2": new}
    done = stranger.post(form.request["PATH_INFO"], values, follow=True)
    assert "The password is saved" in done.content.decode()
    assert User.objects.get(email=address).check_password(new)
    again = Client().get(link[1], follow=True).content.decode()
    assert "This link does not work any more" in again


def test_a_forgotten_password_is_chosen_anew_by_a_link(cast: Cast, client: Client) -> None:
    place = reverse("account_reset_password")
    assert "You get a link" in client.get(place).content.decode()
    sent = client.post(place, {"email": cast.max.user.email}, follow=True).content.decode()
    assert "Look into your mail" in sent
    unknown = {"email": f"nobody-{cast.organisation.slug}@example.org"}
    assert client.post(place, unknown, follow=True).content.decode() == sent  # nobody is told
    letter = next(one for one in mail.outbox if one.to == [cast.max.user.email])
    link = re.search(r"http://testserver(/\S+)", letter.body)
    assert link is not None
    assert "Choose a password" in client.get(link[1], follow=True).content.decode()


def test_somebody_known_keeps_name_and_password_and_is_told_to_sign_in(
    cast: Cast, alice: Client
) -> None:
    invite(alice, cast.charlie.user.email, name="Somebody Else")
    charlie = User.objects.get(pk=cast.charlie.user.pk)
    assert charlie.name == cast.charlie.user.name
    assert charlie.check_password(PASSWORD)
    assert "/accounts/login/" in mail.outbox[-1].body
    assert "password" not in mail.outbox[-1].body.replace("set-password", "")


def test_a_refusal_of_the_domain_is_shown_on_the_form(cast: Cast, alice: Client) -> None:
    response = invite(alice, cast.max.user.email)
    assert response.status_code == 200
    assert cast.max.user.email in response.content.decode()
    assert response.context["errors"]
    own = Membership.objects.for_tenant(cast.alice).get(user=cast.alice.user)
    place = reverse("admin:orgs_membership_change", args=[own.pk])
    response = alice.post(place, {"role": Role.MEMBER})
    assert "at least one administrator" in response.content.decode()
    removal = reverse("admin:orgs_membership_delete", args=[own.pk])
    gone = alice.post(removal, {"post": "yes"}, follow=True)
    assert "at least one administrator" in gone.content.decode()
    own.refresh_from_db()
    assert own.role == Role.ADMINISTRATOR


def test_a_role_is_changed_and_taken_away_on_record(cast: Cast, alice: Client) -> None:
    row = Membership.objects.for_tenant(cast.alice).get(user=cast.max.user)
    alice.post(reverse("admin:orgs_membership_change", args=[row.pk]), {"role": Role.AUDITOR})
    row.refresh_from_db()
    assert row.role == Role.AUDITOR
    alice.post(reverse("admin:orgs_membership_delete", args=[row.pk]), {"post": "yes"})
    assert not Membership.objects.for_tenant(cast.alice).filter(pk=row.pk).exists()
    assert User.objects.filter(pk=cast.max.user.pk).exists()
    assert kinds(cast)[:2] == ["member.removed", "member.changed"]


def test_a_line_break_in_a_name_makes_no_header(cast: Cast, alice: Client, address: str) -> None:
    Organisation.objects.filter(pk=cast.organisation.pk).update(name="Acme\nBcc: x@example.org")
    invite(alice, address)
    (letter,) = mail.outbox
    assert "\n" not in letter.subject
    assert letter.recipients() == [address]


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(cast: Cast, alice: Client) -> None:
    values = {"name": "nightly import", "scopes": ["chat"]}
    made = alice.post(reverse("admin:orgs_apikey_add"), values)
    text = re.search(r"lxc_[0-9a-f]{8}_[\w-]+", made.content.decode())
    assert text is not None
    assert made.headers["Cache-Control"].count("no-store") == 1
    tenant = tenant_of_text(text[0])
    assert tenant is not None
    assert tenant.user == cast.alice.user
    key = ApiKey.objects.for_tenant(cast.alice).get(name="nightly import")
    for place in ("changelist", "change"):
        arguments = [key.pk] if place == "change" else []
        page = alice.get(reverse(f"admin:orgs_apikey_{place}", args=arguments))
        assert text[0] not in page.content.decode()
        assert key.prefix in page.content.decode()
    alice.post(reverse("admin:orgs_apikey_revoke", args=[key.pk]))
    assert tenant_of_text(text[0]) is None
    assert kinds(cast)[0] == "key.revoked"


def organisation_values(cast: Cast, **values: Any) -> dict[str, Any]:
    organisation = cast.organisation
    return {
        "name": organisation.name,
        "slug": organisation.slug,
        "legal_name": organisation.legal_name,
        "register_number": "",
        "country": "de",
        "time_zone": "Europe/Berlin",
        "language": "de",
        "regions": ["EU"],
        "further_countries": "",
        "notice": "You talk to a machine.",
        **values,
    }


def test_the_officer_changes_the_organisation_on_record(cast: Cast) -> None:
    olivia = signed_in(cast.olivia.user)
    place = reverse("admin:orgs_organisation_change", args=[cast.organisation.pk])
    values = organisation_values(cast, further_countries="ch, JP")
    assert olivia.post(place, values).status_code == 302
    changed = Organisation.objects.get(pk=cast.organisation.pk)
    assert changed.allowed_regions == ["EU", "CH", "JP"]
    assert changed.country == "DE"
    assert kinds(cast)[0] == "organisation.changed"
    for wrong in ({"further_countries": "Japan"}, {"regions": []}, {"time_zone": "Mars/Base"}):
        response = olivia.post(place, organisation_values(cast, **wrong))
        assert response.status_code == 200, wrong
        assert response.context["errors"], wrong


def test_pausing_asks_for_a_reason_and_is_undone(cast: Cast) -> None:
    olivia = signed_in(cast.olivia.user)
    olivia.post(reverse("admin:pause"), {"reason": "  "})
    assert not Organisation.objects.get(pk=cast.organisation.pk).is_paused
    page = olivia.post(reverse("admin:pause"), {"reason": "Odd answers since noon"}, follow=True)
    assert "Odd answers since noon" in page.content.decode()
    assert Organisation.objects.get(pk=cast.organisation.pk).is_paused
    olivia.post(reverse("admin:resume"))
    assert not Organisation.objects.get(pk=cast.organisation.pk).is_paused
    assert kinds(cast)[:2] == ["organisation.resumed", "organisation.paused"]


def test_the_operator_founds_an_organisation(operator: Client, address: str) -> None:
    slug = address.partition("@")[0]
    values = {
        "name": "Newly founded",
        "slug": slug,
        "administrator_email": address,
        "administrator_name": "Nora New",
    }
    operator.post(reverse("admin:orgs_organisation_add"), values)
    organisation = Organisation.objects.get(slug=slug)
    nora = Membership.objects.for_organisation(organisation.pk).get()
    assert (nora.user.email, nora.role) == (address, Role.ADMINISTRATOR)
    assert mail.outbox[-1].to == [address]


def test_the_operator_hands_over_an_initial_password_once(operator: Client, address: str) -> None:
    values = {"email": address, "name": "Nora", "way_in": "password"}
    made = operator.post(reverse("admin:orgs_user_add"), values)
    password = re.search(r'id="secret">([^<]+)<', made.content.decode())
    assert password is not None
    nora = User.objects.get(email=address)
    assert nora.check_password(password[1])
    assert mail.outbox == []
    page = operator.get(reverse("admin:orgs_user_change", args=[nora.pk])).content.decode()
    assert password[1] not in page
    assert nora.password not in page


def test_locking_a_person_is_on_record_in_each_of_their_organisations(
    cast: Cast, operator: Client
) -> None:
    person = cast.max.user
    values = {"name": person.name, "email": person.email}
    operator.post(reverse("admin:orgs_user_change", args=[person.pk]), values)
    assert not User.objects.get(pk=person.pk).is_active
    assert kinds(cast)[0] == "member.changed"
    assert signed_in(person).get(reverse("admin:index"), follow=True).status_code != 500


def test_a_page_without_a_csrf_token_changes_nothing(cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(cast.alice.user, "django.contrib.auth.backends.ModelBackend")
    for name in ("admin:pause", "admin:resume", "admin:orgs_membership_add", "admin:audit_verify"):
        assert strict.post(reverse(name), {"reason": "x"}).status_code == 403
