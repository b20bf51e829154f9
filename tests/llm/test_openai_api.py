"""The official OpenAI client works against the product unchanged, and every call is recorded."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import openai
import pytest

from audit.reading import read_content
from llm.models import Inference
from orgs.keys import create_key
from orgs.organisations import pause
from orgs.roles import Permission
from tests.cast import Cast
from tests.live import with_key
from tests.llm.gateway import Gateway, answering, refusing
from tests.llm.test_chat import kinds_of, simulated

HELLO: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a checkpoint?"},
]
WEATHER: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


@pytest.fixture
def key(key: str, cast: Cast) -> str:
    simulated(cast)
    return key


def nested(text: str, depth: int) -> Any:
    """*text* in an object in an object, and so on."""
    made: Any = text
    for _ in range(depth):
        made = {"a": made}
    return made


def only_inference(cast: Cast) -> Inference:
    found: Inference = Inference.objects.for_tenant(cast.max).get()
    return found


def test_a_whole_completion(client: openai.OpenAI, cast: Cast) -> None:
    raw = client.chat.completions.with_raw_response.create(model="sim-large", messages=HELLO)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    inference = only_inference(cast)
    assert inference.output_tokens == answer.usage.completion_tokens
    assert f"#{inference.pk};" in raw.headers["lexcustis-record"]
    assert kinds_of(cast.max, str(inference.pk)) == ["inference.requested", "inference.completed"]
    recorded = read_content(cast.organisation.pk, inference.pk, "prompt")
    assert json.loads(recorded) == HELLO
    assert inference.api_key_id is not None


def test_a_streamed_completion_gives_usage_only_to_whom_asked(client: openai.OpenAI) -> None:
    text = ""
    for chunk in client.chat.completions.create(model="sim-large", messages=HELLO, stream=True):
        assert chunk.usage is None
        text += chunk.choices[0].delta.content or ""
    chunks = list(
        client.chat.completions.create(
            model="sim-large", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == text
    assert len({chunk.id for chunk in chunks}) == 1


def test_tools_and_structured_output(client: openai.OpenAI) -> None:
    asked: list[Any] = [{"role": "user", "content": "[[tool]] Weather?"}]
    whole = client.chat.completions.create(model="sim-large", messages=asked, tools=WEATHER)
    assert whole.choices[0].finish_reason == "tool_calls"
    calls = whole.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "weather"
    assert "city" in json.loads(calls[0].function.arguments)
    with client.chat.completions.stream(model="sim-large", messages=asked, tools=WEATHER) as stream:
        final = stream.get_final_completion()
    streamed = final.choices[0].message.tool_calls
    assert streamed is not None
    assert streamed[0].function.arguments == calls[0].function.arguments
    followed = client.chat.completions.create(
        model="sim-large",
        messages=[
            *asked,
            whole.choices[0].message.model_dump(exclude_none=True),
            {"role": "tool", "tool_call_id": calls[0].id, "content": "Rain"},
        ],
    )
    assert followed.choices[0].finish_reason in {"stop", "tool_calls"}
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    structured = client.chat.completions.create(
        model="sim-large",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert isinstance(json.loads(structured.choices[0].message.content or "")["n"], int)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["sim-large", "sim-small"]
    assert client.models.retrieve("sim-small").owned_by == "Quick"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-none")


def test_errors_have_the_clients_own_classes(client: openai.OpenAI, cast: Cast) -> None:
    def ask(text: str = "x", **values: Any) -> None:
        messages: list[Any] = [{"role": "user", "content": text}]
        client.chat.completions.create(**({"model": "sim-large", "messages": messages} | values))

    with pytest.raises(openai.NotFoundError) as unknown:
        ask(model="gpt-none")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.InternalServerError):
        ask("[[fail]]")
    with pytest.raises(openai.RateLimitError) as limited:
        ask("[[limit]]")
    assert limited.value.response.headers["retry-after"] == "8"
    for wrong in (
        {"n": 2},
        {"messages": []},
        {"temperature": 9},
        {"response_format": {"type": "json_schema", "json_schema": "answer"}},
        {"response_format": {"type": "xml"}},
        {"tools": [nested("max@example.org", 800)]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/"}}
                    ],
                }
            ]
        },
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            ask(**wrong)
        assert refused.value.type == "invalid_request_error"
    pause(cast.olivia, reason="test")
    with pytest.raises(openai.PermissionDeniedError) as paused:
        ask()
    assert paused.value.code == "organisation_paused"


def test_an_earlier_call_that_was_cut_off_says_what_to_change(
    client: openai.OpenAI, gateway: Gateway
) -> None:
    """As where a model reached its limit, and an agent goes on with what it got."""
    call = {"id": "1", "type": "function", "function": {"name": "rain", "arguments": '{"city": "K'}}
    messages: list[Any] = [
        {"role": "user", "content": "Will it rain?"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "These are no arguments."},
    ]
    server = gateway.add("Claude", refusing(500), vendor="anthropic", key="k", default_model="c")
    with pytest.raises(openai.BadRequestError, match="“rain” with arguments that are no JSON"):
        client.chat.completions.create(model="c", messages=messages)
    assert not server.requests
    assert gateway.kinds() == ["inference.requested", "inference.failed"]
    server = gateway.add("Compatible", answering(), default_model="o")
    client.chat.completions.create(
        model="o", messages=messages, response_format={"type": "json_object"}
    )
    (request,) = server.requests
    assert request.json["messages"][1]["tool_calls"] == [call]  # that form knows no difference
    assert request.json["response_format"] == {"type": "json_object"}


def test_the_tools_and_the_schema_that_were_sent_are_recorded(
    client: openai.OpenAI, cast: Cast
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    client.chat.completions.create(
        model="sim-large",
        messages=HELLO,
        tools=WEATHER,
        tool_choice="auto",
        stop=["END"],
        parallel_tool_calls=False,
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": False},
        },
    )
    recorded = read_content(cast.organisation.pk, only_inference(cast).pk, "options")
    assert json.loads(recorded) == {
        "tools": WEATHER,
        "tool_choice": "auto",
        "output_schema": schema,
        "strict": False,
        "stop": ["END"],
        "parallel_tool_calls": False,
    }


@pytest.mark.parametrize("field", ["messages", "tools"])
def test_what_is_not_unicode_is_refused(program: httpx2.Client, field: str) -> None:
    half = "\\ud800"  # as JSON may write half a character
    given = {
        "messages": '[{"role": "user", "content": "%s"}]',
        "tools": '[{"type": "function", "function": {"name": "%s"}}]',
    }
    words = {name: text % (half if name == field else "Hello") for name, text in given.items()}
    fields = ", ".join(f'"{name}": {text}' for name, text in words.items())
    refused = program.post(
        "/v1/chat/completions",
        content=f'{{"model": "sim-large", {fields}}}',
        headers={"content-type": "application/json"},
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == f"The {field} hold what is not Unicode."


def test_what_a_provider_is_not_told_stands_in_the_answer_and_in_the_log(
    client: openai.OpenAI, gateway: Gateway
) -> None:
    given: dict[str, Any] = {
        "reasoning_effort": "low",
        "frequency_penalty": 0.5,
        "parallel_tool_calls": False,
        "seed": 7,
        "logprobs": True,
        "user": "max@example.org",
        "store": False,
    }
    create = client.chat.completions.with_raw_response.create
    compatible = gateway.add("Compatible", answering(), default_model="o")
    answer = create(model="o", messages=HELLO, **given)
    assert answer.headers["lexcustis-left-out"] == "logprobs, user"
    sent = compatible.requests[0].json
    told = ("reasoning_effort", "frequency_penalty", "parallel_tool_calls", "seed")
    assert {name: sent[name] for name in told} == {name: given[name] for name in told}
    assert not {"logprobs", "user", "store"} & set(sent)
    (inference,) = gateway.attempts()
    body = gateway.record(inference.pk)["body"]
    assert body["lexcustis.left_out"] == ["logprobs", "user"]
    assert body["lexcustis.asked.reasoning_effort"] == "low"
    assert body["gen_ai.request.frequency_penalty"] == "0.5"
    assert "max@example.org" not in str(body)
    gateway.add("Claude", refusing(400), vendor="anthropic", key="k", default_model="c")
    with pytest.raises(openai.BadRequestError):
        create(model="c", messages=HELLO, **given)
    *_earlier, inference = gateway.attempts()
    left_out = gateway.record(inference.pk)["body"]["lexcustis.left_out"]
    assert left_out == [
        *("logprobs", "user", "seed"),
        *("frequency_penalty", "parallel_tool_calls", "reasoning_effort"),
    ]


@pytest.mark.parametrize(
    "given",
    [
        {"reasoning_effort": "as much as max@example.org wants"},
        {"logit_bias": {"max@example.org": 1}},
        {"logit_bias": {"50256": 101}},
        {"frequency_penalty": 3},
        {"parallel_tool_calls": "perhaps"},
    ],
)
def test_further_options_hold_nothing_but_numbers_and_words(
    client: openai.OpenAI, given: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match=next(iter(given))):
        client.chat.completions.create(model="sim-large", messages=HELLO, **given)


@pytest.mark.parametrize("strict", [True, False])
def test_a_schema_is_as_strict_as_the_caller_says(
    client: openai.OpenAI, gateway: Gateway, strict: bool
) -> None:
    server = gateway.add("Compatible", answering(), default_model="o")
    schema = {"type": "object", "properties": {}, "additionalProperties": not strict}
    form: Any = {"name": "answer", "schema": schema, "strict": strict}
    client.chat.completions.create(
        model="o",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": form},
    )
    assert server.requests[0].json["response_format"]["json_schema"] == form


def test_a_stream_that_breaks_off_is_an_error_to_the_client(
    client: openai.OpenAI, cast: Cast
) -> None:
    messages: list[Any] = [{"role": "user", "content": "[[break]]"}]
    stream = client.chat.completions.create(model="sim-large", messages=messages, stream=True)
    pieces: list[str] = []
    with pytest.raises(openai.APIError, match="broke off"):
        pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert stream.response.status_code == 200
    assert kinds_of(cast.max, str(only_inference(cast).pk))[1] == "inference.failed"


def test_a_stream_that_is_closed_is_stopped(client: openai.OpenAI, cast: Cast) -> None:
    messages: list[Any] = [{"role": "user", "content": "[[slow]]"}]
    stream = client.chat.completions.create(model="sim-large", messages=messages, stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    stream.close()
    assert kinds_of(cast.max, str(only_inference(cast).pk))[1] == "inference.stopped"


def test_only_keys_that_may_chat_get_in(web_server: str, cast: Cast, key: str) -> None:
    body = {"model": "sim-large", "messages": HELLO}
    _, auditor = create_key(cast.audrey, name="reads", scopes=list(Permission))
    for text, status in (("lxc_00000000_x", 401), (auditor, 403)):
        with with_key(web_server, text) as client:
            for response in (
                client.post("/v1/chat/completions", json=body),
                client.get("/v1/models"),
            ):
                assert response.status_code == status
                assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    with httpx2.Client(base_url=web_server) as nobody:
        assert nobody.get("/v1/models").status_code == 401
        unknown = nobody.get("/v1/nothing")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["type"] == "invalid_request_error"
