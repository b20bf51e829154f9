"""The rules for calls, by API and on their page: who reads them, who sets them, what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse

from llm import provider_settings
from llm.call_rules import change_rules, rules_of
from llm.models import CallRules, ProviderSettings
from llm.screening import rules_version, statement
from llm.screening_words import NAMES
from orgs.keys import create_key
from orgs.roles import Permission
from tests.admin_pages import signed_in
from tests.cast import Cast

API = "/api/v1/call-rules"
LIST, ADD = "admin:llm_callrules_changelist", "admin:llm_callrules_add"


def provider(cast: Cast, name: str) -> ProviderSettings:
    return provider_settings.create(
        tenant=cast.alice, name=name, vendor="simulated", default_model="sim-large"
    )


def patch(client: Client, **values: Any) -> Any:
    return client.patch(API, values, content_type="application/json")


# -- API -------------------------------------------------------------------------------------------


def test_the_defaults_are_said_with_what_screening_cannot_do(alice: Client) -> None:
    rules = alice.get(API).json()
    assert (rules["screening"], rules["fallback"], rules["chain"]) == ("flag", "same_model", [])
    assert rules["updated_at"] is None
    assert rules["screening_version"] == rules_version()
    assert "does not look into pictures" in rules["screening_statement"]
    assert rules["pictures"] == "allow"


def test_what_is_sent_changes_and_the_rest_stays(alice: Client, cast: Cast) -> None:
    first, second = provider(cast, "First"), provider(cast, "Second")
    patch(alice, screening="mask", requests_per_minute=30)
    changed = patch(
        alice,
        screening_by_kind={"secret": "block"},
        chain=[str(second.pk), str(first.pk)],
        strategy="round_robin",
    )
    assert changed.status_code == 200, changed.content
    rules = rules_of(cast.organisation.pk)
    assert (rules.screening, rules.screening_by_kind) == ("mask", {"secret": "block"})
    assert (rules.chain, rules.strategy) == ([second.pk, first.pk], "round_robin")
    assert rules.requests_per_minute == 30
    assert changed.json() == alice.get(API).json()
    assert changed.json()["updated_at"]
    assert patch(alice, requests_per_minute=None).json()["requests_per_minute"] is None


@pytest.mark.parametrize(
    "values",
    [
        {"screening": "sometimes"},
        {"pictures": "mask"},
        {"screening_by_kind": {"shoe_size": "block"}},
        {"chain": [str(UUID(int=5))]},
        {"requests_per_minute": 0},
        {"colour": "blue"},
    ],
)
def test_what_does_not_fit_is_refused(alice: Client, values: dict[str, Any]) -> None:
    assert patch(alice, **values).status_code == 422
    assert alice.get(API).json()["updated_at"] is None


def test_every_kind_has_a_name_and_stands_in_the_api(alice: Client) -> None:
    everything = dict.fromkeys(NAMES, "mask")
    assert patch(alice, screening_by_kind=everything).json()["screening_by_kind"] == everything


def test_members_neither_read_nor_change_them_and_a_reading_key_only_reads(
    cast: Cast, alice: Client
) -> None:
    for tenant in (cast.max, cast.rita, cast.audrey):
        client = signed_in(tenant.user)
        assert client.get(API).status_code == 403
        assert patch(client, screening="off").status_code == 403
    _, text = create_key(cast.alice, name="reads", scopes=[Permission.PROVIDER_READ])
    key = Client(headers={"authorization": f"Bearer {text}"})
    assert key.get(API).status_code == 200
    assert patch(key, screening="off").status_code == 403


def test_p4_everybody_has_their_own(cast: Cast, alice: Client) -> None:
    patch(alice, screening="block")
    charlie = signed_in(cast.charlie.user)
    assert charlie.get(API).json()["screening"] == "flag"
    assert patch(charlie, chain=[str(provider(cast, "Ours").pk)]).status_code == 422


# -- The page --------------------------------------------------------------------------------------


def form(**values: Any) -> dict[str, Any]:
    rules = {"screening": "flag", "pictures": "allow", "strategy": "priority"}
    return {**rules, "fallback": "same_model", **values}


def test_the_page_sets_the_first_rules_and_others_after_them(alice: Client, cast: Cast) -> None:
    first, second = provider(cast, "First"), provider(cast, "Second")
    page = alice.get(reverse(LIST), follow=True)
    assert statement() in page.content.decode().replace("&#x27;", "'")
    values = form(screening="ask", screening_of_secret="block", pictures="ask")
    values |= {"place_1": str(second.pk)}
    saved = alice.post(reverse(ADD), values | {"place_2": str(first.pk)}, follow=True)
    assert "hold from the next call on" in saved.content.decode()
    rules = rules_of(cast.organisation.pk)
    assert (rules.screening, rules.screening_by_kind) == ("ask", {"secret": "block"})
    assert rules.pictures == "ask"
    assert rules.chain == [second.pk, first.pk]

    shown = alice.get(reverse(LIST), follow=True)
    place = shown.redirect_chain[-1][0]
    assert str(rules.pk) in place
    fields = shown.context["adminform"].form.fields
    assert fields["screening_of_secret"].initial == "block"
    assert [fields["place_1"].initial, fields["place_2"].initial] == [
        str(second.pk),
        str(first.pk),
    ]
    alice.post(place, form(requests_per_minute_person=5))
    rules = rules_of(cast.organisation.pk)
    assert (rules.screening, rules.screening_by_kind, rules.chain) == ("flag", {}, [])
    assert rules.requests_per_minute_person == 5


def test_a_provider_chosen_twice_is_refused_on_the_form(alice: Client, cast: Cast) -> None:
    ours, _other = provider(cast, "Ours"), provider(cast, "Other")
    values = form(place_1=str(ours.pk), place_2=str(ours.pk))
    page = alice.post(reverse(ADD), values)
    assert "stands in the order once" in page.content.decode()
    assert not CallRules.objects.for_tenant(cast.alice).exists()


def test_who_may_not_manage_the_organisation_changes_nothing(cast: Cast) -> None:
    row = change_rules(cast.alice, screening="mask")
    for tenant in (cast.rita, cast.audrey):
        client = signed_in(tenant.user)
        assert client.get(reverse(LIST)).status_code == 403
        place = reverse("admin:llm_callrules_change", args=[row.pk])
        assert client.post(place, form(screening="off")).status_code == 403
    assert rules_of(cast.organisation.pk).screening == "mask"


def test_there_is_no_second_row(alice: Client, cast: Cast) -> None:
    change_rules(cast.alice, screening="mask")
    assert alice.get(reverse(ADD)).status_code == 302
    alice.post(reverse(ADD), form(screening="off"))
    assert rules_of(cast.organisation.pk).screening == "mask"


def test_p4_the_rules_of_another_organisation_do_not_open(cast: Cast) -> None:
    row = change_rules(cast.alice, screening="mask")
    charlie = signed_in(cast.charlie.user)
    assert charlie.get(reverse("admin:llm_callrules_change", args=[row.pk])).status_code == 404


def test_who_may_only_look_sees_kinds_and_order_in_words(cast: Cast) -> None:
    first, second = provider(cast, "First"), provider(cast, "Second")
    row = change_rules(
        cast.alice, screening_by_kind={"secret": "block"}, chain=[second.pk, first.pk]
    )
    page: Any = admin.site._registry[CallRules]
    request = RequestFactory().get("/")
    request.user = cast.alice.user
    looking = frozenset({Permission.PROVIDER_READ})
    request.tenant = replace(cast.alice, permissions=looking)  # type: ignore[attr-defined]
    assert not page.has_change_permission(request, row)
    assert page.has_view_permission(request, row)
    shown = [name for _title, part in page.get_fieldsets(request, row) for name in part["fields"]]
    assert {"shown_kinds", "shown_chain"} < set(shown)
    assert page.get_form(request, row, change=True)
    assert page.shown_kinds(row) == "key or password: not sent"
    assert page.shown_chain(row) == "Second, First"
    assert page.changelist_view(request).status_code == 302


def test_a_long_order_stays_whole_on_the_page(alice: Client, cast: Cast) -> None:
    chain = [provider(cast, f"Provider {number:02}").pk for number in range(22)]
    row = change_rules(cast.alice, chain=chain)
    place = reverse("admin:llm_callrules_change", args=[row.pk])
    fields = alice.get(place).context["adminform"].form.fields
    values = {name: field.initial for name, field in fields.items() if name.startswith("place_")}
    assert list(values.values()) == [str(one) for one in chain]
    alice.post(place, form(screening="mask", **values))
    assert rules_of(cast.organisation.pk).chain == chain
