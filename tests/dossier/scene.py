"""Makes a period's worth of calls, as the chat turn would leave them."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from audit.kinds import Kind
from audit.ledger import Draft, Link, append
from llm.models import Inference, ProviderSettings
from orgs.identifiers import uuid7
from orgs.tenancy import Tenant


def settings_row(tenant: Tenant, **fields) -> ProviderSettings:
    """A configured provider of the tenant's organisation."""
    values = {
        "name": "Mistral",
        "vendor": "mistral_ai",
        "default_model": "mistral-large-latest",
        "data_region": "EU",
        "legal_entity": "Mistral AI SAS",
        "transfer_mechanism": "None needed (EEA only)",
        "training_use": "no",
        "retention_at_provider": "30 days",
    }
    return ProviderSettings.objects.create(organisation=tenant.organisation, **values | fields)


def call(
    tenant: Tenant,
    at: datetime,
    *,
    state: str = "completed",
    provider: str = "mistral_ai",
    model: str = "mistral-large-latest",
    answered_by: str = "mistral-large-2411",
    region: str = "EU",
    settings: ProviderSettings | None = None,
) -> UUID:
    """One call that began at *at* and, unless *state* is ``started``, ended two seconds later."""
    body = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "lexcustis.data_region": region,
    }
    request_id = uuid7(at)
    ended = at + timedelta(seconds=2)
    with transaction.atomic():
        append(
            Draft(
                organisation_id=tenant.organisation_id,
                kind=Kind.INFERENCE_REQUESTED,
                actor=tenant.actor,
                body=body,
                at=at,
                id=request_id,
            )
        )
        end_id = None
        if state != "started":
            end_id = append(
                Draft(
                    organisation_id=tenant.organisation_id,
                    kind=Kind(f"inference.{state}"),
                    actor=tenant.actor,
                    body=body,
                    links=[Link(request_id, "request")],
                    at=ended,
                )
            ).record_id
        Inference.objects.create(
            id=request_id,
            organisation=tenant.organisation,
            user=tenant.user,
            provider_settings=settings,
            provider_name=provider,
            requested_model=model,
            response_model=answered_by if state == "completed" else "",
            data_region=region,
            state=state,
            end_record_id=end_id,
            input_tokens=42 if state == "completed" else None,
            output_tokens=128 if state == "completed" else None,
            started_at=at,
            ended_at=ended if end_id else None,
            lease_expires_at=ended,
        )
    return request_id
