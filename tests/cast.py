"""The people of the tests.

Alice administers the organisation, Olivia is its compliance officer, Rita reviews, Max is a plain
member, Audrey audits. Charlie administers another organisation and must never see anything.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date
from functools import cache
from zoneinfo import ZoneInfo

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from orgs.members import add_member
from orgs.models import Organisation, User
from orgs.organisations import create_organisation
from orgs.roles import Role
from orgs.tenancy import Tenant, tenant_of

PASSWORD = "correct horse battery staple"


@cache
def _hashed() -> str:
    """One hash for everybody: to make six for each test took longer than most tests."""
    return make_password(PASSWORD)


@dataclass(frozen=True)
class Cast:
    organisation: Organisation
    alice: Tenant
    olivia: Tenant
    rita: Tenant
    max: Tenant
    audrey: Tenant
    other_organisation: Organisation
    charlie: Tenant

    @property
    def today(self) -> date:
        """The day in the organisation's time zone, by which pages and budgets count."""
        return timezone.localdate(timezone=ZoneInfo(self.organisation.time_zone))


def make_cast() -> Cast:
    """A fresh organisation with its people, and a stranger's. Names are unique in the database."""
    mark = secrets.token_hex(4)
    ours = create_organisation(name=f"Acme {mark}", slug=f"acme-{mark}", legal_name="Acme GmbH")
    theirs = create_organisation(name=f"Other {mark}", slug=f"other-{mark}")

    def person(name: str, role: Role, organisation: Organisation) -> Tenant:
        user = User.objects.create_user(f"{name}-{mark}@example.org", name=name.title())
        user.password = _hashed()
        user.save(update_fields=["password"])
        return tenant_of(add_member(organisation, user, role))

    return Cast(
        organisation=ours,
        alice=person("alice", Role.ADMINISTRATOR, ours),
        olivia=person("olivia", Role.COMPLIANCE_OFFICER, ours),
        rita=person("rita", Role.REVIEWER, ours),
        max=person("max", Role.MEMBER, ours),
        audrey=person("audrey", Role.AUDITOR, ours),
        other_organisation=theirs,
        charlie=person("charlie", Role.ADMINISTRATOR, theirs),
    )
