"""A conversation in OpenAI's form, read for the vendors that have a form of their own.

What has no counterpart there raises :class:`InvalidRequest`: it is the caller's to change, and
passing it over would answer something else than what was asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, NoReturn

from llm.providers.base import ChatMessage, ToolCall
from llm.providers.errors import InvalidRequest

_SYSTEM = ("system", "developer")


class Function(NamedTuple):
    """A tool that a model may call; ``parameters`` is a JSON Schema, empty where none was given."""

    name: str
    description: str
    parameters: Mapping[str, Any]


def system_texts(messages: Iterable[ChatMessage]) -> list[str]:
    """What the model is told before the conversation, wherever that stands; no empty text."""
    return [message.content for message in messages if message.role in _SYSTEM and message.content]


def turns(
    messages: Iterable[ChatMessage],
    parts: Callable[[ChatMessage], Iterable[dict[str, Any]]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """``user`` and ``assistant`` in turn, each with the *parts* of what they say in a row."""
    said = (
        ("assistant" if message.role == "assistant" else "user", made)
        for message in messages
        if message.role not in _SYSTEM and (made := list(parts(message)))
    )
    for speaker, together in groupby(said, key=itemgetter(0)):
        yield speaker, [part for _speaker, made in together for part in made]


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """The arguments of a call that an earlier message holds, as the object that they are."""
    try:
        arguments = json.loads(call.arguments.strip() or "{}", parse_constant=_no_number)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequest(
            f"An earlier message calls “{call.name}” with arguments that are no JSON object, and "
            "this provider takes nothing else. Leave that call out, or send {} in their place."
        )
    return arguments


def functions(tools: Iterable[Mapping[str, Any]]) -> list[Function]:
    """The functions among *tools*, which must be nothing else."""
    return [_function(tool) for tool in tools]


def chosen_function(choice: Any) -> str | None:
    """The name of the one function that must be called; None where *choice* is but a word."""
    if choice is None or isinstance(choice, str):
        return None
    function = choice.get("function") if isinstance(choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or not name:
        raise InvalidRequest("tool_choice is auto, none, required, or names one function.")
    return name


def _function(tool: Mapping[str, Any]) -> Function:
    function = tool.get("function")
    if tool.get("type", "function") != "function" or not isinstance(function, Mapping):
        raise InvalidRequest("This provider takes only tools of the type function.")
    name, parameters = function.get("name"), function.get("parameters") or {}
    if not isinstance(name, str) or not name:
        raise InvalidRequest("A function among the tools has no name.")
    if not isinstance(parameters, Mapping):
        raise InvalidRequest(f"The parameters of the function “{name}” are no JSON Schema.")
    return Function(name, str(function.get("description") or ""), parameters)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON.")
