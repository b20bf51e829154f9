"""Rows of an organisation are reached through its tenant, and only so."""

from __future__ import annotations

import pytest

from orgs.models import ApiKey, Membership
from orgs.roles import GRANTS, Permission, Role
from orgs.tenancy import PermissionRefused, UnscopedAccess
from tests.cast import Cast


def test_a_query_without_a_tenant_is_refused(database: None) -> None:
    with pytest.raises(UnscopedAccess, match="for_tenant"):
        Membership.objects.all()
    with pytest.raises(UnscopedAccess):
        ApiKey.objects.filter(name="x")


def test_a_tenant_sees_its_own_members_only(cast: Cast) -> None:
    ours = set(Membership.objects.for_tenant(cast.alice).values_list("user_id", flat=True))
    assert cast.max.user.pk in ours
    assert cast.charlie.user.pk not in ours


def test_a_missing_permission_is_refused_by_name(cast: Cast) -> None:
    with pytest.raises(PermissionRefused, match="provider:manage"):
        cast.max.require(Permission.PROVIDER_MANAGE)
    cast.alice.require(Permission.PROVIDER_MANAGE)


def test_every_role_has_its_grants() -> None:
    assert set(GRANTS) == set(Role)
    assert GRANTS[Role.MEMBER] == {Permission.CHAT}
    # Who decides about providers does not also read what people wrote.
    assert Permission.CONTENT_READ not in GRANTS[Role.ADMINISTRATOR]


def test_the_actor_in_the_log_is_opaque(cast: Cast) -> None:
    assert cast.max.actor == {"id": str(cast.max.user.pk), "type": "user"}
    assert cast.max.user.email not in str(cast.max.actor)
