"""Where every call is decided: screened by the organisation's rules, then given its route.

Chats, the OpenAI-compatible interface, embeddings and templates all come through
:func:`decide`; there is no other way to a route for a text. The rules come with what is read for
the route anyway, so screening asks the database nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from llm import policy, screening_words
from llm.calls import Asked, CallFailed, Refused
from llm.models import CallRules
from llm.routing import Route
from llm.screening import MASKABLE, rules_version
from llm.sieve import Consent, Sieve
from orgs.tenancy import Tenant

# A caller who was asked needs no more to show where things stand.
_MOST_PLACES = 100
_PREFIX = "lexcustis.screening."
NO_CONSENT = Consent()
PROGRAM = Consent(can_ask=False)


@dataclass(frozen=True, slots=True)
class Decided:
    """What may be sent where, or why nothing is.

    ``asked`` holds the texts as they may be sent, and the route's model. ``newest`` is the
    person's new text as it may be sent, if any. ``attributes`` go into the request's record.
    ``is_withheld``: screening refused it, and the text is not kept either.
    """

    asked: Asked
    route: Route | None
    refusal: Refused | None
    newest: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_masked: bool = False
    is_withheld: bool = False


def decide(
    tenant: Tenant,
    asked: Asked,
    *,
    consent: Consent = NO_CONSENT,
    newest: str | None = None,
    scope: str = "",
) -> Decided:
    """Screen a call and give it a route.

    *newest* is what a person wrote now, at the end of the last message: what stands before it was
    there earlier. A program has no such (None): all that it sends is new. *scope* names what
    masked values keep their labels in, such as a conversation; without it they count from one.
    Raises ``Http404`` for an unknown provider, and :class:`CallFailed` (``screening_confirm``)
    where somebody is to be asked: then nothing is recorded, as nothing was decided.
    """
    if tenant.organisation.is_paused:
        return Decided(asked, None, policy.paused(), newest)
    offer = policy.offer_for(tenant, asked)
    if isinstance(offer, Refused):
        return Decided(asked, None, offer, newest)
    sifted = _screened(tenant, asked, offer.rules, consent=consent, newest=newest, scope=scope)
    if sifted.refusal is not None:
        return sifted
    route, refusal = policy.decide(tenant, sifted.asked, offer)
    if route is not None:
        asked = replace(
            sifted.asked,
            options=replace(sifted.asked.options, model=route.model),
            screened_by=offer.rules.of_screening,
        )
        return replace(sifted, asked=asked, route=route)
    return replace(sifted, refusal=refusal)


def told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of an ending repeats of screening: kinds, numbers and rules, no text."""
    return {name: value for name, value in attributes.items() if name.startswith(_PREFIX)}


def shown(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the caller is told with the answer; None where nothing was found."""
    found = attributes.get(f"{_PREFIX}found") or {}
    earlier = attributes.get(f"{_PREFIX}found_earlier") or {}
    pictures = attributes.get(f"{_PREFIX}pictures_not_screened") or 0
    if not found and not earlier and not pictures:
        return None
    return {
        "action": attributes[f"{_PREFIX}action"],
        "found": found,
        "found_earlier": earlier,
        "masked": attributes.get(f"{_PREFIX}masked") or 0,
        "pictures_not_screened": pictures,
    }


def _screened(
    tenant: Tenant,
    asked: Asked,
    rules: CallRules,
    *,
    consent: Consent,
    newest: str | None,
    scope: str,
) -> Decided:
    organisation = tenant.organisation
    sieve = Sieve(
        rules,
        consent,
        organisation_id=organisation.pk,
        country=organisation.country,
        scope=scope,
    )
    if sieve.is_off:
        return Decided(asked, None, None, newest, {f"{_PREFIX}action": "off"})
    made, said = _sifted(sieve, asked, newest)
    if sieve.is_blocked or (sieve.is_asked and not consent.can_ask):
        return _refused(sieve, asked)
    if sieve.is_asked:
        raise _question(sieve, newest or "")
    attributes = _attributes(sieve, _action(sieve))
    return Decided(made, None, None, said, attributes, is_masked=bool(sieve.masked))


def _sifted(sieve: Sieve, asked: Asked, newest: str | None) -> tuple[Asked, str | None]:
    """Every text in its order."""
    options = sieve.options(asked.options)
    if newest is None:
        messages = [sieve.message(message) for message in asked.messages]
        return replace(asked, messages=tuple(messages), options=options), None
    *earlier, last = asked.messages
    messages = [sieve.message(message, is_earlier=True) for message in earlier]
    # A question that was never answered may stand before it in the same message.
    opening = sieve.text(last.content[: len(last.content) - len(newest)], is_earlier=True)
    said = sieve.text(newest)
    messages.append(replace(last, content=opening + said))
    return replace(asked, messages=tuple(messages), options=options), said


def _action(sieve: Sieve) -> str:
    """What became of the findings, for the record."""
    if sieve.masked:
        return "masked"
    if sieve.needs_consent:
        return "confirmed"
    return "flagged" if sieve.counts else "sent"


def _attributes(sieve: Sieve, action: str) -> dict[str, Any]:
    return {
        f"{_PREFIX}rules": rules_version(),
        f"{_PREFIX}action": action,
        f"{_PREFIX}found": dict(sorted(sieve.found.items())) or None,
        f"{_PREFIX}found_earlier": dict(sorted(sieve.found_earlier.items())) or None,
        f"{_PREFIX}masked": sieve.masked or None,
        f"{_PREFIX}pictures_not_screened": sieve.pictures or None,
    }


def _refused(sieve: Sieve, asked: Asked) -> Decided:
    counts = sieve.counts
    holding = screening_words.in_words(counts, pictures=sieve.pictures)
    if sieve.is_blocked:
        is_earlier = not sieve.found and not sieve.pictures
        message = screening_words.blocking(holding, is_earlier=is_earlier)
    else:
        message = screening_words.unanswerable(holding)
    details = {"found": counts, "pictures": sieve.pictures}
    refusal = Refused("screening_blocked", message, status=422, details=details)
    attributes = _attributes(sieve, "blocked")
    return Decided(asked, None, refusal, attributes=attributes, is_withheld=True)


def _question(sieve: Sieve, newest: str) -> CallFailed:
    counts = sieve.counts
    places = [
        {"kind": one.kind, "start": one.start, "end": one.end} for one in sieve.findings(newest)
    ]
    details = {
        "found": dict(sorted(sieve.found.items())),
        "found_earlier": dict(sorted(sieve.found_earlier.items())),
        "kinds": sorted(counts),
        "counts": counts,
        "places": places[:_MOST_PLACES],
        "pictures": sieve.pictures,
        "maskable": not MASKABLE.isdisjoint(counts),
    }
    message = screening_words.asking(screening_words.in_words(counts, pictures=sieve.pictures))
    return CallFailed("screening_confirm", message, status=409, details=details)
