"""Trying a provider out, on an administrator's word: whether it answers, and what it offers."""

from __future__ import annotations

from dataclasses import dataclass

from asgiref.sync import async_to_sync
from django.utils.translation import gettext as _

from llm.models import ProviderSettings
from llm.provider_settings import Check, adapter_of, check, region_of
from llm.providers.addresses import UnsafeAddress
from llm.providers.registry import UnknownVendor
from llm.routing import region_is_allowed
from orgs.roles import Permission
from orgs.tenancy import Tenant

_MODELS_NAMED = 6


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it, in words; ``found`` is None where nothing was sent."""

    passed: bool
    words: str
    region: str
    found: Check | None = None


def try_provider(tenant: Tenant, row: ProviderSettings) -> Trial:
    """Call the provider's health check and list its models. Needs ``provider:manage``.

    No prompt is sent, and nothing at all to a region that the organisation's policy forbids (P8).
    """
    tenant.require(Permission.PROVIDER_MANAGE)
    region = region_of(row)
    try:
        if not region_is_allowed(region, tenant.organisation.allowed_regions):
            words = _(
                "Not tested: “%(region)s” is not among your allowed regions. Nothing was sent."
            )
            return Trial(False, words % {"region": region}, region)
        found = async_to_sync(_check)(row)
    except (UnknownVendor, UnsafeAddress) as error:
        return Trial(False, str(error), region)
    if found.problem:
        words = _("No good answer: %(problem)s") % {"problem": found.problem}
        return Trial(False, words, found.region, found)
    return Trial(True, _in_words(row, found), found.region, found)


async def _check(row: ProviderSettings) -> Check:
    provider = adapter_of(row)
    try:
        return await check(provider)
    finally:
        await provider.aclose()


def _in_words(row: ProviderSettings, found: Check) -> str:
    named = ", ".join(found.models[:_MODELS_NAMED])
    more = len(found.models) - _MODELS_NAMED
    words = _("It answers in %(latency)s ms, region %(region)s. %(count)d models: %(named)s") % {
        "latency": found.health.latency_ms if found.health.latency_ms is not None else "?",
        "region": found.region,
        "count": len(found.models),
        "named": named + (_(" and %(more)d more") % {"more": more} if more > 0 else ""),
    }
    if found.models and row.default_model not in found.models:
        words += " " + _("The default model “%(model)s” is not among them.") % {
            "model": row.default_model
        }
    return words
