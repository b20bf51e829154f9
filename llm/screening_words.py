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


def in_words(counts: Mapping[str, int], *, pictures: int = 0) -> str:
    """Such as “e-mail address (2), bank account (1)”."""
    words = [f"{NAMES[kind]} ({counts[kind]})" for kind in NAMES if counts.get(kind)]
    if pictures:
        words.append(f"{_now('picture that nothing looks into')} ({pictures})")
    return ", ".join(words)


def asking(found: str) -> str:
    """Before anything was sent, to somebody who can answer."""
    message = _now(
        "Your message holds: %(found)s. Nothing was sent yet: send it, or change it first."
    )
    return message % {"found": found}


def unanswerable(found: str) -> str:
    """The same to a program."""
    message = _now(
        "The request holds: %(found)s. Your organisation wants this confirmed before it is sent. "
        "Nothing was sent. Remove it, or send the header “Lexcustis-Screening” with “confirmed” "
        "(send as it is) or “masked” (send with identifiers replaced)."
    )
    return message % {"found": found}


def blocking(found: str, *, is_earlier: bool) -> str:
    """Of what the organisation does not send at all."""
    if is_earlier:
        message = _now(
            "Earlier messages of this conversation hold: %(found)s. Your organisation does not "
            "send this. Nothing was sent. Begin a new conversation."
        )
    else:
        message = _now(
            "The request holds: %(found)s. Your organisation does not send this. Nothing was sent; "
            "change it and try again."
        )
    return message % {"found": found}
