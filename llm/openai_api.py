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
    prompt = _prompt(given["messages"])
    try:
        decided = screened.decide(tenant, asked, consent=consent)
    except RecursionError as error:
        raise WrongRequest("The tools or the schema are nested too deeply.", "tools") from error
    if decided.is_masked:
        prompt = _prompt(as_sent(given["messages"], decided.asked.messages))
    return Call(
        tenant,
        decided.asked,
        decided.route,
        decided.refusal,
        interface="openai",
        content={} if decided.is_withheld else {"prompt": Text(prompt, "application/json")},
        streamed=bool(given.get("stream")),
        system_id=system_of_call(tenant),
        attributes=decided.attributes,
    )


_in_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _prompt(messages: Any) -> bytes:
    """The messages as they are recorded: all that the caller sent, as JSON."""
    text = _in_json(messages)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise WrongRequest("The messages hold what is not Unicode.", "messages") from error


def _models(tenant: Tenant) -> dict[str, dict[str, Any]]:
    models: dict[str, dict[str, Any]] = {}
    for choice in routing.choices(tenant):
        if choice.allowed:
            for model in choice.models:
                entry = {"id": model, "object": "model", "created": 0, "owned_by": choice.name}
                models.setdefault(model, entry)
    return models
