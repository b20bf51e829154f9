"""One path through a tree of versions, and the words about it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import time_machine

from llm.conversations import Listed, MessageView
from llm.grouping import grouped_by_date
from llm.regions import region_of
from llm.templatetags.chat import money
from llm.transcript import ai_mark, path_through, totals

START = datetime(2026, 11, 21, 10, 15, tzinfo=UTC)


def message(
    number: int, parent: int | None, role: str = "assistant", **values: object
) -> MessageView:
    return MessageView(
        id=UUID(int=number),
        parent_id=UUID(int=parent) if parent else None,
        role=role,
        text="",
        html="",
        created_at=START + timedelta(seconds=number),
        record_id=None,
        **values,  # type: ignore[arg-type]
    )


# 1 asked, 2 and 3 answered; 4 goes on from 2; 5 is 1 asked in other words, 6 its answer.
TREE = [
    message(1, None, "user"),
    message(2, 1),
    message(3, 1),
    message(4, 2, "user"),
    message(5, None, "user"),
    message(6, 5),
]


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (None, [5, 6]),
        (6, [5, 6]),
        (1, [1, 3]),
        (3, [1, 3]),
        (2, [1, 2, 4]),
        (4, [1, 2, 4]),
        (99, [5, 6]),
    ],
)
def test_the_path_goes_through_the_message_asked_for(at: int | None, expected: list[int]) -> None:
    path = path_through(TREE, at=UUID(int=at) if at else None)
    assert [turn.message.id.int for turn in path] == expected


def test_each_turn_knows_its_neighbours() -> None:
    first, answer = path_through(TREE, at=UUID(int=3))
    assert (first.number, len(first.versions)) == (1, 2)
    assert first.previous is None
    assert first.next == UUID(int=5)
    assert (answer.number, answer.previous, answer.next) == (2, UUID(int=2), None)


def test_an_empty_conversation_has_no_path() -> None:
    assert path_through([]) == []


def test_totals_count_every_branch_and_say_what_is_estimated() -> None:
    usage = {"input_tokens": 10, "output_tokens": 5, "source": "provider"}
    guessed = {"input_tokens": 1, "output_tokens": 1, "source": "estimated"}
    cost = {"amount": "0.10", "currency": "EUR"}
    counted = [message(2, 1, usage=usage, cost=cost), message(3, 1, usage=usage, cost=cost)]
    assert totals(counted)["tokens"] == 30
    assert totals(counted)["is_estimate"] is False
    assert [money(one) for one in totals(counted)["costs"]] == ["€0.20"]
    assert totals([*counted, message(4, 1, usage=guessed)])["is_estimate"] is True


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("1.234", "$1.23"),
        ("0.1234", "$0.12"),
        ("0.01234", "$0.012"),
        ("0.000456", "$0.00046"),
    ],
)
def test_small_amounts_keep_two_digits(amount: str, shown: str) -> None:
    assert money({"amount": amount, "currency": "USD"}) == shown


def test_the_mark_names_machine_time_and_record() -> None:
    mark = ai_mark(message(2, 1, provider="mistral_ai", model="large-2411"))
    assert mark == "[AI-generated: mistral_ai · large-2411, 2026-11-21 10:15 UTC.]"


@pytest.mark.parametrize(
    ("code", "name", "icon"),
    [
        ("EU", "European Union", "region-eu"),
        ("DE", "Germany (EU)", "region-eu"),
        ("US", "United States", "region-abroad"),
        ("self-hosted", "Our own servers", "region-self-hosted"),
        ("unknown", "Region not known", "region-unknown"),
        ("", "Region not known", "region-unknown"),
        ("ZZ", "ZZ", "region-abroad"),
    ],
)
def test_a_region_is_said_in_words(code: str, name: str, icon: str) -> None:
    region = region_of(code)
    assert (region.name, region.icon) == (name, icon)


@time_machine.travel("2026-11-21T23:30:00Z", tick=False)
def test_days_begin_at_the_organisations_own_midnight() -> None:
    def listed(at: str) -> Listed:
        return Listed(UUID(int=1), at, datetime.fromisoformat(at), archived=False)

    conversations = [
        listed("2026-11-21T23:10:00+00:00"),  # 00:10 on the 22nd in Brussels
        listed("2026-11-21T20:00:00+00:00"),
        listed("2026-11-18T12:00:00+00:00"),
        listed("2026-11-01T12:00:00+00:00"),
        listed("2026-09-01T12:00:00+00:00"),
    ]
    groups = grouped_by_date(conversations, ZoneInfo("Europe/Brussels"))
    assert [group.name for group in groups] == [
        "Today",
        "Yesterday",
        "Last 7 days",
        "Last 30 days",
        "September 2026",
    ]
