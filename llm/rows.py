"""The rows that change with a record, in its transaction: what pages and figures are read from."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connection, connections
from django.utils import timezone

from audit.ledger import Receipt
from llm import budgets
from llm.calls import Call, Outcome, Place, State
from llm.leases import expiry
from llm.models import Conversation, Inference, Message
from llm.records import writable
from orgs.prepared_queries import insert_rows
from orgs.trips import in_one_trip


class AlreadyEnded(Exception):
    """Somebody else has recorded the ending: there is exactly one (promise P3)."""


def begin(call: Call, receipt: Receipt) -> None:
    """Note that *call* was requested, and its place in a conversation."""
    with in_one_trip():
        if call.place is not None and call.attempt == 1:
            _conversation(call, call.place)
        insert_rows([_inference(call, receipt)])
        if call.place is not None and call.attempt == 1:
            insert_rows(_messages(call, call.place, receipt))
    if call.place is not None and call.attempt > 1:
        # The answer stands where it stood; what makes it is now this attempt.
        answers = Message.objects.for_tenant(call.tenant).filter(pk=call.place.answer_id)
        answers.update(inference_id=receipt.record_id, record_id=None)


def _inference(call: Call, receipt: Receipt) -> Inference:
    tenant, place = call.tenant, call.place
    return Inference(
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
    """Turn the inference's state away from ``started``, once and for all.

    Raises :class:`AlreadyEnded`, so that the record of a second ending is rolled back.
    """
    with in_one_trip():
        check = send_end(inference_id, outcome, receipt)
    check()


def send_end(inference_id: UUID, outcome: Outcome, receipt: Receipt) -> Callable[[], None]:
    """:func:`end` on its way to the server; what it returns is asked when the answers are there."""
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
    cursor = connection.cursor()
    # By its own id, within its own record's transaction.
    cursor.execute(
        f"UPDATE {Inference._meta.db_table} SET {changes}"  # noqa: S608 - names only
        " WHERE id = %s AND state = %s",
        [*values.values(), inference_id, State.STARTED.value],
    )
    budgets.settle(inference_id, outcome)
    with connection.cursor() as other:
        # The answer of that same inference.
        other.execute(
            f"UPDATE {Message._meta.db_table} SET record_id = %s WHERE inference_id = %s",  # noqa: S608
            [receipt.record_id, inference_id],
        )

    def check() -> None:
        with cursor:
            is_changed = bool(cursor.rowcount)
        if not is_changed:
            raise AlreadyEnded(f"The inference {inference_id} has its ending already.")

    return check


def recorded_state(inference_id: UUID) -> State:
    """How an inference ended, as its row says."""
    try:
        inference = Inference.unscoped.get(pk=inference_id)  # asked by whoever ran that inference
        return State(inference.state)
    finally:
        connections.close_all()


def _conversation(call: Call, place: Place) -> None:
    if place.is_new:
        made = Conversation(
            id=place.conversation_id,
            organisation_id=call.tenant.organisation_id,
            user_id=call.tenant.user.pk,
            sealed_title=place.sealed_title,
            system_id=call.system_id,
            created_at=call.at,
            updated_at=call.at,
        )
        insert_rows([made])
    else:
        mine = Conversation.objects.for_tenant(call.tenant).filter(pk=place.conversation_id)
        mine.update(updated_at=call.at)


def _messages(call: Call, place: Place, receipt: Receipt) -> list[Message]:
    shared = {
        "organisation_id": call.tenant.organisation_id,
        "conversation_id": place.conversation_id,
    }
    answer = Message(
        id=place.answer_id,
        parent_id=place.prompt_id,
        role=Message.Role.ASSISTANT,
        slot="response",
        inference_id=receipt.record_id,
        created_at=call.at + timedelta(microseconds=1),  # after its question, in every order
        **shared,
    )
    prompt = Message(
        id=place.prompt_id,
        parent_id=place.parent_id,
        role=Message.Role.USER,
        record_id=receipt.record_id,
        slot="prompt",
        created_at=call.at,
        **shared,
    )
    return [answer] if place.is_retry else [prompt, answer]
