"""The simulated model: the same question gets the same answer, and magic words misbehave."""

from __future__ import annotations

import asyncio
import time

import jsonschema
import pytest

from llm.providers.base import BaseLLMProvider, ChatMessage, FinishReason, Usage
from llm.providers.configuration import Configuration
from llm.providers.errors import RateLimited, Unavailable
from llm.providers.registry import build, vendor


def simulated(model: str = "sim-large", **options: object) -> BaseLLMProvider:
    options = {"first_word_ms": 0, "word_ms": 0, **options}
    return build(Configuration(vendor("simulated"), "test", "Simulated", model, options=options))


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage("system", "Be brief."), ChatMessage("user", text)]


async def test_an_answer_is_markdown_with_code_and_a_table_about_the_question() -> None:
    provider = simulated()
    answer = await provider.chat(user("How does our retention schedule treat invoices?"))
    assert "retention" in answer.text.lower()
    assert "invoices" in answer.text.lower()
    assert "```python\n" in answer.text
    assert "| --- |" in answer.text
    assert "simulated" in answer.text
    assert answer.finish_reason is FinishReason.STOP
    assert answer.model == "sim-large-2026-11"
    assert (provider.provider_name, provider.data_region) == ("simulated", "self-hosted")


async def test_the_same_question_gets_the_same_answer_and_another_one_another() -> None:
    first, again = [await simulated().chat(user("Explain data minimisation.")) for _ in range(2)]
    assert first == again
    other = await simulated().chat(user("Explain purpose limitation."))
    assert other.text != first.text


@pytest.mark.parametrize(
    ("prompt", "sign"),
    [
        ("Write a Python function that counts words", "```python"),
        ("Compare tea and coffee in a table", "| --- |"),
        ("Draft an email about the new office", "> **Subject:**"),
        ("Summarise: The cat sat on a mat. The dog ran away from it. It rained all day.", "\n- "),
        ("Hello", "Hello!"),
        ("", "simulated"),
        ("🌍" * 500, "simulated"),
    ],
)
async def test_it_answers_in_the_form_that_was_asked_for(prompt: str, sign: str) -> None:
    assert sign in (await simulated().chat(user(prompt))).text


async def test_it_arrives_word_by_word_with_exact_usage() -> None:
    provider = simulated()
    stream = provider.stream_chat(user("Explain logging."))
    pieces = [piece async for piece in stream]
    assert len(pieces) > 30
    assert "".join(pieces) == stream.text
    counted = await provider.count_tokens([ChatMessage("assistant", stream.text)])
    assert stream.usage == Usage(await provider.count_tokens(user("Explain logging.")), counted)


async def test_its_pace_is_that_of_a_model() -> None:
    stream = simulated(first_word_ms=80, word_ms=10).stream_chat(user("Hello"))
    begin = time.monotonic()
    await stream.open()
    assert time.monotonic() - begin > 0.07
    pieces = [piece async for piece in stream]
    assert time.monotonic() - begin > 0.08 + 0.009 * len(pieces)


async def test_it_stops_at_the_limit_of_tokens() -> None:
    answer = await simulated().chat(user("Explain logging."), max_tokens=10)
    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.usage is not None
    assert 0 < answer.usage.output_tokens <= 10


async def test_it_fails_before_the_first_word_or_in_the_middle_when_told() -> None:
    with pytest.raises(Unavailable):
        await simulated().stream_chat(user("[[fail]]")).open()
    with pytest.raises(RateLimited) as caught:
        await simulated().stream_chat(user("[[limit]]")).open()
    assert caught.value.retry_after == 8
    stream = simulated().stream_chat(user("[[break]] Explain logging."))
    with pytest.raises(Unavailable):
        async for _ in stream:
            pass
    assert stream.text
    assert stream.usage is not None
    assert stream.usage.output_tokens > 0


async def test_it_stalls_when_told() -> None:
    stream = simulated().stream_chat(user("[[stall]] Explain logging."))

    async def read() -> None:
        async for _ in stream:
            pass

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(read(), 2)
    assert len(stream.text.split()) == 5


async def test_it_is_long_when_told() -> None:
    answer = await simulated().chat(user("[[long]] Explain logging."))
    assert len(answer.text.split()) > 1900


async def test_it_calls_a_tool_with_arguments_that_fit() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
        "required": ["city", "days"],
    }
    tools = ({"type": "function", "function": {"name": "weather", "parameters": schema}},)
    answer = await simulated().chat(user("[[tool]]"), tools=tools)
    assert answer.finish_reason is FinishReason.TOOL_CALLS
    assert answer.tool_calls[0].name == "weather"
    assert answer.tool_calls[0].arguments == '{"city": "simulated", "days": 2}'


async def test_structured_output_follows_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "score": {"type": "number", "minimum": 0.5},
            "extra": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        },
        "required": ["kind", "tags", "score", "extra"],
    }
    import json

    answer = await simulated().chat(user("Classify."), output_schema=schema)
    jsonschema.validate(json.loads(answer.text), schema)


async def test_it_is_always_well_and_lists_its_models() -> None:
    assert (await simulated().health_check()).ok
    models = [model.id for model in await simulated().list_models()]
    assert models == ["sim-large", "sim-small", "sim-embed"]
