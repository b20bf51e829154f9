"""OpenAI's form of a conversation, put into the forms that vendors have of their own."""

from __future__ import annotations

from typing import Any

import pytest
from mistralai.client.models import ChatCompletionRequest

from llm.providers.base import OPENAI_OPTIONS, PENALTIES, ChatMessage, ChatOptions, ToolCall
from llm.providers.conversation import (
    Function,
    arguments_of,
    chosen_function,
    functions,
    system_texts,
    turns,
)
from llm.providers.errors import InvalidRequest, ProviderError
from tests.llm.providers.golden import MISTRAL, OLLAMA, OPENAI
from tests.llm.providers.golden_bedrock import BEDROCK, MEDIA
from tests.llm.providers.loopback import Loopback, Reply
from tests.llm.providers.test_requests import TOOLS

OWN_FORMS = ["anthropic", "bedrock", "gemini", "ollama"]
EVERYTHING = {
    "frequency_penalty": -1.25,
    "logit_bias": {"50256": -100.0},
    "parallel_tool_calls": False,
    "presence_penalty": 1.75,
    "reasoning_effort": "low",
    "verbosity": "low",
}
NO_OBJECTS = ['{"city": "Kö', "[]", "3", "null", '"x"', '{"a": NaN}', "[" * 100_000, "rain in Köln"]


def said(arguments: str) -> list[ChatMessage]:
    call = ToolCall("call_1", "weather", arguments)
    return [
        ChatMessage("user", "Will it rain?"),
        ChatMessage("assistant", "", tool_calls=(call,)),
        ChatMessage("tool", "That was cut off.", tool_call_id="call_1"),
    ]


@pytest.mark.parametrize("vendor", OWN_FORMS)
async def test_arguments_that_were_cut_off_are_the_callers_to_mend(
    loopback: Loopback, vendor: str
) -> None:
    """A model that reaches its limit leaves such, and agents send the conversation again."""
    with pytest.raises(InvalidRequest, match="“weather” with arguments that are no JSON object"):
        await loopback.provider(vendor).chat(said('{"city": "Kö'))
    assert not loopback.requests


@pytest.mark.parametrize("arguments", NO_OBJECTS)
def test_arguments_are_a_json_object(arguments: str) -> None:
    with pytest.raises(InvalidRequest, match="no JSON object"):
        arguments_of(ToolCall("1", "weather", arguments))


@pytest.mark.parametrize("arguments", ["", " ", "{}", " {} "])
def test_a_call_without_arguments_has_none(arguments: str) -> None:
    assert arguments_of(ToolCall("1", "now", arguments)) == {}


@pytest.mark.parametrize(
    "tool",
    [
        {},
        {"type": "web_search"},
        {"type": "function"},
        {"type": "function", "function": "weather"},
        {"type": "function", "function": {"description": "nameless"}},
        {"type": "function", "function": {"name": 3}},
        {"type": "function", "function": {"name": "weather", "parameters": ["city"]}},
    ],
)
@pytest.mark.parametrize("vendor", ["anthropic", "bedrock", "gemini", "simulated"])
async def test_a_tool_that_is_no_function_is_refused_before_anything_is_sent(
    loopback: Loopback, vendor: str, tool: dict[str, Any]
) -> None:
    provider = loopback.provider(vendor)
    with pytest.raises(InvalidRequest):
        await provider.chat(said("{}"), tools=(tool,), tool_choice="required")
    assert not loopback.requests


def test_functions_have_a_name_and_perhaps_the_rest() -> None:
    assert functions([{"function": {"name": "now", "parameters": None}}]) == [
        Function("now", "", {})
    ]


@pytest.mark.parametrize("choice", [None, "auto", "required", "none", "any"])
def test_a_word_chooses_no_function(choice: str | None) -> None:
    assert chosen_function(choice) is None


@pytest.mark.parametrize("choice", [{}, {"function": "weather"}, {"function": {"name": ""}}, []])
def test_a_choice_names_a_function(choice: Any) -> None:
    assert chosen_function({"type": "function", "function": {"name": "weather"}}) == "weather"
    with pytest.raises(InvalidRequest, match="names one function"):
        chosen_function(choice)


async def test_a_choice_against_tools_leaves_them_out_where_there_is_no_word_for_it(
    loopback: Loopback,
) -> None:
    loopback.always(Reply([BEDROCK.stream], media=MEDIA))
    bedrock = loopback.provider("bedrock")
    await bedrock.chat(said("{}")[:1], tools=TOOLS, tool_choice="none")
    assert "toolConfig" not in loopback.requests[-1].json
    await bedrock.chat(said("{}"), tools=TOOLS, tool_choice="none")
    assert "toolConfig" in loopback.requests[-1].json  # it refuses earlier calls without
    loopback.always(Reply([OLLAMA.stream], media="application/x-ndjson"))
    await loopback.provider("ollama").chat(said("{}"), tools=TOOLS, tool_choice="none")
    assert "tools" not in loopback.requests[-1].json


@pytest.mark.parametrize(
    ("vendor", "left_out", "sent"),
    [
        ("openai_compatible", [], EVERYTHING),
        ("openai", [], EVERYTHING),
        ("mistral", ["logit_bias", "verbosity"], {"reasoning_effort": "low", "verbosity": None}),
        ("groq", ["logit_bias", "verbosity"], {"parallel_tool_calls": False, "logit_bias": None}),
        ("anthropic", ["temperature", "seed", *sorted(OPENAI_OPTIONS)], {}),
        ("bedrock", ["seed", *sorted(OPENAI_OPTIONS)], {}),
        ("gemini", sorted(OPENAI_OPTIONS - PENALTIES), {}),
        ("ollama", ["tool_choice", *sorted(OPENAI_OPTIONS - PENALTIES)], {}),
        ("simulated", sorted(OPENAI_OPTIONS), {}),
    ],
)
async def test_an_adapter_says_what_it_leaves_out(
    loopback: Loopback, vendor: str, left_out: list[str], sent: dict[str, Any]
) -> None:
    provider = loopback.provider(vendor)
    options = ChatOptions(
        0.5, seed=7, tools=TOOLS, tool_choice="required", openai_options=EVERYTHING
    )
    assert sorted(provider.left_out(options)) == sorted(left_out)
    if vendor != "simulated":
        loopback.always(Reply.json({}, 500))
        with pytest.raises(ProviderError):
            await provider.chat(said("{}"), openai_options=EVERYTHING, tools=TOOLS, seed=7)
        (request,) = loopback.requests
        assert {name: request.json.get(name) for name in sent} == sent
        penalties = [EVERYTHING[name] for name in PENALTIES]
        is_told = all(str(penalty) in str(request.json) for penalty in penalties)
        assert is_told == (not PENALTIES & set(left_out))
        assert ("seed': 7" in str(request.json)) == ("seed" not in left_out)


async def test_mistral_is_told_nothing_that_its_own_client_does_not_know(
    loopback: Loopback,
) -> None:
    """It refuses requests with a field that it does not know."""
    loopback.always(Reply([MISTRAL.stream]))
    provider = loopback.provider("mistral")
    await provider.chat(
        said("{}"), tools=TOOLS, seed=7, top_p=0.5, max_tokens=9, openai_options=EVERYTHING
    )
    (request,) = loopback.requests
    assert set(request.json) <= set(ChatCompletionRequest.model_fields)
    assert request.json["frequency_penalty"] == EVERYTHING["frequency_penalty"]


async def test_a_servers_dialect_may_leave_out_more(loopback: Loopback) -> None:
    loopback.always(Reply([OPENAI.stream]))
    untold = ["reasoning_effort", "seed", "stop", "tools", "response_format"]
    provider = loopback.provider("openai_compatible", options={"dialect": {"untold": untold}})
    options: dict[str, Any] = {
        "seed": 7,
        "stop": ("END",),
        "tools": TOOLS,
        "output_schema": {"type": "object"},
        "openai_options": EVERYTHING,
    }
    await provider.chat(said("{}"), **options)
    sent = loopback.requests[0].json
    assert "reasoning_effort" not in sent
    assert not set(untold) & set(sent)
    assert sent["verbosity"] == EVERYTHING["verbosity"]
    assert provider.left_out(ChatOptions(openai_options=EVERYTHING)) == ["reasoning_effort"]
    assert sorted(provider.left_out(ChatOptions(**options))) == sorted(untold)


def test_models_that_refuse_sampling_are_not_told_of_it(loopback: Loopback) -> None:
    openai = loopback.provider("openai", model="gpt-5.1")
    assert openai.left_out(ChatOptions(0.5, top_p=0.1)) == ["temperature", "top_p"]
    assert openai.left_out(ChatOptions(0.5, model="gpt-4.1")) == []
    dated = loopback.provider("anthropic", options={"version": "2023-06-01"})
    assert dated.left_out(ChatOptions(0.5, top_p=0.1)) == []


def test_what_one_says_in_several_messages_is_one_turn() -> None:
    messages = [
        ChatMessage("developer", "Be brief."),
        ChatMessage("user", "a"),
        ChatMessage("system", ""),
        ChatMessage("tool", "b"),
        ChatMessage("assistant", ""),
        ChatMessage("user", "c"),
    ]

    def parts(message: ChatMessage) -> list[dict[str, Any]]:
        return [{"text": message.content}] if message.content else []

    assert system_texts(messages) == ["Be brief."]
    assert list(turns(messages, parts)) == [("user", [{"text": "a"}, {"text": "b"}, {"text": "c"}])]
