"""The circuit breaker: shared by processes through Redis, and right without it."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings

from llm import breaker as module
from llm.breaker import Breaker
from llm.providers.errors import (
    BadResponse,
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from llm.shared_state import LocalStore, RedisStore, SharedStore, Store

DOWN = Unavailable("down")
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["local", "redis", "shared", "redis away"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    kinds = {
        "local": LocalStore,
        "redis": lambda: RedisStore(settings.REDIS_URL),
        "shared": lambda: SharedStore(RedisStore(settings.REDIS_URL), LocalStore()),
        "redis away": lambda: SharedStore(RedisStore(NOWHERE), LocalStore()),
    }
    return kinds[request.param]()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.15)
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.15)


def fresh(store: Store) -> Breaker:
    return Breaker(str(uuid.uuid4()), store)


def opened(store: Store) -> Breaker:
    breaker = fresh(store)
    for _ in range(module.FAILURES):
        breaker.failed(DOWN)
    return breaker


def test_it_opens_after_five_failures(store: Store) -> None:
    breaker = fresh(store)
    for _ in range(module.FAILURES - 1):
        breaker.failed(DOWN)
        assert breaker.seconds_closed_to_calls() == 0
    breaker.failed(BadResponse("nonsense"))
    assert 0 < breaker.seconds_closed_to_calls() <= module.OPEN_SECONDS
    assert breaker.is_resting()


def test_a_success_between_begins_the_count_anew(store: Store) -> None:
    breaker = fresh(store)
    for _ in range(3 * module.FAILURES):
        breaker.failed(DOWN)
        breaker.succeeded()
    assert not breaker.is_resting()


def test_failures_far_apart_do_not_open_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.02)
    breaker = fresh(store)
    for _ in range(module.FAILURES + 1):
        breaker.failed(DOWN)
        time.sleep(0.03)
    assert not breaker.is_resting()


@pytest.mark.parametrize("error", [Unauthorised, ContextTooLong, InvalidRequest])
def test_what_is_the_callers_fault_does_not_open_it(store: Store, error: type) -> None:
    breaker = fresh(store)
    for _ in range(3 * module.FAILURES):
        breaker.failed(error("x"))
    assert not breaker.is_resting()


def test_after_the_pause_one_call_may_try_and_its_success_closes(store: Store, quick: None) -> None:
    breaker = opened(store)
    time.sleep(0.2)
    tries = [breaker.seconds_closed_to_calls() for _ in range(5)]
    assert [wait == 0 for wait in tries] == [True, False, False, False, False]
    breaker.succeeded()
    assert [breaker.seconds_closed_to_calls() for _ in range(5)] == [0.0] * 5


def test_a_failed_trial_opens_it_again_at_once(store: Store, quick: None) -> None:
    breaker = opened(store)
    time.sleep(0.2)
    assert breaker.seconds_closed_to_calls() == 0
    breaker.failed(DOWN)
    assert breaker.seconds_closed_to_calls() > 0


def test_a_trial_that_never_reports_ends_by_itself(store: Store, quick: None) -> None:
    breaker = opened(store)
    time.sleep(0.2)
    assert breaker.seconds_closed_to_calls() == 0
    time.sleep(0.2)
    assert breaker.seconds_closed_to_calls() == 0


def test_a_rate_limit_rests_as_long_as_the_provider_asks(store: Store) -> None:
    breaker = fresh(store)
    breaker.failed(RateLimited("slow", retry_after=0.15))
    assert 0 < breaker.seconds_closed_to_calls() <= 0.15
    time.sleep(0.2)
    assert breaker.seconds_closed_to_calls() == 0
    breaker.failed(RateLimited("slow", retry_after=0))
    assert not breaker.is_resting()
    breaker.failed(RateLimited("slow", retry_after=10_000))
    assert breaker.seconds_closed_to_calls() <= module.MAX_COOL_SECONDS


def test_breakers_of_different_providers_do_not_meet(store: Store) -> None:
    opened(store)
    assert not fresh(store).is_resting()


def test_only_one_of_many_gets_the_trial(store: Store, quick: None) -> None:
    breaker = opened(store)
    time.sleep(0.2)
    let_through: list[float] = []
    gate = threading.Barrier(8)

    def attempt() -> None:
        gate.wait()
        if breaker.seconds_closed_to_calls() == 0:
            let_through.append(0)

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let_through) == 1


def test_processes_share_it_through_redis() -> None:
    here, there = (SharedStore(RedisStore(settings.REDIS_URL), LocalStore()) for _ in range(2))
    identity = str(uuid.uuid4())
    for at in range(module.FAILURES):
        Breaker(identity, (here, there)[at % 2]).failed(DOWN)
    assert Breaker(identity, here).is_resting()
    assert Breaker(identity, there).is_resting()
    Breaker(identity, here).succeeded()
    assert not Breaker(identity, there).is_resting()


def test_a_redis_that_is_away_costs_a_moment_once() -> None:
    store = SharedStore(RedisStore(NOWHERE), LocalStore())
    breaker = fresh(store)
    begin = time.monotonic()
    for _ in range(200):
        breaker.seconds_closed_to_calls()
    assert time.monotonic() - begin < 1


def test_what_was_learnt_while_redis_was_away_still_counts_when_it_is_back() -> None:
    local = LocalStore()
    away = SharedStore(RedisStore(NOWHERE), local)
    identity = str(uuid.uuid4())
    for _ in range(module.FAILURES):
        Breaker(identity, away).failed(DOWN)
    back = SharedStore(RedisStore(settings.REDIS_URL), local)
    assert Breaker(identity, back).is_resting()
