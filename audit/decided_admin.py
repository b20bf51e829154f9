"""Admin pages of what one person asks for and another decides: a list, and a page for each."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy

from orgs.admin_lists import IdentifiedModelAdmin, badge
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import required_tenant


class DecidedAdmin(IdentifiedModelAdmin):
    """Who asked for what, and how it was decided. A row is decided, never changed."""

    permissions: ClassVar[dict[str, Permission]] = {"view": Permission.ORGANISATION_MANAGE}
    list_select_related = ("requested_by", "decided_by")
    list_filter = ("state",)
    tones: ClassVar[dict[str, str]] = {"requested": "warn"}
    page_title: ClassVar[Any]
    page_template: ClassVar[str]

    def waiting(self) -> models.Q:
        """Which rows wait for somebody."""
        return models.Q(state="requested")

    def details(self, tenant: Tenant, row: Any) -> dict[str, Any]:
        """What a row's page shows besides who asked."""
        return {}

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Those that wait for somebody first, then the newest."""
        waits = models.When(self.waiting(), then=0)
        return [models.Case(waits, default=1), "-requested_at"]

    @admin.display(description=gettext_lazy("state"))
    def shown_state(self, row: Any) -> str:
        """Whether somebody has to decide."""
        return badge(self.tones.get(row.state, ""), row.get_state_display())

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One row: who asked for what, to be decided."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied("A request is decided, not changed.")
        tenant, row = self.asked(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": self.page_title,
            "opts": self.opts,
            "asked": row,
            "is_mine": row.requested_by_id == tenant.user.pk,
            **self.details(tenant, row),
        }
        return TemplateResponse(request, self.page_template, context)

    def asked(self, request: HttpRequest, object_id: object) -> tuple[Tenant, Any]:
        """The row, for whoever may see it."""
        tenant = required_tenant(request)
        tenant.require(Permission.ORGANISATION_MANAGE)
        row = self.get_object(request, str(object_id))
        if row is None:
            raise PermissionDenied("There is no such request.")
        return tenant, row
