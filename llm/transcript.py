"""One way through a conversation's tree: which messages a page shows, and their other versions.

A retry is a second answer to the same prompt, an edited prompt a second child of the same parent.
Nothing is overwritten, so a page shows one path and offers the siblings of each message on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from llm.conversations import MessageView
from llm.models import Message
from llm.providers.registry import vendors
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Turn:
    """A message on the path with the ids of its versions, oldest first, itself among them."""

    message: MessageView
    versions: tuple[UUID, ...]
    provider: str = ""

    @property
    def number(self) -> int:
        """Which version this is, from 1."""
        return self.versions.index(self.message.id) + 1

    @property
    def previous(self) -> UUID | None:
        """The version before this one."""
        return self.versions[self.number - 2] if self.number > 1 else None

    @property
    def next(self) -> UUID | None:
        """The version after this one."""
        return self.versions[self.number] if self.number < len(self.versions) else None


def provider_names(tenant: Tenant, conversation_id: UUID) -> dict[UUID, str]:
    """By answer, what people call the provider: the log has the technical name instead."""
    rows = Message.objects.for_tenant(tenant).filter(conversation_id=conversation_id)
    names = rows.exclude(inference=None).values_list(
        "pk", "inference__provider_settings__name", "inference__provider_name"
    )
    known = {vendor.provider_name: vendor.name for vendor in vendors().values()}
    return {pk: name or known.get(recorded, recorded) for pk, name, recorded in names}


def path_through(
    messages: Sequence[MessageView],
    *,
    at: UUID | None = None,
    providers: Mapping[UUID, str] | None = None,
) -> list[Turn]:
    """The path through *messages* (oldest first) that contains the message *at*.

    Below *at*, and everywhere without it, the newest version is taken. An *at* that is not in the
    conversation counts as none.
    """
    children: dict[UUID | None, list[MessageView]] = defaultdict(list)
    by_id = {message.id: message for message in messages}
    for message in messages:
        children[message.parent_id].append(message)
    chosen = set()
    step = by_id.get(at) if at else None
    while step is not None:
        chosen.add(step.id)
        step = by_id.get(step.parent_id) if step.parent_id else None
    path: list[Turn] = []
    siblings = children[None]
    while siblings:
        message = next((one for one in siblings if one.id in chosen), siblings[-1])
        name = (providers or {}).get(message.id, message.provider)
        path.append(Turn(message, tuple(one.id for one in siblings), name))
        siblings = children[message.id]
    return path


def ai_mark(message: MessageView) -> str:
    """The line that goes with a copied answer: a machine wrote this, which one, where it is noted.

    Regulation (EU) 2024/1689, Art. 50(2) asks providers to mark what their systems generate; we
    keep a mark with the text where people take it.
    """
    source = " · ".join(part for part in (message.provider, message.model) if part)
    record = f" Record {message.record_id}." if message.record_id else ""
    return f"[AI-generated: {source}, {message.created_at:%Y-%m-%d %H:%M} UTC.{record}]"


def totals(messages: Sequence[MessageView]) -> dict[str, Any]:
    """Tokens and cost of all answers of a conversation, of every branch: they were all paid."""
    tokens = sum(
        message.usage["input_tokens"] + message.usage["output_tokens"]
        for message in messages
        if message.usage
    )
    costs: dict[str, Decimal] = defaultdict(Decimal)
    for message in messages:
        if message.cost:
            costs[message.cost["currency"]] += Decimal(message.cost["amount"])
    return {
        "tokens": tokens,
        "is_estimate": any(m.usage and m.usage["source"] != "provider" for m in messages),
        "costs": [{"amount": amount, "currency": currency} for currency, amount in costs.items()],
    }


# What the page's scripts copy when a turn begins: a message that has not happened yet.
BLANK_PROMPT: dict[str, Any] = {"id": "", "role": "user", "text": "", "is_gone": False}
BLANK_ANSWER: dict[str, Any] = {
    **BLANK_PROMPT,
    "role": "assistant",
    "state": "started",
    "region": "unknown",
}
