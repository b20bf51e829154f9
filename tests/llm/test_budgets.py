"""Budgets hold, also for calls at once, and what is counted is what was used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.utils import timezone

from audit.kinds import Kind
from audit.models import RecordIndex
from llm import budgets, provider_settings
from llm.calls import Asked, Call, Outcome, State
from llm.chat import Wish, prepare
from llm.models import Budget, BudgetAccount, BudgetEntry, Inference, ProviderSettings
from llm.providers.base import PICTURE_TOKENS, ChatOptions, Image, Usage
from orgs.identifiers import uuid7
from orgs.tenancy import PermissionRefused, Tenant
from orgs.trips import change_together
from tests.cast import Cast

FAST = {"first_word_ms": 0, "word_ms": 0}
PRICE = {"input": "0", "output": "1000000", "currency": "USD"}  # a dollar a token


def simulated(cast: Cast, **options: Any) -> ProviderSettings:
    return provider_settings.create(
        tenant=cast.alice,
        name="Quick",
        vendor="simulated",
        default_model="sim-large",
        data_region="self-hosted",
        options=FAST | options,
    )


def budget(cast: Cast, **values: Any) -> Budget:
    defaults: dict[str, Any] = {"limit": Decimal(1000), "unit": Budget.Unit.TOKENS}
    return budgets.save_budget(cast.alice, Budget(**(defaults | values)))


def call(tenant: Tenant, *, max_tokens: int = 100) -> Call:
    return prepare(lambda: tenant, Wish("word " * 20, options=ChatOptions(max_tokens=max_tokens)))


def used(tenant: Tenant) -> list[Decimal]:
    return [standing.used for standing in budgets.standings(tenant)]


def test_calls_at_once_cannot_pass_a_budget(cast: Cast) -> None:
    simulated(cast)
    one = 25 + 100  # tokens of the question, as estimated, and of the longest answer
    budget(cast, limit=Decimal(5 * one))

    def ask(_number: int) -> bool:
        try:
            return budgets.admitted(call(cast.max)).refusal is None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        admitted = list(pool.map(ask, range(50)))
    assert sum(admitted) == 5
    assert used(cast.alice) == [Decimal(5 * one)]


def test_all_that_a_call_sends_is_reserved(cast: Cast) -> None:
    """Pictures, tools and schemas cost tokens too."""
    simulated(cast)
    budget(cast, limit=Decimal(100_000))
    plain = call(cast.max)
    budgets.admitted(plain)
    (before,) = used(cast.alice)
    (message,) = plain.asked.messages
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 4000}}
    asked = replace(
        plain.asked,
        messages=(replace(message, images=(Image(b"png", "image/png"),)),),
        options=replace(plain.asked.options, tools=(tool,)),
    )
    budgets.admitted(replace(plain, id=uuid7(), asked=asked))
    (both,) = used(cast.alice)
    assert both - 2 * before >= PICTURE_TOKENS + 1000


def test_what_is_settled_is_what_was_used(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast, price=PRICE)
    budget(cast, limit=Decimal(10_000), unit=Budget.Unit.USD)
    answer = max_.post("/api/v1/chat", json={"message": "Hello", "stream": False}).json()
    spent = Decimal(answer["usage"]["output_tokens"])
    assert Decimal(answer["cost"]["amount"]) == spent
    assert used(cast.alice) == [spent]
    assert budgets.compact() >= 1
    assert used(cast.alice) == [spent]
    assert not BudgetEntry.objects.filter(account__organisation=cast.organisation).exists()


def test_a_call_beyond_the_limit_is_refused_and_recorded(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    budget(cast, limit=Decimal(10))
    response = max_.post("/api/v1/chat", json={"message": "Hello"})
    assert response.status_code == 402
    error = response.json()["error"]
    assert error["code"] == "budget_exceeded"
    assert "Nothing was sent" in error["message"]
    inference = Inference.objects.for_tenant(cast.max).get()
    assert inference.state == State.BLOCKED
    assert used(cast.alice) == [Decimal(0)]


def test_a_warning_lets_the_call_pass_and_is_in_the_log(cast: Cast) -> None:
    simulated(cast)
    warning = budget(cast, limit=Decimal(1), action=Budget.Action.WARN)
    admitted = budgets.admitted(call(cast.max))
    assert admitted.refusal is None
    assert admitted.passed_budgets == (warning.pk,)


def test_local_only_refuses_what_would_leave_the_house(cast: Cast) -> None:
    far = provider_settings.create(
        tenant=cast.alice,
        name="Far",
        vendor="mistral",
        default_model="mistral-large-latest",
        base_url="https://api.eu.mistral.ai/v1",
    )
    near = simulated(cast)
    budget(cast, limit=Decimal(1), action=Budget.Action.LOCAL_ONLY)

    def admitted(settings: ProviderSettings) -> Call:
        wish = Wish("Hello", provider_id=settings.pk)
        return budgets.admitted(prepare(lambda: cast.max, wish))

    refusal = admitted(far).refusal
    assert refusal is not None
    assert refusal.code == "budget_local_only"
    assert admitted(near).refusal is None


def test_each_person_has_the_budget_of_each_person(cast: Cast) -> None:
    simulated(cast)
    budget(cast, limit=Decimal(130), scope=Budget.Scope.USER)
    assert budgets.admitted(call(cast.max)).refusal is None
    assert budgets.admitted(call(cast.max)).refusal is not None
    assert budgets.admitted(call(cast.rita)).refusal is None


def test_a_reservation_whose_call_was_never_recorded_is_given_back(cast: Cast) -> None:
    simulated(cast)
    budget(cast)
    lost = budgets.admitted(call(cast.max))
    assert used(cast.alice) == [Decimal(125)]
    long_ago = timezone.now() - budgets.LOST_AFTER - timedelta(seconds=1)
    BudgetEntry.objects.filter(inference_id=lost.id).update(created_at=long_ago)
    budgets.compact()
    assert used(cast.alice) == [Decimal(0)]


def test_entries_do_not_pile_up_between_compactions(cast: Cast) -> None:
    simulated(cast)
    budget(cast, limit=Decimal(100_000))
    for _ in range(120):
        admitted = budgets.admitted(call(cast.max))
        outcome = Outcome(State.COMPLETED, usage=Usage(3, 4))
        change_together([budgets.settling(admitted.id, outcome)])
    assert used(cast.alice) == [Decimal(120 * 7)]
    assert BudgetEntry.objects.filter(account__organisation=cast.organisation).count() <= 51


def test_settling_twice_counts_once(cast: Cast) -> None:
    simulated(cast)
    budget(cast)
    admitted = budgets.admitted(call(cast.max))
    for tokens in (7, 9):
        outcome = Outcome(State.COMPLETED, usage=Usage(3, tokens))
        change_together([budgets.settling(admitted.id, outcome)])
    assert used(cast.alice) == [Decimal(10)]


def test_a_strangers_budget_does_not_count(cast: Cast) -> None:
    simulated(cast)
    theirs = Budget(limit=Decimal(0), unit=Budget.Unit.TOKENS)
    budgets.save_budget(cast.charlie, theirs)
    assert budgets.admitted(call(cast.max)).refusal is None
    assert not BudgetAccount.objects.for_tenant(cast.charlie).exists()


def test_budgets_are_policy_and_changing_them_is_recorded(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        budgets.save_budget(cast.max, Budget(limit=Decimal(1)))
    made = budget(cast)
    budgets.delete_budget(cast.alice, made)
    rows = RecordIndex.objects.for_tenant(cast.alice).filter(kind=Kind.POLICY_CHANGED)
    assert rows.count() == 2


def test_a_budget_names_no_subject_of_another_scope(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        budget(cast, scope=Budget.Scope.ORGANISATION, user=cast.max.user)


def test_without_budgets_nothing_is_reserved(cast: Cast) -> None:
    simulated(cast)
    asked = call(cast.max)
    assert isinstance(asked.asked, Asked)
    assert budgets.admitted(asked) is asked
