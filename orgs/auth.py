"""From a request to its tenant: the one place where that is decided."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from orgs.models import ApiKey, Membership, User
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant, tenant_of, tenant_of_key

ORGANISATION_IN_SESSION = "organisation"


def tenant_of_session(request: HttpRequest) -> Tenant | None:
    """The tenant of the signed-in person, in the organisation they chose last.

    Reads the database; from asynchronous code call it through ``sync_to_async``.
    """
    user = request.user
    if not user.is_authenticated or not user.is_active:
        return None
    memberships = list(
        Membership.unscoped.filter(  # the person's own memberships, wherever they are
            user_id=user.pk
        )
        .select_related("organisation", "user")
        .order_by("created_at")
    )
    chosen = request.session.get(ORGANISATION_IN_SESSION)
    for membership in memberships:
        if str(membership.organisation_id) == chosen:
            return tenant_of(membership)
    return tenant_of(memberships[0]) if memberships else None


def as_of_now(tenant: Tenant) -> Tenant | None:
    """The same person or key with the rights of today; None where it has none any more."""
    members = Membership.objects.for_tenant(tenant).select_related("organisation", "user")
    member = members.filter(user_id=tenant.user.pk, user__is_active=True).first()
    if member is None or tenant.api_key is None:
        return tenant_of(member) if member is not None else None
    keys = ApiKey.objects.for_tenant(tenant).select_related("organisation", "owner")
    key = keys.filter(pk=tenant.api_key.pk).first()
    return tenant_of_key(key, Role(member.role)) if key is not None and key.is_usable else None


def choose_organisation(request: HttpRequest, organisation_id: UUID) -> bool:
    """Continue in another of the person's organisations; False where they are no member."""
    user = cast(User, request.user)
    if not Membership.objects.for_organisation(organisation_id).filter(user_id=user.pk).exists():
        return False
    request.session[ORGANISATION_IN_SESSION] = str(organisation_id)
    return True


def tenant_required(
    permission: Permission | None = None,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Decorate a page: it needs a signed-in member and, where named, a permission."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
            if not tenant:
                raise PermissionDenied("You are not a member of any organisation.")
            if permission is not None:
                tenant.require(permission)
            return view(request, *args, **kwargs)

        return guarded

    return decorate
