"""P4 in the admin: Charlie, who administers another organisation, learns nothing of Acme."""

from __future__ import annotations

import pytest
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import DisallowedRedirect, SuspiciousOperation
from django.test import Client
from django.urls import reverse

from audit.checkpoints import latest
from llm.models import ProviderSettings
from orgs.members import add_member
from orgs.models import ApiKey, Membership
from orgs.roles import Role
from tests.admin_pages import Things, address, furnish, signed_in, tenant_pages
from tests.cast import Cast
from tests.sealing import seal


@pytest.fixture
def things(cast: Cast) -> Things:
    return furnish(cast, name="Acme's own secret name")


@pytest.fixture
def charlie(cast: Cast) -> Client:
    return signed_in(cast.charlie.user)


def ours(cast: Cast, things: Things) -> list[str]:
    """Words that would give Acme away."""
    return [
        cast.organisation.name,
        str(cast.organisation.pk),
        cast.max.user.email,
        str(cast.max.user.pk),
        things.key.prefix,
        str(things.provider.pk),
        str(things.inference.pk),
        str(things.record.record_id),
        things.provider.name,
        str(things.review.pk),
        str(things.incident.pk),
        str(things.task.pk),
    ]


def test_no_list_and_no_filter_names_a_row_of_another_organisation(
    cast: Cast, things: Things, charlie: Client
) -> None:
    for page in tenant_pages():
        response = charlie.get(address(page, "changelist"))
        if response.status_code == 403:
            continue
        text = response.content.decode()
        assert [word for word in ours(cast, things) if word in text] == [], page


def test_no_row_opens_by_its_id(cast: Cast, things: Things, charlie: Client) -> None:
    tried = 0
    for page in tenant_pages():
        for row in page.model.objects.for_tenant(cast.alice)[:3]:
            for act in ("change", "delete", "history"):
                response = charlie.get(address(page, act, row.pk))
                assert response.status_code in (403, 404), (page, act, response.status_code)
                assert charlie.post(address(page, act, row.pk), {}).status_code in (403, 404, 405)
                tried += 1
    assert tried >= 15


def test_an_id_of_another_organisation_answers_like_one_that_does_not_exist(
    things: Things, charlie: Client
) -> None:
    name = "admin:audit_recordindex_change"
    real = charlie.get(reverse(name, args=[things.record.record_id]))
    invented = charlie.get(reverse(name, args=["019300000000700080000000000000aa"]))
    assert (real.status_code, real.content) == (invented.status_code, invented.content)


def test_no_button_reaches_across(cast: Cast, things: Things, charlie: Client) -> None:
    for name, pk in (
        ("admin:orgs_apikey_revoke", things.key.pk),
        ("admin:orgs_membership_invite_again", things.member.pk),
        ("admin:llm_providersettings_disable", things.provider.pk),
        ("admin:llm_providersettings_test", things.provider.pk),
    ):
        assert charlie.post(reverse(name, args=[pk])).status_code == 404, name
    assert (
        charlie.get(reverse("admin:audit_download", args=[things.record.record_id])).status_code
        == 404
    )
    assert ApiKey.objects.for_tenant(cast.alice).get(pk=things.key.pk).revoked_at is None
    assert ProviderSettings.objects.for_tenant(cast.alice).get(pk=things.provider.pk).is_enabled


def test_the_log_page_shows_ones_own_log(cast: Cast, things: Things, charlie: Client) -> None:
    seal()
    page = charlie.get(reverse("admin:audit_log")).content.decode()
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    assert checkpoint.root_hex not in page
    assert things.record.origin not in page


def test_searching_by_id_stays_inside(things: Things, charlie: Client) -> None:
    record_id = str(things.record.record_id)
    page = charlie.get(reverse("admin:audit_recordindex_changelist"), {"q": record_id})
    assert page.context["cl"].result_count == 0


def test_autocompletes_offer_nothing_of_another_organisation(
    cast: Cast, things: Things, charlie: Client
) -> None:
    for model, field in (("apikey", "owner"), ("membership", "user"), ("inference", "user")):
        app = "llm" if model == "inference" else "orgs"
        response = charlie.get(
            reverse("admin:autocomplete"),
            {"app_label": app, "model_name": model, "field_name": field, "term": ""},
        )
        assert response.status_code in (403, 404)
        assert cast.max.user.email not in response.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "organisation__id__exact={ours}",
        "user__password__startswith=argon2",
        "organisation__name__startswith=Acme",
        "digest__startswith=a",
    ],
)
def test_a_query_string_probes_no_column_that_nobody_shows(
    cast: Cast, things: Things, charlie: Client, query: str
) -> None:
    query = query.format(ours=cast.organisation.pk)
    for page in tenant_pages():
        try:
            response = charlie.get(f"{address(page, 'changelist')}?{query}")
        except (SuspiciousOperation, DisallowedRedirect, IncorrectLookupParameters):
            continue
        if response.status_code == 200:
            assert response.context["cl"].result_count == 0, page
        else:
            assert response.status_code in (302, 400, 403), (page, response.status_code)


def test_somebody_in_two_organisations_works_in_one_at_a_time(cast: Cast, things: Things) -> None:
    add_member(cast.organisation, cast.charlie.user, Role.AUDITOR)
    charlie = signed_in(cast.charlie.user, at=cast.organisation)
    records = charlie.get(reverse("admin:audit_recordindex_changelist"))
    assert records.context["cl"].result_count > 0
    assert charlie.get(reverse("admin:orgs_membership_changelist")).status_code == 403
    row = reverse("admin:audit_recordindex_change", args=[things.record.record_id])
    assert charlie.get(row).status_code == 200
    switch = {"organisation": str(cast.other_organisation.pk)}
    charlie.post(reverse("switch_organisation"), switch)
    assert charlie.get(row).status_code == 404
    assert charlie.get(reverse("admin:orgs_membership_changelist")).status_code == 200


def test_a_new_row_belongs_to_the_organisation_that_was_chosen(cast: Cast) -> None:
    charlie = signed_in(cast.charlie.user)
    values = {
        "email": "new-" + cast.max.user.email,
        "name": "New",
        "role": "member",
        "organisation": str(cast.organisation.pk),
    }
    charlie.post(reverse("admin:orgs_membership_add"), values)
    added = Membership.unscoped.get(user__email=values["email"])
    assert added.organisation_id == cast.other_organisation.pk
