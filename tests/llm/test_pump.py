"""A call, once begun, ends exactly once and its ending is recorded, whatever happens (P1, P3)."""

from __future__ import annotations

import asyncio
import threading
import time
from functools import partial
from typing import Any
from unittest import mock

import pytest
from asgiref.sync import sync_to_async

from audit import ledger
from audit.ledger import LedgerUnavailable, Text
from audit.models import RecordIndex
from audit.reading import read_contents
from llm import chat
from llm import pump as pump_module
from llm.calls import Asked, Call, CallFailed, Outcome, Refused, State
from llm.models import Inference
from llm.providers.base import ChatMessage, ChatOptions, Reasoning, Started, ToolCallDelta, Usage
from llm.providers.base import Text as Piece
from llm.providers.errors import RateLimited, Unavailable
from llm.pump import Pump
from llm.routing import Route
from tests.cast import Cast
from tests.llm.scripted import WHOLE, Scripted, Wait


def call_of(cast: Cast, provider: Scripted, *, refusal: Refused | None = None) -> Call:
    return Call(
        cast.max,
        Asked((ChatMessage("user", "Hi there"),), ChatOptions()),
        None if refusal else Route(provider, None, "Scripted", "scripted-1", "EU"),
        refusal,
        interface="chat",
        content={"prompt": Text("Hi there")},
    )


@sync_to_async
def records_of(call: Call) -> list[RecordIndex]:
    """The records of a call, the request first."""
    rows = RecordIndex.objects.for_tenant(call.tenant)
    endings = list(rows.filter(request_id=call.id).order_by("at"))
    return [*rows.filter(record_id=call.id), *endings]


@sync_to_async
def row_of(call: Call) -> Inference:
    return Inference.objects.for_tenant(call.tenant).get(pk=call.id)


@sync_to_async
def text_of(call: Call, ending: RecordIndex) -> bytes | None:
    place = (ending.record_id, "response")
    return read_contents(call.tenant.organisation_id, [place])[place]


async def ended(pump: Pump) -> None:
    await asyncio.wait({pump._task}, timeout=10)
    assert pump._task.done()


async def test_p1_the_request_is_committed_before_the_provider_hears_of_it(cast: Cast) -> None:
    provider = Scripted()
    committed: list[int] = []
    real = ledger.commit

    async def watched(*arguments: Any) -> Any:
        committed.append(len(provider.calls))
        return await real(*arguments)

    with mock.patch.object(ledger, "commit", watched):
        pump = Pump(call_of(cast, provider))
        await pump.finished()
    assert committed == [0, 1]
    requested, completed = await records_of(pump.call)
    assert (requested.kind, completed.kind) == ("inference.requested", "inference.completed")


async def test_p1_also_where_deciding_and_recording_are_one_visit(cast: Cast) -> None:
    provider = Scripted()
    committed: list[int] = []
    real = ledger.commit_together

    def watched(*arguments: Any) -> Any:
        committed.append(len(provider.calls))
        return real(*arguments)

    with mock.patch.object(ledger, "commit_together", watched):
        pump = await chat.begin_call(lambda: call_of(cast, provider))
        await pump.finished()
    assert committed == [0]
    assert [row.kind for row in await records_of(pump.call)] == [
        "inference.requested",
        "inference.completed",
    ]


async def test_p3_whoever_leaves_while_it_is_decided_leaves_an_ending(cast: Cast) -> None:
    provider, leaving = Scripted(), threading.Event()
    call = call_of(cast, provider)

    def prepared() -> Call:
        leaving.wait(10)
        return call

    beginning = asyncio.create_task(chat.begin_call(prepared))
    await asyncio.sleep(0.1)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    leaving.set()
    until = time.monotonic() + 10
    while len(await records_of(call)) < 2 and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert (await row_of(call)).state == State.STOPPED
    assert provider.calls == []


async def test_p1_nothing_is_sent_when_the_ledger_is_away(cast: Cast) -> None:
    provider = Scripted()
    unavailable = mock.AsyncMock(side_effect=LedgerUnavailable("away"))
    with mock.patch.object(ledger, "commit", unavailable):
        pump = Pump(call_of(cast, provider))
        with pytest.raises(CallFailed) as refused:
            await pump.begun()
    assert refused.value.status == 503
    assert refused.value.code == "ledger_unavailable"
    assert provider.calls == []
    assert await records_of(pump.call) == []


async def test_a_whole_answer_is_recorded_with_what_the_provider_said(cast: Cast) -> None:
    pump = Pump(call_of(cast, Scripted()))
    await pump.begun()
    ending = await pump.finished()
    assert ending.outcome.text == "Hello, world"
    row = await row_of(pump.call)
    assert row.state == State.COMPLETED
    assert (row.input_tokens, row.output_tokens, row.usage_source) == (7, 3, "provider")
    assert row.response_model == "scripted-2026"
    assert row.finish_reason == "stop"
    assert ending.receipt is not None
    assert row.end_record_id == ending.receipt.record_id
    assert await text_of(pump.call, (await records_of(pump.call))[1]) == b"Hello, world"


async def test_a_refusal_is_recorded_as_blocked_and_nothing_is_sent(cast: Cast) -> None:
    provider = Scripted()
    pump = Pump(call_of(cast, provider, refusal=Refused("organisation_paused", "Paused.")))
    with pytest.raises(CallFailed) as refused:
        await pump.begun()
    assert (refused.value.status, refused.value.code) == (403, "organisation_paused")
    assert provider.calls == []
    assert [row.kind for row in await records_of(pump.call)] == [
        "inference.requested",
        "inference.blocked",
    ]
    assert refused.value.details["record_id"] == str(pump.call.id)


async def test_a_failure_before_the_first_event_keeps_its_status(cast: Cast) -> None:
    pump = Pump(call_of(cast, Scripted(RateLimited("Slow down.", retry_after=7))))
    with pytest.raises(CallFailed) as failed:
        await pump.begun()
    assert (failed.value.status, failed.value.retry_after) == (429, 7)
    row = await row_of(pump.call)
    assert (row.state, row.error_code) == (State.FAILED, "provider_rate_limited")
    assert row.input_tokens is None  # nothing was used


async def test_a_failure_in_the_middle_keeps_the_partial_text(cast: Cast) -> None:
    provider = Scripted(Started(), Piece("Half an "), Unavailable("Gone."))
    pump = Pump(call_of(cast, provider))
    await pump.begun()
    assert await pump.channel.get() == "Half an "
    assert await pump.channel.get() is None
    failure = pump.failure()
    assert failure is not None
    assert failure.code == "provider_unavailable"
    _, failed = await records_of(pump.call)
    assert failed.kind == "inference.failed"
    assert await text_of(pump.call, failed) == b"Half an "
    row = await row_of(pump.call)
    assert row.usage_source == "estimated"
    assert row.output_tokens == 2


async def test_an_adapters_bug_is_a_failure_that_tells_nothing(cast: Cast) -> None:
    secret = "sk-very-secret"
    pump = Pump(call_of(cast, Scripted(Started(), Piece("x"), ValueError(secret))))
    with pytest.raises(CallFailed) as failed:
        await pump.finished()
    assert secret not in repr((str(failed.value), failed.value.details))
    assert (await row_of(pump.call)).state == State.FAILED


async def test_silence_upstream_is_a_failure(cast: Cast) -> None:
    provider = Scripted(Started(), Piece("One "), Wait(30), Piece("two"), idle_seconds=0.2)
    pump = Pump(call_of(cast, provider))
    began = time.monotonic()
    with pytest.raises(CallFailed) as failed:
        await pump.finished()
    assert time.monotonic() - began < 5
    assert failed.value.code == "provider_unavailable"
    assert provider.closed_at is not None
    _, recorded = await records_of(pump.call)
    assert recorded.kind == "inference.failed"
    assert await text_of(pump.call, recorded) == b"One "


async def test_thinking_is_no_silence(cast: Cast) -> None:
    thoughts = [step for _ in range(6) for step in (Wait(0.3), Reasoning("hm "))]
    provider = Scripted(Started(), *thoughts, *WHOLE[1:], idle_seconds=1.5)
    pump = Pump(call_of(cast, provider))
    assert (await pump.finished()).outcome.state == State.COMPLETED


async def test_an_answer_has_an_end_even_when_it_never_pauses(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "MAX_SECONDS", 0.3)
    steps = [step for _ in range(100) for step in (Piece("and "), Wait(0.01))]
    pump = Pump(call_of(cast, Scripted(Started(), *steps)))
    with pytest.raises(CallFailed, match="too long"):
        await pump.finished()


async def test_a_client_that_goes_stops_the_call_at_once(cast: Cast) -> None:
    provider = Scripted(Started(), Piece("Some "), Wait(30), Piece("more"))
    pump = Pump(call_of(cast, provider))
    await pump.begun()
    assert await pump.channel.get() == "Some "
    stopped_at = time.monotonic()
    pump.stop()
    await ended(pump)
    assert provider.closed_at is not None
    assert provider.closed_at - stopped_at < 0.25
    _, stopped = await records_of(pump.call)
    assert stopped.kind == "inference.stopped"
    assert await text_of(pump.call, stopped) == b"Some "
    row = await row_of(pump.call)
    assert (row.state, row.usage_source) == (State.STOPPED, "estimated")
    assert (row.input_tokens, row.output_tokens) == (2, 2)


async def test_a_client_that_goes_before_the_first_word_stops_the_call_too(cast: Cast) -> None:
    provider = Scripted(Wait(30), *WHOLE)
    pump = Pump(call_of(cast, provider))
    waiting = asyncio.create_task(pump.begun())
    while not provider.calls:
        await asyncio.sleep(0.01)
    waiting.cancel()
    await ended(pump)
    assert provider.closed_at is not None
    assert [row.kind for row in await records_of(pump.call)] == [
        "inference.requested",
        "inference.stopped",
    ]


async def test_a_client_that_goes_while_the_request_is_recorded_leaves_no_loose_end(
    cast: Cast,
) -> None:
    provider = Scripted()
    pump = Pump(call_of(cast, provider))
    pump.stop()
    await ended(pump)
    assert provider.calls == []
    assert (await row_of(pump.call)).state == State.STOPPED


@pytest.mark.parametrize("pauses", range(0, 40, 4))
async def test_p3_a_call_cancelled_at_any_moment_has_one_ending(cast: Cast, pauses: int) -> None:
    """The server is shut down while the call is anywhere between its request and its ending."""
    pump = Pump(call_of(cast, Scripted(Started(), Piece("a"), Wait(0.01), *WHOLE[1:])))
    for _ in range(pauses):
        await asyncio.sleep(0)
    await asyncio.sleep(pauses / 1000)
    pump._task.cancel()
    await ended(pump)
    kinds = [row.kind for row in await records_of(pump.call)]
    assert kinds == [] or (len(kinds) == 2 and kinds[0] == "inference.requested")
    if kinds:
        state = (await row_of(pump.call)).state
        assert kinds[1] == f"inference.{state}"
        assert state in {State.INTERRUPTED, State.COMPLETED}


async def test_p3_an_ending_waits_for_a_ledger_that_is_away(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "RETRIES_SECONDS", (0.05, 0.05))
    real, attempts = ledger.commit, 0

    async def away_twice(*arguments: Any) -> Any:
        nonlocal attempts
        attempts += 1
        if attempts in {2, 3}:
            raise LedgerUnavailable("away")
        return await real(*arguments)

    monkeypatch.setattr(ledger, "commit", away_twice)
    pump = Pump(call_of(cast, Scripted()))
    assert (await pump.finished()).outcome.state == State.COMPLETED
    assert attempts == 4
    assert len(await records_of(pump.call)) == 2


async def test_p3_a_second_ending_is_rolled_back(cast: Cast) -> None:
    from llm import records, rows

    pump = Pump(call_of(cast, Scripted()))
    await pump.finished()
    again = Outcome(State.FAILED, error_code="late")
    with pytest.raises(rows.AlreadyEnded), rows.ending_once():
        await ledger.commit(
            records.ended(pump.call, again), partial(rows.ending, pump.call.id, again)
        )
    assert len(await records_of(pump.call)) == 2
    assert (await row_of(pump.call)).state == State.COMPLETED


async def test_a_slow_reader_slows_the_provider_down(cast: Cast) -> None:
    pieces = [Piece(f"{number} ") for number in range(1000)]
    provider = Scripted(Started(), *pieces)
    pump = Pump(call_of(cast, provider))
    await pump.begun()
    await asyncio.sleep(0.2)
    assert provider.events_sent < 80  # the channel's 64 and a few on their way
    text = ""
    while (piece := await pump.channel.get()) is not None:
        text += piece
    assert text == "".join(piece.text for piece in pieces)


async def test_a_reader_that_takes_nothing_has_gone(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "READER_PATIENCE_SECONDS", 0.1)
    provider = Scripted(Started(), *[Piece("x")] * 200, Wait(30))
    pump = Pump(call_of(cast, provider))
    await pump.begun()
    await ended(pump)
    assert provider.closed_at is not None
    assert (await row_of(pump.call)).state == State.STOPPED


async def test_what_upstream_says_cannot_break_the_record(cast: Cast) -> None:
    hostile = "m\ud800\0" + "x" * 5000
    provider = Scripted(
        Started(hostile, hostile, hostile),
        Piece("lone \ud83d surrogate"),
        ToolCallDelta(0, "id", "name", '{"a": "\ud800"}'),
        Usage(2**31 - 1, 1),
    )
    pump = Pump(call_of(cast, provider))
    assert (await pump.finished()).outcome.state == State.COMPLETED
    _, completed = await records_of(pump.call)
    assert await text_of(pump.call, completed) == b"lone ? surrogate"
