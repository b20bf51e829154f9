"""Which records an answer in one's own chat stands in: people point at a message, not at a log."""

from __future__ import annotations

from uuid import UUID

from django.http import Http404

from llm.models import Inference, Message
from orgs.roles import Permission
from orgs.tenancy import Tenant


def answer_of(tenant: Tenant, message_id: UUID) -> Inference:
    """The call behind an answer that one got; ``Http404`` for any other message. Needs ``chat``."""
    tenant.require(Permission.CHAT)
    rows = Message.objects.for_tenant(tenant).select_related("inference")
    found: Message | None = rows.filter(
        pk=message_id, role=Message.Role.ASSISTANT, inference__user_id=tenant.user.pk
    ).first()
    if found is None or found.inference is None:
        raise Http404
    return found.inference


def records_of(inference: Inference) -> list[UUID]:
    """The records of a question and its answer; a further attempt's question is the first's."""
    records = [inference.attempt_of or inference.pk, inference.pk]
    if inference.end_record_id is not None:
        records.append(inference.end_record_id)
    return list(dict.fromkeys(records))
