"""Which providers a tenant could use: read once, together with the organisation's rules.

Nothing is made or opened here, so nothing can be sent: a provider whose region the organisation
does not allow never gets further than this list (promise P8).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from llm.call_rules import rules_of
from llm.models import CallRules, ProviderSettings
from llm.provider_settings import configuration_of
from llm.providers import registry
from llm.providers.addresses import UnsafeAddress, allowed_networks
from llm.providers.configuration import Configuration
from orgs.models import Organisation
from orgs.prepared_queries import PreparedQuery, once
from orgs.tenancy import Tenant

# ISO 3166-1 codes of the member states: whoever allows the EU allows each of them.
EU_MEMBER_STATES = frozenset(
    {
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    }
)


class NoRoute(Exception):
    """No provider may answer. ``code`` is for programs, ``message`` for people.

    ``provider_name`` and ``region`` are those of the provider that was refused, where one was;
    ``retry_after`` is in seconds where waiting helps.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        provider_name: str = "",
        region: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.provider_name = provider_name
        self.region = region
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Candidate:
    """A provider that could answer: an organisation's row or the instance's default.

    ``models`` are those that this tenant may use, ``closed_models`` the other ones offered.
    """

    row: ProviderSettings | None
    name: str
    vendor: str
    region: str
    models: list[str]
    closed_models: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def id(self) -> UUID | None:
        """The setting's id; None for the instance's default."""
        return self.row.pk if self.row is not None else None

    def is_allowed(self, organisation: Organisation) -> bool:
        """Whether the region policy lets anything be sent there, and somebody may send it."""
        allowed = region_is_allowed(self.region, organisation.allowed_regions)
        return not self.problem and allowed and bool(self.models)

    def reason(self, organisation: Organisation) -> str:
        """Why it is not allowed, in words; empty where it is."""
        if self.problem:
            return self.problem
        if not region_is_allowed(self.region, organisation.allowed_regions):
            return forbidden(self, organisation)
        if not self.models:
            return _("%(name)s is not open to you. Whoever manages providers can open it.") % {
                "name": self.name
            }
        return ""


@dataclass(frozen=True, slots=True)
class Offer:
    """The candidates by priority, and the rules that say what to do with them."""

    rules: CallRules
    candidates: list[Candidate]


def offered(tenant: Tenant) -> Offer:
    """All that the organisation has enabled; without any row, the instance's default."""
    return once(_offered, tenant)


def _offered(tenant: Tenant) -> Offer:
    return _offer(tenant.organisation, enabled(tenant.organisation_id), tenant)


def offered_to_all(organisation: Organisation) -> Offer:
    """The same without regard to a person."""
    return _offer(organisation, enabled(organisation.pk), None)


def offered_by(tenant: Tenant, settings_id: UUID) -> Offer:
    """One of the organisation's providers.

    Raises :class:`NoRoute` (``provider_unknown``, ``provider_disabled``).
    """
    rows = _one(tenant.organisation_id, settings_id)
    if not rows:
        raise NoRoute("provider_unknown", _("Your organisation has no such provider."))
    if not rows[0].is_enabled:
        raise NoRoute(
            "provider_disabled",
            _("%(name)s is switched off. An administrator can switch it on.")
            % {"name": rows[0].name},
        )
    return _offer(tenant.organisation, rows, tenant)


def region_is_allowed(region: str, allowed: list[str]) -> bool:
    """Whether a policy lets text go to *region*.

    A member state is in the EU, but "EU" is not in any one member state. An unknown region is
    allowed only where the policy says "unknown".
    """
    return region in allowed or (region in EU_MEMBER_STATES and "EU" in allowed)


def region_forbidden(candidate: Candidate, organisation: Organisation, region: str) -> NoRoute:
    """The refusal, with what the log says of it: which provider, and where it would have been."""
    return NoRoute(
        "region_forbidden",
        forbidden(candidate, organisation, region),
        provider_name=registry.vendor(candidate.vendor).provider_name,
        region=region,
    )


def forbidden(candidate: Candidate, organisation: Organisation, region: str = "") -> str:
    """Why a region is refused, in words."""
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


# The rules come with the rows: a first token waits for this query, and for no second one.
enabled = PreparedQuery(
    lambda organisation_id: (
        ProviderSettings.objects.for_organisation(organisation_id)
        .filter(is_enabled=True)
        .select_related("organisation__call_rules")
        .order_by("priority", "name")
    ),
    UUID(int=1),
)
_one = PreparedQuery(
    lambda organisation_id, settings_id: (
        ProviderSettings.objects.for_organisation(organisation_id)
        .filter(pk=settings_id)
        .select_related("organisation__call_rules")
    ),
    UUID(int=1),
    UUID(int=2),
)


def _offer(
    organisation: Organisation, rows: list[ProviderSettings], tenant: Tenant | None
) -> Offer:
    if rows:
        rules: Any = getattr(rows[0].organisation, "call_rules", None)
        rules = rules or CallRules(organisation_id=organisation.pk)
        return Offer(rules, [_of_row(row, tenant) for row in rows])
    candidates = [_default()] if settings.DEFAULT_LLM_PROVIDER else []
    return Offer(rules_of(organisation.pk), candidates)


def _default() -> Candidate:
    configuration = default_configuration()
    region = registry.region(configuration)
    vendor = configuration.vendor.key
    return Candidate(None, configuration.name, vendor, region, [configuration.model])


def _of_row(row: ProviderSettings, tenant: Tenant | None) -> Candidate:
    models, closed = row.models_offered, []
    if tenant is not None:
        models = row.models_open_to(role=tenant.role, user_id=tenant.user.pk)
        closed = [model for model in row.models_offered if model not in models]
    try:
        region = registry.region(configuration_of(row, with_key=False))
    except (registry.UnknownVendor, UnsafeAddress) as error:
        return Candidate(row, row.name, row.vendor, "unknown", models, closed, str(error))
    return Candidate(row, row.name, row.vendor, region, models, closed)
