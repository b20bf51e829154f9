"""Where a question stands in a conversation, and what was said before it on its branch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import Http404

from audit.ledger import Link
from audit.reading import read_contents
from llm.calls import Place
from llm.models import Conversation, Message
from llm.providers.base import ChatMessage
from llm.titles import seal_title, title_from, unseal_title
from orgs.identifiers import uuid7
from orgs.tenancy import Tenant

# Messages of a branch that are sent along: each is a link in the record, which holds 16 KB.
MAX_MESSAGES = 100


@dataclass(frozen=True, slots=True)
class Question:
    """A person's question in its place. ``prompt`` is None for a retry: it is recorded already."""

    place: Place
    messages: tuple[ChatMessage, ...]
    links: tuple[Link, ...]
    prompt: str | None


def ask_new(tenant: Tenant, message: str) -> Question:
    """A question that begins a conversation."""
    conversation_id = uuid7()
    title = title_from(message)
    sealed = seal_title(tenant.organisation_id, conversation_id, title)
    place = Place(conversation_id, title, sealed)
    return Question(place, (ChatMessage("user", message),), (), message)


def ask_next(tenant: Tenant, conversation_id: UUID, message: str) -> Question:
    """A question after the newest message of a conversation."""
    conversation = own_conversation(tenant, conversation_id)
    branches = _messages_of(conversation)
    answers = [row for row in branches.values() if row.role == Message.Role.ASSISTANT]
    return _ask(tenant, conversation, branches, answers[-1].pk if answers else None, message)


def ask_after(
    tenant: Tenant, conversation_id: UUID, parent_id: UUID | None, message: str
) -> Question:
    """A question after an answer of one's choice, or before all (None): a new branch."""
    conversation = own_conversation(tenant, conversation_id)
    branches = _messages_of(conversation)
    if parent_id is not None:
        parent = branches.get(parent_id)
        if parent is None:
            raise Http404
        if parent.role != Message.Role.ASSISTANT:
            raise ValidationError({"parent_id": "A question follows an answer, not a question."})
    return _ask(tenant, conversation, branches, parent_id, message)


def ask_again(tenant: Tenant, answer_id: UUID, conversation_id: UUID | None = None) -> Question:
    """The question of an earlier answer, for another answer beside it."""
    answer = (
        Message.objects.for_tenant(tenant)
        .select_related("conversation")
        .filter(pk=answer_id, conversation__user_id=tenant.user.pk)
        .first()
    )
    if answer is None or (conversation_id and answer.conversation_id != conversation_id):
        raise Http404
    if answer.role != Message.Role.ASSISTANT or answer.parent_id is None:
        raise ValidationError({"retry_of": "Only an answer can be asked for again."})
    branches = _messages_of(answer.conversation)
    prompt = branches[answer.parent_id]
    messages, links = _sent(tenant, _branch(branches, prompt.pk))
    if not messages or messages[-1].role != "user" or links[-1].id != prompt.record_id:
        raise ValidationError(
            {"retry_of": "The question was erased or does not open: it cannot be asked again."}
        )
    place = Place(
        answer.conversation_id,
        unseal_title(answer.conversation),
        parent_id=prompt.parent_id,
        prompt_id=prompt.pk,
        is_retry=True,
        system_id=answer.conversation.system_id,
    )
    return Question(place, messages, links, None)


def own_conversation(tenant: Tenant, conversation_id: UUID) -> Conversation:
    """The tenant's own conversation; anybody else's does not exist (Http404)."""
    found: Conversation | None = (
        Conversation.objects.for_tenant(tenant)
        .filter(user_id=tenant.user.pk, pk=conversation_id)
        .first()
    )
    if found is None:
        raise Http404
    return found


def _ask(
    tenant: Tenant,
    conversation: Conversation,
    branches: dict[UUID, Message],
    parent_id: UUID | None,
    message: str,
) -> Question:
    before, links = _sent(tenant, _branch(branches, parent_id))
    place = Place(
        conversation.pk,
        unseal_title(conversation),
        parent_id=parent_id,
        system_id=conversation.system_id,
    )
    messages = _joined([*before, ChatMessage("user", message)])
    return Question(place, messages, links, message)


def _messages_of(conversation: Conversation) -> dict[UUID, Message]:
    """All messages by id, oldest first."""
    rows = Message.objects.for_organisation(conversation.organisation_id).filter(
        conversation_id=conversation.pk
    )
    return {row.pk: row for row in rows.order_by("created_at", "id")}


def _branch(branches: dict[UUID, Message], leaf_id: UUID | None) -> list[Message]:
    """From the beginning to the leaf, at most the last :data:`MAX_MESSAGES`."""
    path: list[Message] = []
    while leaf_id is not None and len(path) < MAX_MESSAGES:
        row = branches[leaf_id]
        path.append(row)
        leaf_id = row.parent_id
    return path[::-1]


def _sent(
    tenant: Tenant, path: Sequence[Message]
) -> tuple[tuple[ChatMessage, ...], tuple[Link, ...]]:
    """The texts of a branch that still exist, and links to the records that hold them."""
    places = [(row.record_id, row.slot) for row in path if row.record_id is not None]
    texts = read_contents(tenant.organisation_id, places) if places else {}
    messages: list[ChatMessage] = []
    links: list[Link] = []
    for row in path:
        if row.record_id is None:
            continue
        text = texts.get((row.record_id, row.slot))
        if text:
            messages.append(ChatMessage(row.role, text.decode(errors="replace")))
            links.append(Link(row.record_id, "context"))
    return _joined(messages), tuple(links)


def _joined(messages: Iterable[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Neighbours of one role as one message: vendors want question and answer to alternate.

    Two questions meet where the first was never answered.
    """
    joined: list[ChatMessage] = []
    for message in messages:
        if joined and joined[-1].role == message.role:
            text = f"{joined[-1].content}\n\n{message.content}"
            joined[-1] = ChatMessage(message.role, text)
        else:
            joined.append(message)
    while joined and joined[0].role != "user":
        joined.pop(0)  # where the branch was cut in the middle
    return tuple(joined)
