"""Anthropic's Messages form. Anthropic's own API has no processing in the EU."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any, Final

from llm.providers.adapters import HTTPProvider, parsed
from llm.providers.base import (
    OPENAI_OPTIONS,
    SAMPLING,
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Model,
    Reasoning,
    Started,
    Text,
    ToolCallDelta,
    Usage,
)
from llm.providers.configuration import Configuration, region_of_host
from llm.providers.conversation import (
    Function,
    arguments_of,
    chosen_function,
    functions,
    system_texts,
    turns,
)
from llm.providers.errors import BadResponse, Unavailable
from llm.providers.failures import broken_off
from llm.providers.framing import ServerSentEvents
from llm.providers.http import Upstream

VERSION = "2026-10-21"
DEFAULT_MAX_TOKENS = 8192
# What the Messages form has no words for.
UNSAID: Final = OPENAI_OPTIONS | {"seed"}

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.REFUSAL,
}


class AnthropicProvider(HTTPProvider):
    """Options: ``version`` (the API's), ``max_tokens`` (8192), and ``inference_geo``.

    ``inference_geo`` is ``us`` or ``global``; ``us`` makes the region "US". Versions before
    2026-10-21 take ``temperature`` and the header ``x-api-key``; later ones refuse sampling
    parameters.
    """

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """The US where the calls ask for it, else what the host supports."""
        if configuration.options.get("inference_geo") == "us":
            return "US"
        return region_of_host(configuration)

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """The version of the API, and the key as that version takes it."""
        version = str(configuration.options.get("version", VERSION))
        headers = {"anthropic-version": version}
        if configuration.key and version < VERSION:
            headers["x-api-key"] = configuration.key
        elif configuration.key:
            headers["authorization"] = f"Bearer {configuration.key}"
        return headers

    def unsaid(self, model: str) -> frozenset[str]:
        """Sampling too, in the versions that refuse it."""
        version = str(self.configuration.options.get("version", VERSION))
        return UNSAID if version < VERSION else UNSAID | SAMPLING

    def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events."""
        own = self.configuration.options
        model = options.model or self.provider_model
        told = options.without(self.unsaid(model))
        most = int(own.get("max_tokens", DEFAULT_MAX_TOKENS))
        body = {
            **own.get("body", {}),
            **body_of(messages, told, max_tokens=most),
            "model": model,
        }
        if own.get("inference_geo"):
            body["inference_geo"] = own["inference_geo"]
        return stream_messages(self.upstream, "/messages", body, {})

    async def list_models(self) -> list[Model]:
        """All pages of the models."""
        found: list[Model] = []
        after = ""
        for _ in range(20):
            listed = await self.upstream.json("GET", f"/models?limit=1000{after}", seconds=20)
            if not isinstance(listed, Mapping) or not isinstance(listed.get("data"), list):
                raise BadResponse(f"{self.upstream.provider} lists its models in an unknown form.")
            found += [
                Model(str(row["id"]), str(row.get("display_name") or "")) for row in listed["data"]
            ]
            if not listed.get("has_more") or not listed.get("last_id"):
                break
            after = f"&after_id={listed['last_id']}"
        return found

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """What the vendor counts."""
        body = body_of(messages, ChatOptions(None), max_tokens=1)
        body = {name: body[name] for name in ("system", "messages") if name in body}
        body["model"] = self.provider_model
        counted = await self.upstream.json("POST", "/messages/count_tokens", body, seconds=20)
        try:
            return int(counted["input_tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadResponse(f"{self.upstream.provider} counts in an unknown form.") from error


async def stream_messages(
    upstream: Upstream, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AsyncGenerator[Event, None]:
    """Ask for and read a stream of the Messages form."""
    reading = _Reading(upstream.provider)
    accept = {"accept": "text/event-stream", **headers}
    async with upstream.call("POST", path, body, headers=accept) as answer:
        answer.require_media("event-stream")
        async for event in answer.items(ServerSentEvents()):
            for made in reading.events(parsed(upstream.provider, event.data)):
                yield made
            if reading.done:
                break
        await answer.end()
    yield reading.end()


def body_of(
    messages: Sequence[ChatMessage], options: ChatOptions, *, max_tokens: int
) -> dict[str, Any]:
    """A request in the Messages form, without the model.

    *max_tokens* is the default; the form requires one.
    """
    body: dict[str, Any] = {
        **{name: value for name, value in options.extra.items() if name not in ("model", "stream")},
        "max_tokens": options.max_tokens or max_tokens,
        "messages": [
            {"role": speaker, "content": blocks} for speaker, blocks in turns(messages, _blocks)
        ],
        "stream": True,
    }
    if system := system_texts(messages):
        body["system"] = "\n\n".join(system)
    if options.temperature is not None:
        body["temperature"] = min(options.temperature, 1.0)
    if options.top_p is not None:
        body["top_p"] = options.top_p
    if options.stop:
        body["stop_sequences"] = list(options.stop)
    if options.tools:
        body["tools"] = [_tool(function) for function in functions(options.tools)]
        choice = _tool_choice(options.tool_choice)
        if choice:
            body["tool_choice"] = choice
    if options.output_schema is not None:
        body["output_config"] = {
            "format": {"type": "json_schema", "schema": dict(options.output_schema)}
        }
    return body


def _blocks(message: ChatMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id,
            "content": message.content,
        }
        return
    for image in message.images:
        data = base64.b64encode(image.data).decode()
        source = {"type": "base64", "media_type": image.media, "data": data}
        yield {"type": "image", "source": source}
    if message.content:
        yield {"type": "text", "text": message.content}
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)}


def _tool(function: Function) -> dict[str, Any]:
    made = {"name": function.name, "input_schema": function.parameters or {"type": "object"}}
    if function.description:
        made["description"] = function.description
    return made


def _tool_choice(choice: Any) -> dict[str, Any] | None:
    if name := chosen_function(choice):
        return {"type": "tool", "name": name}
    words = {"auto": "auto", "required": "any", "none": "none"}
    return {"type": words[choice]} if choice in words else None


class _Reading:
    """Events of the Messages stream become ours."""

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._usage: dict[str, Any] = {}
        self._finish: Finished | None = None
        self._started = False

    def events(self, event: Mapping[str, Any]) -> Iterator[Event]:
        """What one event says. Kinds that are not known are passed over, as documented."""
        match event.get("type"):
            case "message_start":
                yield from self._start(event.get("message") or {})
            case "content_block_start":
                block = event.get("content_block") or {}
                if block.get("type") == "tool_use":
                    identifier, name = str(block.get("id") or ""), str(block.get("name") or "")
                    yield ToolCallDelta(int(event.get("index") or 0), identifier, name)
            case "content_block_delta":
                yield from self._delta(int(event.get("index") or 0), event.get("delta") or {})
            case "message_delta":
                raw = (event.get("delta") or {}).get("stop_reason")
                if raw:
                    reason = FINISH_REASONS.get(raw, FinishReason.STOP)
                    self._finish = Finished(reason, str(raw)[:60])
                yield self._count(event.get("usage") or {})
            case "message_stop":
                self.done = True
            case "error":
                raise broken_off(self._provider, event)

    def end(self) -> Finished:
        """How it ended. Raises where the stream ended before the answer did."""
        if not self._started:
            raise BadResponse(f"{self._provider} closed the connection without an answer.")
        if self._finish is None:
            raise Unavailable(
                f"{self._provider} closed the connection in the middle of the answer."
            )
        return self._finish

    def _start(self, message: Mapping[str, Any]) -> Iterator[Event]:
        self._started = True
        used = message.get("usage") or {}
        location = used.get("inference_geo") or ""
        yield Started(
            str(message.get("id") or "")[:200],
            str(message.get("model") or "")[:200],
            str(location)[:60],
        )
        yield self._count(used)

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[Event]:
        match delta.get("type"):
            case "text_delta" if delta.get("text"):
                yield Text(str(delta["text"]))
            case "thinking_delta" if delta.get("thinking"):
                yield Reasoning(str(delta["thinking"]))
            case "input_json_delta" if delta.get("partial_json"):
                yield ToolCallDelta(index, arguments=str(delta["partial_json"]))

    def _count(self, used: Mapping[str, Any]) -> Usage:
        """Counts are cumulative: what is said again replaces. Cached input is said apart."""
        self._usage.update({name: value for name, value in used.items() if value is not None})
        counts = [
            self._usage.get(name) or 0
            for name in (
                *("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),
                "output_tokens",
            )
        ]
        try:
            fresh, read, written, output = (int(count) for count in counts)
        except (TypeError, ValueError) as error:
            raise BadResponse(f"{self._provider} states its usage in an unknown form.") from error
        return Usage(fresh + read + written, output, read)
