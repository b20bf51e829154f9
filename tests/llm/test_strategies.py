"""In which order providers are tried."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from llm.strategies import Contender, Hint, Strategy, ranked


def contender(name: str, region: str = "EU", **values: Any) -> Contender:
    values = {"provider_name": "openai_compatible", **values}
    return Contender(uuid.uuid5(uuid.NAMESPACE_DNS, name), model=name, region=region, **values)


DEAR = contender("dear", priority=1, options={"price": {"input": "9", "output": "9"}})
CHEAP = contender("cheap", priority=2, options={"price": {"input": "1", "output": "1"}})
UNPRICED = contender("unpriced", priority=3, options={"quality": 90}, first_token_ms=100)
LOCAL = contender("local", "self-hosted", provider_name="ollama", priority=4, first_token_ms=900)
ALL = [LOCAL, UNPRICED, CHEAP, DEAR]


@pytest.mark.parametrize(
    ("strategy", "hint", "expected"),
    [
        (Strategy.PRIORITY, None, ["dear", "cheap", "unpriced", "local"]),
        (Strategy.LOCAL_FIRST, None, ["local", "dear", "cheap", "unpriced"]),
        (Strategy.COST_OPTIMIZED, None, ["local", "cheap", "dear", "unpriced"]),
        (Strategy.QUALITY, None, ["unpriced", "dear", "cheap", "local"]),
        (Strategy.SPEED, None, ["unpriced", "local", "dear", "cheap"]),
        (Strategy.PRIORITY, Hint.LOCAL_PREFERRED, ["local", "dear", "cheap", "unpriced"]),
        (Strategy.LOCAL_FIRST, Hint.CLOUD_PREFERRED, ["dear", "cheap", "unpriced", "local"]),
        (Strategy.PRIORITY, Hint.BEST_QUALITY, ["unpriced", "dear", "cheap", "local"]),
        (Strategy.QUALITY, Hint.CHEAPEST, ["local", "cheap", "dear", "unpriced"]),
    ],
)
def test_each_strategy_and_hint_has_its_order(
    strategy: Strategy, hint: Hint | None, expected: list[str]
) -> None:
    assert [c.model for c in ranked(ALL, strategy=strategy, hint=hint)] == expected


def test_round_robin_takes_turns() -> None:
    firsts = [ranked(ALL, strategy=Strategy.ROUND_ROBIN, turn=turn)[0].model for turn in range(5)]
    assert firsts == ["dear", "cheap", "unpriced", "local", "dear"]


def test_nobody_is_lost_and_nothing_is_something() -> None:
    for strategy in Strategy:
        for hint in (None, *Hint):
            listed = ranked(ALL, strategy=strategy, hint=hint, turn=7)
            assert sorted(c.model for c in listed) == sorted(c.model for c in ALL)
            assert ranked([], strategy=strategy, hint=hint) == []
