"""The admin site: the stock admin with our theme, our dashboard and our rules of access."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from allauth.account.decorators import secure_admin_login
from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from lexcustis.navigation import navigation
from orgs import organisations
from orgs.roles import ADMIN_ROLES, Permission
from orgs.tenancy import Tenant


class PauseForm(forms.Form):
    """Why the use of models is stopped."""

    reason = forms.CharField(
        label=_("Reason"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3})
    )


class LexCustisAdminSite(AdminSite):
    """The admin of one organisation at a time."""

    site_title = "Lex Custis"
    site_header = "Lex Custis"
    index_title = _("Are we all right?")
    index_template = "admin/index.html"
    enable_nav_sidebar = False
    empty_value_display = "—"

    # -- Who may come in -------------------------------------------------------------------------

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the person works in the admin at all, in the organisation they chose."""
        user = request.user
        tenant = _tenant(request)
        if not user.is_authenticated or not user.is_active:
            return False
        return bool(user.is_superuser or (tenant and tenant.role in ADMIN_ROLES))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The account's sign-in page, so that two-step sign-in and lock-out count here too."""
        guarded: Callable[[HttpRequest], HttpResponse] = secure_admin_login(self._signed_in)  # type: ignore[no-untyped-call]
        return guarded(request)

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The account pages do this."""
        return redirect("account_logout")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The account pages do this."""
        return redirect("account_change_password")

    def password_change_done(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The account pages do this."""
        return redirect("account_change_password")

    def app_index(
        self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """The column on the left says it all."""
        return redirect("admin:index")

    def _signed_in(self, request: HttpRequest) -> HttpResponse:
        if self.has_permission(request):
            return redirect("admin:index")
        raise PermissionDenied("Your role in this organisation does not include the admin.")

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Take only admin classes built on ours.

        Those that libraries bring along would show rows, and secrets, across organisations.
        """
        from orgs.tenant_admin import DomainModelAdmin

        if admin_class is not None and issubclass(admin_class, DomainModelAdmin):
            super().register(model_or_iterable, admin_class, **options)

    # -- Every page ------------------------------------------------------------------------------

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Show times in the organisation's time zone, and no address without a page."""

        @functools.wraps(view)
        def in_time_zone(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if "%00" in request.META["QUERY_STRING"]:
                # No column holds such a text, so a filter by it would be an error of the server.
                raise BadRequest("The address holds a NUL.")
            with timezone.override(time_zone_of(_tenant(request))):
                response: HttpResponseBase = view(request, *args, **kwargs)
                if response.status_code == 405 and request.method == "GET":
                    # A button was pressed after the session was over, and its address visited
                    # after signing in.
                    return render(request, "405.html", status=405)
                if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
                    response = response.render()
                return response

        return super().admin_view(in_time_zone, cacheable)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the frame around every page needs."""
        context = super().each_context(request)
        if context["has_permission"]:
            context["navigation"] = navigation(self, request)
        return context

    # -- Pages of the site itself ----------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """The stock pages that we keep, and the switch that stops every model at once."""
        # “View on site” redirects by content type and would cross the wall between organisations.
        kept = [url for url in super().get_urls() if getattr(url, "name", "") != "view_on_site"]
        return [
            path("pause/", self.admin_view(self.pause), name="pause"),
            path("resume/", self.admin_view(require_POST(self.resume)), name="resume"),
            *kept,
        ]

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """The dashboard, or for an operator without membership the operator's start page."""
        from lexcustis.dashboard import collect

        tenant = _tenant(request)
        context = {
            **self.each_context(request),
            "title": self.index_title if tenant else _("Operation"),
            "dashboard": collect(tenant) if tenant else None,
            **(extra_context or {}),
        }
        request.current_app = self.name
        return TemplateResponse(request, self.index_template, context)

    def pause(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a reason, then stop every use of models (Art. 14(4)(e))."""
        tenant = _required(request)
        tenant.require(Permission.ORGANISATION_MANAGE)
        form = PauseForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            organisations.pause(tenant, reason=form.cleaned_data["reason"])
            messages.warning(request, _("Paused. No model is used until somebody resumes."))
            return redirect("admin:index")
        context = {
            **self.each_context(request),
            "title": _("Pause every use of models?"),
            "form": form,
        }
        return TemplateResponse(request, "admin/pause.html", context)

    def resume(self, request: HttpRequest) -> HttpResponseBase:
        """Allow the use of models again."""
        organisations.resume(_required(request))
        messages.success(request, _("Resumed. Models can be used again."))
        return redirect("admin:index")


def time_zone_of(tenant: Tenant | None) -> tzinfo:
    """The organisation's time zone; UTC where it has none that exists."""
    try:
        return zoneinfo.ZoneInfo(tenant.organisation.time_zone if tenant else "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo("UTC")


def _tenant(request: HttpRequest) -> Tenant | None:
    tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
    return tenant or None


def _required(request: HttpRequest) -> Tenant:
    tenant = _tenant(request)
    if tenant is None:
        raise PermissionDenied("You are not a member of any organisation.")
    return tenant
