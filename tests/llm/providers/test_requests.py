"""What adapters send, and how they read lists, health and counts."""

from __future__ import annotations

import base64

import pytest

from llm.providers.addresses import UnsafeAddress
from llm.providers.base import ChatMessage, FinishReason, Image, Model, ToolCall, Usage
from llm.providers.configuration import Configuration
from llm.providers.errors import BadResponse
from llm.providers.registry import BUILT_IN, UnknownVendor, build, region, vendor, vendors
from tests.llm.providers.golden import MISTRAL, OLLAMA, OPENAI
from tests.llm.providers.loopback import KEY, Loopback, Reply

PIXEL = Image(b"\x89PNG\r\n", "image/png")
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
TOOLS = ({"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}},)
CONVERSATION = [
    ChatMessage("system", "Be brief."),
    ChatMessage("user", "What is this?", images=(PIXEL,)),
    ChatMessage("assistant", "", tool_calls=(ToolCall("call_1", "weather", '{"city": "Köln"}'),)),
    ChatMessage("tool", "Rain.", tool_call_id="call_1"),
    ChatMessage("user", "And now?"),
]


async def test_a_request_in_openais_form(loopback: Loopback) -> None:
    loopback.always(Reply([OPENAI.stream]))
    provider = loopback.provider("openai_compatible", path="/v1")
    await provider.chat(
        CONVERSATION, temperature=0.1, max_tokens=99, stop=("END",), seed=7, top_p=0.9,
        tools=TOOLS, tool_choice="required", output_schema=SCHEMA,
        extra={"user": "u", "model": "evil", "stream": False, "messages": []},
    )  # fmt: skip
    (request,) = loopback.requests
    assert (request.method, request.target) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept"] == "text/event-stream"
    url = "data:image/png;base64," + base64.b64encode(PIXEL.data).decode()
    assert request.json == {
        "model": "a-model",
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.1,
        "top_p": 0.9,
        "max_tokens": 99,
        "stop": ["END"],
        "seed": 7,
        "tools": list(TOOLS),
        "tool_choice": "required",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
        },
        "user": "u",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": url}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city": "Köln"}'},
                    }
                ],
            },
            {"role": "tool", "content": "Rain.", "tool_call_id": "call_1"},
            {"role": "user", "content": "And now?"},
        ],
    }


async def test_an_answer_that_nobody_reads_before_it_is_whole_is_asked_for_whole(
    loopback: Loopback,
) -> None:
    """Some models may not be streamed, and some servers state no usage in streams."""
    call = {"id": "c1", "type": "function", "function": {"name": "rain", "arguments": "{}"}}
    message = {"role": "assistant", "content": "Hello", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    whole = {"id": "x1", "model": "a-model-2026", "choices": [choice], "usage": usage}
    loopback.always(Reply.json({"object": "chat.completion", **whole}))
    provider = loopback.provider("openai_compatible")
    answer = await provider.chat([ChatMessage("user", "Hi")], streamed=False)
    (request,) = loopback.requests
    assert request.headers["accept"] == "application/json"
    assert request.json["stream"] is False
    assert "stream_options" not in request.json
    assert (answer.text, answer.tool_calls) == ("Hello", (ToolCall("c1", "rain", "{}"),))
    assert (answer.model, answer.upstream_id) == ("a-model-2026", "x1")
    assert answer.usage == Usage(3, 2)
    assert answer.finish_reason is FinishReason.TOOL_CALLS


async def test_mistral_is_asked_in_its_own_words(loopback: Loopback) -> None:
    loopback.always(Reply([MISTRAL.stream]))
    provider = loopback.provider("mistral", path="/v1")
    await provider.chat(CONVERSATION[:2], seed=7, tools=TOOLS, tool_choice="required")
    sent = loopback.requests[0].json
    assert "stream_options" not in sent
    assert "seed" not in sent
    assert sent["random_seed"] == 7
    assert sent["tool_choice"] == "any"


async def test_what_is_not_set_is_not_sent(loopback: Loopback) -> None:
    loopback.always(Reply([OPENAI.stream]))
    provider = loopback.provider(
        "openai_compatible", options={"dialect": {"asks_usage": False}, "body": {"top_k": 4}}
    )
    await provider.chat([ChatMessage("user", "Hi")], temperature=None)
    assert loopback.requests[0].json == {
        "model": "a-model",
        "stream": True,
        "top_k": 4,
        "messages": [{"role": "user", "content": "Hi"}],
    }


async def test_ollama_is_asked_natively_with_its_context_length(loopback: Loopback) -> None:
    loopback.always(Reply([OLLAMA.stream], media="application/x-ndjson"))
    provider = loopback.provider("ollama", options={"num_ctx": 4096}, key="")
    await provider.chat(CONVERSATION, max_tokens=50, stop=("END",), output_schema=SCHEMA)
    (request,) = loopback.requests
    assert request.target == "/api/chat"
    assert "authorization" not in request.headers
    assert request.json["options"] == {
        "num_ctx": 4096, "temperature": 0.3, "num_predict": 50, "stop": ["END"],
    }  # fmt: skip
    assert request.json["format"] == SCHEMA
    messages = request.json["messages"]
    assert messages[1]["images"] == [base64.b64encode(PIXEL.data).decode()]
    assert messages[2]["tool_calls"] == [
        {"function": {"name": "weather", "arguments": {"city": "Köln"}}}
    ]
    assert messages[3] == {"role": "tool", "content": "Rain.", "tool_name": "weather"}


async def test_a_server_that_does_not_stream_is_read_whole(loopback: Loopback) -> None:
    whole = {
        "id": "cmpl-1",
        "model": "m-1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi."},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    loopback.always(Reply.json(whole))
    answer = await loopback.provider("openai_compatible").chat([ChatMessage("user", "Hi")])
    assert (answer.text, answer.model) == ("Hi.", "m-1")
    assert answer.usage is not None
    assert answer.usage.input_tokens == 3


@pytest.mark.parametrize(
    ("key", "body", "models"),
    [
        ("openai_compatible", {"data": [{"id": "a"}, {"id": "b", "context_length": 9}]},
         [Model("a"), Model("b", context_tokens=9)]),
        ("openai_compatible", [{"id": "a", "display_name": "A"}], [Model("a", "A")]),
        ("mistral", {"data": [{"id": "m", "name": "M", "max_context_length": 131072}]},
         [Model("m", "M", context_tokens=131072)]),
        ("ollama", {"models": [{"name": "llama3.2:3b", "digest": "a80c4f17"}]},
         [Model("llama3.2:3b", snapshot="a80c4f17")]),
    ],
)  # fmt: skip
async def test_models_are_listed(
    loopback: Loopback, key: str, body: object, models: list[Model]
) -> None:
    loopback.always(Reply.json(body))
    assert await loopback.provider(key).list_models() == models
    assert loopback.requests[0].target == ("/api/tags" if key == "ollama" else "/models")


@pytest.mark.parametrize("body", [{}, {"data": 5}, "x", None])
async def test_a_list_in_an_unknown_form_is_a_bad_response(
    loopback: Loopback, body: object
) -> None:
    loopback.always(Reply.json(body))
    for key in ("openai_compatible", "ollama"):
        with pytest.raises(BadResponse):
            await loopback.provider(key).list_models()


@pytest.mark.parametrize(
    ("key", "path", "asked"),
    [
        ("mistral", "/v1", "/v1/models"),
        ("ollama", "", "/api/version"),
        ("llamacpp", "/v1", "/health"),
        ("vllm", "/v1", "/health"),
        ("localai", "/v1", "/readyz"),
    ],
)
async def test_health_costs_nothing_and_says_what_is_wrong(
    loopback: Loopback, key: str, path: str, asked: str
) -> None:
    loopback.always(Reply.json({"data": []}))
    health = await loopback.provider(key, path=path).health_check()
    assert health.ok
    assert health.latency_ms is not None
    assert loopback.requests[0].target == asked
    loopback.always(Reply.json({"error": {"message": KEY}}, 401))
    health = await loopback.provider(key, path=path).health_check()
    assert not health.ok
    assert "key" in health.detail
    assert KEY not in health.detail


async def test_tokens_are_counted_by_the_server_where_it_can(loopback: Loopback) -> None:
    hello = [ChatMessage("user", "Hello there")]
    loopback.always(Reply.json({"tokens": [1, 2, 3]}))
    assert await loopback.provider("llamacpp", path="/v1").count_tokens(hello) == 3
    assert loopback.requests[0].target == "/tokenize"
    assert loopback.requests[0].json == {"content": "Hello there"}
    loopback.always(Reply.json({"count": 5, "tokens": [1]}))
    assert await loopback.provider("vllm", path="/v1").count_tokens(hello) == 5
    assert await loopback.provider("openai_compatible").count_tokens(hello) == 3


# -- Regions --------------------------------------------------------------------------------------


def configured(key: str, base_url: str = "", declared: str = "unknown", model: str = "m", **more):
    return Configuration(
        vendor(key), "id", "P", model, base_url=base_url, declared_region=declared, **more
    )


@pytest.mark.parametrize(
    ("key", "base_url", "declared", "expected"),
    [
        ("mistral", "", "unknown", "unknown"),
        ("mistral", "", "EU", "unknown"),
        ("mistral", "https://api.mistral.ai/v1", "EU", "unknown"),
        ("mistral", "https://API.MISTRAL.AI", "EU", "unknown"),
        ("mistral", "https://api.eu.mistral.ai/v1", "unknown", "EU"),
        ("mistral", "https://api.eu.mistral.ai", "US", "EU"),
        ("mistral", "https://api.us.mistral.ai", "EU", "US"),
        ("mistral", "https://mistral.example.org/v1", "FR", "FR"),
        ("ollama", "", "unknown", "self-hosted"),
        ("ollama", "http://localhost:11434", "unknown", "self-hosted"),
        ("ollama", "http://127.0.0.1:11434", "US", "US"),
        ("ollama", "https://ollama.example.org", "unknown", "unknown"),
        ("ollama", "https://ollama.com", "EU", "unknown"),
        ("openai_compatible", "https://llm.example.org/v1", "unknown", "unknown"),
        ("openai_compatible", "https://llm.example.org/v1", "DE", "DE"),
        ("simulated", "", "unknown", "self-hosted"),
    ],
)
def test_a_region_is_what_the_host_supports_not_what_is_wished(
    key: str, base_url: str, declared: str, expected: str
) -> None:
    configuration = configured(key, base_url, declared)
    assert region(configuration) == expected
    assert build(configuration).data_region == expected


def test_a_cloud_model_of_a_local_ollama_is_not_self_hosted() -> None:
    assert region(configured("ollama", model="gpt-oss:120b-cloud")) == "unknown"
    assert region(configured("ollama", model="gpt-oss:20b")) == "self-hosted"


def test_a_vendors_own_host_without_a_path_gets_the_usual_one() -> None:
    url = configured("mistral", "https://api.eu.mistral.ai").parsed_base_url()
    assert str(url) == "https://api.eu.mistral.ai/v1"
    other = configured("mistral", "https://proxy.example.org").parsed_base_url()
    assert str(other) == "https://proxy.example.org"


# -- Registry -------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", BUILT_IN, ids=lambda row: row.key)
def test_every_vendor_can_be_built_and_names_itself(row: object) -> None:
    base_url = "" if row.base_url else "https://example.org/v1"
    options = {"project": "p"}
    configuration = Configuration(row, "id", "P", "m", base_url, KEY, options=options)
    provider = build(configuration)
    assert provider.provider_name == row.provider_name
    assert provider.provider_model == "m"
    assert provider.data_region
    assert KEY not in repr(provider)


def test_vendors_have_different_keys_and_an_unknown_one_is_named() -> None:
    assert len({row.key for row in BUILT_IN}) == len(BUILT_IN)
    with pytest.raises(UnknownVendor, match="openia"):
        vendor("openia")
    assert set(vendors()) >= {row.key for row in BUILT_IN}


def test_an_unsafe_base_url_is_refused_when_the_adapter_is_made() -> None:
    with pytest.raises(UnsafeAddress):
        build(configured("mistral", "https://user@api.mistral.ai/"))
