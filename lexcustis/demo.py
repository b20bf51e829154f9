"""The demo: two organisations and three months of their work, relative to today."""

from __future__ import annotations

from django.db import transaction

from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_ORGANISATIONS, DEMO_PASSWORD
from orgs.members import add_member
from orgs.models import Organisation, User
from orgs.organisations import create_organisation


def is_seeded() -> bool:
    """Whether the demo's organisations are there."""
    return Organisation.objects.filter(slug__in=DEMO_ORGANISATIONS).exists()


def seed() -> None:
    """Make the organisations, their people and their history."""
    with transaction.atomic():
        organisations = {
            slug: create_organisation(name=name, slug=slug)
            for slug, name in DEMO_ORGANISATIONS.items()
        }
        for account in DEMO_ACCOUNTS:
            user = User.objects.create_user(account.email, DEMO_PASSWORD, name=account.name)
            add_member(organisations[account.organisation], user, account.role)


def remove() -> None:
    """Take the demo's organisations and people away."""
