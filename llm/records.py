"""What a call leaves in the log.

Names in the bodies follow OpenTelemetry's GenAI conventions; our own begin with ``lexcustis.``.
No text of a prompt or an answer stands there: it is content, sealed beside the log.
"""

from __future__ import annotations

import json
from typing import Any

from audit.kinds import Kind
from audit.ledger import Draft, Link, Receipt, Text, append
from llm.calls import Call, Outcome, State
from llm.models import Inference
from llm.screened import told
from orgs.changes import SYSTEM

_ENDINGS = {
    State.COMPLETED: Kind.INFERENCE_COMPLETED,
    State.STOPPED: Kind.INFERENCE_STOPPED,
    State.FAILED: Kind.INFERENCE_FAILED,
    State.BLOCKED: Kind.INFERENCE_BLOCKED,
    State.INTERRUPTED: Kind.INFERENCE_INTERRUPTED,
}
# Upstream's own words (model, ids, reasons) go into the log cut to this.
_LONGEST = 200


def requested(call: Call) -> Draft:
    """The record that must be committed before anything is sent (promise P1)."""
    options = call.asked.options
    further = options.openai_options
    body = (
        _base(call)
        | {
            "gen_ai.request.stream": call.streamed,
            "gen_ai.request.temperature": _decimal(options.temperature),
            "gen_ai.request.top_p": _decimal(options.top_p),
            "gen_ai.request.max_tokens": options.max_tokens,
            "gen_ai.request.seed": options.seed,
            "gen_ai.request.frequency_penalty": _decimal(further.get("frequency_penalty")),
            "gen_ai.request.presence_penalty": _decimal(further.get("presence_penalty")),
            "lexcustis.asked.reasoning_effort": further.get("reasoning_effort"),
            "lexcustis.asked.verbosity": further.get("verbosity"),
            "lexcustis.left_out": call.left_out or None,
            "lexcustis.interface": call.interface,
            "lexcustis.system.id": str(call.system_id) if call.system_id else None,
            "lexcustis.asked.model": call.asked_model,
            "lexcustis.asked.provider.settings_id": _asked_provider(call),
            "lexcustis.attempt": call.attempt,
            "lexcustis.attempt.reason": call.failed_with,
            "lexcustis.role": call.tenant.role.value,
            "lexcustis.budget.passed": [str(budget) for budget in call.passed_budgets] or None,
        }
        | dict(call.attributes)
    )
    if call.place is not None:
        body["gen_ai.conversation.id"] = str(call.place.conversation_id)
    return Draft(
        call.tenant.organisation_id,
        Kind.INFERENCE_REQUESTED,
        call.tenant.actor,
        _without_none(body),
        content=call.content,
        links=[*call.links, *_attempt_links(call)],
        at=call.at,
        id=call.id,
    )


def ended(call: Call, outcome: Outcome) -> Draft:
    """The record of how the call ended."""
    usage = outcome.usage
    body = _base(call) | {
        **(told(call.attributes) if outcome.state == State.BLOCKED else {}),
        "gen_ai.response.model": outcome.model,
        "gen_ai.response.id": outcome.upstream_id,
        "gen_ai.response.finish_reasons": [outcome.finish_reason]
        if outcome.finish_reason
        else None,
        "lexcustis.finish_reason.upstream": outcome.raw_finish_reason,
        "lexcustis.data_region.served": outcome.location,
        "lexcustis.duration_ms": outcome.duration_ms,
        "lexcustis.first_token_ms": outcome.first_token_ms,
        "error.type": outcome.error_code,
    }
    if usage is not None:
        body |= {
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens or None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens or None,
            "lexcustis.usage.source": usage.source,
        }
    if outcome.cost is not None:
        body |= {
            "lexcustis.cost.amount": format(outcome.cost, "f"),
            "lexcustis.cost.currency": outcome.currency,
            "lexcustis.cost.source": outcome.price_source,
        }
    return Draft(
        call.tenant.organisation_id,
        _ENDINGS[outcome.state],
        call.tenant.actor if outcome.state != State.INTERRUPTED else SYSTEM,
        _without_none(body),
        content=_answer(outcome),
        links=[Link(call.id, "request")],
    )


def interrupted(inference: Inference) -> Receipt:
    """Record, in the open transaction, that the process running the inference has died."""
    body = inference.body() | {
        "lexcustis.data_region": inference.data_region,
        "error.type": "process_lost",
    }
    return append(
        Draft(
            inference.organisation_id,
            Kind.INFERENCE_INTERRUPTED,
            SYSTEM,
            body,
            links=[Link(inference.pk, "request")],
        )
    )


def _attempt_links(call: Call) -> list[Link]:
    """The first attempt, whose record holds the question, and the one before this."""
    if call.first_id is None or call.previous_id is None:
        return []
    return [Link(call.first_id, "attempt_of"), Link(call.previous_id, "previous")]


def _asked_provider(call: Call) -> str | None:
    """The provider that was asked for, where another one answers."""
    asked, found = call.asked.provider_id, call.route.settings_id if call.route else None
    return str(asked) if asked is not None and found != asked else None


def _base(call: Call) -> dict[str, Any]:
    settings_id = call.route.settings_id if call.route else call.asked.provider_id
    return {
        "gen_ai.operation.name": call.operation,
        "gen_ai.provider.name": call.provider_name,
        "gen_ai.request.model": call.model,
        "lexcustis.provider.settings_id": str(settings_id) if settings_id else None,
        "lexcustis.data_region": call.region,
    }


def _answer(outcome: Outcome) -> dict[str, Text]:
    content = {}
    if outcome.text:
        content["response"] = Text(outcome.text.encode(errors="replace"), "text/markdown")
    if outcome.tool_calls:
        content["tool_calls"] = Text(tool_calls_json(outcome), "application/json")
    return content


def tool_calls_json(outcome: Outcome) -> str:
    """The tool calls as a JSON array in OpenAI's form."""
    return json.dumps(
        [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in outcome.tool_calls
        ]
    )


def writable(words: str) -> str:
    """Upstream's own words cut short, without what UTF-8 or PostgreSQL cannot hold."""
    if words.isascii() and len(words) <= _LONGEST and "\0" not in words:
        return words
    return words[:_LONGEST].encode(errors="replace").decode().replace("\0", "?")


def _decimal(value: float | None) -> str | None:
    return None if value is None else format(value, ".12g")


def _without_none(body: dict[str, Any]) -> dict[str, Any]:
    """What is known, with upstream's words short and writable."""
    return {
        name: writable(value) if isinstance(value, str) else value
        for name, value in body.items()
        if value is not None and value != ""
    }
