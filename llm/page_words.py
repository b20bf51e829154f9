"""What the chat page's scripts say, and what it suggests to ask."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from llm.screening_words import NAMES


def suggestions() -> list[dict[str, str]]:
    """Three questions for the empty page, each with another kind of answer."""
    return [
        {
            "title": _("Compare"),
            "prompt": _("Compare a deployer and a provider under the EU AI Act in a table"),
        },
        {
            "title": _("Write code"),
            "prompt": _("Write a Python function that checks whether an IBAN is valid"),
        },
        {
            "title": _("Draft"),
            "prompt": _("Draft a polite reply to a customer who is waiting for a refund"),
        },
    ]


def words() -> dict[str, Any]:
    """The sentences of the scripts; ``errors`` by code: what happened, and what to do.

    ``findings`` are the kinds of what screening finds.
    """
    return {
        "session_ended": _("Your session has ended."),
        "sign_in_again": _("Sign in again, come back here and send. Your text is kept."),
        "page_old": _("This page is too old to send from."),
        "reload": _("Reload it; your text is kept."),
        "unknown": _("The answer could not be fetched."),
        "text_kept": _("Your text is kept. Try again, or choose another model."),
        "too_long": _(
            "A message has at most %most% characters, and this one has %length%. Shorten it, or "
            "send it in parts; your text is kept."
        ),
        "errors": _errors(),
        "findings": {kind: str(name) for kind, name in NAMES.items()},
    }


def _errors() -> dict[str, tuple[str, str]]:
    wait = _("Wait a moment, then try again.")
    shorter = _("Begin a new conversation, or shorten the text.")
    administrator = _("Choose another model, or tell your administrator.")
    change = _("Your text is kept: change it, then send again.")
    officer = _("Choose an allowed model, or ask your compliance officer.")
    return {
        "no_connection": (
            _("The server cannot be reached."),
            _("Check your connection, then try again. Your text is kept."),
        ),
        "connection_lost": (
            _("The connection broke off."),
            _("What had arrived is kept. Ask again for the whole answer."),
        ),
        "rate_limited": (_("Too many requests."), wait),
        "provider_rate_limited": (_("The provider asks to slow down."), wait),
        "provider_unavailable": (_("The provider does not answer."), wait),
        "provider_bad_response": (_("The provider has sent an answer that cannot be read."), wait),
        "provider_unauthorised": (_("The provider refused our key."), administrator),
        "provider_quota_exhausted": (_("The account at the provider is empty."), administrator),
        "provider_invalid_request": (_("The provider does not take this."), administrator),
        "context_too_long": (_("The conversation is too long for this model."), shorter),
        "content_refused": (
            _("A filter at the provider blocked this."),
            _("Say it in another way, or choose another model."),
        ),
        "ledger_unavailable": (
            _("The audit log cannot be written just now, so nothing was sent."),
            wait,
        ),
        "screening_blocked": (_("Your organisation does not send what was found."), change),
        "region_not_allowed": (_("Your organisation does not allow this region."), officer),
        "organisation_paused": (_("The use of AI is paused."), _("Ask your compliance officer.")),
    }
