"""A call as server-sent events: encoded once, sent as bytes, closed when the client goes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, Protocol

import structlog
from asgiref.sync import sync_to_async
from django.http import JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from llm.calls import Call, CallFailed, Ended
from llm.markdown import render
from llm.pump import Pump
from llm.screened import shown
from llm.screening_consent import HEADER

# Silence after which a comment is sent, so that no proxy takes the connection for dead.
PING_SECONDS = 15.0
PING = b": ping\n\n"
# The mark for machines that the text was made by a model (Art. 50(2)).
AI_MARK = "Lexcustis-AI-Generated"


class Script(Protocol):
    """How one interface writes its events."""

    def start(self, pump: Pump) -> bytes:
        """Before the first text."""

    def text(self, text: str) -> bytes:
        """A piece of the answer."""

    async def end(self, pump: Pump) -> bytes:
        """After the last text."""


class Events:
    """The bytes of one streamed answer.

    A class and not a generator, so that the server closes it at a known moment, in the loop:
    closing it stops the call.
    """

    def __init__(self, pump: Pump, script: Script) -> None:
        self._pump = pump
        self._script = script
        self._has_started = False
        self._is_over = False

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> bytes:
        if self._is_over:
            raise StopAsyncIteration
        if not self._has_started:
            self._has_started = True
            return self._script.start(self._pump)
        text = await self._pump.channel.get(patience=PING_SECONDS)
        if text is None:
            self._is_over = True
            return await self._script.end(self._pump)
        return self._script.text(text) if text else PING

    async def aclose(self) -> None:
        """The client has everything, or is gone."""
        self._pump.stop()


class EventStream(StreamingHttpResponse):
    """The HTTP response of a streamed answer."""

    def __init__(self, pump: Pump, script: Script) -> None:
        self._events = Events(pump, script)
        super().__init__(self._events, content_type="text/event-stream")
        self["Cache-Control"] = "no-cache"
        self["X-Accel-Buffering"] = "no"
        _name_record(self, pump)

    def __aiter__(self) -> Events:
        """The events themselves: nothing between them and the server."""
        return self._events


def with_record(pump: Pump, answer: dict[str, Any]) -> JsonResponse:
    """A whole answer as JSON, with the header that names its record."""
    response = JsonResponse(answer)
    _name_record(response, pump)
    return response


def _name_record(response: HttpResponseBase, pump: Pump) -> None:
    """Say in headers what every answer is and where its record stands."""
    response[AI_MARK] = "true"
    response["Lexcustis-Attempts"] = str(pump.call.attempt)
    if pump.requested is not None:
        response["Lexcustis-Record"] = pump.requested.header
    if left_out := pump.call.left_out:
        response["Lexcustis-Left-Out"] = ", ".join(left_out)
    name_screening(response, pump)


def name_screening(response: HttpResponseBase, pump: Pump) -> None:
    """Say in a header what was found in what was sent, such as ``masked; email=2``."""
    found = shown(pump.call.attributes)
    if found is not None:
        counts = Counter(found["found"]) + Counter(found["found_earlier"])
        numbers = [f"{kind}={count}" for kind, count in sorted(counts.items())]
        if found["pictures_not_screened"]:
            numbers.append(f"pictures_not_screened={found['pictures_not_screened']}")
        response[HEADER] = "; ".join([found["action"], *numbers])


def event(name: str, data: dict[str, Any]) -> bytes:
    """One server-sent event with JSON data."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode(errors="replace")


class ChatScript:
    """The events of ``POST /api/v1/chat``: ``start``, ``text``…, perhaps ``error``, ``end``."""

    def start(self, pump: Pump) -> bytes:
        """What answers, and the ids of everything that was made."""
        return event("start", started(pump))

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        return event("text", {"text": text})

    async def end(self, pump: Pump) -> bytes:
        """How it ended, preceded by the reason where it failed."""
        failure = pump.failure()
        last = event("end", await ending(pump))
        if failure is None:
            return last
        return event("error", {"error": error_of(failure)}) + last


def started(pump: Pump) -> dict[str, Any]:
    """The data of the event ``start``."""
    call, place = pump.call, pump.call.place
    return {
        "conversation_id": str(place.conversation_id) if place else None,
        "user_message_id": str(place.prompt_id) if place else None,
        "message_id": str(place.answer_id) if place else None,
        "record_id": str(call.id),
        "provider": call.provider_label,
        "model": (pump.stream.model if pump.stream else "") or call.model,
        "region": call.region,
        "attempt": call.attempt,
        "screening": _screening(call),
    }


def _screening(call: Call) -> dict[str, Any] | None:
    """What was found in what was sent, and the new text where it was masked."""
    found = shown(call.attributes)
    if found is not None and found["action"] == "masked" and "prompt" in call.content:
        found["text"] = str(call.content["prompt"].data)
    return found


async def ending(pump: Pump) -> dict[str, Any]:
    """The data of the event ``end``. A failure that could not be recorded yet is ``failed``."""
    title = pump.call.place.title if pump.call.place else ""
    ended = pump.ended
    if ended is None:
        return {"state": "failed", "title": title}
    html = await sync_to_async(render, thread_sensitive=False)(ended.outcome.text)
    return _ending(ended) | {"html": html, "title": title}


def _ending(ended: Ended) -> dict[str, Any]:
    outcome, usage = ended.outcome, ended.outcome.usage
    return {
        "state": outcome.state.value,
        "finish_reason": outcome.finish_reason or None,
        "model": outcome.model,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "source": usage.source,
        }
        if usage
        else None,
        "cost": {"amount": format(outcome.cost, "f"), "currency": outcome.currency}
        if outcome.cost is not None
        else None,
        "record_id": str(ended.receipt.record_id) if ended.receipt else None,
        "receipt": ended.receipt.header if ended.receipt else None,
    }


def error_of(failure: CallFailed) -> dict[str, Any]:
    """The inside of an error in the API's contract, where it comes too late for a status."""
    return {
        "code": failure.code,
        "message": failure.message,
        "details": failure.details or None,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
    }
