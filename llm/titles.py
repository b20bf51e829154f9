"""Titles of conversations: made of what a person wrote, therefore sealed."""

from __future__ import annotations

import unicodedata
from uuid import UUID

import structlog
from django.utils.translation import gettext as _

from llm.models import Conversation
from orgs import vault

logger = structlog.get_logger(__name__)

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
    """The title of a row, or that it does not open: one damaged title hides no other."""
    sealed = bytes(conversation.sealed_title)
    if not sealed:
        return ""
    place = title_place(conversation.pk)
    try:
        return vault.unseal(conversation.organisation_id, sealed, place=place).decode()
    except vault.VaultError as error:
        logger.error("title does not open", conversation=str(conversation.pk), why=str(error))
        return _("(The title cannot be read)")


def title_place(conversation_id: UUID) -> str:
    """The vault's name for where a title stands."""
    return f"conversation/{conversation_id}/title"
