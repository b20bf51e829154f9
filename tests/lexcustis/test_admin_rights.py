"""Each page of the admin opens for exactly those whose role grants what it shows."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from orgs.models import Organisation, User
from orgs.roles import ADMIN_ROLES, GRANTS, Permission, Role
from tests.admin_pages import address, furnish, signed_in, tenant_pages
from tests.cast import PASSWORD, Cast

PEOPLE = {
    Role.ADMINISTRATOR: "alice",
    Role.COMPLIANCE_OFFICER: "olivia",
    Role.REVIEWER: "rita",
    Role.MEMBER: "max",
    Role.AUDITOR: "audrey",
}
# Pages that are no list of rows, and what each needs.
OTHER_PAGES = {
    "admin:audit_log": Permission.AUDIT_READ,
    "admin:audit_progress": Permission.AUDIT_READ,
    "admin:llm_usage": Permission.USAGE_READ,
    "admin:llm_usage_csv": Permission.USAGE_READ,
    "admin:llm_billing_csv": Permission.USAGE_READ,
    "admin:pause": Permission.ORGANISATION_MANAGE,
}
OTHER_ACTS = {
    "admin:llm_billing_test": Permission.ORGANISATION_MANAGE,
    "admin:audit_verify": Permission.AUDIT_READ,
    "admin:pause": Permission.ORGANISATION_MANAGE,
    "admin:resume": Permission.ORGANISATION_MANAGE,
}


Clients = dict[Role, Client]


def test_an_address_of_a_button_says_so_to_who_comes_back_from_signing_in(cast: Cast) -> None:
    page = signed_in(cast.olivia.user).get(reverse("admin:audit_verify"))
    assert page.status_code == 405
    assert "Nothing was done" in page.content.decode()


@pytest.fixture
def clients(cast: Cast) -> Clients:
    """Somebody of each role, signed in."""
    return {role: signed_in(getattr(cast, name).user) for role, name in PEOPLE.items()}


def is_granted(role: Role, permission: Permission | None) -> bool:
    return role in ADMIN_ROLES and permission in GRANTS[role]


def wrong(
    clients: Clients,
    permission: Permission | None,
    place: str,
    *,
    posted: dict[str, str] | None = None,
) -> list[str]:
    """The roles to which a page, or a button where *posted*, gives more or less than granted."""
    found = []
    for role, client in clients.items():
        if posted is not None:
            response = client.post(place, posted, follow=True)
            opened = response.status_code == 200
        else:
            response = client.get(place, follow=True)
            # Somebody refused may also be sent to another page of the admin.
            sent_on = response.redirect_chain and not is_granted(role, permission)
            opened = response.status_code == 200 and not sent_on
        if opened != is_granted(role, permission) or response.status_code not in (200, 403):
            found.append(f"{role}: {response.status_code}")
    return found


def test_every_list_opens_for_those_who_may_see_it(clients: Clients) -> None:
    assert len(tenant_pages()) >= 5
    for page in tenant_pages():
        place = address(page, "changelist")
        permission = page.permissions.get("view")
        assert wrong(clients, permission, place) == [], page


def test_every_form_for_new_rows_opens_for_those_who_may_add(clients: Clients) -> None:
    for page in tenant_pages():
        place = address(page, "add")
        permission = page.permissions.get("add")
        assert wrong(clients, permission, place) == [], page


def test_every_row_opens_for_those_who_may_see_it(clients: Clients, cast: Cast) -> None:
    furnish(cast)
    for page in tenant_pages():
        for row in page.model.objects.for_tenant(cast.alice)[:1]:
            place = address(page, "change", row.pk)
            permission = page.permissions.get("view")
            assert wrong(clients, permission, place) == [], page


def test_only_those_who_may_change_or_remove_a_row_can(clients: Clients, cast: Cast) -> None:
    furnish(cast)
    for page in tenant_pages():
        for row in page.model.objects.for_tenant(cast.alice)[:1]:
            for act in ("change", "delete"):
                place = address(page, act, row.pk)
                permission = page.permissions.get(act)
                found = wrong(clients, permission, place, posted={})
                assert found == [], (page, act)
            assert page.model.objects.for_tenant(cast.alice).filter(pk=row.pk).exists()


def test_the_other_pages_and_acts(clients: Clients) -> None:
    for name, permission in OTHER_PAGES.items():
        place = reverse(name)
        assert wrong(clients, permission, place) == [], name
    for name, permission in OTHER_ACTS.items():
        place = reverse(name)
        found = wrong(clients, permission, place, posted={"reason": "test"})
        assert found == [], name


def test_ones_own_organisation(clients: Clients, cast: Cast) -> None:
    own = reverse("admin:orgs_organisation_change", args=[cast.organisation.pk])
    manage = Permission.ORGANISATION_MANAGE
    assert wrong(clients, manage, own) == []
    for name in ("admin:orgs_organisation_add", "admin:orgs_user_changelist"):
        place = reverse(name)
        assert wrong(clients, None, place) == [], name


def test_the_column_offers_only_what_opens(clients: Clients) -> None:
    for role, client in clients.items():
        response = client.get(reverse("admin:index"), follow=True)
        if role not in ADMIN_ROLES:
            assert response.status_code == 403
            continue
        entries = [entry for group in response.context["navigation"] for entry in group.entries]
        assert len(entries) >= 3
        for entry in entries:
            assert client.get(entry.address, follow=True).status_code == 200, (role, entry)


def test_a_button_is_refused_like_the_page_it_stands_on(clients: Clients, cast: Cast) -> None:
    things = furnish(cast)
    for name, pk, permission in (
        ("orgs_apikey_revoke", things.key.pk, Permission.KEY_MANAGE),
        ("orgs_membership_invite_again", things.member.pk, Permission.MEMBER_MANAGE),
        ("llm_providersettings_disable", things.provider.pk, Permission.PROVIDER_MANAGE),
        ("llm_providersettings_enable", things.provider.pk, Permission.PROVIDER_MANAGE),
        ("llm_providersettings_test", things.provider.pk, Permission.PROVIDER_MANAGE),
        ("oversight_review_take", things.review.pk, Permission.REVIEW),
        ("oversight_review_decide", things.review.pk, Permission.REVIEW),
        ("oversight_task_done", things.task.pk, Permission.INCIDENT_MANAGE),
    ):
        place = reverse(f"admin:{name}", args=[pk])
        assert wrong(clients, permission, place, posted={}) == [], name


def test_a_stranger_is_sent_to_the_accounts_sign_in(database: None) -> None:
    response = Client().get(reverse("admin:index"), follow=True)
    assert [step[0].partition("?")[0] for step in response.redirect_chain][-1] == "/accounts/login/"
    assert "next=/admin/" in response.redirect_chain[-1][0].replace("%2F", "/")


def test_passwords_and_signing_out_belong_to_the_account_pages(cast: Cast) -> None:
    alice = signed_in(cast.alice.user)
    for path in ("/admin/password_change/", "/admin/logout/"):
        assert alice.get(path).headers["Location"].startswith("/accounts/")
    assert alice.get("/admin/auth/group/").status_code == 404


def test_an_operator_manages_organisations_and_people_and_sees_nothing_inside(cast: Cast) -> None:
    """P4: the operator of the instance is no member anywhere."""
    furnish(cast)
    number = User.objects.count()
    operator = User.objects.create_superuser(f"op{number}@example.org", PASSWORD, name="Otto")
    client = signed_in(operator)
    assert client.get(reverse("admin:index")).status_code == 200
    assert client.get(reverse("admin:orgs_user_changelist")).status_code == 200
    own = client.get(reverse("admin:orgs_organisation_change", args=[cast.organisation.pk]))
    assert own.status_code == 200
    assert cast.organisation.legal_name not in own.content.decode()
    for page in tenant_pages():
        assert client.get(address(page, "changelist")).status_code == 403
        row = page.model.objects.for_tenant(cast.alice).first()
        if row is not None:
            assert client.get(address(page, "change", row.pk)).status_code in (403, 404)
    for name in OTHER_PAGES:
        assert client.get(reverse(name)).status_code == 403
    changed = client.post(
        reverse("admin:orgs_organisation_change", args=[cast.organisation.pk]), {"name": "Mine"}
    )
    assert changed.status_code == 403
    assert Organisation.objects.get(pk=cast.organisation.pk).name != "Mine"


def test_an_operator_who_is_a_member_too_finds_both(cast: Cast) -> None:
    User.objects.filter(pk=cast.alice.user.pk).update(is_superuser=True)
    page = signed_in(cast.alice.user).get(reverse("admin:orgs_organisation_changelist"))
    entries = [entry for group in page.context["navigation"] for entry in group.entries]
    assert [str(entry.label) for entry in entries if entry.is_current] == ["Organisations"]
    own = reverse("admin:orgs_organisation_change", args=[cast.organisation.pk])
    assert own in [entry.address for entry in entries]
    assert len({entry.address for entry in entries}) == len(entries)
