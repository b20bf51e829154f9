"""The chat completions form of OpenAI, which most servers speak.

A server that differs does so in a few words, its :class:`Dialect`; a vendor that differs more
subclasses :class:`OpenAICompatibleProvider`.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncGenerator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from llm.providers.adapters import HTTPProvider, joined, parsed
from llm.providers.base import (
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
from llm.providers.configuration import Configuration
from llm.providers.embeddings import MAX_ANSWER_BYTES, Embeddings, Embeds, vectors_of
from llm.providers.errors import BadResponse, Unavailable
from llm.providers.failures import broken_off
from llm.providers.framing import ServerSentEvent, ServerSentEvents
from llm.providers.http import Answer

DONE = "[DONE]"
# How many times as long a whole answer may take as the first piece of a stream.
WHOLE_TIMES_IDLE = 5
_RESERVED = frozenset({"model", "messages", "stream"})

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "error": FinishReason.ERROR,
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server differs within the form.

    ``asks_usage``: it knows ``stream_options``. ``fixed_sampling``: a pattern of the models that
    refuse temperature and top_p. ``untold``: further options that it refuses. ``health``: a path
    from the origin's root that answers 200 when the server is ready; empty asks for the models.
    ``tokenize``: its ``/tokenize`` takes ``content`` (llama.cpp) or ``messages`` (vLLM); empty has
    none. ``dimensions``: its word for the length of a vector.
    """

    asks_usage: bool = True
    max_tokens: str = "max_tokens"
    seed: str = "seed"
    required_tool: str = "required"
    fixed_sampling: str = ""
    untold: Collection[str] = ()
    health: str = ""
    tokenize: str = ""
    dimensions: str = "dimensions"


class OpenAICompatibleProvider(HTTPProvider, Embeds):
    """Any server with ``/chat/completions``; many also have ``/embeddings``."""

    dialect: ClassVar[Dialect] = Dialect()

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        differences = {**configuration.vendor.dialect, **configuration.options.get("dialect", {})}
        self.ways = replace(self.dialect, **differences) if differences else self.dialect

    def chat_path(self, model: str) -> str:
        """Where chat completions are, below the base URL."""
        return "/chat/completions"

    def embeddings_path(self, model: str) -> str:
        """Where embeddings are, below the base URL."""
        return "/embeddings"

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events."""
        body = self.body(messages, options)
        accept = {"accept": "text/event-stream" if options.streamed else "application/json"}
        path = self.chat_path(body["model"])
        reading = Reading(self.upstream.provider)
        async with self.upstream.call(
            "POST", path, body, headers=accept, head_seconds=self.patience(options)
        ) as answer:
            reading.headers(answer.headers)
            async for chunks in self._chunks(answer, reading):
                for event in joined(reading.all_events(chunks)):
                    yield event
            for event in reading.end():
                yield event

    async def _chunks(
        self, answer: Answer, reading: Reading
    ) -> AsyncGenerator[Iterable[Any], None]:
        """The chunks that came together, each parsed when it is its turn."""
        if "application/json" in answer.headers.get("content-type", ""):
            yield [await answer.json()]  # it was not asked to stream, or cannot
            reading.done = True
            return
        answer.require_media("event-stream", "octet-stream", "text/plain")
        async for events in answer.batches(ServerSentEvents()):
            yield self._parsed(events, reading)
            if reading.done:
                break
        await answer.end()

    def _parsed(self, events: Sequence[ServerSentEvent], reading: Reading) -> Iterator[Any]:
        for event in events:
            if event.data == DONE:
                reading.done = True
                return
            chunk = parsed(self.upstream.provider, event.data)
            if event.name == "error" and "error" not in chunk:
                chunk = {"error": chunk}
            yield chunk

    def patience(self, options: ChatOptions) -> float:
        """The setting's timeout; longer for a whole answer, which is silent while it is made."""
        found = self.configuration
        if options.streamed:
            return found.idle_seconds
        return min(WHOLE_TIMES_IDLE * found.idle_seconds, found.total_seconds)

    def unsaid(self, model: str) -> frozenset[str]:
        """What the server or the model refuses; the names are those of this form."""
        pattern = self.ways.fixed_sampling
        refused = SAMPLING if pattern and re.match(pattern, model) else frozenset()
        return refused.union(self.ways.untold)

    def body(self, messages: Sequence[ChatMessage], options: ChatOptions) -> dict[str, Any]:
        """The request, in the server's words."""
        model = options.model or self.provider_model
        options = options.without(self.unsaid(model))
        body: dict[str, Any] = {
            **self.configuration.options.get("body", {}),
            **{name: value for name, value in options.extra.items() if name not in _RESERVED},
            "model": model,
            "messages": [self.message(message) for message in messages],
            "stream": options.streamed,
            **options.openai_options,
        }
        if options.streamed and self.ways.asks_usage:
            body["stream_options"] = {"include_usage": True}
        _put(body, "temperature", options.temperature)
        _put(body, "top_p", options.top_p)
        _put(body, self.ways.max_tokens, options.max_tokens)
        _put(body, "stop", list(options.stop) or None)
        _put(body, self.ways.seed, options.seed)
        if options.tools:
            body["tools"] = list(options.tools)
            choice = options.tool_choice
            _put(body, "tool_choice", self.ways.required_tool if choice == "required" else choice)
        if options.output_schema is not None:
            body["response_format"] = self.response_format(options.output_schema, options.strict)
        return body

    def message(self, message: ChatMessage) -> dict[str, Any]:
        """One message in the server's words."""
        content: Any = message.content
        if message.images:
            content = [
                *([{"type": "text", "text": message.content}] if message.content else []),
                *({"type": "image_url", "image_url": {"url": data_url(i)}} for i in message.images),
            ]
        made: dict[str, Any] = {"role": message.role, "content": content}
        if message.tool_calls:
            made["content"] = content or None
            made["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id is not None:
            made["tool_call_id"] = message.tool_call_id
        return made

    def response_format(
        self, schema: Mapping[str, Any], strict: bool | None = None
    ) -> dict[str, Any]:
        """Ask for an answer that follows *schema*; as *strict* says, or where the schema is closed.

        Any object at all is what more servers know by the older word for it.
        """
        if schema == {"type": "object"}:
            return {"type": "json_object"}
        if strict is None:
            strict = schema.get("additionalProperties") is False
        return {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": dict(schema), "strict": strict},
        }

    async def embed(
        self, inputs: Sequence[str], *, model: str, dimensions: int | None = None
    ) -> Embeddings:
        """Vectors from ``/embeddings``, asked for in base64 as the official clients do."""
        body: dict[str, Any] = {"model": model, "input": list(inputs), "encoding_format": "base64"}
        _put(body, self.ways.dimensions, dimensions)
        provider, path = self.upstream.provider, self.embeddings_path(model)
        async with self.upstream.call("POST", path, body) as answer:
            made = await answer.json(limit=MAX_ANSWER_BYTES)
            location = answer.headers.get("x-ms-region", "")[:60]
            upstream_id = str(answer.headers.get("x-request-id", ""))[:200]
        try:
            rows = sorted(made["data"], key=lambda row: int(row.get("index") or 0))
            given = [row["embedding"] for row in rows]
            used, answered = made.get("usage"), str(made.get("model") or "")[:200]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise BadResponse(f"{provider} sent vectors in an unknown form.") from error
        return Embeddings(
            vectors_of(provider, given, wanted=len(inputs)),
            usage_of(provider, used) if used else None,
            answered,
            str(made.get("id") or upstream_id)[:200],
            location,
        )

    async def list_models(self) -> list[Model]:
        """The models that the server lists."""
        listed = await self.upstream.json("GET", "/models", seconds=20)
        rows = listed.get("data") if isinstance(listed, Mapping) else listed
        if not isinstance(rows, list):
            raise BadResponse(f"{self.upstream.provider} lists its models in an unknown form.")
        return [
            Model(
                str(row["id"]),
                str(row.get("display_name") or row.get("name") or ""),
                context_tokens=_context(row),
            )
            for row in rows
            if isinstance(row, Mapping) and row.get("id")
        ]

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """What the server's ``/tokenize`` counts where it has one, else an estimate."""
        if not self.ways.tokenize:
            return await super().count_tokens(messages)
        path = self.upstream.base_url.origin + "/tokenize"
        if self.ways.tokenize == "content":
            body: dict[str, Any] = {"content": "\n".join(m.content for m in messages)}
        else:
            body = {
                "model": self.provider_model,
                "messages": [self.message(message) for message in messages],
            }
        counted = await self.upstream.json("POST", path, body, seconds=20)
        try:
            return int(counted["count"] if "count" in counted else len(counted["tokens"]))
        except (TypeError, KeyError, ValueError) as error:
            raise BadResponse(f"{self.upstream.provider} counts in an unknown form.") from error

    async def probe(self) -> None:
        """Ask for health where the server has a way, else for its models."""
        if not self.ways.health:
            await super().probe()
            return
        path = self.upstream.base_url.origin + self.ways.health
        async with self.upstream.call("GET", path, seconds=20):
            pass


class Reading:
    """Chunks of one answer become events; at the end it is known whether the answer is whole."""

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._started = False
        self._named = False
        self._refused = False
        self._finish: Finished | None = None
        self._request_id = ""
        self._location = ""

    def headers(self, headers: Mapping[str, str]) -> None:
        """Note what the headers say."""
        self._request_id = headers.get("x-request-id", "")[:200]
        self._location = headers.get("x-ms-region", "")[:60]

    def all_events(self, chunks: Iterable[Mapping[str, Any]]) -> Iterator[Event]:
        """The events of several chunks. Raises the error that one carries."""
        for chunk in chunks:
            yield from self.events(chunk)

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        """The events of one chunk. Raises the error that a chunk carries."""
        extra = chunk.get("x_groq") or {}
        error = chunk.get("error") or extra.get("error")
        if error or chunk.get("object") == "error":
            raise broken_off(self._provider, {"error": error} if error else chunk)
        if not self._started or (not self._named and chunk.get("model")):
            # Azure's first chunk holds the filter's results, but neither id nor model.
            self._started, self._named = True, bool(chunk.get("model"))
            upstream_id = str(chunk.get("id") or self._request_id)[:200]
            yield Started(upstream_id, str(chunk.get("model") or "")[:200], self._location)
        for choice in chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                yield from self._choice(choice)
        used = chunk.get("usage") or extra.get("usage")
        if used:
            yield usage_of(self._provider, used)

    def _choice(self, choice: Mapping[str, Any]) -> Iterator[Event]:
        delta = choice.get("delta") or choice.get("message") or {}
        content = delta.get("content")
        if isinstance(content, str):
            if content:
                yield Text(content)
        elif content:
            yield from _parts(content)
        reasoning = delta.get("reasoning_content") or delta.get("reasoning")
        if isinstance(reasoning, str) and reasoning:
            yield Reasoning(reasoning)
        refusal = delta.get("refusal")
        if refusal:
            self._refused = True
            yield Text(str(refusal))
        for position, call in enumerate(delta.get("tool_calls") or ()):
            yield _tool_call(position, call)
        if delta.get("function_call"):
            yield _tool_call(0, {"function": delta["function_call"]})
        raw = choice.get("finish_reason")
        if raw:
            self._finish = Finished(FINISH_REASONS.get(raw, FinishReason.STOP), str(raw)[:60])

    def end(self) -> Iterator[Event]:
        """What the end of the stream means. Raises where the answer is not whole."""
        if not self._started:
            raise BadResponse(f"{self._provider} closed the connection without an answer.")
        if self._finish is None and not self.done:
            raise Unavailable(
                f"{self._provider} closed the connection in the middle of the answer."
            )
        finish = self._finish or Finished(FinishReason.STOP)
        if self._refused and finish.reason is FinishReason.STOP:
            finish = Finished(FinishReason.REFUSAL, finish.raw)
        yield finish
        if finish.reason is FinishReason.ERROR:
            raise Unavailable(f"{self._provider} ended the answer with an error. Try again.")


def usage_of(provider: str, used: Mapping[str, Any]) -> Usage:
    """Usage in OpenAI's words."""
    try:
        read = used.get("prompt_tokens_details") or {}
        written = used.get("completion_tokens_details") or {}
        return Usage(
            int(used.get("prompt_tokens") or 0),
            int(used.get("completion_tokens") or 0),
            int(read.get("cached_tokens") or 0),
            int(written.get("reasoning_tokens") or 0),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise BadResponse(f"{provider} states its usage in an unknown form.") from error


def data_url(image: Any) -> str:
    """An image as a data URL (RFC 2397)."""
    return f"data:{image.media};base64,{base64.b64encode(image.data).decode()}"


def _parts(parts: Any) -> Iterator[Event]:
    for part in parts if isinstance(parts, list) else ():
        if part.get("type") == "text" and part.get("text"):
            yield Text(str(part["text"]))
        elif part.get("type") == "thinking":
            thought = part.get("thinking")
            inner = thought if isinstance(thought, list) else [{"text": thought}]
            yield Reasoning("".join(str(piece.get("text") or "") for piece in inner))


def _tool_call(position: int, call: Mapping[str, Any]) -> ToolCallDelta:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = json.dumps(arguments)
    index = call.get("index")
    return ToolCallDelta(
        position if index is None else int(index),
        str(call.get("id") or ""),
        str(function.get("name") or ""),
        str(arguments or ""),
    )


def _put(body: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        body[name] = value


def _context(row: Mapping[str, Any]) -> int | None:
    for name in ("max_context_length", "context_window", "context_length", "max_model_len"):
        if isinstance(row.get(name), int):
            return int(row[name])
    return None
