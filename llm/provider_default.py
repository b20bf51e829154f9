"""Which provider answers where nobody chooses one: the enabled one with the lowest number."""

from __future__ import annotations

from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from llm import provider_settings
from llm.models import ProviderSettings
from orgs.roles import Permission
from orgs.tenancy import Tenant

# Between two providers when all are numbered anew, so that there is room for more.
_STEP = 10


def make_default(*, tenant: Tenant, settings_id: UUID) -> ProviderSettings:
    """Put a provider before all others of the organisation; each changed number is recorded.

    Raises ``ValidationError`` where it is switched off: it would not answer.
    """
    tenant.require(Permission.PROVIDER_MANAGE)
    with transaction.atomic():
        rows = list(
            ProviderSettings.objects.for_tenant(tenant)
            .select_for_update()
            .order_by("priority", "name")
        )
        row: ProviderSettings | None = next((row for row in rows if row.pk == settings_id), None)
        if row is None:
            raise provider_settings.UnknownProviderSettings(
                _("There is no such provider in your organisation.")
            )
        if not row.is_enabled:
            raise ValidationError(_("%(name)s is switched off.") % {"name": row.name})
        others = [other for other in rows if other.pk != settings_id]
        if not others or row.priority < others[0].priority:
            return row
        if others[0].priority > 0:
            return _numbered(tenant, row, others[0].priority - 1)
        for place, other in enumerate(others, start=1):
            _numbered(tenant, other, place * _STEP)
        return _numbered(tenant, row, 0)


def _numbered(tenant: Tenant, row: ProviderSettings, priority: int) -> ProviderSettings:
    return provider_settings.change(tenant=tenant, settings_id=row.pk, priority=priority)
