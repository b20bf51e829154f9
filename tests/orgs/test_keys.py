"""API keys: shown once, never more than their owner, ended at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from orgs.keys import create_key, revoke_key, tenant_of_text
from orgs.members import change_role, remove_member
from orgs.models import ApiKey, Membership
from orgs.roles import Permission, Role
from orgs.tenancy import PermissionRefused
from tests.cast import Cast


def test_a_key_opens_for_its_owner_with_its_scopes(cast: Cast) -> None:
    _, text = create_key(cast.olivia, name="script", scopes=[Permission.AUDIT_READ])
    tenant = tenant_of_text(text)
    assert tenant is not None
    assert tenant.organisation_id == cast.organisation.pk
    assert tenant.permissions == {Permission.AUDIT_READ}
    assert tenant.actor["type"] == "api_key"


def test_a_key_never_may_more_than_its_owner(cast: Cast) -> None:
    scopes = [Permission.CHAT, Permission.PROVIDER_MANAGE]
    _, text = create_key(cast.alice, name="script", scopes=scopes)
    membership = Membership.objects.for_tenant(cast.alice).get(user=cast.alice.user)
    Membership.objects.for_tenant(cast.alice).filter(user=cast.olivia.user).update(
        role=Role.ADMINISTRATOR
    )
    change_role(membership, Role.MEMBER, actor=cast.olivia.actor)
    tenant = tenant_of_text(text)
    assert tenant is not None
    assert tenant.permissions == {Permission.CHAT}


def test_the_text_of_a_key_is_not_kept(cast: Cast) -> None:
    key, text = create_key(cast.max, name="script", scopes=[Permission.CHAT])
    row = ApiKey.objects.for_tenant(cast.max).filter(pk=key.pk).values().get()
    secret = text.rpartition("_")[2]
    assert secret not in repr(row)
    assert text.startswith(f"lxc_{row['prefix']}_")


@pytest.mark.parametrize("spoil", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper()])
def test_a_changed_key_opens_nothing(cast: Cast, spoil: object) -> None:
    _, text = create_key(cast.max, name="script", scopes=[Permission.CHAT])
    assert callable(spoil)
    assert tenant_of_text(spoil(text)) is None


@pytest.mark.parametrize(
    "text", ["", "lxc_", "lxc__", "Bearer", "lxc_é_x", "' OR 1=1 --", "x" * 9999]
)
def test_nonsense_opens_nothing(database: None, text: str) -> None:
    assert tenant_of_text(text) is None


def test_revoked_expired_and_orphaned_keys_open_nothing(cast: Cast) -> None:
    revoked, revoked_text = create_key(cast.max, name="revoked", scopes=[Permission.CHAT])
    revoke_key(cast.alice, revoked)
    past = timezone.now() - timedelta(seconds=1)
    _, expired_text = create_key(cast.max, name="old", scopes=[Permission.CHAT], expires_at=past)
    _, orphaned_text = create_key(cast.rita, name="gone", scopes=[Permission.CHAT])
    membership = Membership.objects.for_tenant(cast.rita).get(user=cast.rita.user)
    remove_member(membership, actor=cast.alice.actor)
    assert [tenant_of_text(t) for t in (revoked_text, expired_text, orphaned_text)] == [None] * 3


def test_only_who_manages_keys_revokes_those_of_others(cast: Cast) -> None:
    key, text = create_key(cast.alice, name="hers", scopes=[Permission.CHAT])
    with pytest.raises(PermissionRefused):
        revoke_key(cast.max, key)
    assert tenant_of_text(text) is not None


def test_a_stranger_cannot_revoke_a_key_by_its_id(cast: Cast) -> None:
    key, text = create_key(cast.max, name="his", scopes=[Permission.CHAT])
    revoke_key(cast.charlie, key)
    assert tenant_of_text(text) is not None


def test_a_scope_that_does_not_exist_is_refused(cast: Cast) -> None:
    with pytest.raises((ValueError, ValidationError)):
        create_key(cast.max, name="x", scopes=["root"])  # type: ignore[list-item]
