"""The simulated model: offline, free, and the same answer to the same question every time.

It serves the demo, and tests that need a provider to be slow, to fail or to stall: a prompt that
holds one of the :data:`MAGIC_WORDS` gets what the word says.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from llm.providers.adapters import ConfiguredProvider
from llm.providers.base import (
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Health,
    Model,
    Started,
    Text,
    ToolCallDelta,
    Usage,
)
from llm.providers.configuration import SELF_HOSTED, Configuration
from llm.providers.conversation import Function, functions
from llm.providers.embeddings import Embeddings, Embeds, Vector
from llm.providers.errors import InvalidRequest, RateLimited, Unavailable
from llm.providers.simulated_answers import answer_to, value_for

MAGIC_WORDS: Final[Mapping[str, str]] = {
    "[[slow]]": "a second before the first word, and a quarter of one before each other",
    "[[fail]]": "an error before the first word",
    "[[limit]]": "a rate limit before the first word",
    "[[break]]": "an error in the middle",
    "[[stall]]": "some words, then silence",
    "[[long]]": "an answer of about 2,000 words",
    "[[tool]]": "a call of the first tool that was offered",
}
MODELS: Final = (
    Model("sim-large", "Simulated, large", "sim-large-2026-11", 128_000),
    Model("sim-small", "Simulated, small", "sim-small-2026-11", 32_000),
    Model("sim-embed", "Simulated, vectors", "sim-embed-2026-11", 8_000),
)
_DIMENSIONS = 256
_MOST_DIMENSIONS = 4096
_PIECE = re.compile(r"\s*\S+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_STALL_SECONDS = 3600.0


class SimulatedProvider(ConfiguredProvider, Embeds):
    """No network, no cost.

    Options: ``first_word_ms`` (300) and ``word_ms`` (25), the delays; 0 is as fast as it goes.
    """

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """Nothing leaves this machine, whatever is declared."""
        return SELF_HOSTED

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer, word by word."""
        prompt = next((m.content for m in reversed(messages) if m.role == "user"), "")
        model = options.model or self.provider_model
        first, each = self._delays(prompt)
        await asyncio.sleep(first)
        _fail_as_asked(prompt)
        yield Started(f"sim-{count(prompt)}-{len(prompt)}", f"{model}-2026-11")
        asked = sum(count(message.content) for message in messages)
        if options.tools and ("[[tool]]" in prompt or options.tool_choice == "required"):
            name, arguments = _tool_call(functions(options.tools)[0])
            yield ToolCallDelta(0, "call_0", name, arguments)
            yield Usage(asked, count(arguments))
            yield Finished(FinishReason.TOOL_CALLS, "tool_calls")
            return
        words = _PIECE.findall(self._text(prompt, messages, options))
        said = 0
        for number, word in enumerate(words):
            if "[[break]]" in prompt and number == len(words) // 2:
                yield Usage(asked, said)
                raise Unavailable("The simulated model broke off in the middle, as asked.")
            if "[[stall]]" in prompt and number == 5:
                await asyncio.sleep(_STALL_SECONDS)
            if options.max_tokens is not None and said + count(word) > options.max_tokens:
                yield Usage(asked, said)
                yield Finished(FinishReason.LENGTH, "length")
                return
            said += count(word)
            yield Text(word)
            if each:
                await asyncio.sleep(each)
            elif number % 100 == 99:
                await asyncio.sleep(0)  # let others work
        yield Usage(asked, said)
        yield Finished(FinishReason.STOP, "stop")

    async def embed(
        self, inputs: Sequence[str], *, model: str, dimensions: int | None = None
    ) -> Embeddings:
        """Unit vectors of the words: texts that share words are near each other."""
        length = dimensions or _DIMENSIONS
        if length > _MOST_DIMENSIONS:
            raise InvalidRequest(f"The simulated model makes at most {_MOST_DIMENSIONS} numbers.")
        everything = " ".join(inputs)
        await asyncio.sleep(self._delays(everything)[0])
        _fail_as_asked(everything)
        return Embeddings(
            tuple(_vector(text, length) for text in inputs),
            Usage(sum(count(text) for text in inputs), 0),
            f"{model}-2026-11",
            f"sim-{count(everything)}-{len(everything)}",
        )

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Exactly what the usage will say."""
        return sum(count(message.content) for message in messages)

    async def list_models(self) -> list[Model]:
        """The simulated models."""
        return list(MODELS)

    async def health_check(self) -> Health:
        """It always answers."""
        return Health(ok=True, detail="It answers from this machine.", latency_ms=0)

    def _delays(self, prompt: str) -> tuple[float, float]:
        if "[[slow]]" in prompt:
            return 1.0, 0.25
        options = self.configuration.options
        pace = 1.0 if self.provider_model == "sim-large" else 0.5
        first = float(options.get("first_word_ms", 300 * pace))
        return first / 1000, float(options.get("word_ms", 25 * pace)) / 1000

    def _text(self, prompt: str, messages: Sequence[ChatMessage], options: ChatOptions) -> str:
        if options.output_schema is not None:
            return _json_for(options.output_schema, indent=2)
        turn = sum(message.role == "user" for message in messages)
        text = answer_to(prompt, turn=turn, brief=self.provider_model == "sim-small")
        if "[[long]]" in prompt:
            text = "\n\n".join([text] * (2000 // max(1, len(text.split())) + 1))
        return text


def count(text: str) -> int:
    """The tokens of this model: words, and signs one by one."""
    return len(_TOKEN.findall(text))


def _fail_as_asked(prompt: str) -> None:
    if "[[fail]]" in prompt:
        raise Unavailable("The simulated model fails, as the prompt asks.")
    if "[[limit]]" in prompt:
        raise RateLimited("The simulated model takes no more requests.", retry_after=8.0)


def _vector(text: str, length: int) -> Vector:
    """Each word adds or takes one at a place of its own; then the length is made one."""
    vector = array("d", bytes(8 * length))
    for word in _TOKEN.findall(text.lower()) or [text]:
        place = int.from_bytes(hashlib.sha256(word.encode(errors="replace")).digest()[:8])
        vector[place // 2 % length] += 1 if place % 2 else -1
    size = math.hypot(*vector)
    if not size:  # words that cancel each other out
        vector[0] = size = 1.0
    return array("d", (number / size for number in vector))


def _tool_call(function: Function) -> tuple[str, str]:
    return function.name, _json_for(function.parameters or {"type": "object"})


def _json_for(schema: Mapping[str, Any], *, indent: int | None = None) -> str:
    try:
        return json.dumps(value_for(schema), indent=indent)
    except (TypeError, ValueError, AttributeError, LookupError, RecursionError) as error:
        raise InvalidRequest("The simulated model cannot read this JSON Schema.") from error
