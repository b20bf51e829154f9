"""Signing in to the admin without a browser, and an organisation with one of everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.kinds import Kind
from audit.ledger import Draft, Receipt, Text, commit_blocking
from llm import provider_settings
from llm.models import Inference, ProviderSettings
from orgs.auth import ORGANISATION_IN_SESSION
from orgs.keys import create_key
from orgs.models import ApiKey, Membership, User
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import TenantModelAdmin
from oversight.incidents import open_incident
from oversight.models import Incident, Review, Task
from oversight.reviews import request_review
from oversight.task_list import open_task
from tests.cast import Cast
from tests.oversight.scene import answered

BACKEND = "django.contrib.auth.backends.ModelBackend"


def signed_in(user: User, *, at: Any = None) -> Client:
    """A browser of that person, who has chosen the organisation *at*."""
    client = Client()
    client.force_login(user, BACKEND)
    if at is not None:
        session = client.session
        session[ORGANISATION_IN_SESSION] = str(at.pk)
        session.save()
    return client


def tenant_pages() -> list[TenantModelAdmin]:
    """Every page of the admin that belongs to an organisation, those of tomorrow included."""
    return [page for page in admin.site._registry.values() if isinstance(page, TenantModelAdmin)]


def address(page: Any, act: str, *arguments: Any) -> str:
    options = page.model._meta
    return reverse(f"admin:{options.app_label}_{options.model_name}_{act}", args=arguments)


@dataclass(frozen=True)
class Things:
    """What Acme has."""

    key: ApiKey
    provider: ProviderSettings
    inference: Inference
    record: Receipt
    member: Membership
    review: Review
    incident: Incident
    task: Task


def furnish(cast: Cast, *, name: str = "Simulated") -> Things:
    """Give Alice's organisation one of everything, called *name*: Max asked for the review."""
    key, _text = create_key(cast.alice, name=name, scopes=[Permission.CHAT])
    provider = provider_settings.create(
        tenant=cast.alice, name=name, vendor="simulated", default_model="sim-large"
    )
    member = Membership.objects.for_tenant(cast.alice).get(user=cast.max.user)
    record = commit_blocking(request_draft(cast.max))
    review = request_review(cast.max, answered(cast.max, name).pk, f"Is {name} right?")
    incident = open_incident(cast.olivia, description=f"It went wrong with {name}.")
    due_at = timezone.now() + timedelta(days=7)
    task = open_task(cast.olivia, name=f"Ask about {name}", due_at=due_at)
    inference = call(cast.max, provider, record=record)
    return Things(key, provider, inference, record, member, review, incident, task)


def request_draft(tenant: Tenant, text: str = "Hello") -> Draft:
    return Draft(
        organisation_id=tenant.organisation_id,
        kind=Kind.INFERENCE_REQUESTED,
        actor=tenant.actor,
        body={"gen_ai.provider.name": "simulated", "lexcustis.data_region": "self-hosted"},
        content={"prompt": Text(text)},
    )


def call(
    tenant: Tenant,
    provider: ProviderSettings | None = None,
    *,
    record: Receipt | None = None,
    state: str = "completed",
    days_ago: float = 0,
    **values: Any,
) -> Inference:
    """A call to a model that has ended in *state*."""
    from orgs.identifiers import uuid7

    at = timezone.now() - timedelta(days=days_ago)
    row: Inference = Inference.objects.create(
        **{
            "id": record.record_id if record else uuid7(at),
            "organisation": tenant.organisation,
            "user": tenant.user,
            "provider_settings": provider,
            "provider_name": "simulated",
            "requested_model": "sim-large",
            "data_region": "self-hosted",
            "state": state,
            "end_record_id": uuid7(at),
            "input_tokens": 10,
            "output_tokens": 20,
            "started_at": at,
            "lease_expires_at": at,
            **values,
        }
    )
    return row
