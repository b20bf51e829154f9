"""Asking one or all of an organisation's providers how they are, and which models they have.

No prompt is sent, nothing to a provider that is switched off, and not a byte to a region that the
organisation's policy forbids (promise P8).
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import async_to_sync
from django.utils.translation import gettext as _

from llm.models import ProviderSettings
from llm.provider_settings import UnknownProviderSettings, adapter_of, region_of
from llm.providers.adapters import ConfiguredProvider
from llm.providers.addresses import UnsafeAddress
from llm.providers.base import Health, Model
from llm.providers.errors import ProviderError
from llm.providers.registry import UnknownVendor
from llm.routing import region_is_allowed
from orgs.roles import Permission
from orgs.tenancy import Tenant

# A provider that takes longer is not well, and nobody waits for it.
MOST_SECONDS = 25.0


class Condition(enum.StrEnum):
    """How a provider is."""

    WELL = "well"
    FAILED = "failed"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one provider said. ``latency_ms`` and ``models`` are of those that were asked."""

    row: ProviderSettings
    region: str
    condition: Condition
    detail: str
    latency_ms: int | None = None
    models: tuple[Model, ...] = ()


def health(tenant: Tenant, settings_id: UUID | None = None) -> list[Answer]:
    """How the organisation's providers are, or the one of *settings_id*.

    Raises :class:`UnknownProviderSettings`.
    """
    return _survey(tenant, settings_id, with_models=False)


def models(tenant: Tenant, settings_id: UUID | None = None) -> list[Answer]:
    """The models that the organisation's providers list, or the one of *settings_id*."""
    return _survey(tenant, settings_id, with_models=True)


def _survey(tenant: Tenant, settings_id: UUID | None, *, with_models: bool) -> list[Answer]:
    tenant.require(Permission.PROVIDER_READ)
    rows = ProviderSettings.objects.for_tenant(tenant)
    wanted = list(rows if settings_id is None else rows.filter(pk=settings_id))
    if settings_id is not None and not wanted:
        raise UnknownProviderSettings(_("There is no such provider in your organisation."))
    prepared = [_prepared(tenant, row) for row in wanted]
    return async_to_sync(_ask_all)(prepared, with_models=with_models)


def _prepared(tenant: Tenant, row: ProviderSettings) -> Answer | tuple[Answer, ConfiguredProvider]:
    """Why the provider is not asked, or the adapter to ask it by."""
    region = region_of(row)
    silent = Answer(row, region, Condition.NOT_ASKED, "")
    if not row.is_enabled:
        return Answer(row, region, Condition.NOT_ASKED, _("Switched off: nothing was sent."))
    if not region_is_allowed(region, tenant.organisation.allowed_regions):
        words = _("“%(region)s” is not among your allowed regions: nothing was sent.")
        return Answer(row, region, Condition.NOT_ASKED, words % {"region": region})
    try:
        return silent, adapter_of(row)
    except (UnknownVendor, UnsafeAddress) as error:
        return Answer(row, region, Condition.FAILED, str(error))


async def _ask_all(
    prepared: Iterable[Answer | tuple[Answer, ConfiguredProvider]], *, with_models: bool
) -> list[Answer]:
    return await asyncio.gather(*(_ask(one, with_models=with_models) for one in prepared))


async def _ask(
    prepared: Answer | tuple[Answer, ConfiguredProvider], *, with_models: bool
) -> Answer:
    if isinstance(prepared, Answer):
        return prepared
    silent, provider = prepared
    found: Sequence[Model] = ()
    try:
        async with asyncio.timeout(MOST_SECONDS):
            if with_models:
                found = await provider.list_models()
                said = Health(ok=True, detail=_("It answers."))
            else:
                said = await provider.health_check()
    except ProviderError as error:
        said = Health(ok=False, detail=error.message)
    except TimeoutError:
        said = Health(ok=False, detail=_("It did not answer in time."))
    finally:
        await provider.aclose()
    condition = Condition.WELL if said.ok else Condition.FAILED
    return Answer(
        silent.row, provider.data_region, condition, said.detail, said.latency_ms, tuple(found)
    )
