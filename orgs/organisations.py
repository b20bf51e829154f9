"""Making, changing, pausing and resuming organisations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from orgs import systems, vault
from orgs.changes import SYSTEM, Change, announce
from orgs.models import Organisation
from orgs.roles import Permission
from orgs.tenancy import Tenant


def create_organisation(
    *, name: str, slug: str, actor: Mapping[str, str] = SYSTEM, **fields: Any
) -> Organisation:
    """Create an organisation with its encryption key and its first AI system."""
    with transaction.atomic():
        organisation = Organisation(name=name, slug=slug, **fields)
        organisation.full_clean()
        organisation.save(force_insert=True)
        vault.create_organisation_key(organisation.pk)
        first = systems.enter_first(organisation)
        details = {"lexcustis.system.id": str(first.pk)}
        announce(Change("organisation.created", organisation.pk, actor, organisation.pk, details))
    return organisation


def change_organisation(tenant: Tenant, **fields: Any) -> Organisation:
    """Change fields of the tenant's organisation; the names of those that differ are recorded."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        organisation = Organisation.objects.select_for_update().get(pk=tenant.organisation_id)
        changed = sorted(
            name for name, value in fields.items() if getattr(organisation, name) != value
        )
        for name in changed:
            setattr(organisation, name, fields[name])
        organisation.full_clean()
        organisation.save()
        if changed:
            details: dict[str, Any] = {"lexcustis.changed_fields": changed}
            if "allowed_regions" in changed:
                details["lexcustis.allowed_regions"] = organisation.allowed_regions
            announce(
                Change(
                    "organisation.changed", organisation.pk, tenant.actor, organisation.pk, details
                )
            )
    return organisation


def pause(tenant: Tenant, *, reason: str) -> None:
    """Stop every use of models in the organisation at once (Art. 14(4)(e))."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    _switch(tenant, "organisation.paused", paused_at=timezone.now(), pause_reason=reason)


def resume(tenant: Tenant) -> None:
    """Allow the use of models again."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    _switch(tenant, "organisation.resumed", paused_at=None, pause_reason="")


def _switch(tenant: Tenant, kind: str, **fields: Any) -> None:
    with transaction.atomic():
        Organisation.objects.filter(pk=tenant.organisation_id).update(**fields)
        announce(Change(kind, tenant.organisation_id, tenant.actor, tenant.organisation_id))
