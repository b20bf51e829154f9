"""What screening finds and does, in words that people read."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

# In the order of llm.screening.KINDS.
NAMES: Mapping[str, Promise] = {
    "secret": _("key or password"),
    "iban": _("bank account"),
    "national_id": _("personal number"),
    "payment_card": _("payment card"),
    "email": _("e-mail address"),
    "phone": _("telephone number"),
    "ip_address": _("IP address"),
    "invisible_text": _("invisible text"),
    "injection": _("words that try to steer the model"),
}


def in_words(counts: Mapping[str, int]) -> str:
    """Such as “e-mail address (2), bank account (1)”."""
    return ", ".join(f"{NAMES[kind]} ({counts[kind]})" for kind in NAMES if counts.get(kind))


def asking(counts: Mapping[str, int]) -> str:
    """Before anything was sent, to somebody who can answer."""
    message = _now("Your text holds: %(found)s. Nothing was sent yet: send it, or change it first.")
    return message % {"found": in_words(counts)}


def unanswerable(counts: Mapping[str, int]) -> str:
    """The same to a program."""
    message = _now(
        "The text holds: %(found)s. Your organisation wants this confirmed before it is sent. "
        "Nothing was sent. Remove it, or send the header “Lexcustis-Screening” with “confirmed” "
        "(send as it is) or “masked” (send with identifiers replaced)."
    )
    return message % {"found": in_words(counts)}


def blocking(counts: Mapping[str, int], *, is_earlier: bool) -> str:
    """Of what the organisation does not send at all."""
    if is_earlier:
        message = _now(
            "Earlier messages of this conversation hold: %(found)s. Your organisation does not "
            "send this. Nothing was sent. Begin a new conversation."
        )
    else:
        message = _now(
            "The text holds: %(found)s. Your organisation does not send this. Nothing was sent; "
            "change the text and try again."
        )
    return message % {"found": in_words(counts)}
