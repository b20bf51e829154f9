"""Which provider answers.

The region policy comes first: a provider in a region that the organisation does not allow is
refused before an adapter is made, so it never receives a byte, and nothing takes its place
silently (promise P8).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db.models import Avg
from django.utils import timezone
from django.utils.translation import gettext as _

from llm import candidates as reading
from llm.breaker import Breaker, rests
from llm.candidates import (
    EU_MEMBER_STATES,
    Candidate,
    NoRoute,
    Offer,
    default_configuration,
    region_forbidden,
    region_is_allowed,
)
from llm.models import CallRules, Inference
from llm.provider_settings import configuration_of
from llm.providers import registry
from llm.providers.addresses import UnsafeAddress
from llm.providers.base import BaseLLMProvider
from llm.shared_state import shared_store
from llm.strategies import Contender, Hint, Strategy, ranked
from orgs.models import Organisation
from orgs.tenancy import Tenant

__all__ = [
    "EU_MEMBER_STATES",
    "NoRoute",
    "ProviderChoice",
    "Route",
    "Stop",
    "breaker_of",
    "choices",
    "default_configuration",
    "get_llm_provider",
    "made",
    "region_is_allowed",
    "route",
    "routes",
    "stops",
]

# Turns of round robin are forgotten after a day; then it begins with the first again.
ROUND_ROBIN_SECONDS = 86_400.0
SPEED_PERIOD = timedelta(days=1)
Fallback = CallRules.Fallback


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """A provider as it is offered to a person; ``id`` is None for the instance's default.

    ``reason`` says why it is not ``allowed``. ``models`` are those that may be chosen.
    """

    id: UUID | None
    name: str
    vendor: str
    region: str
    allowed: bool
    reason: str
    models: list[str]
    default_model: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes."""

    provider: BaseLLMProvider
    settings_id: UUID | None
    name: str
    model: str
    region: str


@dataclass(frozen=True, slots=True)
class Stop:
    """One place to try: a provider and one of its models."""

    candidate: Candidate
    model: str

    @property
    def key(self) -> tuple[UUID | None, str]:
        """What tells two places apart, as a route has it too."""
        return self.candidate.id, self.model


def choices(tenant: Tenant) -> list[ProviderChoice]:
    """The providers that the organisation has enabled, the default first."""
    organisation = tenant.organisation
    found = []
    default_is_open = True
    for candidate in reading.offered(tenant).candidates:
        allowed = candidate.is_allowed(organisation)
        models = candidate.models or candidate.closed_models
        found.append(
            ProviderChoice(
                id=candidate.id,
                name=candidate.name,
                vendor=candidate.vendor,
                region=candidate.region,
                allowed=allowed,
                reason=candidate.reason(organisation),
                models=models,
                default_model=models[0] if models else "",
                is_default=allowed and default_is_open,
            )
        )
        default_is_open = default_is_open and not allowed
    return found


def route(tenant: Tenant, *, settings_id: UUID | None = None, model: str | None = None) -> Route:
    """The provider that answers, chosen by id, else by model, else the default.

    Raises :class:`NoRoute` with the code ``provider_unknown``, ``provider_disabled``,
    ``region_forbidden``, ``model_not_offered``, ``not_open_to_you``, ``provider_misconfigured``
    or ``no_provider``.
    """
    if settings_id is not None:
        offer = reading.offered_by(tenant, settings_id)
    else:
        offer = reading.offered(tenant)
    return made(tenant.organisation, _default_of(tenant.organisation, offer.candidates, model))


def routes(
    tenant: Tenant,
    *,
    model: str | None = None,
    strategy: Strategy = Strategy.PRIORITY,
    hint: Hint | None = None,
    chain: Sequence[UUID] = (),
) -> list[Route]:
    """All providers that may answer, in the order to try them before the first token.

    *chain* names settings in the order to try, and nothing else is tried; else *strategy* and
    *hint* order what the organisation has enabled. A provider whose breaker is open goes last:
    it is tried only where no other is left. Raises :class:`NoRoute` as :func:`route` does.
    """
    organisation = tenant.organisation
    if chain:
        found = [one for id_ in chain for one in reading.offered_by(tenant, id_).candidates]
    else:
        found = reading.offered(tenant).candidates
    able = [Stop(c, model or c.models[0]) for c in _able(organisation, found, model)]
    if not able:  # the same words as for one: which rule stands in the way
        stop = _default_of(organisation, found[:1] if chain else found, model)
        return [made(organisation, stop)]
    if not chain:
        able = _ordered(organisation, able, strategy, hint)
    resting = rests([identity(organisation, stop.key) for stop in able])
    able = [
        stop for stop, _rest in sorted(zip(able, resting, strict=True), key=lambda p: p[1].is_on)
    ]
    done: list[Route] = []
    refused: NoRoute | None = None
    for stop in able:
        try:
            done.append(made(organisation, stop))
        except NoRoute as error:  # this model runs elsewhere, or its address may not be called
            refused = refused or error
    if not done and refused is not None:
        raise refused
    return done


def stops(
    tenant: Tenant,
    offer: Offer,
    *,
    settings_id: UUID | None = None,
    model: str | None = None,
    hint: Hint | None = None,
    also_others: bool = True,
) -> list[Stop]:
    """Where a call may go, in the order to try, by the organisation's rules.

    What was asked for comes first; what may replace it (``also_others``) is what the rules on
    fallback allow. Raises :class:`NoRoute` where what was asked for is not allowed: that is
    refused, never replaced.
    """
    organisation, rules = tenant.organisation, offer.rules
    named = [c for c in offer.candidates if c.id == settings_id] if settings_id else []
    able = _able(organisation, offer.candidates, None)
    if settings_id:
        first = [_default_of(organisation, named, model)]
    elif model is not None:
        first = [Stop(c, model) for c in able if model in c.models]
        first = first or [_default_of(organisation, offer.candidates, model)]
        first = _ordered(organisation, first, Strategy(rules.strategy), hint)
    else:
        first = _unasked(organisation, offer, able, hint)
        first = first or [_default_of(organisation, offer.candidates, None)]
    if not also_others or rules.fallback == Fallback.NEVER:
        return first[:1]
    others = [Stop(c, first[0].model) for c in able if first[0].model in c.models]
    if rules.fallback == Fallback.ANY:
        others += [Stop(c, c.models[0]) for c in able]
    elif not rules.chain or settings_id or model:
        first = [stop for stop in first if stop.model == first[0].model]
    unique: dict[tuple[UUID | None, str], Stop] = {}
    for stop in [*first, *others]:
        unique.setdefault(stop.key, stop)
    return list(unique.values())


def made(organisation: Organisation, stop: Stop) -> Route:
    """The route to a place: its adapter is made, and nothing is sent. Raises :class:`NoRoute`."""
    candidate = stop.candidate
    configuration = (
        configuration_of(candidate.row) if candidate.row is not None else default_configuration()
    )
    configuration = configuration.with_model(stop.model)
    # A vendor may run single models elsewhere, so the chosen one is judged again.
    region = registry.region(configuration)
    if not region_is_allowed(region, organisation.allowed_regions):
        raise region_forbidden(candidate, organisation, region)
    try:
        provider = registry.build(configuration)
    except UnsafeAddress as error:
        raise NoRoute("provider_misconfigured", str(error)) from error
    return Route(provider, candidate.id, candidate.name, stop.model, provider.data_region)


def identity(organisation: Organisation, key: tuple[UUID | None, str]) -> str:
    """The name under which failures of a place are counted: never together with others' calls."""
    settings_id, model = key
    return f"{settings_id or f'default:{organisation.pk}'}:{model}"


def breaker_of(organisation: Organisation, found: Route) -> Breaker:
    """The circuit breaker to tell of a call by *found*."""
    return Breaker(identity(organisation, (found.settings_id, found.model)))


def get_llm_provider(organisation: Organisation) -> BaseLLMProvider:
    """The organisation's default provider, else the instance's. Raises :class:`NoRoute`."""
    candidates = reading.offered_to_all(organisation).candidates
    return made(organisation, _default_of(organisation, candidates, None)).provider


def _able(
    organisation: Organisation, candidates: Collection[Candidate], model: str | None
) -> list[Candidate]:
    return [
        candidate
        for candidate in candidates
        if candidate.is_allowed(organisation) and (model is None or model in candidate.models)
    ]


def _default_of(
    organisation: Organisation, candidates: Sequence[Candidate], model: str | None
) -> Stop:
    """The first that is allowed, else why the first is not."""
    if not candidates:
        raise NoRoute(
            "no_provider",
            _("Your organisation has no provider yet. An administrator can add one."),
        )
    if model is not None:
        candidates = [c for c in candidates if model in c.models] or candidates
    candidate = next((c for c in candidates if c.is_allowed(organisation)), candidates[0])
    if candidate.problem:
        raise NoRoute("provider_misconfigured", candidate.problem)
    if not region_is_allowed(candidate.region, organisation.allowed_regions):
        raise region_forbidden(candidate, organisation, candidate.region)
    if not candidate.models or model in candidate.closed_models:
        raise _not_open(candidate, model)
    model = model or candidate.models[0]
    if model not in candidate.models:
        raise NoRoute(
            "model_not_offered",
            _("“%(model)s” is not among the models that your organisation offers at %(name)s.")
            % {"model": model[:200], "name": candidate.name},
        )
    return Stop(candidate, model)


def _not_open(candidate: Candidate, model: str | None) -> NoRoute:
    what = f"{candidate.name} · {model}" if candidate.models and model else candidate.name
    return NoRoute(
        "not_open_to_you",
        _("%(name)s is not open to you. Whoever manages providers can open it.") % {"name": what},
        provider_name=registry.vendor(candidate.vendor).provider_name,
        region=candidate.region,
    )


def _unasked(
    organisation: Organisation, offer: Offer, able: list[Candidate], hint: Hint | None
) -> list[Stop]:
    """The organisation's own order, where nothing was asked for."""
    by_id = {candidate.id: Stop(candidate, candidate.models[0]) for candidate in able}
    in_chain = [by_id[id_] for id_ in offer.rules.chain if id_ in by_id]
    if in_chain and hint is None:
        return in_chain
    return _ordered(organisation, list(by_id.values()), Strategy(offer.rules.strategy), hint)


def _ordered(
    organisation: Organisation, found: Sequence[Stop], strategy: Strategy, hint: Hint | None
) -> list[Stop]:
    if len(found) < 2:
        return list(found)
    speeds = _first_token_ms(organisation) if strategy is Strategy.SPEED else {}
    turn = 0
    if strategy is Strategy.ROUND_ROBIN:
        turn = shared_store().count(f"round_robin:{organisation.pk}", ROUND_ROBIN_SECONDS) - 1
    by_id = {stop.candidate.id: stop for stop in found}
    contenders = [
        Contender(
            stop.candidate.id,
            registry.vendor(stop.candidate.vendor).provider_name,
            stop.model,
            stop.candidate.region,
            priority=stop.candidate.row.priority if stop.candidate.row is not None else 100,
            first_token_ms=speeds.get(stop.candidate.id) if stop.candidate.id else None,
            options=stop.candidate.row.options if stop.candidate.row is not None else None,
        )
        for stop in found
    ]
    ordered = ranked(contenders, strategy=strategy, hint=hint, turn=turn)
    return [by_id[contender.settings_id] for contender in ordered]


def _first_token_ms(organisation: Organisation) -> dict[UUID, float]:
    """How long each provider took to its first word, on average over the last day."""
    measured = (
        Inference.objects.for_organisation(organisation.pk)
        .filter(
            started_at__gte=timezone.now() - SPEED_PERIOD,
            first_token_ms__isnull=False,
            provider_settings__isnull=False,
        )
        .order_by()
        .values_list("provider_settings_id")
        .annotate(Avg("first_token_ms"))
    )
    return {settings_id: float(average) for settings_id, average in measured}
