"""What the organisation's own rules say about a call, before anything is sent.

A refusal is recorded as ``inference.blocked``. There is no silent fallback: a region or a model
that is not allowed is refused, never replaced (promise P8). What may replace a provider that does
not answer is a rule of the organisation too, and is asked anew before each attempt.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from uuid import UUID

from django.http import Http404
from django.utils.translation import gettext as _

from llm import rate_limits
from llm.breaker import Breaker, Rest, rests
from llm.calls import Asked, Call, Refused
from llm.candidates import Candidate, NoRoute, Offer, offered, offered_by
from llm.models import CallRules
from llm.providers.configuration import Configuration
from llm.routing import Route, Stop, identity, made, stops
from orgs.models import Organisation
from orgs.tenancy import Tenant

# HTTP statuses of refusals that are not plainly "not allowed".
_STATUS = {
    "model_not_offered": 422,
    "no_provider": 503,
    "provider_misconfigured": 503,
}
Key = tuple[UUID | None, str]
# A pause that is as good as over.
MOMENT = 0.5


def offer_for(tenant: Tenant, asked: Asked) -> Offer | Refused:
    """What the organisation offers for this call, with its rules, in one query.

    ``Http404`` for a provider that the organisation does not have.
    """
    try:
        if asked.provider_id is not None:
            return offered_by(tenant, asked.provider_id)
        return offered(tenant)
    except NoRoute as error:
        return _refused(error)


def decide(
    tenant: Tenant, asked: Asked, offer: Offer | Refused | None = None
) -> tuple[Route | None, Refused | None]:
    """Where the call goes, or why it goes nowhere.

    ``Http404`` for a provider that the organisation does not have.
    """
    if tenant.organisation.is_paused:
        return None, paused()
    offer = offer or offer_for(tenant, asked)
    if isinstance(offer, Refused):
        return None, offer
    try:
        return _decided(tenant, asked, offer)
    except NoRoute as error:
        return None, _refused(error)


def next_route(call: Call, *, is_again: bool, tried: Collection[Key]) -> Route | None:
    """Where the next attempt of *call* goes: the same place where *is_again*, else another one.

    None where there is no other that the rules allow. *call* names its tenant as of now, and the
    providers are read anew: one may have been switched off, changed or forbidden since. What was
    screened by other rules than today's goes nowhere.
    """
    organisation = call.tenant.organisation
    if organisation.is_paused or call.route is None:
        return None
    try:
        offer = offered(call.tenant)
        found = _stops(call.tenant, call.asked, offer)
    except NoRoute:
        return None
    if offer.rules.of_screening != call.asked.screened_by:
        return None
    if is_again:
        last = (call.route.settings_id, call.route.model)
        return _again(call.route, organisation, [stop for stop in found if stop.key == last])
    found = [stop for stop in found if stop.key not in tried]
    if not _may_change_model(call, offer):
        found = [stop for stop in found if stop.model == call.route.model]
    return _first(organisation, found)


def _first(organisation: Organisation, found: list[Stop]) -> Route | None:
    """The first that does not rest, whose limit is not reached and that can be called."""
    for stop, rest in _standing(organisation, found):
        if rest.is_on or _is_waited_for(organisation, stop, rest):
            continue
        if rate_limits.take([], _limit_of(stop.candidate)) is not None:
            continue
        with contextlib.suppress(NoRoute):
            return made(organisation, stop)
    return None


def _again(route: Route, organisation: Organisation, found: list[Stop]) -> Route | None:
    """The same route once more, if it may be: whoever asks has waited as it asked.

    Not where its address, key or options were changed meanwhile.
    """
    standing = _standing(organisation, found)
    if not standing or standing[0][1].seconds > MOMENT:
        return None
    if rate_limits.take([], _limit_of(found[0].candidate)) is not None:
        return None
    with contextlib.suppress(NoRoute):
        now = made(organisation, found[0])
        return route if _settings(now) == _settings(route) else None
    return None


def _settings(route: Route) -> Configuration | None:
    return getattr(route.provider, "configuration", None)


def paused() -> Refused:
    """The refusal of an organisation that has paused the use of models."""
    return Refused(
        "organisation_paused",
        _("Your organisation has paused the use of AI. Ask its compliance officer."),
    )


def switched_off(name: str) -> Refused:
    """The refusal of a provider that was switched off."""
    message = _("%(name)s is switched off. An administrator can switch it on.")
    return Refused("provider_disabled", message % {"name": name})


def _decided(tenant: Tenant, asked: Asked, offer: Offer) -> tuple[Route | None, Refused | None]:
    organisation = tenant.organisation
    found = _stops(tenant, asked, offer)
    standing = _standing(organisation, found)
    if asked.provider_id is not None and standing[0][1].is_on:
        # Only now is it worth to read what may replace it.
        everything = offered(tenant)
        standing = _standing(organisation, _stops(tenant, asked, everything))
    own = rate_limits.limits_of(tenant, offer.rules)
    refusal: Refused | None = None
    problem: NoRoute | None = None
    for stop, rest in standing:
        if rest.is_on or _is_waited_for(organisation, stop, rest):
            continue
        limited = rate_limits.take(own, _limit_of(stop.candidate))
        if limited is not None:
            refusal = refusal or limited
            if limited.code == "rate_limited":
                break
            continue
        own = []  # counted
        try:
            return made(organisation, stop), None
        except NoRoute as error:
            problem = problem or error
            if asked.provider_id is not None:
                break
    if problem is not None:
        raise problem
    return None, refusal or _resting(standing)


def _stops(tenant: Tenant, asked: Asked, offer: Offer) -> list[Stop]:
    return stops(tenant, offer, settings_id=asked.provider_id, model=asked.model, hint=asked.hint)


def _may_change_model(call: Call, offer: Offer) -> bool:
    """By the rule on fallback, or since nothing was asked for and there is a chain for that."""
    unasked = call.asked.provider_id is None and call.asked.model is None
    in_chain = bool(offer.rules.chain) and unasked
    return in_chain or offer.rules.fallback == CallRules.Fallback.ANY


def _standing(organisation: Organisation, found: list[Stop]) -> list[tuple[Stop, Rest]]:
    names = [identity(organisation, stop.key) for stop in found]
    return list(zip(found, rests(names), strict=True))


def _is_waited_for(organisation: Organisation, stop: Stop, rest: Rest) -> bool:
    """Whether somebody else's trial of a provider that was open is awaited."""
    return (
        rest.is_on_trial and Breaker(identity(organisation, stop.key)).seconds_closed_to_calls() > 0
    )


def _limit_of(candidate: Candidate) -> list[tuple[str, int]]:
    limit = candidate.row.requests_per_minute if candidate.row is not None else None
    return rate_limits.limits_of_provider(candidate.id, limit)


def _resting(standing: list[tuple[Stop, Rest]]) -> Refused:
    """The refusal where every place rests: in the words of the first."""
    stop, first = standing[0]
    resting = [rest.seconds for _stop, rest in standing if rest.is_on]
    if first.is_asked_for:
        code, status = "provider_rate_limited", 429
        message = _("%(name)s asks to slow down. Nothing was sent. Try again in a moment.")
    else:
        code, status = "provider_resting", 503
        message = _(
            "%(name)s failed several times in a row and is left alone for a moment. Nothing was "
            "sent. Try again soon, or choose another one."
        )
    return Refused(
        code,
        message % {"name": stop.candidate.name},
        status=status,
        region=stop.candidate.region,
        retry_after=min(resting, default=1.0),
    )


def _refused(error: NoRoute) -> Refused:
    if error.code == "provider_unknown":
        raise Http404 from error
    return Refused(
        error.code,
        error.message,
        status=_STATUS.get(error.code, 403),
        provider_name=error.provider_name,
        region=error.region,
        retry_after=error.retry_after,
    )
