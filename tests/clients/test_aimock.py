"""Our adapters against aimock, which others wrote: it speaks most vendors' formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from llm.providers.base import ChatMessage, FinishReason
from llm.providers.errors import ProviderError, RateLimited
from tests.clients.environment import NODE_MODULES, needs_aimock
from tests.clients.simulators import adapter, serving

pytestmark = needs_aimock

TEXT = "Grüße from the simulator: 世界 🌍."
FIXTURES = {
    "fixtures": [
        {
            "match": {"userMessage": "greet"},
            "response": {
                "content": TEXT,
                "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
            },
        },
        {
            "match": {"toolName": "weather"},
            "response": {"toolCalls": [{"name": "weather", "arguments": {"city": "Köln"}}]},
        },
        {"match": {"inputText": "vector"}, "response": {"embedding": [0.5, -0.25, 1.0]}},
        {
            "match": {"userMessage": "slow down"},
            "response": {
                "error": {"message": "Too many", "type": "rate_limit_error"},
                "status": 429,
            },
        },
    ]
}
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
# Vendor, path of the base URL, configuration, and whether usage follows the fixture there.
VENDORS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "openai": ("openai", "/v1", {}, True),
    "openai-compatible": ("openai_compatible", "/v1", {}, True),
    "mistral": ("mistral", "/v1", {}, False),
    "groq": ("groq", "/v1", {}, True),
    "together": ("together", "/v1", {}, True),
    "azure, dated": ("azure", "", {"options": {"api_version": "2024-10-21"}}, True),
    "anthropic": ("anthropic", "/v1", {}, True),
    "gemini": ("gemini", "/v1beta", {}, True),
    "ollama": ("ollama", "", {}, False),
    "bedrock": ("bedrock", "", {"options": {"region": "eu-central-1"}}, False),
}


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("aimock")
    (folder / "fixtures.json").write_text(json.dumps(FIXTURES))
    program = NODE_MODULES / ".bin" / "llmock"
    command = [program, "--port", "{port}", "--fixtures", folder / "fixtures.json"]
    with serving(command, ready="/health", log=folder / "log") as url:
        yield url


def each_vendor(*names: str) -> Any:
    chosen = names or tuple(VENDORS)
    return pytest.mark.parametrize("name", chosen)


@each_vendor()
async def test_text_and_the_end_arrive_whole(aimock: str, name: str) -> None:
    key, path, values, has_usage = VENDORS[name]
    answer = await adapter(key, aimock + path, **values).chat([ChatMessage("user", "greet me")])
    assert answer.text == TEXT
    assert answer.finish_reason is FinishReason.STOP
    if has_usage:
        assert answer.usage is not None
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (11, 7)


@each_vendor()
async def test_a_tool_is_called(aimock: str, name: str) -> None:
    key, path, values, _ = VENDORS[name]
    answer = await adapter(key, aimock + path, **values).chat(
        [ChatMessage("user", "What is the weather?")], tools=(TOOL,)
    )
    (call,) = answer.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Köln"})
    assert answer.finish_reason is FinishReason.TOOL_CALLS


@each_vendor("openai", "openai-compatible", "mistral", "anthropic", "gemini", "ollama")
async def test_a_limit_is_a_limit(aimock: str, name: str) -> None:
    key, path, values, _ = VENDORS[name]
    with pytest.raises(RateLimited):
        await adapter(key, aimock + path, **values).chat([ChatMessage("user", "slow down")])


# It has no batches of Gemini's, and answers Ollama's newer address in the form of the older one.
@each_vendor("openai", "openai-compatible", "azure, dated")
async def test_vectors(aimock: str, name: str) -> None:
    key, path, values, _ = VENDORS[name]
    provider: Any = adapter(key, aimock + path, **values)
    made = await provider.embed(["a vector, please"], model="a-model")
    assert made.vectors[0].tolist() == [0.5, -0.25, 1.0]


@each_vendor("openai", "anthropic", "gemini", "ollama")
async def test_what_it_does_not_know_is_an_error_and_no_empty_answer(
    aimock: str, name: str
) -> None:
    key, path, values, _ = VENDORS[name]
    with pytest.raises(ProviderError):
        await adapter(key, aimock + path, **values).chat([ChatMessage("user", "unheard of")])
