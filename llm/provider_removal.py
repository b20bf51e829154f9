"""Taking a provider away for good, which is possible only where nothing ever went to it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, append
from llm.models import Inference, ProviderSettings
from llm.provider_settings import UnknownProviderSettings
from orgs.roles import Permission
from orgs.tenancy import Tenant


class StillNamed(Exception):
    """Calls went to the provider, and dossiers must be able to say what it was."""


def remove(*, tenant: Tenant, settings_id: UUID) -> None:
    """Delete a provider's settings and its key. Raises :class:`StillNamed`."""
    tenant.require(Permission.PROVIDER_MANAGE)
    with transaction.atomic():
        rows = ProviderSettings.objects.for_tenant(tenant).select_for_update()
        row: ProviderSettings | None = rows.filter(pk=settings_id).first()
        if row is None:
            raise UnknownProviderSettings(_("There is no such provider in your organisation."))
        if Inference.objects.for_tenant(tenant).filter(provider_settings=row).exists():
            raise StillNamed(
                _(
                    "Calls went to %(name)s, and dossiers name it with what is declared here. "
                    "Switch it off instead."
                )
                % {"name": row.name}
            )
        body = {
            "lexcustis.provider.settings_id": str(row.pk),
            "lexcustis.provider.vendor": row.vendor,
            "gen_ai.request.model": row.default_model,
        }
        append(Draft(tenant.organisation_id, Kind.PROVIDER_DELETED, tenant.actor, body))
        row.delete()
