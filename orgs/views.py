"""Pages about oneself: where to go after signing in, which organisation, and one's API keys."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from orgs.auth import choose_organisation, tenant_of_session, tenant_required
from orgs.forms import KeyForm
from orgs.keys import create_key, revoke_key
from orgs.models import ApiKey
from orgs.roles import ADMIN_ROLES, Permission
from orgs.tenancy import Tenant


def tenant_of_page(request: HttpRequest) -> Tenant:
    """The tenant that :func:`orgs.auth.tenant_required` has found."""
    tenant: Tenant = request.tenant  # type: ignore[attr-defined]
    return tenant


def home(request: HttpRequest) -> HttpResponse:
    """Go where the person works: the admin for its roles, the chat for everybody else."""
    user = request.user
    if not user.is_authenticated:
        return redirect("account_login")
    tenant = tenant_of_session(request)
    # The instance's operator may be a member of no organisation.
    works_in_admin = tenant.role in ADMIN_ROLES if tenant is not None else user.is_superuser
    return redirect("admin:index" if works_in_admin else "chat")


@require_POST
@tenant_required()
def switch_organisation(request: HttpRequest) -> HttpResponse:
    """Continue in another of one's organisations."""
    try:
        organisation_id = UUID(request.POST.get("organisation", ""))
    except ValueError:
        raise Http404 from None
    if not choose_organisation(request, organisation_id):
        raise Http404
    return redirect("home")


@never_cache
@require_http_methods(["GET", "POST"])
@tenant_required()
def keys(request: HttpRequest) -> HttpResponse:
    """One's API keys. A new one is shown once, in the answer to the form itself."""
    tenant = tenant_of_page(request)
    form = KeyForm(request.POST or None, tenant=tenant)
    context: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        key, text = create_key(tenant, **form.values())
        context = {"new_key": key, "new_key_text": text}
        form = KeyForm(tenant=tenant)
    context |= {
        "form": form,
        "keys": ApiKey.objects.for_tenant(tenant).filter(owner_id=tenant.user.pk),
        "api": request.build_absolute_uri("/api/v1"),
        "may_chat": tenant.may(Permission.CHAT),
    }
    return render(request, "account/keys.html", context)


@require_POST
@tenant_required()
def revoke(request: HttpRequest, key_id: UUID) -> HttpResponse:
    """End one of one's keys."""
    tenant = tenant_of_page(request)
    key = get_object_or_404(
        ApiKey.objects.for_tenant(tenant).filter(owner_id=tenant.user.pk), pk=key_id
    )
    revoke_key(tenant, key)
    messages.success(request, _("“%(name)s” is revoked. It no longer works.") % {"name": key.name})
    return redirect("keys")
