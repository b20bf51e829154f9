"""The real model of ``make run MODEL=local`` as a provider of the demo's organisations."""

from __future__ import annotations

from lexcustis.demo_accounts import DEMO_ORGANISATIONS
from lexcustis.local_model import MODEL
from llm import provider_settings
from llm.models import ProviderSettings
from orgs.models import Membership, Organisation
from orgs.roles import Role
from orgs.tenancy import Tenant, tenant_of

NAME = "SmolLM2 on this machine"


def offer(base_url: str) -> None:
    """Offer the model to each organisation of the demo."""
    for organisation in Organisation.objects.filter(slug__in=DEMO_ORGANISATIONS):
        members = Membership.objects.for_organisation(organisation.pk)
        administrator = members.filter(role=Role.ADMINISTRATOR).first()
        if administrator is not None:
            offer_to(tenant_of(administrator), base_url)


def offer_to(tenant: Tenant, base_url: str) -> None:
    """Let the model at *base_url* answer first; where it is empty, the provider is switched off.

    Changes nothing where nothing differs, so that a start leaves no trace in the log.
    """
    row = ProviderSettings.objects.for_tenant(tenant).filter(name=NAME).first()
    if not base_url:
        if row is not None:
            provider_settings.disable(tenant=tenant, settings_id=row.pk)
        return
    if row is None:
        row = provider_settings.create(
            tenant=tenant,
            name=NAME,
            vendor="openai_compatible",
            base_url=base_url,
            default_model=MODEL,
            allowed_models=[MODEL],
            data_region="self-hosted",
            training_use=ProviderSettings.TrainingUse.NO,
            retention_at_provider="none: it runs on our own servers",
            priority=5,
        )
    # The port follows PORT, and an earlier start without a model has switched it off.
    provider_settings.change(tenant=tenant, settings_id=row.pk, base_url=base_url)
    provider_settings.enable(tenant=tenant, settings_id=row.pk)
