"""A person's own conversations: listed, read, renamed, put away, taken along.

Nobody else's exist here. Reading other people's text is another thing, and is itself recorded
(:mod:`audit.break_glass`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from audit.models import RecordIndex
from audit.reading import damaged, read_contents
from llm.history import own_conversation
from llm.markdown import render
from llm.models import Conversation, Inference, Message
from llm.titles import seal_title, unseal_title
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet

PAGE = 30
# Titles are sealed, so a search opens them one by one: the newest so many.
SEARCHED = 2_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A conversation in a list."""

    id: UUID
    title: str
    updated_at: datetime
    archived: bool


@dataclass(frozen=True, slots=True)
class MessageView:
    """A message as people and programs read it.

    ``html`` is safe to show. ``state`` and what follows it is set for answers only; ``is_gone``
    where the text was erased or its time was over, ``is_damaged`` where it is stored and does not
    open.
    """

    id: UUID
    parent_id: UUID | None
    role: str
    text: str
    html: str
    created_at: datetime
    record_id: UUID | None
    is_gone: bool = False
    is_damaged: bool = False
    ai_generated: bool = False
    state: str | None = None
    finish_reason: str = ""
    error_code: str = ""
    model: str = ""
    provider: str = ""
    region: str = ""
    usage: dict[str, Any] | None = None
    cost: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation with all its messages, oldest first: a tree by ``parent_id``."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    archived: bool
    messages: Sequence[MessageView]


def listed(
    tenant: Tenant, *, search: str = "", before: str = "", archived: bool = False
) -> tuple[list[Listed], str | None]:
    """One page of the tenant's own conversations, newest first, and the cursor of the next.

    *search* is looked for in titles. *before* is such a cursor; a wrong one is a
    ``ValidationError``.
    """
    tenant.require(Permission.CHAT)
    conversations = _own(tenant).filter(archived_at__isnull=not archived)
    if before:
        conversations = conversations.filter(_older_than(before))
    rows = conversations.order_by("-updated_at", "-id")
    wanted = search.casefold().strip()
    limited = rows[: SEARCHED if wanted else PAGE + 1]
    matching = (item for item in map(_listed, limited) if wanted in item.title.casefold())
    items = list(islice(matching, PAGE + 1))
    more = items[PAGE - 1] if len(items) > PAGE else None
    return items[:PAGE], f"{more.updated_at.isoformat()}_{more.id}" if more else None


def read(tenant: Tenant, conversation_id: UUID) -> ConversationView:
    """One of the tenant's own conversations; ``Http404`` for any other."""
    tenant.require(Permission.CHAT)
    conversation = own_conversation(tenant, conversation_id)
    messages = list(
        Message.objects.for_tenant(tenant)
        .filter(conversation_id=conversation.pk)
        .select_related("inference")
        .order_by("created_at", "id")
    )
    places = [(message.record_id, message.slot) for message in messages if message.record_id]
    texts = read_contents(tenant.organisation_id, places)
    unread = [place for place in places if texts[place] is None]
    broken = {record_id for record_id, _slot in damaged(tenant.organisation_id, unread)}
    gone = _gone(tenant, unread) - broken
    return ConversationView(
        id=conversation.pk,
        title=unseal_title(conversation),
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
        archived=conversation.archived_at is not None,
        messages=[
            _view(
                row,
                texts.get((row.record_id, row.slot)),
                is_gone=row.record_id in gone,
                is_damaged=row.record_id in broken,
            )
            for row in messages
        ],
    )


def change(
    tenant: Tenant, conversation_id: UUID, *, title: str | None = None, archived: bool | None = None
) -> Listed:
    """Rename a conversation, put it away or take it back; ``Http404`` for any but one's own."""
    tenant.require(Permission.CHAT)
    conversation = own_conversation(tenant, conversation_id)
    if title is not None:
        conversation.sealed_title = seal_title(tenant.organisation_id, conversation.pk, title)
    if archived is not None:
        conversation.archived_at = timezone.now() if archived else None
    conversation.save(update_fields=["sealed_title", "archived_at"])
    return _listed(conversation)


def usage_of(inference: Inference) -> dict[str, Any] | None:
    """The tokens of an inference, and who counted them."""
    if inference.input_tokens is None:
        return None
    return {
        "input_tokens": inference.input_tokens,
        "output_tokens": inference.output_tokens or 0,
        "source": inference.usage_source,
    }


def cost_of(inference: Inference) -> dict[str, str] | None:
    """What an inference cost, where a price is known."""
    if inference.cost is None:
        return None
    return {"amount": format(inference.cost, "f"), "currency": inference.currency}


def _own(tenant: Tenant) -> TenantQuerySet[Conversation]:
    return Conversation.objects.for_tenant(tenant).filter(user_id=tenant.user.pk)


def _older_than(cursor: str) -> Q:
    at, _, last = cursor.partition("_")
    try:
        updated_at, last_id = datetime.fromisoformat(at), UUID(last)
    except ValueError:
        raise ValidationError({"before": "Use the value of “next” as it was given."}) from None
    if updated_at.tzinfo is None:
        raise ValidationError({"before": "Use the value of “next” as it was given."})
    return Q(updated_at__lt=updated_at) | Q(updated_at=updated_at, id__lt=last_id)


def _listed(conversation: Conversation) -> Listed:
    return Listed(
        conversation.pk,
        unseal_title(conversation),
        conversation.updated_at,
        conversation.archived_at is not None,
    )


def _gone(tenant: Tenant, places: Sequence[tuple[UUID, str]]) -> set[UUID]:
    """The records that had such a text once: an answer that never came is not gone."""
    if not places:
        return set()
    rows = RecordIndex.objects.for_tenant(tenant).filter(record_id__in=[one for one, _ in places])
    slots = dict(rows.values_list("record_id", "slots"))
    return {record_id for record_id, slot in places if slot in slots.get(record_id, ())}


def _view(
    message: Message, content: bytes | None, *, is_gone: bool, is_damaged: bool
) -> MessageView:
    text = (content or b"").decode(errors="replace")
    view = MessageView(
        id=message.pk,
        parent_id=message.parent_id,
        role=message.role,
        text=text,
        html="",
        created_at=message.created_at,
        record_id=message.record_id,
        is_gone=is_gone,
        is_damaged=is_damaged,
    )
    inference = message.inference
    if message.role == Message.Role.USER or inference is None:
        return view
    return replace(
        view,
        html=render(text) if text else "",
        ai_generated=True,
        state=inference.state,
        finish_reason=inference.finish_reason,
        error_code=inference.error_code,
        model=inference.response_model or inference.requested_model,
        provider=inference.provider_name,
        region=inference.data_region,
        usage=usage_of(inference),
        cost=cost_of(inference),
    )
