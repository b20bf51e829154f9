"""Budgets and usage in the admin: set, seen in words, and never seen by strangers."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.test import Client
from django.urls import reverse

from audit.models import RecordIndex
from llm import budgets
from llm.models import Budget, BudgetAccount
from orgs.keys import create_key
from orgs.roles import Permission
from tests.admin_pages import call, signed_in
from tests.cast import Cast

FIELDS = {
    "scope": "organisation",
    "user": "",
    "api_key": "",
    "period": "month",
    "limit": "50",
    "unit": "USD",
    "action": "block",
    "is_active": "on",
}
LIST = "admin:llm_budget_changelist"


def page(client: Client, name: str, *arguments: Any, **query: str) -> str:
    answer = client.get(reverse(name, args=arguments), query)
    assert answer.status_code == 200, name
    text: str = answer.content.decode()
    assert " style=" not in text
    return text


def spent(cast: Cast, budget: Budget, subject: Any, amount: str) -> None:
    start = cast.today.replace(day=1)
    BudgetAccount.objects.create(
        organisation=cast.organisation,
        budget=budget,
        subject_id=subject,
        period_start=start,
        settled=Decimal(amount),
    )


def test_a_budget_is_set_changed_and_removed_on_record(cast: Cast, alice: Client) -> None:
    assert alice.post(reverse("admin:llm_budget_add"), FIELDS).status_code == 302
    budget = Budget.objects.for_tenant(cast.alice).get()
    assert "0 of 50 US dollars used, 50 left" in page(alice, LIST)
    change = reverse("admin:llm_budget_change", args=[budget.pk])
    assert alice.post(change, {**FIELDS, "limit": "60"}).status_code == 302
    budget.refresh_from_db()
    assert (budget.limit, budget.organisation_id) == (60, cast.organisation.pk)
    delete = reverse("admin:llm_budget_delete", args=[budget.pk])
    spent(cast, budget, cast.organisation.pk, "1")
    assert alice.post(delete, {"post": "yes"}).status_code == 302
    assert not Budget.objects.for_tenant(cast.alice).exists()
    kinds = RecordIndex.objects.for_tenant(cast.alice).filter(kind="policy.changed")
    assert kinds.count() == 3


def test_a_second_one_of_the_same_and_parts_of_tokens_are_refused(
    cast: Cast, alice: Client
) -> None:
    add = reverse("admin:llm_budget_add")
    assert alice.post(add, FIELDS).status_code == 302
    again = alice.post(add, {**FIELDS, "limit": "60"}).content.decode()
    assert "There is such a budget already, of 50 US dollars in a month." in again
    parts = alice.post(add, {**FIELDS, "unit": "tokens", "limit": "2.5"}).content.decode()
    assert "Tokens are counted whole" in parts
    budget = Budget.objects.for_tenant(cast.alice).get()
    assert alice.post(add, {**FIELDS, "action": "warn", "limit": "40"}).status_code == 302
    change = reverse("admin:llm_budget_change", args=[budget.pk])
    assert alice.post(change, {**FIELDS, "limit": "60"}).status_code == 302
    assert "already" in alice.post(change, {**FIELDS, "action": "warn"}).content.decode()


def test_budgets_saved_at_once_are_not_made_twice(cast: Cast) -> None:
    def save(_number: int) -> bool:
        try:
            budgets.save_budget(cast.alice, Budget(limit=Decimal(5)))
        except ValidationError:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(save, range(8))) == 1


def test_the_form_shows_a_limit_as_people_write_it_and_no_way_to_other_forms(
    cast: Cast, alice: Client
) -> None:
    for unit, limit in (("EUR", "1000"), ("USD", "0.25")):
        budget = budgets.save_budget(cast.alice, Budget(limit=Decimal(limit), unit=unit))
        budget.refresh_from_db()
        form = page(alice, "admin:llm_budget_change", budget.pk)
        assert f'name="limit" value="{limit}"' in form
        assert "related-widget-wrapper" not in form
        assert "_popup" not in form


def test_what_is_used_and_left_is_said_for_each_person(cast: Cast, alice: Client) -> None:
    each = Budget(scope=Budget.Scope.USER, limit=Decimal(1000), unit=Budget.Unit.TOKENS)
    budget = budgets.save_budget(cast.alice, each)
    spent(cast, budget, cast.max.user.pk, "900")
    spent(cast, budget, cast.rita.user.pk, "1.5")
    listed = page(alice, LIST)
    assert f"Max ({cast.max.user.email}): 900 of 1\u202f000 tokens used, 100 left" in listed
    assert 'class="bar-bad" width="90"' in listed
    assert "and 1 with less" in listed
    for client in (alice, signed_in(cast.olivia.user)):
        one = page(client, "admin:llm_budget_change", budget.pk)
        assert f"Rita ({cast.rita.user.email}): 1.5 of 1\u202f000 tokens used, 998.5 left" in one


@pytest.mark.parametrize("field", ["user", "api_key"])
def test_a_budget_names_only_its_own_subject(cast: Cast, alice: Client, field: str) -> None:
    key, _text = create_key(cast.alice, name="script", scopes=[Permission.CHAT])
    value = {"user": cast.max.user.pk, "api_key": key.pk}[field]
    answer = alice.post(reverse("admin:llm_budget_add"), {**FIELDS, field: str(value)})
    assert list(answer.context["adminform"].form.errors) == [field]
    assert not Budget.objects.for_tenant(cast.alice).exists()


def test_no_budget_names_people_or_keys_of_others(cast: Cast) -> None:
    """P4: they are refused in the words for those that do not exist."""
    key, _text = create_key(cast.charlie, name="theirs", scopes=[Permission.CHAT])
    for values, field in (
        ({"scope": "user", "user_id": cast.charlie.user.pk}, "user"),
        ({"scope": "api_key", "api_key_id": key.pk}, "api_key"),
    ):
        with pytest.raises(ValidationError) as refused:
            budgets.save_budget(cast.alice, Budget(limit=Decimal(1), **values))
        assert "There is no such" in refused.value.message_dict[field][0]


def test_strangers_and_readers_change_nothing(cast: Cast) -> None:
    budget = budgets.save_budget(cast.alice, Budget(limit=Decimal(4711)))
    charlie = signed_in(cast.charlie.user)
    assert "4711" not in page(charlie, LIST)
    for client, reading in ((charlie, 404), (signed_in(cast.rita.user), 403)):
        for act, data in (("change", FIELDS), ("delete", {"post": "yes"})):
            place = reverse(f"admin:llm_budget_{act}", args=[budget.pk])
            assert client.get(place).status_code in (reading, 403)
            assert client.post(place, data).status_code in (reading, 403)
    assert Budget.objects.for_tenant(cast.alice).get().limit == 4711


def test_usage_is_shown_by_name_and_taken_along(cast: Cast, alice: Client) -> None:
    hostile = '=HYPERLINK("x")<script>'
    call(cast.max, cost=Decimal("0.25"), currency="USD", response_model=hostile)
    call(cast.rita, cost=Decimal("0.5"), currency="USD", data_region="EU", state="failed")
    for group, words in (
        ("day", f"{cast.today}"),
        ("user", f"Max ({cast.max.user.email})"),
        ("region", "European Union"),
        ("api_key", "no key: a person in the browser"),
        ("provider", "simulated"),
        ("model", "&lt;script&gt;"),
    ):
        text = page(alice, "admin:llm_usage", by=group)
        assert words in text, group
        assert "0.7500" in text
    answer = alice.get(reverse("admin:llm_usage_csv"), {"by": "model"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert {row["model"]: row["cost"] for row in rows} == {
        f"'{hostile}": "0.250000000",
        "sim-large": "0.500000000",
    }
    invoice = alice.get(reverse("admin:llm_billing_csv")).content.decode()
    found = {row["model"]: row["user"] for row in csv.DictReader(io.StringIO(invoice))}
    assert found == {
        f"'{hostile}": str(cast.max.user.pk),
        "sim-large": str(cast.rita.user.pk),
    }
    theirs = page(signed_in(cast.charlie.user), "admin:llm_usage", by="user")
    assert cast.max.user.email not in theirs


def test_calls_without_a_price_stand_with_the_others_of_their_day(
    cast: Cast, alice: Client
) -> None:
    call(cast.max, cost=Decimal("0.25"), currency="USD")
    call(cast.max, state="blocked", input_tokens=None)
    call(cast.max, input_tokens=7)
    text = page(alice, "admin:llm_usage", by="day")
    assert text.count(f'<th scope="row">{cast.today}') == 1
    assert "0.2500 USD and 1 call without a price" in text
    assert '<td class="number">3</td>' in text
    call(cast.max, state="blocked", input_tokens=None, provider_name="", data_region="")
    for group in ("provider", "region"):
        assert "nowhere: refused" in page(alice, "admin:llm_usage", by=group)


@pytest.mark.parametrize(
    "query", [{"since": "2026-02-02", "until": "2026-01-01"}, {"since": "x"}, {"by": "password"}]
)
def test_a_senseless_period_is_said_to_be_one(alice: Client, query: dict[str, str]) -> None:
    assert 'role="alert"' in page(alice, "admin:llm_usage", **query)
    for name in ("admin:llm_usage_csv", "admin:llm_billing_csv"):
        assert alice.get(reverse(name), query).status_code == 400
