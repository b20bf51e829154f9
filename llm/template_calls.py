"""Calls by a prompt template: the chat turn without a conversation, and the answer read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from audit.ledger import Text
from llm import chat, screened
from llm.calls import Asked, Call, CallFailed, Outcome
from llm.prompt_templates import NotInForm, PromptTemplate, answer_in_form
from llm.providers.base import ChatOptions, FinishReason
from llm.pump import Pump
from llm.screened import NO_CONSENT
from llm.sieve import Consent
from orgs.roles import Permission
from orgs.systems import system_of_call
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Task:
    """A text, and what a template is to do with it. ``schema`` is the form of the answer."""

    template: PromptTemplate
    text: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    schema: Mapping[str, Any] | None = None
    provider_id: UUID | None = None
    model: str | None = None
    max_tokens: int | None = None
    consent: Consent = NO_CONSENT


async def run(identify: Callable[[], Tenant], task: Task) -> tuple[Pump, Any]:
    """Run the call to its recorded end: the pump, and the answer as text or by its schema.

    Raises what *identify* raises and :class:`llm.calls.CallFailed`, also where the answer does
    not follow the schema: the call is recorded and paid all the same.
    """
    pump = await chat.begin_call(lambda: prepare(identify, task))
    ended = await pump.finished()
    if task.schema is None:
        return pump, ended.outcome.text
    try:
        return pump, answer_in_form(ended.outcome.text, task.schema)
    except NotInForm as error:
        raise _unreadable(pump, ended.outcome, error) from error


def _unreadable(pump: Pump, outcome: Outcome, error: NotInForm) -> CallFailed:
    """Whose fault it is that the answer cannot be read: the caller's limit, or the model's."""
    details = {"record_id": str(pump.requested.record_id)} if pump.requested else {}
    if outcome.finish_reason == FinishReason.LENGTH:
        words = "The answer was cut off before it was whole. Allow more with max_tokens."
        return CallFailed("answer_cut_off", words, status=422, details=details)
    return CallFailed("answer_not_in_form", str(error), status=502, details=details)


def prepare(identify: Callable[[], Tenant], task: Task) -> Call:
    """Decide the call: everything that is read, in one go."""
    tenant = identify()
    tenant.require(Permission.CHAT)
    messages = task.template.messages(task.text, task.parameters)
    options = ChatOptions(temperature=0.0, max_tokens=task.max_tokens, output_schema=task.schema)
    asked = Asked(messages, options, task.provider_id, task.model)
    decided = screened.decide(tenant, asked, consent=task.consent)
    said = [
        {"role": message.role, "content": message.content} for message in decided.asked.messages
    ]
    prompt = Text(json.dumps(said, ensure_ascii=False), "application/json")
    return Call(
        tenant,
        decided.asked,
        decided.route,
        decided.refusal,
        interface="template",
        content={} if decided.is_withheld else {"prompt": prompt},
        streamed=False,
        system_id=system_of_call(tenant),
        attributes={
            "lexcustis.template.id": task.template.name,
            "lexcustis.template.version": task.template.version,
            **decided.attributes,
        },
    )
