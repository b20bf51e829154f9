"""Three months of conversations for the demo, by way of the functions that every chat goes through.

Deciding, answering and recording are the product's own; only the clock is the demo's. Everything
is drawn from a generator with a fixed seed, so the same day gives the same demo.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils import timezone

from audit.ledger import append
from lexcustis.demo_topics import WORDS, Topic
from llm import chat, records, rows
from llm.calls import Call, Outcome, State
from llm.chat import Wish
from llm.outcomes import outcome_of
from llm.providers.base import ChatStream
from llm.providers.errors import Unavailable
from llm.providers.simulated import SimulatedProvider
from orgs.identifiers import uuid7
from orgs.tenancy import Tenant
from orgs.trips import change_together

DAYS = 92
# Out of a hundred answers; the others are whole.
_STOPPED, _FAILED, _INTERRUPTED = 3, 2, 1
_EVENTS_PER_WORD_MS = 25


@contextmanager
def clock_at(moment: datetime) -> Iterator[None]:
    """Tell everything that asks Django for the time that it is *moment*.

    The demo's past is made by the ordinary functions, and those know only the present.
    """
    now = timezone.now
    timezone.now = lambda: moment
    try:
        yield
    finally:
        timezone.now = now


def working_moments(count: int, *, until: datetime, zone: str, seed: str) -> list[datetime]:
    """*count* moments of working days in the :data:`DAYS` before *until*, oldest first.

    More of them lately than at the beginning: people get used to a thing.
    """
    chance = random.Random(seed)  # noqa: S311 - plausible, not secret
    moments: list[datetime] = []
    while len(moments) < count:
        days_ago = int(DAYS * (1 - chance.random() ** 0.7))
        day = (until - timedelta(days=days_ago)).astimezone(ZoneInfo(zone)).date()
        seconds = int(chance.gauss(mu=12.5, sigma=2.5) * 3600)
        moment = datetime.combine(day, time(), ZoneInfo(zone)) + timedelta(seconds=seconds)
        if day.weekday() < 5 and 7 <= moment.hour < 20 and moment < until:
            moments.append(moment)
    return sorted(moments)


def converse(
    tenant: Tenant, topic: Topic, *, begin: datetime, chance: random.Random, wish: Wish
) -> None:
    """One conversation: the topic's opening and follow-ups, each with its answer."""
    words = {name: chance.choice(options) for name, options in WORDS.items()}
    conversation_id: UUID | None = None
    at = begin
    for text in topic:
        asked = replace(wish, message=text.format(**words), conversation_id=conversation_id)
        call, outcome = exchange(tenant, asked, at=at, chance=chance)
        conversation_id = call.place.conversation_id if call.place else None
        at += timedelta(milliseconds=outcome.duration_ms, seconds=chance.randint(15, 240))


def exchange(
    tenant: Tenant, wish: Wish, *, at: datetime, chance: random.Random
) -> tuple[Call, Outcome]:
    """One question and its answer, recorded as if they had happened at *at*."""
    with clock_at(at):
        call = replace(chat.prepare(lambda: tenant, wish), at=at, id=uuid7(at))
        change_together(rows.beginning(call, append(records.requested(call))))
    outcome = _outcome(call, chance)
    ended_at = at + timedelta(milliseconds=outcome.duration_ms)
    with clock_at(ended_at):
        receipt = append(replace(records.ended(call, outcome), at=ended_at))
        rows.end(call.id, outcome, receipt)
    return call, outcome


def _outcome(call: Call, chance: random.Random) -> Outcome:
    if call.refusal is not None:
        return outcome_of(call, State.BLOCKED, None, error=call.refusal, duration_ms=3)
    drawn = chance.randrange(100)
    waited = chance.randint(240, 900)
    if drawn < _FAILED:
        error = Unavailable("The model did not answer in time.")
        stream = ChatStream(_provider(call).stream_events([], call.asked.options))
        return outcome_of(
            call, State.FAILED, stream, error=error, is_open=False, duration_ms=waited * 10
        )
    state, words = State.COMPLETED, 10_000
    if drawn < _FAILED + _STOPPED:
        state, words = State.STOPPED, chance.randint(8, 40)
    elif drawn < _FAILED + _STOPPED + _INTERRUPTED:
        state, words = State.INTERRUPTED, chance.randint(8, 40)
    stream, said = asyncio.run(_listen(call, words))
    return outcome_of(
        call,
        state,
        stream,
        first_token_ms=waited,
        duration_ms=waited + said * _EVENTS_PER_WORD_MS,
    )


async def _listen(call: Call, words: int) -> tuple[ChatStream, int]:
    """The answer as far as *words* words, and how many there were."""
    stream = ChatStream(_provider(call).stream_events(call.asked.messages, call.asked.options))
    said = 0
    async for _text in stream:
        said += 1
        if said == words:
            break
    await stream.aclose()
    return stream, said


def _provider(call: Call) -> SimulatedProvider:
    """The call's own provider, in no hurry to seem human."""
    assert call.route is not None
    provider = call.route.provider
    assert isinstance(provider, SimulatedProvider)
    configuration = replace(provider.configuration, options={"first_word_ms": 0, "word_ms": 0})
    return SimulatedProvider(configuration)


def fill(topics: Sequence[Topic], *, exchanges: int, chance: random.Random) -> list[Topic]:
    """Topics, shuffled and repeated, that make *exchanges* questions altogether."""
    chosen: list[Topic] = []
    while exchanges > 0:
        for topic in chance.sample(topics, len(topics)):
            if exchanges > 0:
                chosen.append(topic[:exchanges])
                exchanges -= len(topic)
    return chosen
