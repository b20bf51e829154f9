"""What Anthropic, Gemini and Bedrock are asked, for one conversation with everything in it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llm.providers.base import ChatMessage, FinishReason, Model, ToolCall
from llm.providers.errors import BadResponse, ContentRefused, RateLimited, Unavailable
from tests.llm.providers.golden_anthropic import ANTHROPIC
from tests.llm.providers.golden_bedrock import BEDROCK, MEDIA
from tests.llm.providers.golden_gemini import GEMINI
from tests.llm.providers.loopback import KEY, Loopback, Reply, sse
from tests.llm.providers.test_requests import CONVERSATION, PIXEL, SCHEMA

IMAGE = base64.b64encode(PIXEL.data).decode()
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTION = {"name": "weather", "description": "The weather.", "parameters": PARAMETERS}
TOOLS = ({"type": "function", "function": FUNCTION},)
ASKED: dict[str, Any] = {
    "max_tokens": 99,
    "stop": ("END",),
    "top_p": 0.9,
    "tools": TOOLS,
    "tool_choice": "required",
    "output_schema": SCHEMA,
}


async def sent(loopback: Loopback, key: str, reply: Reply, **values: Any) -> Any:
    loopback.always(reply)
    path = {"bedrock": ""}.get(key, "/v1")
    await loopback.provider(key, path=path, **values).chat(CONVERSATION, **ASKED)
    return loopback.requests[-1]


async def test_anthropic(loopback: Loopback) -> None:
    request = await sent(loopback, "anthropic", Reply([ANTHROPIC.stream]))
    assert request.target == "/v1/messages"
    assert request.headers["anthropic-version"] == "2026-10-21"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.json == {
        "model": "a-model",
        "max_tokens": 99,
        "stream": True,
        "system": "Be brief.",
        "stop_sequences": ["END"],
        "tools": [{"name": "weather", "description": "The weather.", "input_schema": PARAMETERS}],
        "tool_choice": {"type": "any"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": IMAGE},
                    },
                    {"type": "text", "text": "What is this?"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": "call_1",
                        "name": "weather",
                        "input": {"city": "Köln"},
                    }
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "Rain."},
                    {"type": "text", "text": "And now?"},
                ],
            },
        ],
    }


async def test_anthropics_older_version_takes_temperature_and_its_own_header(
    loopback: Loopback,
) -> None:
    options = {"version": "2023-06-01", "inference_geo": "us"}
    request = await sent(loopback, "anthropic", Reply([ANTHROPIC.stream]), options=options)
    assert request.headers["x-api-key"] == KEY
    assert "authorization" not in request.headers
    assert (request.json["temperature"], request.json["top_p"]) == (0.3, 0.9)
    assert request.json["inference_geo"] == "us"


async def test_gemini(loopback: Loopback) -> None:
    request = await sent(loopback, "gemini", Reply([GEMINI.stream]))
    assert request.target == "/v1/models/a-model:streamGenerateContent?alt=sse"
    assert request.headers["x-goog-api-key"] == KEY
    assert KEY not in request.target
    assert request.json == {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "generationConfig": {
            "temperature": 0.3,
            "topP": 0.9,
            "maxOutputTokens": 99,
            "stopSequences": ["END"],
            "responseMimeType": "application/json",
            "responseJsonSchema": SCHEMA,
        },
        "tools": [
            {
                "functionDeclarations": [
                    {
                        "name": "weather",
                        "description": "The weather.",
                        "parametersJsonSchema": PARAMETERS,
                    }
                ]
            }
        ],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"inlineData": {"mimeType": "image/png", "data": IMAGE}},
                    {"text": "What is this?"},
                ],
            },
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "weather", "args": {"city": "Köln"}}}],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "weather", "response": {"result": "Rain."}}},
                    {"text": "And now?"},
                ],
            },
        ],
    }


async def test_a_calls_signature_goes_back_to_gemini(loopback: Loopback) -> None:
    loopback.always(Reply([GEMINI.stream]))
    call = ToolCall("call_0~CpUB", "weather", "{}")
    said = [ChatMessage("user", "Hi"), ChatMessage("assistant", "", tool_calls=(call,))]
    await loopback.provider("gemini", path="/v1").chat(said)
    part = loopback.requests[0].json["contents"][1]["parts"][0]
    assert part == {"functionCall": {"name": "weather", "args": {}}, "thoughtSignature": "CpUB"}


async def test_bedrock(loopback: Loopback) -> None:
    request = await sent(
        loopback, "bedrock", Reply([BEDROCK.stream], media=MEDIA), model="eu.vendor.model-v1:0"
    )
    assert request.target == "/model/eu.vendor.model-v1%3A0/converse-stream"
    config = request.json["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert config["schema"].startswith('{"type": "object"')
    sent_body = {name: value for name, value in request.json.items() if name != "outputConfig"}
    assert sent_body == {
        "system": [{"text": "Be brief."}],
        "inferenceConfig": {
            "maxTokens": 99, "temperature": 0.3, "topP": 0.9, "stopSequences": ["END"],
        },
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "weather",
                        "description": "The weather.",
                        "inputSchema": {"json": PARAMETERS},
                    }
                }
            ],
            "toolChoice": {"any": {}},
        },
        "messages": [
            {
                "role": "user",
                "content": [
                    {"image": {"format": "png", "source": {"bytes": IMAGE}}},
                    {"text": "What is this?"},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {
                        "toolUse": {
                            "toolUseId": "call_1",
                            "name": "weather",
                            "input": {"city": "Köln"},
                        }
                    }
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "call_1", "content": [{"text": "Rain."}]}},
                    {"text": "And now?"},
                ],
            },
        ],
    }  # fmt: skip


def test_botocore_accepts_what_bedrock_is_asked() -> None:
    """The service's own model validates our request: names, types and nothing unknown."""
    import botocore.session
    from botocore.validate import ParamValidator

    from llm.providers.base import ChatOptions
    from llm.providers.bedrock import body_of

    service = botocore.session.get_session().get_service_model("bedrock-runtime")
    shape = service.operation_model("ConverseStream").input_shape
    body = body_of(CONVERSATION, ChatOptions(0.3, **ASKED))
    report = ParamValidator().validate({"modelId": "m", **body}, shape)
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    ("choice", "anthropic", "gemini", "bedrock"),
    [
        (None, None, None, None),
        ("auto", {"type": "auto"}, {"mode": "AUTO"}, {"auto": {}}),
        ("none", {"type": "none"}, {"mode": "NONE"}, None),
        (
            {"type": "function", "function": {"name": "weather"}},
            {"type": "tool", "name": "weather"},
            {"mode": "ANY", "allowedFunctionNames": ["weather"]},
            {"tool": {"name": "weather"}},
        ),
    ],
)
async def test_the_choice_of_a_tool_in_each_form(
    loopback: Loopback, choice: Any, anthropic: Any, gemini: Any, bedrock: Any
) -> None:
    async def ask(key: str, reply: Reply) -> Any:
        loopback.always(reply)
        await loopback.provider(key).chat(CONVERSATION, tools=TOOLS, tool_choice=choice)
        return loopback.requests[-1].json

    assert (await ask("anthropic", Reply([ANTHROPIC.stream]))).get("tool_choice") == anthropic
    config = (await ask("gemini", Reply([GEMINI.stream]))).get("toolConfig", {})
    assert config.get("functionCallingConfig") == gemini
    config = (await ask("bedrock", Reply([BEDROCK.stream], media=MEDIA)))["toolConfig"]
    assert config.get("toolChoice") == bedrock


# -- Lists, counts and refusals -------------------------------------------------------------------


async def test_anthropics_models_are_read_to_the_last_page(loopback: Loopback) -> None:
    pages = {
        "/v1/models?limit=1000": {
            "data": [{"id": "a", "display_name": "A"}], "has_more": True, "last_id": "a",
        },
        "/v1/models?limit=1000&after_id=a": {"data": [{"id": "b"}], "has_more": False},
    }  # fmt: skip
    loopback.answer = lambda request: Reply.json(pages[request.target])
    provider = loopback.provider("anthropic", path="/v1")
    assert await provider.list_models() == [Model("a", "A"), Model("b")]


async def test_geminis_models_are_read_to_the_last_page(loopback: Loopback) -> None:
    chat = ["generateContent"]
    pages = {
        "/v1/models?pageSize=1000": {
            "models": [
                {"name": "models/g", "displayName": "G", "version": "002", "inputTokenLimit": 9,
                 "supportedGenerationMethods": chat},
                {"name": "models/embed", "supportedGenerationMethods": ["embedContent"]},
            ],
            "nextPageToken": "n=1",
        },
        "/v1/models?pageSize=1000&pageToken=n%3D1": {"models": [{"name": "models/h"}]},
    }  # fmt: skip
    loopback.answer = lambda request: Reply.json(pages[request.target])
    provider = loopback.provider("gemini", path="/v1")
    assert await provider.list_models() == [Model("g", "G", "002", 9), Model("h")]


@pytest.mark.parametrize(
    ("key", "counted", "target"),
    [
        ("anthropic", {"input_tokens": 14}, "/v1/messages/count_tokens"),
        ("gemini", {"totalTokens": 14}, "/v1/models/a-model:countTokens"),
        ("bedrock", {"inputTokens": 14}, "/model/a-model/count-tokens"),
    ],
)
async def test_tokens_are_counted_by_the_vendor(
    loopback: Loopback, key: str, counted: dict[str, int], target: str
) -> None:
    loopback.always(Reply.json(counted))
    provider = loopback.provider(key, path="" if key == "bedrock" else "/v1")
    assert await provider.count_tokens(CONVERSATION[:2]) == 14
    assert loopback.requests[0].target == target
    loopback.always(Reply.json({"count": "many"}))
    with pytest.raises(BadResponse):
        await provider.count_tokens(CONVERSATION[:2])


async def test_geminis_blocked_prompt_is_refused_before_the_answer_begins(
    loopback: Loopback,
) -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": "g-1"}
    loopback.always(Reply([sse(blocked)]))
    with pytest.raises(ContentRefused):
        await loopback.provider("gemini").chat(CONVERSATION)


async def test_gemini_says_in_the_body_when_to_come_back(loopback: Loopback) -> None:
    body = {
        "error": {
            "code": 429,
            "message": "…",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure"},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"},
            ],
        }
    }
    for shape in (body, [body]):
        loopback.always(Reply.json(shape, 429))
        with pytest.raises(RateLimited) as caught:
            await loopback.provider("gemini").chat(CONVERSATION)
        assert caught.value.retry_after == 34.5


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("CONTINUATION", FinishReason.LENGTH),
        ("SPII", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("A_WORD_OF_TOMORROW", FinishReason.STOP),
    ],
)
async def test_geminis_many_words_for_an_end(
    loopback: Loopback, raw: str, reason: FinishReason
) -> None:
    candidate = {"content": {"parts": [{"text": "Hi"}]}, "finishReason": raw, "index": 0}
    loopback.always(Reply([sse({"candidates": [candidate]})]))
    answer = await loopback.provider("gemini").chat(CONVERSATION)
    assert (answer.finish_reason, answer.raw_finish_reason) == (reason, raw)


@pytest.mark.parametrize("raw", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "OTHER"])
async def test_a_model_that_failed_is_an_error_not_an_answer(loopback: Loopback, raw: str) -> None:
    loopback.always(Reply([sse({"candidates": [{"finishReason": raw, "index": 0}]})]))
    with pytest.raises(Unavailable):
        await loopback.provider("gemini").chat(CONVERSATION)


@pytest.mark.parametrize("key", ["anthropic", "gemini"])
async def test_a_late_error_event_is_an_error(loopback: Loopback, key: str) -> None:
    golden = {"anthropic": ANTHROPIC, "gemini": GEMINI}[key]
    half = golden.stream[: len(golden.stream) // 2]
    half = half[: half.rfind(b"\n\n") + 2]
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "…"}}
    loopback.always(Reply([half + sse(("error", error))]))
    with pytest.raises(Unavailable):
        await loopback.provider(key).chat(CONVERSATION)
