"""The rows that change with a record, in its transaction: what pages and figures are read from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connections
from django.utils import timezone

from audit.ledger import Receipt
from llm import budgets
from llm.calls import Call, Outcome, Place, State
from llm.leases import expiry
from llm.models import Conversation, Inference, Message
from llm.records import writable
from orgs.prepared_queries import insertion
from orgs.trips import Change, change_together

ENDS_ONCE = "llm_inference_ends_once"  # how the database names its refusal of a second ending


class AlreadyEnded(Exception):
    """Somebody else has recorded the ending: there is exactly one (promise P3)."""


def beginning(call: Call, receipt: Receipt) -> list[Change]:
    """What notes that *call* was requested, and its place in a conversation."""
    changes = [_inference(call, receipt)]
    if call.place is None:
        return changes
    if call.attempt > 1:
        # The answer stands where it stood; what makes it is now this attempt.
        values = [receipt.record_id, call.place.answer_id, call.tenant.organisation_id]
        return [*changes, Change(_ANSWERED_ANEW, values)]
    return [_conversation(call, call.place), *changes, *_messages(call, call.place, receipt)]


def _inference(call: Call, receipt: Receipt) -> Change:
    tenant, place = call.tenant, call.place
    return insertion(
        Inference,
        id=receipt.record_id,
        organisation_id=tenant.organisation_id,
        user_id=tenant.user.pk,
        api_key_id=tenant.api_key.pk if tenant.api_key else None,
        conversation_id=place.conversation_id if place else None,
        system_id=call.system_id,
        provider_settings_id=call.route.settings_id if call.route else None,
        operation=call.operation,
        provider_name=call.provider_name[:100],
        requested_model=call.model[:200],
        data_region=call.region[:20],
        attempt=call.attempt,
        attempt_of=call.first_id,
        started_at=call.at,
        lease_expires_at=expiry(),
    )


def end(inference_id: UUID, outcome: Outcome, receipt: Receipt) -> None:
    """Turn the inference's state away from ``started``, in the open transaction.

    Raises :class:`AlreadyEnded`, so that the record of a second ending is rolled back.
    """
    with ending_once():
        change_together(ending(inference_id, outcome, receipt))


def ending(inference_id: UUID, outcome: Outcome, receipt: Receipt) -> list[Change]:
    """What turns the inference's state away from ``started``, once and for all.

    Make these changes within :func:`ending_once`.
    """
    usage = outcome.usage
    values: dict[str, Any] = {
        "state": outcome.state.value,
        "end_record_id": receipt.record_id,
        "error_code": outcome.error_code[:60],
        "finish_reason": outcome.finish_reason[:20],
        "response_model": writable(outcome.model),
        "input_tokens": usage.input_tokens if usage else None,
        "output_tokens": usage.output_tokens if usage else None,
        "usage_source": usage.source[:10] if usage else "",
        "cost": outcome.cost,
        "currency": outcome.currency[:3],
        "first_token_ms": outcome.first_token_ms,
        "duration_ms": outcome.duration_ms or None,
        "ended_at": timezone.now(),
    }
    changes = ", ".join(f"{column} = %s" for column in values)
    return [
        Change(
            # By its own id, within its own record's transaction.
            f"UPDATE {Inference._meta.db_table} SET {changes}"  # noqa: S608 - names only
            " WHERE id = %s AND state = %s",
            [*values.values(), inference_id, State.STARTED.value],
            then="llm_ended_once({rows})",
        ),
        budgets.settling(inference_id, outcome),
        # The answer of that same inference.
        Change(
            f"UPDATE {Message._meta.db_table} SET record_id = %s WHERE inference_id = %s",  # noqa: S608
            [receipt.record_id, inference_id],
        ),
    ]


@contextmanager
def ending_once() -> Iterator[None]:
    """Raise :class:`AlreadyEnded` where the database refuses a second ending."""
    try:
        yield
    except IntegrityError as error:
        diagnosis = getattr(error.__cause__, "diag", None)
        if diagnosis is None or diagnosis.constraint_name != ENDS_ONCE:
            raise
        raise AlreadyEnded("The inference has its ending already.") from error


def recorded_state(inference_id: UUID) -> State:
    """How an inference ended, as its row says."""
    try:
        inference = Inference.unscoped.get(pk=inference_id)  # asked by whoever ran that inference
        return State(inference.state)
    finally:
        connections.close_all()


def _conversation(call: Call, place: Place) -> Change:
    """What makes the conversation, or brings it up to date."""
    if not place.is_new:
        values = [call.at, place.conversation_id, call.tenant.organisation_id, call.tenant.user.pk]
        return Change(_CONTINUED, values)
    return insertion(
        Conversation,
        id=place.conversation_id,
        organisation_id=call.tenant.organisation_id,
        user_id=call.tenant.user.pk,
        sealed_title=place.sealed_title,
        system_id=call.system_id,
        created_at=call.at,
        updated_at=call.at,
    )


_CONTINUED = (
    f"UPDATE {Conversation._meta.db_table} SET updated_at = %s"  # noqa: S608 - names only
    " WHERE id = %s AND organisation_id = %s AND user_id = %s"
)
_ANSWERED_ANEW = (
    f"UPDATE {Message._meta.db_table} SET inference_id = %s, record_id = NULL"  # noqa: S608 - names only
    " WHERE id = %s AND organisation_id = %s"
)


def _messages(call: Call, place: Place, receipt: Receipt) -> list[Change]:
    shared = {
        "organisation_id": call.tenant.organisation_id,
        "conversation_id": place.conversation_id,
    }
    answer = insertion(
        Message,
        id=place.answer_id,
        parent_id=place.prompt_id,
        role=Message.Role.ASSISTANT,
        slot="response",
        inference_id=receipt.record_id,
        created_at=call.at + timedelta(microseconds=1),  # after its question, in every order
        **shared,
    )
    prompt = insertion(
        Message,
        id=place.prompt_id,
        parent_id=place.parent_id,
        role=Message.Role.USER,
        record_id=receipt.record_id,
        slot="prompt",
        created_at=call.at,
        **shared,
    )
    return [answer] if place.is_retry else [prompt, answer]
