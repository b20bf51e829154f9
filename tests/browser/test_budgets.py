"""Budgets and usage fit the window, wide and narrow, and are readable for everybody."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.urls import reverse

from llm import budgets
from llm.models import Budget, BudgetAccount
from tests.admin_pages import call
from tests.browser.conftest import Visit
from tests.cast import Cast


@pytest.fixture
def pages(cast: Cast) -> list[str]:
    """Their addresses, with something on each."""
    for person, amount in ((cast.max, "920"), (cast.rita, "12.5")):
        call(person, cost=Decimal(amount) / 1000, currency="USD")
    each = Budget(scope=Budget.Scope.USER, limit=Decimal(1000), unit=Budget.Unit.TOKENS)
    budget = budgets.save_budget(cast.alice, each)
    budgets.save_budget(cast.alice, Budget(limit=Decimal(50), unit=Budget.Unit.EUR))
    for person, amount in ((cast.max, "920"), (cast.rita, "12.5")):
        BudgetAccount.objects.create(
            organisation=cast.organisation,
            budget=budget,
            subject_id=person.user.pk,
            period_start=cast.today.replace(day=1),
            settled=Decimal(amount),
        )
    return [
        reverse("admin:llm_budget_changelist"),
        reverse("admin:llm_budget_change", args=[budget.pk]),
        reverse("admin:llm_usage") + "?by=user",
    ]


@pytest.mark.parametrize("width", [1360, 390])
def test_the_pages_fit_and_are_readable(
    pages: list[str], cast: Cast, visit: Callable[..., Visit], width: int
) -> None:
    window = visit(width=width)
    window.sign_in(cast.alice.user.email)
    for address in pages:
        window.page.goto(window.url + address)
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert window.violations() == [], address
