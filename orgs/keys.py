"""API keys: made, checked, revoked. The key itself is shown once and never kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.http import Http404
from django.utils import timezone

from orgs.changes import Change, announce
from orgs.models import ApiKey, Membership
from orgs.prepared_queries import PreparedQuery, Question, once, read_ahead
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant, TenantQuerySet, tenant_of_key

MARK = "lxc_"
_USE_NOTED_EVERY = timedelta(minutes=1)
_ROLE_OF_OWNER = Subquery(
    Membership.unscoped.filter(  # within the key's own organisation
        organisation_id=OuterRef("organisation_id"), user_id=OuterRef("owner_id")
    ).values("role")[:1]
)

# One query for everything: a first token waits for it.
_key_with_owner = PreparedQuery(
    lambda prefix: (
        ApiKey.unscoped.filter(prefix=prefix)  # the key is what tells the organisation
        .select_related("organisation", "owner")
        .annotate(owner_role=_ROLE_OF_OWNER)
    ),
    "prefix",
)


def create_key(
    tenant: Tenant, *, name: str, scopes: Iterable[Permission], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key owned by the tenant's person; return it with its text, shown only now.

    Anybody may make keys for themselves: a key never may more than its owner. A key makes no
    keys: whoever found it could otherwise outlast its revocation, and widen its scopes.
    """
    if tenant.api_key is not None:
        raise PermissionDenied("Sign in to make a key; a key cannot make another.")
    prefix = secrets.token_hex(4)
    text = f"{MARK}{prefix}_{secrets.token_urlsafe(32)}"
    key = ApiKey(
        organisation=tenant.organisation,
        owner=tenant.user,
        name=name,
        prefix=prefix,
        digest=_digest(text),
        scopes=sorted({Permission(scope).value for scope in scopes}),
        expires_at=expires_at,
    )
    with transaction.atomic():
        key.full_clean()
        key.save(force_insert=True)
        details = {"lexcustis.key.scopes": key.scopes}
        announce(Change("key.created", key.organisation_id, tenant.actor, key.pk, details))
    return key, text


def revoke_key(tenant: Tenant, key: ApiKey) -> None:
    """End a key at once. One's own, or with the permission to manage keys anybody's."""
    if key.owner_id != tenant.user.pk:
        tenant.require(Permission.KEY_MANAGE)
    with transaction.atomic():
        revoked = ApiKey.objects.for_tenant(tenant).filter(pk=key.pk, revoked_at=None)
        if revoked.update(revoked_at=timezone.now()):
            announce(Change("key.revoked", key.organisation_id, tenant.actor, key.pk))


def own_keys(tenant: Tenant) -> TenantQuerySet[ApiKey]:
    """The tenant's person's own keys in the organisation, newest first."""
    return ApiKey.objects.for_tenant(tenant).filter(owner_id=tenant.user.pk).order_by("-created_at")


def find_key(tenant: Tenant, key_id: UUID) -> ApiKey:
    """A key that the tenant may see: their own, or any with the permission to manage keys.

    Raises ``Http404`` for every other, whether it exists or not.
    """
    visible = ApiKey.objects.for_tenant(tenant).filter(pk=key_id)
    if not tenant.may(Permission.KEY_MANAGE):
        visible = visible.filter(owner_id=tenant.user.pk)
    key: ApiKey | None = visible.first()
    if key is None:
        raise Http404
    return key


# What a key belongs to never changes; whether it may still be used is asked each time.
_belonging: dict[str, tuple[UUID, UUID, UUID]] = {}
_MOST_REMEMBERED = 10_000

# What will be read for an organisation, a person and a key that is about to be looked up.
Ahead = Callable[[UUID, UUID, UUID], Sequence[Question]]


def tenant_of_text(text: str, ahead: Ahead | None = None) -> Tenant | None:
    """The tenant of a key's text, or None where it is no usable key.

    *ahead* names what will be read next, to be read on the same way to the server.
    """
    return once(_tenant_of_text, text, ahead)


def _tenant_of_text(text: str, ahead: Ahead | None) -> Tenant | None:
    prefix = text.removeprefix(MARK).partition("_")[0]
    if not text.startswith(MARK) or not prefix.isascii() or len(prefix) > 12:
        return None
    if ahead is not None and prefix in _belonging:
        read_ahead((_key_with_owner, (prefix,)), *ahead(*_belonging[prefix]))
    key: Any = next(iter(_key_with_owner(prefix)), None)
    if key is None or not hmac.compare_digest(bytes(key.digest), _digest(text)):
        return None
    if not key.is_usable or not key.owner.is_active or key.owner_role is None:
        return None
    _note_use(key)
    if len(_belonging) >= _MOST_REMEMBERED:
        _belonging.clear()
    _belonging[prefix] = key.organisation_id, key.owner_id, key.pk
    return tenant_of_key(key, Role(key.owner_role))


def _note_use(key: ApiKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at > _USE_NOTED_EVERY:
        ApiKey.unscoped.filter(pk=key.pk).update(last_used_at=now)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
