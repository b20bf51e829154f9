"""The OpenAI-compatible interface: an application joins by changing its base URL and key."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router

from audit.ledger import Text
from llm import chat, routing, screened
from llm.calls import Asked, Call
from llm.events import EventStream, with_record
from llm.openai_form import (
    CompletionScript,
    WrongRequest,
    as_sent,
    completion,
    messages_from,
    options_from,
    unused_in,
)
from llm.openai_schemas import COMPLETION, CompletionIn, ModelList
from llm.providers.base import ChatOptions
from llm.screened import PROGRAM
from llm.screening_consent import consent_of
from llm.sieve import Consent
from orgs.api_auth import DEFERRED_KEY_AUTH, caller_of_call, tenant_of_call
from orgs.roles import Permission
from orgs.systems import system_of_call
from orgs.tenancy import Tenant

router = Router(tags=["OpenAI-compatible"])


@router.post(
    "/chat/completions",
    auth=DEFERRED_KEY_AUTH,
    summary="Chat completion",
    openapi_extra={"responses": {200: COMPLETION}},
)
async def create_completion(request: HttpRequest, body: CompletionIn) -> Any:
    """A chat completion by a model that the organisation offers, recorded like a chat.

    Where the organisation wants findings of screening confirmed, send `Lexcustis-Screening:
    confirmed` or `masked`; without it such a request is refused with `screening_blocked`.
    """
    given = body.model_dump(exclude_unset=True)
    identify = partial(caller_of_call(request).tenant, chat.ahead)
    pump = await chat.begin_call(partial(prepare, identify, given, consent_of(request)))
    if body.stream:
        options = body.stream_options
        script = CompletionScript(include_usage=bool(options and options.include_usage))
        return EventStream(pump, script)
    ended = await pump.finished()
    return with_record(pump, completion(pump, ended.outcome))


@router.get("/models", response=ModelList, summary="Models")
def list_models(request: HttpRequest) -> Any:
    """The models that the organisation offers, each once: the first provider that has it."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.CHAT)
    return {"data": list(_models(tenant).values())}


@router.get("/models/{path:model}", summary="Model")
def read_model(request: HttpRequest, model: str) -> dict[str, Any]:
    """One model that the organisation offers."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.CHAT)
    found = _models(tenant).get(model)
    if found is None:
        raise Http404
    return found


def prepare(
    identify: Callable[[], Tenant], given: dict[str, Any], consent: Consent = PROGRAM
) -> Call:
    """Decide the call: everything that is read, in one go."""
    tenant = identify()
    tenant.require(Permission.CHAT)
    asked = Asked(
        messages_from(given["messages"]),
        options_from(given),
        None,
        given["model"],
        unused=unused_in(given),
    )
    messages = given["messages"]
    content = _content(messages, asked.options)
    try:
        decided = screened.decide(tenant, asked, consent=consent)
    except RecursionError as error:
        raise _nested("tools") from error
    if decided.is_masked:
        content = _content(as_sent(messages, decided.asked.messages), decided.asked.options)
    return Call(
        tenant,
        decided.asked,
        decided.route,
        decided.refusal,
        interface="openai",
        content={} if decided.is_withheld else content,
        streamed=bool(given.get("stream")),
        system_id=system_of_call(tenant),
        attributes=decided.attributes,
    )


_in_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _content(messages: Any, options: ChatOptions) -> dict[str, Text]:
    """What is recorded of a request beside numbers: all that the caller sent, as JSON."""
    further = {
        "tools": options.tools or None,
        "tool_choice": options.tool_choice,
        "output_schema": options.output_schema,
        "strict": options.strict,
        "stop": options.stop or None,
        **options.openai_options,
    }
    given = {name: value for name, value in further.items() if value is not None}
    content = {"prompt": _written(messages, "messages")}
    return content | {"options": _written(given, "tools")} if given else content


def _written(value: Any, name: str) -> Text:
    try:
        return Text(_in_json(value).encode(), "application/json")
    except UnicodeEncodeError as error:
        raise WrongRequest(f"The {name} hold what is not Unicode.", name) from error
    except RecursionError as error:
        raise _nested(name) from error


def _nested(name: str) -> WrongRequest:
    return WrongRequest(f"The {name} are nested too deeply.", name)


def _models(tenant: Tenant) -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for choice in routing.choices(tenant):
        if choice.allowed:
            for model in choice.models:
                entry = {"id": model, "object": "model", "created": 0, "owned_by": choice.name}
                models.setdefault(model, entry)
    return models
