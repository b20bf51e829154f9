"""The demo: two organisations and three months of their work, all relative to today.

Everything is made by the functions that serve real organisations, in one transaction: the demo is
there as a whole or not at all.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from dossier.declarations import declare
from dossier.models import DossierSchedule, Kind
from lexcustis.demo_accounts import (
    DEMO_ACCOUNTS,
    DEMO_ORGANISATION,
    DEMO_ORGANISATIONS,
    DEMO_OTHER_ORGANISATION,
    DEMO_PASSWORD,
)
from lexcustis.demo_history import DAYS, clock_at, converse, fill, working_moments
from lexcustis.demo_oversight import oversee
from lexcustis.demo_statements import COLLEAGUES, PROFILES, STATEMENTS
from lexcustis.demo_topics import FORBIDDEN, HAULIER, INSURER, Topic
from lexcustis.demo_upstream import MODEL, file_upstream
from llm import provider_settings
from llm.chat import Wish
from llm.models import ProviderSettings
from orgs.changes import SYSTEM
from orgs.members import add_member
from orgs.models import Membership, Organisation, User
from orgs.organisations import create_organisation
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant, tenant_of

EXCHANGES = {DEMO_ORGANISATION: 330, DEMO_OTHER_ORGANISATION: 70}
_TOPICS = {DEMO_ORGANISATION: INSURER, DEMO_OTHER_ORGANISATION: HAULIER}
_LATEST = timedelta(minutes=12)  # before now: the visitor's own question is the newest


def is_seeded() -> bool:
    """Whether the demo's organisations are there."""
    return Organisation.objects.filter(slug__in=DEMO_ORGANISATIONS).exists()


def seed(now: datetime | None = None) -> None:
    """Make the organisations, their people and their history."""
    now = now or timezone.now()
    with transaction.atomic():
        for slug in DEMO_ORGANISATIONS:
            founded = now - timedelta(days=DAYS + 2)
            with clock_at(founded):
                tenants = _found(slug, founded)
                providers = _providers(tenants[Role.ADMINISTRATOR][0])
            with clock_at(founded + timedelta(days=1)):
                _state(slug, tenants)
            for officer in tenants[Role.COMPLIANCE_OFFICER]:
                file_upstream(officer, now)
            _talk(slug, tenants, providers, now)
            if tenants[Role.REVIEWER]:
                oversee(tenants, now, seed=slug)


def _found(slug: str, founded: datetime) -> dict[Role, list[Tenant]]:
    """The organisation and its people by role, those of the sign-in page first."""
    organisation = create_organisation(
        name=DEMO_ORGANISATIONS[slug],
        slug=slug,
        actor=SYSTEM,
        created_at=founded,
        **PROFILES[slug],
    )
    tenants: dict[Role, list[Tenant]] = {role: [] for role in Role}
    password = make_password(DEMO_PASSWORD)  # once: hashing takes its time, as it should
    for account in DEMO_ACCOUNTS:
        if account.organisation == slug:
            user = User.objects.create(
                email=account.email, password=password, name=account.name, created_at=founded
            )
            tenants[account.role].append(tenant_of(add_member(organisation, user, account.role)))
    for email, name, role in COLLEAGUES[slug]:
        user = User.objects.create_user(email, name=name, created_at=founded)
        tenants[role].append(tenant_of(add_member(organisation, user, role)))
    memberships = Membership.objects.for_organisation(organisation.pk)
    memberships.update(created_at=founded)
    return tenants


def _providers(administrator: Tenant) -> dict[str, UUID]:
    """One that serves, one that the region policy blocks, and two examples switched off."""
    rows = [
        provider_settings.create(
            tenant=administrator,
            name="House model",
            vendor="simulated",
            default_model="sim-large",
            allowed_models=["sim-large", "sim-small", MODEL],
            data_region="self-hosted",
            training_use=ProviderSettings.TrainingUse.NO,
            retention_at_provider="none: it runs on our own servers",
            priority=10,
        ),
        provider_settings.create(
            tenant=administrator,
            name="Overseas model",
            vendor="openai_compatible",
            # As if by a tunnel. Nothing is ever sent there: the region policy forbids it.
            base_url="http://127.0.0.1:9/v1",
            default_model="overseas-large",
            data_region="US",
            legal_entity="Overseas Models, Inc.",
            retention_at_provider="30 days",
            priority=50,
        ),
        _mistral(administrator),
        provider_settings.create(
            tenant=administrator,
            name="Ollama (example)",
            vendor="ollama",
            default_model="llama3.2",
            data_region="self-hosted",
            priority=70,
            is_enabled=False,
        ),
    ]
    return {row.name: row.pk for row in rows}


def _mistral(administrator: Tenant) -> ProviderSettings:
    """An example at the vendor's address in the EU, where this machine can tell that it is one."""
    values: dict[str, Any] = {
        "name": "Mistral (example)",
        "vendor": "mistral",
        "default_model": "mistral-large-latest",
        "legal_entity": "Mistral AI SAS",
        "priority": 60,
        "is_enabled": False,
    }
    in_the_eu = {"base_url": "https://api.eu.mistral.ai/v1", "data_region": "EU"}
    try:
        return provider_settings.create(tenant=administrator, **values, **in_the_eu)
    except ValidationError:  # some networks answer every name with an address of their own
        return provider_settings.create(tenant=administrator, **values)


def _state(slug: str, tenants: dict[Role, list[Tenant]]) -> None:
    """What the officer declared, and the monthly dossiers that she asked for."""
    for officer in tenants[Role.COMPLIANCE_OFFICER]:
        for key, subject, value in STATEMENTS:
            declare(officer, key=key, subject=subject, value=value)
        for kind in (Kind.ART53, Kind.ART10):
            DossierSchedule.objects.create(
                organisation=officer.organisation,
                kind=kind,
                catch_up_months=2,
                created_at=timezone.now(),
            )


def _talk(
    slug: str, tenants: dict[Role, list[Tenant]], providers: dict[str, UUID], now: datetime
) -> None:
    """The conversations of everybody who may chat."""
    chance = random.Random(slug)  # noqa: S311 - plausible, not secret
    topics = fill(_TOPICS[slug], exchanges=EXCHANGES[slug] - len(FORBIDDEN), chance=chance)
    forbidden: list[Topic] = [(text,) for text in FORBIDDEN]
    people = [tenant for role in Role for tenant in tenants[role] if tenant.may(Permission.CHAT)]
    # The member of the sign-in page has most to look back on.
    weights = [6 if tenant in tenants[Role.MEMBER][:1] else 2 for tenant in people]
    zone = people[0].organisation.time_zone
    moments = working_moments(
        len(topics) + len(forbidden), until=now - _LATEST, zone=zone, seed=slug
    )
    order = [*topics, *forbidden]
    chance.shuffle(order)
    for begin, topic in zip(moments, order, strict=True):
        tenant = chance.choices(people, weights)[0]
        wish = Wish(provider_id=providers["Overseas model"] if topic in forbidden else None)
        if topic not in forbidden and (drawn := chance.random()) < 0.3:
            wish = Wish(model="sim-small" if drawn < 0.2 else MODEL)
        converse(tenant, topic, begin=begin, chance=chance, wish=wish)
