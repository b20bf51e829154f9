"""The detached pump: a task of its own that reads upstream, whatever becomes of the client.

The response only drains the channel. A client that goes away stops the call at once; a server
that shuts down ends it as interrupted. However it ends, the ending is recorded from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial

import structlog
from asgiref.sync import sync_to_async

from audit import ledger
from audit.ledger import Companion, Draft, LedgerUnavailable, Receipt
from llm import attempts, records, rows, switches
from llm.attempts import Attempts
from llm.calls import Call, CallFailed, Ended, Outcome, Refused, State
from llm.channel import Channel, ReaderGone
from llm.leases import held
from llm.outcomes import load_prices, outcome_of
from llm.providers.base import ChatStream
from llm.providers.errors import ProviderError, Unavailable
from llm.silence import Silence

logger = structlog.get_logger(__name__)

# The longest that one answer may take, however steadily it comes.
MAX_SECONDS = 600.0
# A client that takes nothing for so long has gone.
READER_PATIENCE_SECONDS = 60.0
# An answer that was accepted has begun after this, also where its first word takes longer.
GRACE_SECONDS = 0.5
# Pauses before an ending that could not be recorded is tried again, while the lease is renewed.
# After the last one the sweep records the call as interrupted.
RETRIES_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

# The event loop itself holds tasks only weakly.
_running: set[Pump] = set()


async def interrupt_all(*, seconds: float) -> None:
    """End every call of this event loop as interrupted and wait until the endings are recorded."""
    loop = asyncio.get_running_loop()
    tasks = [pump.interrupt() for pump in list(_running) if pump.loop is loop]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)


class Pump:
    """One question under way. Make it inside a running event loop: it starts at once.

    ``call`` is the attempt that runs, or the last one; each has records of its own. *requested* is
    that of its request, where it is recorded already (see :func:`record_requests`).
    """

    def __init__(self, call: Call, requested: Receipt | None = None) -> None:
        self.call = call
        self.channel = Channel()
        self.requested = requested
        self.stream: ChatStream | None = None
        self.ended: Ended | None = None
        self._silence: Silence | None = None
        self._is_open = False
        self._is_stopped = False
        self._is_calling = False
        self._halted: Refused | None = None
        self._told: Call | None = None
        self._began = time.monotonic()
        self._first_token: float | None = None
        self.loop = asyncio.get_running_loop()
        self._leaving = asyncio.Event()
        self._attempts = Attempts(self.loop.time())
        self._begun: asyncio.Future[None] = self.loop.create_future()
        self._task = asyncio.create_task(self._run(), name=f"inference {call.id}")
        self._task.add_done_callback(lambda _: _running.discard(self))
        _running.add(self)
        switches.watch(lambda: [pump for pump in _running if pump.loop is self.loop])
        _load_prices_once()

    async def begun(self) -> None:
        """Wait for the first event from upstream. Raises :class:`CallFailed`.

        One may wait here, and whoever is cancelled meanwhile stops the call.
        """
        try:
            await self._begun
        except asyncio.CancelledError:
            self.stop()
            raise

    async def finished(self) -> Ended:
        """Take the whole answer and wait for its recorded ending. Raises :class:`CallFailed`."""
        try:
            while await self.channel.get() is not None:
                pass
        finally:
            self.stop()
        failure = self.failure()
        if failure is not None:
            raise failure
        assert self.ended is not None
        return self.ended

    def stop(self) -> None:
        """The client has gone: close the call upstream now. Nothing happens when it is over."""
        self._is_stopped = True
        self._leave()

    def halt(self, reason: Refused) -> None:
        """The organisation's rules have changed meanwhile: close the call upstream now."""
        if self._halted is None and not self._is_stopped:
            self._halted = reason
            self._leave()

    def interrupt(self) -> asyncio.Task[None]:
        """The server goes down: end the call; the task returned ends when that is recorded."""
        self._leave()
        return self._task

    def _leave(self) -> None:
        self._leaving.set()
        if self._is_calling:
            self._task.cancel()

    def failure(self) -> CallFailed | None:
        """Why there is no whole answer; None where there is one, or where the client left."""
        if self.ended is None:
            return _failed(self.call, LedgerUnavailable(), self.requested)
        outcome = self.ended.outcome
        if outcome.state == State.COMPLETED:
            return None
        if outcome.state == State.STOPPED and outcome.error is None:
            return None
        return _failed(self.call, outcome.error, self.requested)

    # -- The task ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        failure: Exception | None = None
        try:
            following: Call | None = self.call
            while following is not None:
                self._begin(following)
                if self.requested is None:
                    self.requested = await self._record_request()
                with held(self.call.id):
                    outcome = await self._call_provider()
                    self.ended = await self._record_ending(outcome)
                following = await self._following(outcome)
                if following is not None:
                    self.requested = None
        except (LedgerUnavailable, rows.AlreadyEnded) as error:
            failure = _failed(self.call, error, self.requested)
        except Exception as error:
            logger.exception("inference.lost", inference_id=str(self.call.id))
            failure = error
        finally:
            failure = failure or self.failure() or _failed(self.call, None, self.requested)
            if not self._begun.done():
                self._begun.set_exception(failure)
                self._begun.exception()  # nobody may be listening any more, and that is no error
            self.channel.close()
        await self._tell_breaker()

    def _begin(self, call: Call) -> None:
        """Begin an attempt: nothing of the one before is left."""
        self.call = call
        self.stream = self.ended = self._silence = self._first_token = None
        self._is_open = False
        self._began = time.monotonic()
        self._attempts.note(call)

    async def _following(self, outcome: Outcome) -> Call | None:
        """The next attempt, where this one failed before its first token; waits as needed."""
        if outcome.state != State.FAILED or self._begun.done():
            return None
        await self._tell_breaker()
        now = self.loop.time()
        for pause in self._attempts.ways(self.call, outcome.error, now=now):
            if pause is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._leaving.wait()
            if self._leaving.is_set():
                return None
            found = await sync_to_async(attempts.following, thread_sensitive=False)(
                self.call,
                self._attempts,
                is_again=pause is not None,
                failed_with=outcome.error_code,
            )
            if found is not None:
                return found
        return None

    async def _tell_breaker(self) -> None:
        """Once for each attempt, and only where it changes anything."""
        ended, call = self.ended, self.call
        if (
            ended is None
            or self._told is call
            or not attempts.must_tell_breaker(call, ended.outcome)
        ):
            return
        self._told = call
        await sync_to_async(attempts.tell_breaker, thread_sensitive=False)(call, ended.outcome)

    async def _record_request(self) -> Receipt:
        """Nothing leaves before this returns (promise P1)."""
        try:
            return await ledger.commit(*_request(self.call))
        except asyncio.CancelledError:
            # Shutting down, and it is not known whether the request was recorded before.
            outcome = outcome_of(self.call, State.INTERRUPTED, self.stream)
            with rows.ending_once():
                ledger.commit_blocking(
                    records.ended(self.call, outcome), partial(rows.ending, self.call.id, outcome)
                )
            raise

    async def _call_provider(self) -> Outcome:
        state = State.COMPLETED
        error: Exception | None = None
        try:
            await self._listen()
        except asyncio.CancelledError:
            _uncancel()
            if self._is_stopped:
                state = State.STOPPED
            elif self._halted is not None:
                state, error = State.STOPPED, self._halted
            elif self._silence is not None and self._silence.is_broken:
                state, error = State.FAILED, self._silence.error()
            else:
                state = State.INTERRUPTED
        except ReaderGone:
            state = State.STOPPED
        except Refused as refused:
            state, error = State.BLOCKED, refused
        except ProviderError as failed:
            state, error = State.FAILED, failed
        except TimeoutError:
            state, error = State.FAILED, Unavailable("The answer took too long and was cut off.")
        except Exception as unexpected:
            logger.exception("inference.adapter_failed", inference_id=str(self.call.id))
            state, error = State.FAILED, ProviderError("The answer could not be read.")
            error.__cause__ = unexpected
        return outcome_of(
            self.call,
            state,
            self.stream,
            error=error,
            is_open=self._is_open,
            first_token_ms=self._milliseconds(self._first_token),
            duration_ms=self._milliseconds(time.monotonic()) or 0,
        )

    async def _listen(self) -> None:
        """Everything from upstream into the channel."""
        call = self.call
        if call.refusal is not None:
            raise call.refusal
        if self._is_stopped:
            raise ReaderGone
        if self._halted is not None:
            raise self._halted
        assert call.route is not None
        provider = call.route.provider
        options = replace(call.asked.options, streamed=call.streamed)
        events = provider.stream_events(call.asked.messages, options)
        self._silence = Silence(events, provider.patience(options))
        self.stream = stream = ChatStream(self._silence.events())
        self._is_calling = True
        grace: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(MAX_SECONDS):
                await stream.open()
                self._is_open = True
                if call.streamed:
                    grace = self.loop.call_later(GRACE_SECONDS, self._answer)
                async for text in stream:
                    self._answer()
                    if not call.streamed:  # nobody reads it before it is whole
                        continue
                    if self._first_token is None:
                        self._first_token = time.monotonic()
                    await self.channel.put(text, patience=READER_PATIENCE_SECONDS)
                self._answer()
        finally:
            if grace is not None:
                grace.cancel()
            self._is_calling = False
            await stream.aclose()

    def _answer(self) -> None:
        """From here on this attempt is the answer: nothing takes its place any more."""
        if not self._begun.done():
            self._begun.set_result(None)

    async def _record_ending(self, outcome: Outcome) -> Ended:
        """Record the ending, exactly once (promise P3), however long the ledger is away."""
        draft = records.ended(self.call, outcome)
        companion = partial(rows.ending, self.call.id, outcome)
        try:
            with rows.ending_once():
                return Ended(outcome, await self._commit_ending(draft, companion))
        except rows.AlreadyEnded:
            state = await sync_to_async(rows.recorded_state)(self.call.id)
            return Ended(outcome_of(self.call, state, self.stream), None)

    async def _commit_ending(self, draft: Draft, companion: Companion) -> Receipt:
        try:
            for pause in RETRIES_SECONDS:
                try:
                    return await ledger.commit(draft, companion)
                except LedgerUnavailable:
                    logger.error("inference.ending_not_recorded", inference_id=str(self.call.id))
                await asyncio.sleep(pause)
            return await ledger.commit(draft, companion)
        except asyncio.CancelledError:
            # Shutting down: this is the last that this process does for the call.
            return ledger.commit_blocking(draft, companion)

    def _milliseconds(self, at: float | None) -> int | None:
        return None if at is None else round((at - self._began) * 1000)


@cache
def _load_prices_once() -> None:
    asyncio.get_running_loop().run_in_executor(None, load_prices)


def _uncancel() -> None:
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()


def record_requests(calls: Sequence[Call]) -> list[Receipt | Exception | None]:
    """Record that *calls* were requested before their pumps are made: all in one transaction.

    For each its receipt, or the exception that its caller is to see (:class:`CallFailed` where the
    ledger is away). None where that had to wait for others: then the pump records it.
    """
    recorded = ledger.commit_together([_request(call) for call in calls])
    return [
        _failed(call, outcome, None) if isinstance(outcome, LedgerUnavailable) else outcome
        for call, outcome in zip(calls, recorded, strict=True)
    ]


def _request(call: Call) -> tuple[Draft, Companion]:
    return records.requested(call), partial(rows.beginning, call)


def _failed(call: Call, error: Exception | None, requested: Receipt | None) -> CallFailed:
    """What the caller may know."""
    details = {"record_id": str(requested.record_id)} if requested else {}
    if call.place is not None and requested:
        details |= {
            "conversation_id": str(call.place.conversation_id),
            "message_id": str(call.place.answer_id),
        }
    match error:
        case Refused():
            return CallFailed(
                error.code,
                error.message,
                status=error.status,
                retry_after=error.retry_after,
                details=details | error.details,
            )
        case ProviderError():
            return CallFailed(
                error.code,
                error.message,
                status=error.status,
                retry_after=error.retry_after,
                details=details,
            )
        case LedgerUnavailable():
            message = "The audit log cannot be written at the moment, and nothing goes without it."
            return CallFailed("ledger_unavailable", message, status=503, retry_after=5)
    message = "The answer was interrupted here. Ask again."
    return CallFailed("interrupted", message, status=503, retry_after=1, details=details)
