"""Ollama's native form: lines of JSON, which lets us set the context length (``/v1`` does not)."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from llm.providers.adapters import HTTPProvider, parsed
from llm.providers.base import (
    PENALTIES,
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
from llm.providers.configuration import UNKNOWN, Configuration, region_of_host
from llm.providers.conversation import arguments_of
from llm.providers.embeddings import MAX_ANSWER_BYTES, Embeddings, Embeds, vectors_of
from llm.providers.errors import BadResponse, Unavailable
from llm.providers.failures import broken_off
from llm.providers.framing import JsonLines

# Ollama cuts what does not fit into its context without a word, and its default is small.
DEFAULT_CONTEXT = 8192
_FINISH_REASONS = {"length": FinishReason.LENGTH}


class OllamaProvider(HTTPProvider, Embeds):
    """A model on a machine of one's own. Option ``num_ctx``: the context length in tokens."""

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """Models named ``…-cloud`` run at Ollama's, wherever the local server stands."""
        if configuration.model.endswith(("-cloud", ":cloud")):
            return UNKNOWN
        return region_of_host(configuration)

    def unsaid(self, model: str) -> frozenset[str]:
        """It has words for the penalties."""
        return super().unsaid(model) - PENALTIES

    def left_out(self, options: ChatOptions) -> list[str]:
        """Without a word for a choice of tools, only two of the choices can be kept."""
        is_kept = options.tool_choice in (None, "auto", "none")
        return [*super().left_out(options), *(() if is_kept else ("tool_choice",))]

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events."""
        body = self.body(messages, options)
        reading = _Reading(self.upstream.provider)
        async with self.upstream.call("POST", "/api/chat", body) as answer:
            answer.require_media("json")
            async for line in answer.items(JsonLines()):
                for event in reading.events(parsed(self.upstream.provider, line)):
                    yield event
                if reading.done:
                    break
            await answer.end()
            reading.require_end()

    def body(self, messages: Sequence[ChatMessage], options: ChatOptions) -> dict[str, Any]:
        """The request in Ollama's words."""
        own = self.configuration.options
        settings = {
            "num_ctx": own.get("num_ctx", DEFAULT_CONTEXT),
            "temperature": options.temperature,
            "num_predict": options.max_tokens,
            "top_p": options.top_p,
            "stop": list(options.stop) or None,
            "seed": options.seed,
            "frequency_penalty": options.openai_options.get("frequency_penalty"),
            "presence_penalty": options.openai_options.get("presence_penalty"),
        }
        body: dict[str, Any] = {
            **own.get("body", {}),
            **options.extra,
            "model": options.model or self.provider_model,
            "messages": list(_messages(messages)),
            "stream": True,
            "options": {name: value for name, value in settings.items() if value is not None},
        }
        if options.tools and options.tool_choice != "none":  # it has no words for a choice
            body["tools"] = list(options.tools)
        if options.output_schema is not None:
            body["format"] = dict(options.output_schema)
        return body

    async def embed(
        self, inputs: Sequence[str], *, model: str, dimensions: int | None = None
    ) -> Embeddings:
        """Vectors from ``/api/embed``; a text that is too long is an error and never cut."""
        body: dict[str, Any] = {"model": model, "input": list(inputs), "truncate": False}
        if dimensions is not None:
            body["dimensions"] = dimensions
        made = await self.upstream.json("POST", "/api/embed", body, limit=MAX_ANSWER_BYTES)
        given = made.get("embeddings") if isinstance(made, Mapping) else None
        if not isinstance(given, list):
            raise BadResponse(f"{self.upstream.provider} sent vectors in an unknown form.")
        read = made.get("prompt_eval_count")
        return Embeddings(
            vectors_of(self.upstream.provider, given, wanted=len(inputs)),
            Usage(read, 0) if isinstance(read, int) else None,
            str(made.get("model") or "")[:200],
        )

    async def list_models(self) -> list[Model]:
        """The models that are on the machine; the digest is the exact snapshot."""
        listed = await self.upstream.json("GET", "/api/tags", seconds=20)
        rows = listed.get("models") if isinstance(listed, Mapping) else None
        if not isinstance(rows, list):
            raise BadResponse(f"{self.upstream.provider} lists its models in an unknown form.")
        return [
            Model(str(row["name"]), snapshot=str(row.get("digest") or ""))
            for row in rows
            if isinstance(row, Mapping) and row.get("name")
        ]

    async def probe(self) -> None:
        """Ask for the server's version."""
        await self.upstream.json("GET", "/api/version", seconds=20)


class _Reading:
    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._started = False
        self._calls = 0

    def events(self, line: Mapping[str, Any]) -> Iterator[Event]:
        if "error" in line:
            raise broken_off(self._provider, line)
        if not self._started:
            self._started = True
            yield Started(model=str(line.get("model") or "")[:200])
        message = line.get("message") or {}
        if message.get("thinking"):
            yield Reasoning(str(message["thinking"]))
        if message.get("content"):
            yield Text(str(message["content"]))
        for call in message.get("tool_calls") or ():
            yield self._call(call)
        if line.get("done"):
            self.done = True
            yield from self._ending(line)

    def _call(self, call: Mapping[str, Any]) -> ToolCallDelta:
        function = call.get("function") or {}
        index, self._calls = self._calls, self._calls + 1
        arguments = function.get("arguments") or {}
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        identifier = str(call.get("id") or f"call_{index}")
        return ToolCallDelta(index, identifier, str(function.get("name") or ""), arguments)

    def _ending(self, line: Mapping[str, Any]) -> Iterator[Event]:
        read, written = line.get("prompt_eval_count"), line.get("eval_count")
        if isinstance(written, int):
            # The count of a prompt that was cached whole is left out: then it is not known.
            known = isinstance(read, int)
            yield Usage(
                read if isinstance(read, int) else 0,
                written,
                source="provider" if known else "estimated",
            )
        raw = str(line.get("done_reason") or "stop")
        reason = _FINISH_REASONS.get(raw, FinishReason.STOP)
        if self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        yield Finished(reason, raw)

    def require_end(self) -> None:
        if not self._started:
            raise BadResponse(f"{self._provider} closed the connection without an answer.")
        if not self.done:
            raise Unavailable(
                f"{self._provider} closed the connection in the middle of the answer."
            )


def _messages(messages: Sequence[ChatMessage]) -> Iterator[dict[str, Any]]:
    names: dict[str, str] = {}
    for message in messages:
        made: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.images:
            made["images"] = [base64.b64encode(image.data).decode() for image in message.images]
        if message.tool_calls:
            made["tool_calls"] = [
                {"function": {"name": call.name, "arguments": arguments_of(call)}}
                for call in message.tool_calls
            ]
            names.update({call.id: call.name for call in message.tool_calls})
        if message.tool_call_id is not None:
            made["tool_name"] = names.get(message.tool_call_id, message.tool_call_id)
        yield made
