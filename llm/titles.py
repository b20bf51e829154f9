"""Titles of conversations: made of what a person wrote, therefore sealed."""

from __future__ import annotations

import unicodedata
from uuid import UUID

from llm.models import Conversation
from orgs import vault

MAX_CHARACTERS = 60


def title_from(text: str) -> str:
    """The first words of a prompt, on one line."""
    plain = "".join(
        " " if character.isspace() else character
        for character in text[:1000]
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    words = " ".join(plain.split())
    if len(words) <= MAX_CHARACTERS:
        return words or "…"
    head = words[: MAX_CHARACTERS - 1]
    cut = head.rfind(" ")
    return (head[:cut] if cut > MAX_CHARACTERS // 2 else head).rstrip() + "…"


def seal_title(organisation_id: UUID, conversation_id: UUID, title: str) -> bytes:
    """The title as it rests in the row."""
    return vault.seal(organisation_id, title.encode(), place=title_place(conversation_id))


def unseal_title(conversation: Conversation) -> str:
    """The title of a row."""
    sealed = bytes(conversation.sealed_title)
    if not sealed:
        return ""
    return vault.unseal(
        conversation.organisation_id, sealed, place=title_place(conversation.pk)
    ).decode()


def title_place(conversation_id: UUID) -> str:
    """The vault's name for where a title stands."""
    return f"conversation/{conversation_id}/title"
