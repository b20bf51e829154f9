"""Signing in to the demo with one click. Outside the demo there is no such address."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from lexcustis.demo_accounts import DEMO_ACCOUNTS
from orgs.models import User


@require_POST
def sign_in_as(request: HttpRequest) -> HttpResponse:
    """Sign in as the demo account whose address is posted, and go where it works."""
    email = request.POST.get("email", "")
    if not settings.DEMO or email not in {account.email for account in DEMO_ACCOUNTS}:
        raise Http404
    user = get_object_or_404(User, email=email, is_active=True)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    target = request.POST.get("next", "")
    here = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return redirect(target if target and here else "home")
