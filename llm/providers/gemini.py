"""Google's Gemini form, at the Generative Language API. That API has no promise of residency."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

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
from llm.providers.configuration import Configuration
from llm.providers.conversation import (
    Function,
    arguments_of,
    chosen_function,
    functions,
    system_texts,
    turns,
)
from llm.providers.embeddings import MAX_ANSWER_BYTES, Embeddings, Embeds, Vector, vectors_of
from llm.providers.errors import BadResponse, ContentRefused, Unavailable
from llm.providers.failures import broken_off
from llm.providers.framing import ServerSentEvents

# The form gives calls no ids, but wants each call's signature back with its result: the id that
# we make carries it.
_SIGNATURE = "~"
_EMBEDDED_AT_ONCE = 100
_ERRORS = frozenset({"OTHER", "MISSING_THOUGHT_SIGNATURE"})
_LENGTH = frozenset({"MAX_TOKENS", "CONTINUATION"})
_FILTERED = frozenset(
    {
        *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
        *("MODEL_ARMOR", "JAILBREAK"),
    }
)


class GeminiForm(HTTPProvider):
    """Gemini's form of a chat, wherever it is spoken."""

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """The key goes into a header, never into the address, where logs would keep it."""
        return {"x-goog-api-key": configuration.key} if configuration.key else {}

    async def authorisation(self) -> Mapping[str, str]:
        """Further headers, for what must be fetched first."""
        return {}

    def model_path(self, model: str) -> str:
        """The path of a model below the base URL."""
        return f"/models/{quote(model.removeprefix('models/'), safe='')}"

    def unsaid(self, model: str) -> frozenset[str]:
        """The form has words for the penalties."""
        return super().unsaid(model) - PENALTIES

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events."""
        body = {
            **self.configuration.options.get("body", {}),
            **options.extra,
            **body_of(messages, options),
        }
        model = self.model_path(options.model or self.provider_model)
        headers = {"accept": "text/event-stream", **await self.authorisation()}
        reading = _Reading(self.upstream.provider)
        path = f"{model}:streamGenerateContent?alt=sse"
        async with self.upstream.call("POST", path, body, headers=headers) as answer:
            answer.require_media("event-stream")
            async for event in answer.items(ServerSentEvents()):
                for made in reading.events(parsed(self.upstream.provider, event.data)):
                    yield made
        for made in reading.end():
            yield made

    async def list_models(self) -> list[Model]:
        """All pages of the models that can chat."""
        found: list[Model] = []
        page = ""
        for _ in range(20):
            listed = await self.upstream.json(
                "GET",
                f"/models?pageSize=1000{page}",
                headers=await self.authorisation(),
                seconds=20,
            )
            if not isinstance(listed, Mapping):
                raise BadResponse(f"{self.upstream.provider} lists its models in an unknown form.")
            found += [
                Model(
                    str(row["name"]).removeprefix("models/"),
                    str(row.get("displayName") or ""),
                    str(row.get("version") or ""),
                    row.get("inputTokenLimit"),
                )
                for row in listed.get("models", ())
                if "generateContent" in row.get("supportedGenerationMethods", ["generateContent"])
            ]
            if not listed.get("nextPageToken"):
                break
            page = f"&pageToken={quote(str(listed['nextPageToken']), safe='')}"
        return found

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """What the vendor counts."""
        contents = body_of(messages, ChatOptions(None))["contents"]
        path = f"{self.model_path(self.provider_model)}:countTokens"
        counted = await self.upstream.json(
            "POST", path, {"contents": contents}, headers=await self.authorisation(), seconds=20
        )
        try:
            return int(counted["totalTokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadResponse(f"{self.upstream.provider} counts in an unknown form.") from error


class GeminiProvider(GeminiForm, Embeds):
    """Gemini with a key of Google AI Studio. Vertex makes vectors in another way."""

    async def embed(
        self, inputs: Sequence[str], *, model: str, dimensions: int | None = None
    ) -> Embeddings:
        """Vectors, a hundred at a time, which is all that the vendor takes."""
        vectors: list[Vector] = []
        read: int | None = 0
        for start in range(0, len(inputs), _EMBEDDED_AT_ONCE):
            batch = inputs[start : start + _EMBEDDED_AT_ONCE]
            made = await self._embed(batch, model, dimensions)
            provider = self.upstream.provider
            try:
                given = [row["values"] for row in made["embeddings"]]
                used = (made.get("usageMetadata") or {}).get("promptTokenCount")
            except (AttributeError, KeyError, TypeError) as error:
                raise BadResponse(f"{provider} sent vectors in an unknown form.") from error
            vectors += vectors_of(provider, given, wanted=len(batch))
            read = read + used if isinstance(used, int) and read is not None else None
        usage = Usage(read, 0) if read is not None else None
        return Embeddings(tuple(vectors), usage, model.removeprefix("models/"))

    async def _embed(self, inputs: Sequence[str], model: str, dimensions: int | None) -> Any:
        asked: dict[str, Any] = {"model": f"models/{model.removeprefix('models/')}"}
        if dimensions is not None:
            asked["outputDimensionality"] = dimensions
        body = {"requests": [asked | {"content": {"parts": [{"text": text}]}} for text in inputs]}
        path = f"{self.model_path(model)}:batchEmbedContents"
        return await self.upstream.json("POST", path, body, limit=MAX_ANSWER_BYTES)


def body_of(messages: Sequence[ChatMessage], options: ChatOptions) -> dict[str, Any]:
    """A request in Gemini's form."""
    settings: dict[str, Any] = {
        "temperature": options.temperature,
        "topP": options.top_p,
        "maxOutputTokens": options.max_tokens,
        "stopSequences": list(options.stop) or None,
        "seed": options.seed,
        "frequencyPenalty": options.openai_options.get("frequency_penalty"),
        "presencePenalty": options.openai_options.get("presence_penalty"),
    }
    if options.output_schema is not None:
        settings["responseMimeType"] = "application/json"
        settings["responseJsonSchema"] = dict(options.output_schema)
    body: dict[str, Any] = {"contents": list(_contents(messages))}
    settings = {name: value for name, value in settings.items() if value is not None}
    if settings:
        body["generationConfig"] = settings
    if system := system_texts(messages):
        body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
    if options.tools:
        body["tools"] = [
            {"functionDeclarations": list(map(_declaration, functions(options.tools)))}
        ]
        body |= _tool_config(options.tool_choice)
    return body


def _contents(messages: Sequence[ChatMessage]) -> Iterator[dict[str, Any]]:
    names: dict[str, str] = {}
    for speaker, parts in turns(messages, partial(_parts, names=names)):
        yield {"role": "model" if speaker == "assistant" else speaker, "parts": parts}


def _parts(message: ChatMessage, *, names: dict[str, str]) -> Iterator[dict[str, Any]]:
    """*names* are those of the functions by the ids of their calls; an answer has only the id."""
    names.update({call.id: call.name for call in message.tool_calls})
    if message.role == "tool":
        name = names.get(message.tool_call_id or "", message.tool_call_id or "")
        yield {"functionResponse": {"name": name, "response": {"result": message.content}}}
        return
    for image in message.images:
        data = base64.b64encode(image.data).decode()
        yield {"inlineData": {"mimeType": image.media, "data": data}}
    if message.content:
        yield {"text": message.content}
    for call in message.tool_calls:
        part: dict[str, Any] = {"functionCall": {"name": call.name, "args": arguments_of(call)}}
        _, _, signature = call.id.partition(_SIGNATURE)
        if signature:
            part["thoughtSignature"] = signature
        yield part


def _declaration(function: Function) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function.name, "description": function.description}
    if function.parameters:
        made["parametersJsonSchema"] = function.parameters
    return made


def _tool_config(choice: Any) -> dict[str, Any]:
    calling: dict[str, Any] = {}
    if name := chosen_function(choice):
        calling = {"mode": "ANY", "allowedFunctionNames": [name]}
    elif choice in ("auto", "required", "none"):
        calling = {"mode": {"auto": "AUTO", "required": "ANY", "none": "NONE"}[choice]}
    return {"toolConfig": {"functionCallingConfig": calling}} if calling else {}


class _Reading:
    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._started = False
        self._calls = 0
        self._raw = ""

    def events(self, chunk: Mapping[str, Any]) -> Iterator[Event]:
        if "error" in chunk:
            raise broken_off(self._provider, chunk)
        if not self._started:
            self._started = True
            yield Started(
                str(chunk.get("responseId") or "")[:200], str(chunk.get("modelVersion") or "")[:200]
            )
        used = chunk.get("usageMetadata")
        if used:
            yield self._usage(used)
        candidates = chunk.get("candidates") or []
        blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
        if blocked and not candidates:
            raise ContentRefused(f"The content filter of {self._provider} blocked the prompt.")
        for candidate in candidates[:1]:
            for part in (candidate.get("content") or {}).get("parts") or ():
                yield from self._part(part)
            self._raw = str(candidate.get("finishReason") or self._raw)[:60]

    def _part(self, part: Mapping[str, Any]) -> Iterator[Event]:
        text = part.get("text")
        if text and part.get("thought"):
            yield Reasoning(str(text))
        elif text:
            yield Text(str(text))
        call = part.get("functionCall")
        if call:
            index, self._calls = self._calls, self._calls + 1
            identifier = str(call.get("id") or f"call_{index}")
            if part.get("thoughtSignature"):
                identifier += _SIGNATURE + str(part["thoughtSignature"])
            arguments = json.dumps(call.get("args") or {}, ensure_ascii=False)
            yield ToolCallDelta(index, identifier, str(call.get("name") or ""), arguments)

    def _usage(self, used: Mapping[str, Any]) -> Usage:
        try:
            thoughts = int(used.get("thoughtsTokenCount") or 0)
            return Usage(
                int(used.get("promptTokenCount") or 0)
                + int(used.get("toolUsePromptTokenCount") or 0),
                int(used.get("candidatesTokenCount") or 0) + thoughts,
                int(used.get("cachedContentTokenCount") or 0),
                thoughts,
            )
        except (TypeError, ValueError) as error:
            raise BadResponse(f"{self._provider} states its usage in an unknown form.") from error

    def end(self) -> Iterator[Event]:
        if not self._started:
            raise BadResponse(f"{self._provider} closed the connection without an answer.")
        if not self._raw:
            raise Unavailable(
                f"{self._provider} closed the connection in the middle of the answer."
            )
        reason = _reason(self._raw)
        if self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        yield Finished(reason, self._raw)
        if reason is FinishReason.ERROR:
            raise Unavailable(f"{self._provider} ended the answer with an error. Try again.")


def _reason(raw: str) -> FinishReason:
    if raw in _LENGTH:
        return FinishReason.LENGTH
    # MALFORMED_…, UNEXPECTED_TOOL_CALL, TOO_MANY_TOOL_CALLS: the model failed, nobody refused.
    if raw in _ERRORS or raw.startswith(("MALFORMED_", "UNEXPECTED_", "TOO_MANY_")):
        return FinishReason.ERROR
    if raw in _FILTERED or raw.startswith("IMAGE_"):
        return FinishReason.CONTENT_FILTER
    return FinishReason.STOP  # the vendor's own word is kept beside it
