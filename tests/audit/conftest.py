"""People and a record for the tests of the ledger."""

from __future__ import annotations

import pytest

from audit.ledger import Receipt, commit_blocking
from orgs.members import add_member
from orgs.models import User
from orgs.roles import Role
from orgs.tenancy import Tenant, tenant_of
from tests.audit.test_writing import a_draft
from tests.cast import Cast


@pytest.fixture
def otto(cast: Cast) -> Tenant:
    """A second compliance officer."""
    user = User.objects.create_user(f"otto-{cast.organisation.slug}@example.org", name="Otto")
    return tenant_of(add_member(cast.organisation, user, Role.COMPLIANCE_OFFICER))


@pytest.fixture
def receipt(cast: Cast) -> Receipt:
    return commit_blocking(a_draft(cast, "my secret"))
