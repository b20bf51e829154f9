"""What every provider adapter offers, and the shapes that go in and come out.

Vendor framing, roles, tool calls, usage and error shapes stay inside an adapter. What comes out
is one small set of events, folded by :class:`ChatStream` into strings and a summary.
"""

from __future__ import annotations

import abc
import enum
import json
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

# Silence after which a provider without a setting of its own has failed.
IDLE_SECONDS = 60.0
# What vendors count for a picture lies between some hundred and two thousand tokens.
PICTURE_TOKENS = 1500


class FinishReason(enum.StrEnum):
    """Why a model stopped, in one vocabulary for all vendors."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a message: raw bytes and their media type, such as ``image/png``."""

    data: bytes
    media: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to call a tool; ``arguments`` is JSON text exactly as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message: ``role`` is ``system``, ``user``, ``assistant`` or ``tool``.

    A ``tool`` message answers the call named by ``tool_call_id``.
    """

    role: str
    content: str
    images: tuple[Image, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Inclusive, as in OpenTelemetry: input holds cached, output reasoning.

    ``source`` is ``provider`` where the vendor said it, ``estimated`` where we had to guess.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0
    source: str = "provider"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a provider lists; ``snapshot`` is its exact version or digest, where known."""

    id: str
    name: str = ""
    snapshot: str = ""
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a provider answers; ``detail`` says what to do where it does not."""

    ok: bool
    detail: str
    latency_ms: int | None = None


# -- Events: what an adapter reads from its vendor ------------------------------------------------


@dataclass(frozen=True, slots=True)
class Started:
    """The provider has accepted the call: what answers, and where as far as it says."""

    upstream_id: str = ""
    model: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of the model's visible reasoning: not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the tool call number ``index``; pieces of ``arguments`` are joined."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped; ``raw`` is the vendor's own word for it."""

    reason: FinishReason
    raw: str = ""


Event = Started | Text | Reasoning | ToolCallDelta | Usage | Finished


class ChatStream:
    """An answer as it arrives: an async iterator of the text alone.

    ``await stream.open()`` waits for the provider's first event. Until then a failure is an
    ordinary :class:`~llm.providers.errors.ProviderError` and another provider may still be tried;
    after it the answer has begun. When iteration ends the summary is complete.
    """

    def __init__(self, events: AsyncGenerator[Event, None]) -> None:
        self._events = events
        self._first: Event | None = None
        self._tool_calls: dict[int, ToolCallDelta] = {}
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self.usage: Usage | None = None
        self.finish_reason: FinishReason | None = None
        self.raw_finish_reason = ""
        self.model = ""
        self.upstream_id = ""
        self.location = ""

    async def open(self) -> None:
        """Wait for the first event. Raises :class:`ProviderError`."""
        if self._first is None:
            self._first = await anext(self._events, None)
            if self._first is None:
                from llm.providers.errors import BadResponse

                raise BadResponse("The provider closed the connection without an answer.")

    async def __aiter__(self) -> AsyncIterator[str]:
        await self.open()
        assert self._first is not None
        text = self._fold(self._first)
        if text:
            yield text
        async for event in self._events:
            text = self._fold(event)
            if text:
                yield text

    @property
    def text(self) -> str:
        """All of the answer that has arrived so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """All of the visible reasoning that has arrived so far."""
        return "".join(self._reasoning)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls, joined from their pieces, in order."""
        return tuple(
            ToolCall(piece.id, piece.name, piece.arguments)
            for _, piece in sorted(self._tool_calls.items())
        )

    async def aclose(self) -> None:
        """Close the connection to the provider at once."""
        await self._events.aclose()

    def _fold(self, event: Event) -> str:
        match event:
            case Text(text):
                self._text.append(text)
                return text
            case Reasoning(text):
                self._reasoning.append(text)
            case Usage():
                self.usage = event
            case Finished(reason, raw):
                self.finish_reason, self.raw_finish_reason = reason, raw
            case Started(upstream_id, model, location):
                self.upstream_id = upstream_id or self.upstream_id
                self.model = model or self.model
                self.location = location or self.location
            case ToolCallDelta(index, id, name, arguments):
                known = self._tool_calls.get(index, ToolCallDelta(index))
                self._tool_calls[index] = ToolCallDelta(
                    index, known.id or id, known.name or name, known.arguments + arguments
                )
        return ""


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """A whole answer."""

    text: str
    usage: Usage | None
    finish_reason: FinishReason | None
    model: str
    upstream_id: str
    location: str
    tool_calls: tuple[ToolCall, ...] = ()
    raw_finish_reason: str = ""
    reasoning: str = ""


# What providers with OpenAI's form are told as it was given, and others where they have a word.
OPENAI_OPTIONS: Final = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "parallel_tool_calls",
        "presence_penalty",
        "reasoning_effort",
        "verbosity",
    }
)
PENALTIES: Final = frozenset({"frequency_penalty", "presence_penalty"})
SAMPLING: Final = frozenset({"temperature", "top_p"})


@dataclass(frozen=True, slots=True)
class ChatOptions:
    """How to answer. What a model does not take is left out by its adapter, which says so.

    ``tools`` and ``tool_choice`` are in OpenAI's form; ``output_schema`` is a JSON Schema, and
    ``strict`` whether it must be followed to the letter (None: where it is closed).
    ``openai_options`` are the :data:`OPENAI_OPTIONS` that were given. Where nobody reads the answer
    before it is whole (not ``streamed``), an adapter may ask for it whole.
    """

    temperature: float | None = 0.3
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: Any = None
    output_schema: Mapping[str, Any] | None = None
    strict: bool | None = None
    openai_options: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    streamed: bool = True

    @property
    def given(self) -> list[str]:
        """What is asked for, by the names that OpenAI's form has."""
        named = [name for name, own in _NAMES.items() if getattr(self, own) not in (None, ())]
        return [*named, *self.openai_options]

    def without(self, names: Collection[str]) -> ChatOptions:
        """The same but for what has one of *names* in OpenAI's form."""
        if not names:
            return self
        further = {name: it for name, it in self.openai_options.items() if name not in names}
        empty: dict[str, Any] = {
            own: () if isinstance(getattr(self, own), tuple) else None
            for name, own in _NAMES.items()
            if name in names
        }
        return replace(self, openai_options=further, **empty)


# Options by their names in OpenAI's form: the fields that hold them.
_NAMES: Final = {
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "top_p": "top_p",
    "stop": "stop",
    "seed": "seed",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "response_format": "output_schema",
}


class BaseLLMProvider(abc.ABC):
    """One provider as one organisation uses it.

    ``provider_name``, ``provider_model`` and ``data_region`` go into the log verbatim.
    ``data_region`` is "EU", "US", "self-hosted", an ISO country code, or "unknown".
    """

    provider_name: str
    provider_model: str
    data_region: str

    @abc.abstractmethod
    def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events. Raises :class:`ProviderError`, also in the middle."""

    def stream_chat(
        self, messages: Sequence[ChatMessage], temperature: float | None = 0.3, **options: Any
    ) -> ChatStream:
        """Begin an answer; nothing is sent before the stream is opened or read."""
        return ChatStream(self.stream_events(messages, ChatOptions(temperature, **options)))

    async def chat(self, messages: Sequence[ChatMessage], **options: Any) -> ChatResponse:
        """The whole answer at once. Raises :class:`ProviderError`."""
        stream = self.stream_chat(messages, **options)
        try:
            async for _ in stream:
                pass
        finally:
            await stream.aclose()
        return ChatResponse(
            stream.text,
            stream.usage,
            stream.finish_reason,
            stream.model or self.provider_model,
            stream.upstream_id,
            stream.location,
            stream.tool_calls,
            stream.raw_finish_reason,
            stream.reasoning,
        )

    def patience(self, options: ChatOptions) -> float:
        """The seconds of silence after which a call with *options* has failed."""
        configuration = getattr(self, "configuration", None)
        return float(getattr(configuration, "idle_seconds", IDLE_SECONDS))

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """About how many tokens *messages* are: a byte-based estimate unless the vendor counts."""
        return estimate_tokens("".join(message.content for message in messages))

    def unsaid(self, model: str) -> frozenset[str]:
        """The options that *model* is never told, by the names that OpenAI's form has."""
        return OPENAI_OPTIONS

    def left_out(self, options: ChatOptions) -> list[str]:
        """Which of the options that were given are not sent."""
        unsaid = self.unsaid(options.model or self.provider_model)
        return [name for name in options.given if name in unsaid]

    @abc.abstractmethod
    async def list_models(self) -> list[Model]:
        """The models that the provider offers. Raises :class:`ProviderError`."""

    @abc.abstractmethod
    async def health_check(self) -> Health:
        """Whether the provider answers, without cost."""

    async def aclose(self) -> None:  # noqa: B027 - most have nothing to release
        """Release connections."""


def estimate_tokens(text: str) -> int:
    """A rough token count: one for each four bytes. Only ever shown as an estimate."""
    return (len(text.encode()) + 3) // 4


def estimate_sent(messages: Sequence[ChatMessage], options: ChatOptions) -> int:
    """A rough token count of all that a call sends: texts, pictures, tools and the schema."""
    sent = 0
    for message in messages:
        sent += estimate_tokens(message.content) + PICTURE_TOKENS * len(message.images)
        sent += sum(estimate_tokens(call.arguments) for call in message.tool_calls)
    forms = [*options.tools, *([options.output_schema] if options.output_schema else [])]
    return sent + (estimate_tokens(json.dumps(forms)) if forms else 0)
