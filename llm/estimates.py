"""Prices of what an organisation offers, and what a call would cost before it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.http import Http404

from llm.calls import CallFailed
from llm.outcomes import price_on
from llm.providers.base import Usage, estimate_tokens
from llm.routing import NoRoute, Route, choices, route
from orgs.roles import Permission
from orgs.tenancy import Tenant

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ListedPrice:
    """A model's price per million tokens; None where no price is known."""

    provider: str
    model: str
    region: str
    input_per_million: Decimal | None
    output_per_million: Decimal | None
    currency: str
    source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a call would cost, estimated from its bytes."""

    provider: str
    model: str
    region: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    currency: str
    source: str


def price_list(tenant: Tenant) -> list[ListedPrice]:
    """The price of every model that the tenant may choose."""
    tenant.require(Permission.CHAT)
    listed = []
    for choice in choices(tenant):
        for model in choice.models if choice.allowed else ():
            chosen = _route(tenant, choice.id, model)
            input_price = price_on(chosen, Usage(_MILLION, 0))
            output_price = price_on(chosen, Usage(0, _MILLION))
            listed.append(
                ListedPrice(
                    choice.name,
                    model,
                    chosen.region,
                    input_price.amount if input_price else None,
                    output_price.amount if output_price else None,
                    input_price.currency if input_price else "",
                    input_price.origin if input_price else "",
                )
            )
    return listed


def estimate(
    tenant: Tenant,
    *,
    message: str,
    max_tokens: int,
    settings_id: UUID | None = None,
    model: str | None = None,
) -> Estimate:
    """What asking *message* would cost at most. Raises :class:`CallFailed` as the call would."""
    tenant.require(Permission.CHAT)
    chosen = _route(tenant, settings_id, model)
    usage = Usage(estimate_tokens(message), max_tokens, source="estimated")
    found = price_on(chosen, usage)
    return Estimate(
        chosen.name,
        chosen.model,
        chosen.region,
        usage.input_tokens,
        usage.output_tokens,
        found.amount if found else None,
        found.currency if found else "",
        found.origin if found else "",
    )


def _route(tenant: Tenant, settings_id: UUID | None, model: str | None) -> Route:
    try:
        return route(tenant, settings_id=settings_id, model=model)
    except NoRoute as error:
        if error.code == "provider_unknown":
            raise Http404 from error
        raise CallFailed(error.code, error.message, status=403) from error
