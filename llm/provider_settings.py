"""Making, changing, keying and disabling an organisation's provider settings.

Every change is recorded in the transaction that makes it, with the names of the fields and never
a key. A key is sealed by the vault, bound to its row, and is opened only to make an adapter.
"""

from __future__ import annotations

import concurrent.futures
import json
import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, append
from llm import provider_access
from llm.models import ProviderSettings
from llm.prices import WrongPrice, require_price
from llm.providers import registry
from llm.providers.adapters import ConfiguredProvider
from llm.providers.addresses import (
    UnsafeAddress,
    allowed_networks,
    check_addresses,
    literal_address,
)
from llm.providers.base import ChatMessage, Health
from llm.providers.configuration import UNKNOWN, Configuration
from llm.providers.errors import ProviderError
from orgs import vault
from orgs.roles import Permission
from orgs.tenancy import Tenant

RESOLVE_SECONDS = 2.0
_KEY = re.compile(r"[!-~]{1,8192}")
# What the functions below take; keys, ids and times have ways of their own.
FIELDS = frozenset(
    {
        *("name", "vendor", "base_url", "default_model", "allowed_models", "data_region"),
        *("legal_entity", "transfer_mechanism", "transfer_checked_on", "training_use"),
        *("retention_at_provider", "priority", "timeout_seconds", "options"),
        *("requests_per_minute", "open_to_roles", "open_to_people", "restricted_models"),
    }
)
_REGION = re.compile(r"EU|US|self-hosted|unknown|[A-Z]{2}")


class UnknownProviderSettings(LookupError):
    """The organisation has no such provider. The message may be shown."""


@dataclass(frozen=True, slots=True)
class Check:
    """What a test of a provider found; ``answered`` is what answered, if the chat was tried."""

    health: Health
    models: tuple[str, ...]
    region: str
    answered: str = ""
    problem: str = ""


def create(
    *, tenant: Tenant, name: str, vendor: str, default_model: str, key: str = "", **fields: Any
) -> ProviderSettings:
    """Add a provider to the tenant's organisation.

    *fields* are those of :class:`ProviderSettings` in :data:`FIELDS` and ``is_enabled``. Raises
    :class:`ValidationError` with the field that is wrong.
    """
    tenant.require(Permission.PROVIDER_MANAGE)
    is_enabled = bool(fields.pop("is_enabled", True))
    _require_known(fields)
    row = ProviderSettings(
        organisation=tenant.organisation,
        name=name,
        vendor=vendor,
        default_model=default_model,
        is_enabled=is_enabled,
        **fields,
    )
    validate(row)
    provider_access.require_rule(tenant, row)
    with transaction.atomic():
        _seal(row, key)
        row.save(force_insert=True)
        _record(tenant, row, Kind.PROVIDER_CREATED, ["key"] if key else [])
    return row


def change(*, tenant: Tenant, settings_id: UUID, **fields: Any) -> ProviderSettings:
    """Change fields of a provider; those that differ are recorded by name.

    A new vendor or base URL forgets the key: it was given for the old address, and nobody who may
    only change the address shall learn it by sending it to their own.
    """
    tenant.require(Permission.PROVIDER_MANAGE)
    _require_known(fields)
    with transaction.atomic():
        row = _locked(tenant, settings_id)
        changed = sorted(name for name, value in fields.items() if getattr(row, name) != value)
        if not changed:
            return row
        if row.frozen_because_of is not None:
            raise ValidationError(
                _(
                    "These settings are frozen because of an incident (Art. 73(6)): they can be "
                    "changed again when who handles it lifts the freeze. The provider can be "
                    "switched off, and given another key."
                )
            )
        before, known = _origin(row), list(row.open_to_people)
        for name in changed:
            setattr(row, name, fields[name])
        validate(row)
        provider_access.require_rule(tenant, row, known=known)
        if row.key and _origin(row) != before:
            _seal(row, "")
            changed.append("key")
        row.save()
        _record(tenant, row, Kind.PROVIDER_CHANGED, changed)
    return row


def set_key(*, tenant: Tenant, settings_id: UUID, key: str) -> ProviderSettings:
    """Set or, with an empty *key*, forget the provider's key. It cannot be read back."""
    tenant.require(Permission.PROVIDER_MANAGE)
    with transaction.atomic():
        row = _locked(tenant, settings_id)
        _seal(row, key)
        row.save()
        _record(tenant, row, Kind.PROVIDER_CHANGED, ["key"])
    return row


def disable(*, tenant: Tenant, settings_id: UUID) -> ProviderSettings:
    """The kill switch: no further call goes to this provider."""
    return _switch(tenant, settings_id, on=False)


def enable(*, tenant: Tenant, settings_id: UUID) -> ProviderSettings:
    """Allow calls to this provider again."""
    return _switch(tenant, settings_id, on=True)


def freeze(*, tenant: Tenant, settings_ids: Collection[UUID], cause: UUID) -> None:
    """Let nobody change these settings, and no others because of *cause*, an incident's record.

    What is frozen because of something else stays so. Needs ``incident:manage``.
    """
    tenant.require(Permission.INCIDENT_MANAGE)
    with transaction.atomic():
        rows = ProviderSettings.objects.for_tenant(tenant).select_for_update()
        found = list(rows.filter(Q(pk__in=settings_ids) | Q(frozen_because_of=cause)))
        if set(settings_ids) - {row.pk for row in found}:
            raise UnknownProviderSettings(_("There is no such provider in your organisation."))
        for row in found:
            wanted = cause if row.pk in settings_ids else None
            if row.frozen_because_of in (None, cause) and row.frozen_because_of != wanted:
                row.frozen_because_of = wanted
                row.save(update_fields=["frozen_because_of", "updated_at"])
                _record(tenant, row, Kind.PROVIDER_CHANGED, ["frozen"])


def frozen_because_of(*, tenant: Tenant, cause: UUID) -> list[UUID]:
    """The providers whose settings are frozen because of *cause*."""
    rows = ProviderSettings.objects.for_tenant(tenant).filter(frozen_because_of=cause)
    return list(rows.values_list("pk", flat=True))


def configuration_of(row: ProviderSettings, *, with_key: bool = True) -> Configuration:
    """What an adapter for *row* is made from. Raises :class:`registry.UnknownVendor`."""
    key = ""
    if with_key and row.key:
        key = vault.unseal(row.organisation_id, bytes(row.key), place=key_place(row)).decode()
    return Configuration(
        vendor=registry.vendor(row.vendor),
        identity=str(row.pk),
        name=row.name,
        model=row.default_model,
        base_url=row.base_url,
        key=key,
        declared_region=row.data_region,
        idle_seconds=float(row.timeout_seconds),
        networks=allowed_networks(settings.PROVIDER_ALLOWED_NETWORKS),
        ca_file=settings.PROVIDER_CA_FILE,
        options=row.options,
    )


def adapter_of(row: ProviderSettings) -> ConfiguredProvider:
    """An adapter that is ready to call; nothing is sent."""
    return registry.build(configuration_of(row))


def region_of(row: ProviderSettings) -> str:
    """Where *row* processes: what is known of the host first, what was declared second.

    Unknown where the row cannot be read, for instance since its plug-in is gone.
    """
    try:
        return registry.region(configuration_of(row, with_key=False))
    except (registry.UnknownVendor, UnsafeAddress):
        return UNKNOWN


async def check(provider: ConfiguredProvider, *, chat: bool = False) -> Check:
    """Try a provider: health, models and, where *chat* is asked for, an answer of one word.

    The caller decides first whether the region policy lets anything be sent at all.
    """
    health = await provider.health_check()
    if not health.ok:
        return Check(health, (), provider.data_region, problem=health.detail)
    models: tuple[str, ...] = ()
    answered = problem = ""
    try:
        models = tuple(model.id for model in await provider.list_models())
        if chat:
            answer = await provider.chat(
                [ChatMessage("user", "Answer with the single word: ready")], max_tokens=16
            )
            answered = answer.model
    except ProviderError as error:
        problem = error.message
    return Check(health, models, provider.data_region, answered, problem)


def validate(row: ProviderSettings) -> None:
    """Raise :class:`ValidationError` unless *row* can be called and says nothing untrue."""
    try:
        vendor = registry.vendor(row.vendor)
    except registry.UnknownVendor as error:
        raise ValidationError({"vendor": str(error)}) from error
    _require_own_name(row)
    row.full_clean()
    if not _REGION.fullmatch(row.data_region):
        raise ValidationError(
            {"data_region": _("Write EU, US, self-hosted, unknown, or a country such as DE.")}
        )
    if not isinstance(row.options, dict):
        raise ValidationError({"options": _("Options are an object: {…}.")})
    if row.options.get("price") is not None:
        try:
            require_price(row.options["price"])
        except WrongPrice as error:
            raise ValidationError({"options": str(error)}) from error
    if vendor.base_url == "" and row.base_url == "" and vendor.key not in _NEED_NO_ADDRESS:
        raise ValidationError({"base_url": _("This vendor needs a base URL.")})
    if row.base_url:
        _check_base_url(row)
    try:
        region = region_of(row)
        adapter_of(row)
    except (UnsafeAddress, TypeError, ValueError) as error:
        field = "base_url" if isinstance(error, UnsafeAddress) else "options"
        raise ValidationError({field: str(error)}) from error
    if row.data_region not in (UNKNOWN, region):
        raise ValidationError(
            {
                "data_region": _(
                    "This address processes in “%(region)s” as far as is known, so it cannot be "
                    "declared otherwise. Use the vendor's address in the region you need."
                )
                % {"region": region}
            }
        )


def _require_own_name(row: ProviderSettings) -> None:
    namesakes = ProviderSettings.objects.for_organisation(row.organisation_id).filter(name=row.name)
    if namesakes.exclude(pk=row.pk).exists():
        raise ValidationError({"name": _("There is a provider of this name. Choose another.")})


_NEED_NO_ADDRESS = frozenset({"simulated"})


def _check_base_url(row: ProviderSettings) -> None:
    """Refuse an address that may not be called, as far as it can be told today.

    The call itself decides again (:mod:`llm.providers.http`). A name that nobody can resolve now
    is taken: it may be known where the worker runs.
    """
    try:
        url = configuration_of(row, with_key=False).parsed_base_url()
        literal = literal_address(url.host)
        addresses = [literal] if literal is not None else _resolve(url.host, url.port)
        if addresses:
            networks = allowed_networks(settings.PROVIDER_ALLOWED_NETWORKS)
            check_addresses(url.host, addresses, scheme=url.scheme, networks=networks)
    except UnsafeAddress as error:
        raise ValidationError({"base_url": str(error)}) from error


def _resolve(host: str, port: int) -> list[Any]:
    executor = concurrent.futures.ThreadPoolExecutor(1)
    try:
        future = executor.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return [ip_address(entry[4][0]) for entry in future.result(RESOLVE_SECONDS)]
    except (OSError, TimeoutError):
        return []
    finally:
        executor.shutdown(wait=False)


def _require_known(fields: Mapping[str, Any]) -> None:
    unknown = sorted(set(fields) - FIELDS)
    if unknown:
        raise TypeError(f"Not fields of provider settings: {', '.join(unknown)}.")


def _origin(row: ProviderSettings) -> tuple[str, str]:
    return row.vendor, row.base_url


def _locked(tenant: Tenant, settings_id: UUID) -> ProviderSettings:
    rows = ProviderSettings.objects.for_tenant(tenant).select_for_update()
    row: ProviderSettings | None = rows.filter(pk=settings_id).first()
    if row is None:
        raise UnknownProviderSettings(_("There is no such provider in your organisation."))
    return row


def _switch(tenant: Tenant, settings_id: UUID, *, on: bool) -> ProviderSettings:
    tenant.require(Permission.PROVIDER_MANAGE)
    with transaction.atomic():
        row = _locked(tenant, settings_id)
        if row.is_enabled != on:
            row.is_enabled = on
            row.save()
            kind = Kind.PROVIDER_CHANGED if on else Kind.PROVIDER_DISABLED
            _record(tenant, row, kind, ["is_enabled"])
    return row


def key_place(row: ProviderSettings) -> str:
    """The vault's name for where a provider's key stands."""
    return f"provider/{row.pk}"


def _seal(row: ProviderSettings, key: str) -> None:
    key = _compact(key.strip())
    if not key:
        row.key, row.key_hint, row.key_changed_at = b"", "", None
        return
    if not _KEY.fullmatch(key):
        raise ValidationError(
            {"key": _("A key is plain text without spaces. Copy it again from the provider.")}
        )
    row.key = vault.seal(row.organisation_id, key.encode(), place=key_place(row))
    # The end of a short key would be too much of it.
    row.key_hint = key[-4:] if len(key) >= 16 and not key.startswith("{") else ""
    row.key_changed_at = timezone.now()


def _compact(key: str) -> str:
    """A key that is a JSON object, as Google's are, on one line; any other as it is."""
    try:
        value = json.loads(key)
    except ValueError:
        return key
    if not isinstance(value, dict):
        return key
    # Spaces inside, as in the frame of a PEM key, are written so that the line holds none.
    return json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020")


def _record(tenant: Tenant, row: ProviderSettings, kind: Kind, changed: list[str]) -> None:
    append(
        Draft(
            organisation_id=tenant.organisation_id,
            kind=kind,
            actor=tenant.actor,
            body={
                "lexcustis.provider.settings_id": str(row.pk),
                "lexcustis.provider.vendor": row.vendor,
                "lexcustis.data_region": region_of(row),
                "gen_ai.request.model": row.default_model,
                "lexcustis.changed_fields": sorted(changed),
                "lexcustis.provider.enabled": row.is_enabled,
                "lexcustis.provider.frozen": row.frozen_because_of is not None,
                **provider_access.as_recorded(row),
            },
        )
    )
