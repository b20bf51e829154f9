"""The vendors' own clients read our golden streams: they judge whether the streams are true.

Each client is pointed at the same loopback server as our adapter, and both must read the same.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from llm.providers.base import ChatMessage, ChatResponse
from tests.llm.providers.golden import Golden
from tests.llm.providers.loopback import KEY, Loopback, Reply
from tests.llm.providers.streams import ALL

HELLO = [{"role": "user", "content": "Say hello."}]


def golden_of(*vendors: str) -> Any:
    chosen = {name: golden for name, golden in ALL.items() if golden.vendor in vendors}
    return pytest.mark.parametrize("golden", chosen.values(), ids=chosen)


async def ours(loopback: Loopback, golden: Golden) -> ChatResponse:
    loopback.always(Reply([golden.stream], media=golden.media))
    provider = loopback.provider(golden.vendor, path=golden.path, **golden.configuration)
    return await provider.chat([ChatMessage("user", "Say hello.")])


@golden_of("openai_compatible", "mistral", "groq", "together", "llamacpp", "vllm", "azure")
async def test_openais_client_reads_the_same(loopback: Loopback, golden: Golden) -> None:
    import openai

    mine = await ours(loopback, golden)
    async with openai.AsyncOpenAI(
        api_key=KEY, base_url=f"{loopback.origin}/v1", max_retries=0
    ) as client:
        stream = await client.chat.completions.create(
            model="a-model", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        text, calls, finish, usage, model = "", {}, None, None, ""
        async for chunk in stream:
            model = chunk.model or model
            usage = chunk.usage or usage
            for choice in chunk.choices:
                content = choice.delta.content
                if isinstance(content, str):
                    text += content
                for part in content if isinstance(content, list) else ():
                    text += part.get("text") or ""
                text += choice.delta.refusal or ""
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or ():
                    known = calls.setdefault(call.index, [call.id, call.function.name, ""])
                    known[2] += call.function.arguments or ""
    assert mine.text == text
    assert mine.raw_finish_reason == finish
    assert mine.model == model
    assert [[c.id, c.name, c.arguments] for c in mine.tool_calls] == list(calls.values())
    if usage is not None:
        assert mine.usage is not None
        assert mine.usage.input_tokens == usage.prompt_tokens
        assert mine.usage.output_tokens == usage.completion_tokens


@golden_of("mistral")
async def test_mistrals_client_reads_the_same(loopback: Loopback, golden: Golden) -> None:
    from mistralai.client import Mistral

    mine = await ours(loopback, golden)
    async with Mistral(api_key=KEY, server_url=loopback.origin) as client:
        stream = await client.chat.stream_async(model="a-model", messages=HELLO)
        text, reasoning, finish, usage = "", "", None, None
        async for event in stream:
            usage = event.data.usage or usage
            for choice in event.data.choices:
                content = choice.delta.content
                if isinstance(content, str):
                    text += content
                for part in content if isinstance(content, list) else ():
                    if part.type == "text":
                        text += part.text
                    else:
                        reasoning += "".join(piece.text for piece in part.thinking)
                finish = choice.finish_reason or finish
    assert loopback.requests[0].target == loopback.requests[1].target
    assert (mine.text, mine.reasoning) == (text, reasoning)
    assert mine.raw_finish_reason == finish
    assert mine.usage is not None
    assert usage is not None
    assert mine.usage.input_tokens == usage.prompt_tokens
    assert mine.usage.output_tokens == usage.completion_tokens


@golden_of("ollama")
async def test_ollamas_client_reads_the_same(loopback: Loopback, golden: Golden) -> None:
    import ollama

    mine = await ours(loopback, golden)
    client = ollama.AsyncClient(host=loopback.origin)
    text, thinking, calls, last = "", "", [], None
    async for last in await client.chat(model="a-model", messages=HELLO, stream=True):
        text += last.message.content or ""
        thinking += last.message.thinking or ""
        calls += last.message.tool_calls or []
    await client.close()
    assert loopback.requests[0].target == loopback.requests[1].target
    assert last is not None
    assert (mine.text, mine.reasoning) == (text, thinking)
    assert mine.raw_finish_reason == last.done_reason
    assert mine.usage is not None
    assert (mine.usage.input_tokens, mine.usage.output_tokens) == (
        last.prompt_eval_count,
        last.eval_count,
    )
    assert [(c.name, json.loads(c.arguments)) for c in mine.tool_calls] == [
        (call.function.name, dict(call.function.arguments)) for call in calls
    ]


@golden_of("anthropic")
async def test_anthropics_client_reads_the_same(loopback: Loopback, golden: Golden) -> None:
    import anthropic

    mine = await ours(loopback, golden)
    async with (
        anthropic.AsyncAnthropic(api_key=KEY, base_url=loopback.origin, max_retries=0) as client,
        client.messages.stream(model="a-model", max_tokens=9, messages=HELLO) as stream,
    ):
        async for _ in stream:
            pass
        message = await stream.get_final_message()
    mine_sent, theirs_sent = loopback.requests
    assert mine_sent.target == theirs_sent.target.partition("?")[0]
    for header in ("anthropic-version", "authorization", "x-api-key"):
        assert mine_sent.headers.get(header) == theirs_sent.headers.get(header)
    assert mine.text == "".join(block.text for block in message.content if block.type == "text")
    assert mine.reasoning == "".join(b.thinking for b in message.content if b.type == "thinking")
    assert [(c.id, c.name, json.loads(c.arguments)) for c in mine.tool_calls] == [
        (block.id, block.name, block.input) for block in message.content if block.type == "tool_use"
    ]
    assert mine.raw_finish_reason == message.stop_reason
    assert (mine.model, mine.upstream_id) == (message.model, message.id)
    assert mine.usage is not None
    assert mine.usage.output_tokens == message.usage.output_tokens
    assert mine.usage.cached_input_tokens == (message.usage.cache_read_input_tokens or 0)
    assert mine.location == message.usage.inference_geo


# Google's client subclasses aiohttp's session where aiohttp is installed.
@pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
@golden_of("gemini")
async def test_googles_client_reads_the_same(loopback: Loopback, golden: Golden) -> None:
    from google import genai
    from google.genai import types

    mine = await ours(loopback, golden)
    options = types.HttpOptions(base_url=loopback.origin, retry_options=None)
    client = genai.Client(api_key=KEY, http_options=options)
    text, thoughts, calls, finish, last = "", "", [], "", None
    async for last in await client.aio.models.generate_content_stream(
        model="a-model", contents="Say hello."
    ):
        for candidate in last.candidates or ():
            finish = candidate.finish_reason.value if candidate.finish_reason else finish
            for part in (candidate.content.parts if candidate.content else None) or ():
                if part.function_call:
                    calls.append((part.function_call.name, dict(part.function_call.args or {})))
                elif part.thought:
                    thoughts += part.text or ""
                else:
                    text += part.text or ""
    await client.aio.aclose()
    client.close()
    assert last is not None
    mine_sent, theirs_sent = loopback.requests
    assert mine_sent.target == theirs_sent.target
    assert mine_sent.headers["x-goog-api-key"] == theirs_sent.headers["x-goog-api-key"]
    assert (mine.text, mine.reasoning) == (text, thoughts)
    assert [(c.name, json.loads(c.arguments)) for c in mine.tool_calls] == calls
    assert mine.raw_finish_reason == finish
    assert (mine.model, mine.upstream_id) == (last.model_version, last.response_id)
    assert mine.usage is not None
    used = last.usage_metadata
    assert mine.usage.input_tokens == used.prompt_token_count
    assert mine.usage.output_tokens == (used.candidates_token_count or 0) + (
        used.thoughts_token_count or 0
    )


@golden_of("bedrock")
async def test_amazons_client_reads_and_sends_the_same(loopback: Loopback, golden: Golden) -> None:
    import asyncio

    import botocore.session
    from botocore.config import Config

    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    model = "eu.anthropic.claude-sonnet-4-6-20260217-v1:0"
    loopback.always(Reply([golden.stream], media=golden.media))
    provider = loopback.provider(
        "bedrock",
        key=f"AKIAIOSFODNN7EXAMPLE:{secret}",
        model=model,
        options={"region": "eu-central-1"},
    )
    mine = await provider.chat([ChatMessage("user", "Say hello.")], temperature=None)

    def theirs() -> list[dict[str, Any]]:
        client = botocore.session.get_session().create_client(
            "bedrock-runtime",
            region_name="eu-central-1",
            endpoint_url=loopback.origin,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}),
        )
        said = [{"role": "user", "content": [{"text": "Say hello."}]}]
        try:
            return list(client.converse_stream(modelId=model, messages=said)["stream"])
        finally:
            client.close()

    events = await asyncio.to_thread(theirs)
    mine_sent, theirs_sent = loopback.requests
    assert mine_sent.target == theirs_sent.target
    assert mine_sent.json == theirs_sent.json
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    assert mine.text == "".join(delta.get("text", "") for delta in deltas)
    assert mine.reasoning == "".join(
        delta.get("reasoningContent", {}).get("text", "") for delta in deltas
    )
    arguments = "".join(delta.get("toolUse", {}).get("input", "") for delta in deltas)
    assert "".join(call.arguments for call in mine.tool_calls) == arguments
    (stop,) = [e["messageStop"]["stopReason"] for e in events if "messageStop" in e]
    assert mine.raw_finish_reason == stop
    (usage,) = [e["metadata"]["usage"] for e in events if "metadata" in e]
    assert mine.usage is not None
    assert mine.usage.output_tokens == usage["outputTokens"]
    assert mine.usage.input_tokens == usage["inputTokens"] + usage.get(
        "cacheReadInputTokens", 0
    ) + usage.get("cacheWriteInputTokens", 0)
