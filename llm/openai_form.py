"""OpenAI's form of a chat: what comes in becomes our messages, what we have becomes its answers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from llm.calls import CallFailed, Outcome
from llm.providers.base import (
    OPENAI_OPTIONS,
    ChatMessage,
    ChatOptions,
    FinishReason,
    Image,
    ToolCall,
    Usage,
)
from llm.pump import Pump

_DATA_URL = re.compile(r"data:(image/[a-z0-9.+-]{1,40});base64,([A-Za-z0-9+/=\s]+)\Z")
_FINISH = {
    FinishReason.REFUSAL.value: "content_filter",
    FinishReason.ERROR.value: "stop",
    "": "stop",
}


# OpenAI's parameters that no provider is told: what they ask for has no place in an answer here, or
# would have the provider keep or pass on more than the call needs.
_UNUSED = frozenset(
    {
        "audio",
        "function_call",
        "functions",
        "logprobs",
        "metadata",
        "modalities",
        "moderation",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "top_logprobs",
        "user",
        "web_search_options",
    }
)


class WrongRequest(ValueError):
    """The request is not one; ``param`` names the field. The message may be shown."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.param = param


# -- In -------------------------------------------------------------------------------------------


def messages_from(given: Sequence[Mapping[str, Any]]) -> tuple[ChatMessage, ...]:
    """The messages of a request. Raises :class:`WrongRequest`."""
    return tuple(_message(number, message) for number, message in enumerate(given))


def as_sent(
    given: Sequence[Mapping[str, Any]], sent: Sequence[ChatMessage]
) -> list[dict[str, Any]]:
    """*given* with the texts that were sent in their place, where screening has masked some."""
    return [_as_sent(one, message) for one, message in zip(given, sent, strict=True)]


def _as_sent(given: Mapping[str, Any], sent: ChatMessage) -> dict[str, Any]:
    made = dict(given)
    if isinstance(given.get("content"), list):
        pictures = [part for part in given["content"] if part.get("type") == "image_url"]
        made["content"] = [{"type": "text", "text": sent.content}, *pictures]
    elif given.get("content") is not None:
        made["content"] = sent.content
    if sent.tool_calls:
        made["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": masked.arguments}}
            for call, masked in zip(given["tool_calls"], sent.tool_calls, strict=True)
        ]
    return made


def options_from(given: Mapping[str, Any]) -> ChatOptions:
    """The options of a request. Raises :class:`WrongRequest`."""
    if given.get("n") not in (None, 1):
        raise WrongRequest("Only one choice is given: n must be 1.", "n")
    stop = given.get("stop") or ()
    return ChatOptions(
        temperature=given.get("temperature"),
        max_tokens=given.get("max_completion_tokens") or given.get("max_tokens"),
        top_p=given.get("top_p"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        seed=given.get("seed"),
        tools=tuple(given.get("tools") or ()),
        tool_choice=given.get("tool_choice"),
        output_schema=_schema(given.get("response_format")),
        strict=_strict(given.get("response_format")),
        openai_options={
            name: given[name] for name in sorted(OPENAI_OPTIONS) if given.get(name) is not None
        },
    )


def unused_in(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters of a request that OpenAI's form has and this interface has no use for."""
    return tuple(name for name in sorted(_UNUSED) if given.get(name))


def _message(number: int, given: Mapping[str, Any]) -> ChatMessage:
    place = f"messages[{number}]"
    role = "system" if given["role"] == "developer" else given["role"]
    text, images = _content(given.get("content"), f"{place}.content")
    calls = tuple(
        ToolCall(call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in given.get("tool_calls") or ()
    )
    if role == "tool" and not given.get("tool_call_id"):
        raise WrongRequest("A tool message names the call that it answers.", place)
    return ChatMessage(role, text, images, calls, given.get("tool_call_id"))


def _content(given: Any, place: str) -> tuple[str, tuple[Image, ...]]:
    if given is None:
        return "", ()
    if isinstance(given, str):
        return given, ()
    texts, images = [], []
    for part in given:
        if part.get("type") == "text" and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif part.get("type") == "refusal":
            texts.append(str(part.get("refusal") or ""))
        elif part.get("type") == "image_url":
            images.append(_image(part.get("image_url"), place))
        else:
            raise WrongRequest("Content is text, or parts of the types text and image_url.", place)
    return "".join(texts), tuple(images)


def _image(given: Any, place: str) -> Image:
    address = given.get("url") if isinstance(given, dict) else given
    found = _DATA_URL.match(address) if isinstance(address, str) else None
    if found is None:
        raise WrongRequest("Send a picture itself, as a data: URL; nothing is fetched.", place)
    try:
        return Image(base64.b64decode(found[2], validate=False), found[1])
    except (binascii.Error, ValueError) as error:
        raise WrongRequest("The picture is not base64.", place) from error


def _schema(given: Any) -> Mapping[str, Any] | None:
    match given or {"type": "text"}:
        case {"type": "text"}:
            return None
        case {"type": "json_object"}:
            return {"type": "object"}
        case {"type": "json_schema", "json_schema": {"schema": dict() as schema}}:
            return schema
    raise WrongRequest(
        "response_format is text, json_object, or json_schema with a schema.", "response_format"
    )


def _strict(given: Any) -> bool | None:
    match given:
        case {"json_schema": {"strict": bool() as strict}}:
            return strict
    return None


# -- Out ------------------------------------------------------------------------------------------


def completion(pump: Pump, outcome: Outcome) -> dict[str, Any]:
    """A whole answer: the object ``chat.completion``."""
    message: dict[str, Any] = {"role": "assistant", "content": outcome.text, "refusal": None}
    if outcome.tool_calls:
        message |= {"content": outcome.text or None, "tool_calls": _tool_calls(outcome)}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": _finish_reason(outcome),
    }
    return _head(pump, "chat.completion") | {"choices": [choice], "usage": _usage(outcome.usage)}


class CompletionScript:
    """The events of a streamed completion: ``chat.completion.chunk`` objects, then ``[DONE]``.

    A stream that breaks off ends with an error and without ``[DONE]``, which the official
    clients turn into an exception.
    """

    def __init__(self, *, include_usage: bool) -> None:
        self._usage_field: dict[str, Any] = {"usage": None} if include_usage else {}
        self._head: dict[str, Any] = {}

    def start(self, pump: Pump) -> bytes:
        """Who speaks."""
        self._head = _head(pump, "chat.completion.chunk") | self._usage_field
        return self._chunk({"role": "assistant", "content": ""})

    def text(self, text: str) -> bytes:
        """A piece of the answer."""
        return self._chunk({"content": text})

    async def end(self, pump: Pump) -> bytes:
        """Tool calls, the reason of the end, the usage where it was asked for."""
        failure = pump.failure()
        if failure is not None or pump.ended is None:
            return _line(error_of(failure)) if failure else b""
        outcome = pump.ended.outcome
        last = b""
        if outcome.tool_calls:
            calls = [{"index": n} | call for n, call in enumerate(_tool_calls(outcome))]
            last += self._chunk({"tool_calls": calls})
        last += self._chunk({}, _finish_reason(outcome))
        if self._usage_field:
            last += _line(self._head | {"choices": [], "usage": _usage(outcome.usage)})
        return last + b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _line(self._head | {"choices": [choice]})


def error_of(failure: CallFailed) -> dict[str, Any]:
    """A failure in OpenAI's shape."""
    return error_body(failure.status, failure.code, failure.message)


def error_body(status: int, code: str, message: str, param: str | None = None) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _head(pump: Pump, kind: str) -> dict[str, Any]:
    model = (pump.stream.model if pump.stream else "") or pump.call.model
    return {
        "id": f"chatcmpl-{pump.call.id.hex}",
        "object": kind,
        "created": int(pump.call.at.timestamp()),
        "model": model,
    }


def _finish_reason(outcome: Outcome) -> str:
    return _FINISH.get(outcome.finish_reason, outcome.finish_reason)


def _tool_calls(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in outcome.tool_calls
    ]


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _line(data: Mapping[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode(errors="replace")
