"""Calls that wait are decided together, and none pays for another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import sync_to_async
from django.utils import translation

from audit import ledger
from audit.models import RecordIndex
from llm import budgets, deciding
from llm.calls import Call, Refused
from llm.chat import Wish, prepare
from llm.deciding import DecidedCall, soon_decided
from llm.models import Budget, BudgetEntry
from llm.providers.base import ChatOptions
from orgs import prepared_queries
from orgs.tenancy import Tenant
from tests.cast import Cast
from tests.llm.test_budgets import budget, simulated

Prepared = Callable[[], Call]


def asking(tenant: Tenant) -> Prepared:
    """A call of 125 tokens, as far as can be told before it."""
    wish = Wish("word " * 20, options=ChatOptions(max_tokens=100))
    return lambda: prepare(lambda: tenant, wish)


@contextmanager
def watched(name: str, module: Any) -> Iterator[list[Any]]:
    """What a function is called with, while it does what it does."""
    given: list[Any] = []
    real = getattr(module, name)

    def call(*arguments: Any) -> Any:
        given.append(arguments[0])
        return real(*arguments)

    with mock.patch.object(module, name, call):
        yield given


async def together(*prepared: Prepared) -> list[DecidedCall | BaseException]:
    """What becomes of calls that wait while something else is decided, and so come as one batch."""
    release = threading.Event()

    def slow() -> Call:
        release.wait(10)
        raise LookupError

    with mock.patch.object(deciding, "_HELP_SECONDS", 60):
        first = soon_decided(slow)
        await asyncio.sleep(0.05)
        waiting = [soon_decided(one) for one in prepared]
    release.set()
    with pytest.raises(LookupError):
        await first
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_waits_is_read_reserved_and_recorded_at_once(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)
    await sync_to_async(budget)(cast, limit=Decimal(1_000_000))
    with (
        watched("commit_together", ledger) as commits,
        watched("ask", budgets) as reservations,
        watched("ask", prepared_queries) as questions,
    ):
        found = await together(*(asking(cast.max) for _ in range(5)))
    calls = calls_of(found)
    assert len({call.id for call in calls}) == 5
    assert [len(drafts) for drafts in commits if drafts] == [5]
    assert len(reservations) == 1
    assert len(questions) == len(set(questions))  # each question once
    ids = [call.id for call in calls]
    assert await recorded(cast, ids) == 5
    assert await sync_to_async(BudgetEntry.objects.filter(inference_id__in=ids).count)() == 5


def calls_of(found: Sequence[DecidedCall | BaseException]) -> list[Call]:
    return [one[0] for one in found if not isinstance(one, BaseException)]


@sync_to_async
def recorded(cast: Cast, ids: Sequence[Any]) -> int:
    return RecordIndex.objects.for_tenant(cast.max).filter(pk__in=ids).count()


async def test_one_that_fails_fails_alone(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)

    def wrong() -> Call:
        raise KeyError("wrong")

    before, failed, after = await together(asking(cast.max), wrong, asking(cast.max))
    assert isinstance(failed, KeyError)
    assert not isinstance(before, BaseException)
    assert not isinstance(after, BaseException)
    assert None not in (before[1], after[1])


async def test_of_several_at_once_a_budget_admits_what_it_has_left(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)
    await sync_to_async(budget)(cast, limit=Decimal(2 * 125))
    found = await together(*(asking(cast.max) for _ in range(5)))
    refused = [call.refusal is not None for call in calls_of(found)]
    assert refused == [False, False, True, True, True]


async def test_each_is_refused_in_its_own_language(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sync_to_async(simulated)(cast)
    await sync_to_async(budget)(cast, limit=Decimal(1))
    languages = ["de", "en", "fr"]

    def refusal(_budget: Budget) -> Refused:
        return Refused("budget_exceeded", translation.get_language() or "")

    monkeypatch.setattr(budgets, "_refusal", refusal)

    def spoken(language: str) -> Prepared:
        def prepared() -> Call:
            translation.activate(language)
            return asking(cast.max)()

        return prepared

    found = await together(*map(spoken, languages))
    assert [call.refusal.message for call in calls_of(found) if call.refusal] == languages


async def test_callers_with_different_budgets_pay_each_from_their_own(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)
    person = {"scope": Budget.Scope.USER, "user_id": cast.max.user.pk, "limit": Decimal(125)}
    await sync_to_async(budget)(cast, **person)
    found = await together(asking(cast.max), asking(cast.rita), asking(cast.max), asking(cast.rita))
    refused = [call.refusal is not None for call in calls_of(found)]
    assert refused == [False, False, True, False]


async def test_another_thread_helps_where_one_takes_long(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)
    release = threading.Event()

    def slow() -> Call:
        release.wait(20)
        return asking(cast.max)()

    first = soon_decided(slow)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    call, _receipt = await asyncio.wait_for(soon_decided(asking(cast.rita)), 10)
    assert call.tenant == cast.rita
    assert not first.done()
    assert time.monotonic() - began < 10
    release.set()
    assert (await first)[0].tenant == cast.max


async def test_nobody_waits_for_ever_where_deciding_itself_fails(cast: Cast) -> None:
    await sync_to_async(simulated)(cast)
    with mock.patch.object(deciding, "record_requests", side_effect=RuntimeError("broken")):
        found = await together(asking(cast.max), asking(cast.rita))
    assert [str(one) for one in found] == ["broken", "broken"]
    call, receipt = await soon_decided(asking(cast.max))
    assert (call.refusal, receipt is None) == (None, False)
