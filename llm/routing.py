"""Which provider answers.

The region policy comes first: a provider in a region that the organisation does not allow is
refused before an adapter is made, so it never receives a byte, and nothing takes its place
silently (promise P8).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Avg
from django.utils import timezone
from django.utils.translation import gettext as _

from llm.breaker import Breaker
from llm.models import Inference, ProviderSettings
from llm.provider_settings import configuration_of
from llm.providers import registry
from llm.providers.addresses import UnsafeAddress, allowed_networks
from llm.providers.base import BaseLLMProvider
from llm.providers.configuration import Configuration
from llm.shared_state import shared_store
from llm.strategies import Contender, Hint, Strategy, ranked
from orgs.models import Organisation
from orgs.prepared_queries import PreparedQuery
from orgs.tenancy import Tenant

# ISO 3166-1 codes of the member states: whoever allows the EU allows each of them.
EU_MEMBER_STATES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)

# Turns of round robin are forgotten after a day; then it begins with the first again.
ROUND_ROBIN_SECONDS = 86_400.0
SPEED_PERIOD = timedelta(days=1)


class NoRoute(Exception):
    """No provider may answer. ``code`` is for programs, ``message`` for people.

    ``provider_name`` and ``region`` are those of the provider that was refused, where one was.
    """

    def __init__(
        self, code: str, message: str, *, provider_name: str = "", region: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.provider_name = provider_name
        self.region = region


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
class _Candidate:
    """A provider that could answer: an organisation's row or the instance's default."""

    row: ProviderSettings | None
    name: str
    vendor: str
    region: str
    models: list[str]
    problem: str = ""

    @property
    def id(self) -> UUID | None:
        return self.row.pk if self.row is not None else None

    def is_allowed(self, organisation: Organisation) -> bool:
        return not self.problem and region_is_allowed(self.region, organisation.allowed_regions)

    def reason(self, organisation: Organisation) -> str:
        if self.problem:
            return self.problem
        if not self.is_allowed(organisation):
            return _forbidden(self, organisation)
        return ""


def choices(tenant: Tenant) -> list[ProviderChoice]:
    """The providers that the organisation has enabled, the default first."""
    organisation = tenant.organisation
    offered = []
    default_is_open = True
    for candidate in _candidates(organisation):
        allowed = candidate.is_allowed(organisation)
        offered.append(
            ProviderChoice(
                id=candidate.id,
                name=candidate.name,
                vendor=candidate.vendor,
                region=candidate.region,
                allowed=allowed,
                reason=candidate.reason(organisation),
                models=candidate.models,
                default_model=candidate.models[0] if candidate.models else "",
                is_default=allowed and default_is_open,
            )
        )
        default_is_open = default_is_open and not allowed
    return offered


def route(tenant: Tenant, *, settings_id: UUID | None = None, model: str | None = None) -> Route:
    """The provider that answers, chosen by id, else by model, else the default.

    Raises :class:`NoRoute` with the code ``provider_unknown``, ``provider_disabled``,
    ``region_forbidden``, ``model_not_offered``, ``provider_misconfigured`` or ``no_provider``.
    """
    return _route(tenant.organisation, settings_id=settings_id, model=model)


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
        candidates = [_named(organisation, settings_id) for settings_id in chain]
    else:
        candidates = list(_candidates(organisation))
    able = [
        candidate
        for candidate in candidates
        if candidate.is_allowed(organisation) and (model is None or model in candidate.models)
    ]
    if not able:  # the same words as for one: which rule stands in the way
        first = candidates[0].id if chain else None
        return [_route(organisation, settings_id=first, model=model)]
    if not chain:
        able = _ordered(organisation, able, model, strategy, hint)
    able.sort(key=lambda candidate: _breaker(candidate, model).is_resting())
    found: list[Route] = []
    refused: NoRoute | None = None
    for candidate in able:
        try:
            found.append(_made(organisation, candidate, model or candidate.models[0]))
        except NoRoute as error:  # this model runs elsewhere, or its address may not be called
            refused = refused or error
    if not found and refused is not None:
        raise refused
    return found


def breaker_of(found: Route) -> Breaker:
    """The circuit breaker to ask before, and to tell after, a call by *found*."""
    return Breaker(f"{found.settings_id or 'default'}:{found.model}")


def get_llm_provider(organisation: Organisation) -> BaseLLMProvider:
    """The organisation's default provider, else the instance's. Raises :class:`NoRoute`."""
    return _route(organisation, settings_id=None, model=None).provider


def region_is_allowed(region: str, allowed: list[str]) -> bool:
    """Whether a policy lets text go to *region*.

    A member state is in the EU, but "EU" is not in any one member state. An unknown region is
    allowed only where the policy says "unknown".
    """
    return region in allowed or (region in EU_MEMBER_STATES and "EU" in allowed)


def _route(organisation: Organisation, *, settings_id: UUID | None, model: str | None) -> Route:
    if settings_id is not None:
        candidate = _named(organisation, settings_id)
    else:
        candidate = _default(organisation, model)
    if candidate.problem:
        raise NoRoute("provider_misconfigured", candidate.problem)
    if not candidate.is_allowed(organisation):
        raise _region_forbidden(candidate, organisation, candidate.region)
    model = model or candidate.models[0]
    if model not in candidate.models:
        raise NoRoute(
            "model_not_offered",
            _("“%(model)s” is not among the models that your organisation offers at %(name)s.")
            % {"model": model[:200], "name": candidate.name},
        )
    return _made(organisation, candidate, model)


def _made(organisation: Organisation, candidate: _Candidate, model: str) -> Route:
    configuration = (
        configuration_of(candidate.row) if candidate.row is not None else default_configuration()
    )
    configuration = configuration.with_model(model)
    # A vendor may run single models elsewhere, so the chosen one is judged again.
    region = registry.region(configuration)
    if not region_is_allowed(region, organisation.allowed_regions):
        raise _region_forbidden(candidate, organisation, region)
    try:
        provider = registry.build(configuration)
    except UnsafeAddress as error:
        raise NoRoute("provider_misconfigured", str(error)) from error
    return Route(provider, candidate.id, candidate.name, model, provider.data_region)


def _ordered(
    organisation: Organisation,
    candidates: Sequence[_Candidate],
    model: str | None,
    strategy: Strategy,
    hint: Hint | None,
) -> list[_Candidate]:
    speeds = _first_token_ms(organisation) if strategy is Strategy.SPEED else {}
    turn = 0
    if strategy is Strategy.ROUND_ROBIN:
        turn = shared_store().count(f"round_robin:{organisation.pk}", ROUND_ROBIN_SECONDS) - 1
    by_id = {candidate.id: candidate for candidate in candidates}
    contenders = [
        Contender(
            candidate.id,
            registry.vendor(candidate.vendor).provider_name,
            model or candidate.models[0],
            candidate.region,
            priority=candidate.row.priority if candidate.row is not None else 100,
            first_token_ms=speeds.get(candidate.id) if candidate.id else None,
            options=candidate.row.options if candidate.row is not None else None,
        )
        for candidate in candidates
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


def _breaker(candidate: _Candidate, model: str | None) -> Breaker:
    return Breaker(f"{candidate.id or 'default'}:{model or candidate.models[0]}")


def _named(organisation: Organisation, settings_id: UUID) -> _Candidate:
    row = ProviderSettings.objects.for_organisation(organisation.pk).filter(pk=settings_id).first()
    if row is None:
        raise NoRoute("provider_unknown", _("Your organisation has no such provider."))
    if not row.is_enabled:
        raise NoRoute(
            "provider_disabled",
            _("%(name)s is switched off. An administrator can switch it on.") % {"name": row.name},
        )
    return _of_row(row)


def _default(organisation: Organisation, model: str | None) -> _Candidate:
    candidates = list(_candidates(organisation))
    if not candidates:
        raise NoRoute(
            "no_provider",
            _("Your organisation has no provider yet. An administrator can add one."),
        )
    if model is not None:
        candidates = [c for c in candidates if model in c.models] or candidates
    allowed = (c for c in candidates if c.is_allowed(organisation))
    return next(allowed, candidates[0])


_enabled = PreparedQuery(
    lambda organisation_id: (
        ProviderSettings.objects.for_organisation(organisation_id)
        .filter(is_enabled=True)
        .order_by("priority", "name")
    ),
    UUID(int=1),
)


def _candidates(organisation: Organisation) -> Iterator[_Candidate]:
    """The organisation's enabled providers by priority; without any, the instance's default."""
    rows = _enabled(organisation.pk)
    yield from map(_of_row, rows)
    if not rows and settings.DEFAULT_LLM_PROVIDER:
        configuration = default_configuration()
        yield _Candidate(
            None,
            configuration.name,
            configuration.vendor.key,
            registry.region(configuration),
            [configuration.model],
        )


def _of_row(row: ProviderSettings) -> _Candidate:
    try:
        region = registry.region(configuration_of(row, with_key=False))
    except (registry.UnknownVendor, UnsafeAddress) as error:
        return _Candidate(row, row.name, row.vendor, "unknown", row.models_offered, str(error))
    return _Candidate(row, row.name, row.vendor, region, row.models_offered)


def default_configuration() -> Configuration:
    """The instance's default provider, from the environment."""
    vendor_key, _separator, model = settings.DEFAULT_LLM_PROVIDER.partition(":")
    try:
        vendor = registry.vendor(vendor_key)
    except registry.UnknownVendor as error:
        raise ImproperlyConfigured(f"DEFAULT_LLM_PROVIDER: {error}") from error
    if not model:
        raise ImproperlyConfigured(
            "DEFAULT_LLM_PROVIDER must be 'vendor:model', such as 'mistral:mistral-large-latest'."
        )
    return Configuration(
        vendor=vendor,
        identity="default",
        name=vendor.name,
        model=model,
        base_url=settings.DEFAULT_LLM_PROVIDER_URL,
        key=settings.DEFAULT_LLM_PROVIDER_KEY,
        declared_region=settings.DEFAULT_LLM_PROVIDER_REGION,
        networks=allowed_networks(settings.PROVIDER_ALLOWED_NETWORKS),
        ca_file=settings.PROVIDER_CA_FILE,
    )


def _region_forbidden(candidate: _Candidate, organisation: Organisation, region: str) -> NoRoute:
    """The refusal, with what the log says of it: which provider, and where it would have been."""
    return NoRoute(
        "region_forbidden",
        _forbidden(candidate, organisation, region),
        provider_name=registry.vendor(candidate.vendor).provider_name,
        region=region,
    )


def _forbidden(candidate: _Candidate, organisation: Organisation, region: str = "") -> str:
    region = region or candidate.region
    allowed = ", ".join(organisation.allowed_regions) or _("no region")
    if region == "unknown":
        return _(
            "Where %(name)s processes text is not known, and your organisation allows only: "
            "%(allowed)s. Nothing was sent."
        ) % {"name": candidate.name, "allowed": allowed}
    return _(
        "%(name)s processes text in “%(region)s”, and your organisation allows only: %(allowed)s. "
        "Nothing was sent."
    ) % {"name": candidate.name, "region": region, "allowed": allowed}
