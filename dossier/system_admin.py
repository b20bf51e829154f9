"""The admin of the register of AI systems, with what is declared about each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from dossier.declarations import Declarations, declarations_at
from dossier.overview import chapters_about_system
from orgs import systems
from orgs.admin_lists import badge
from orgs.models import AISystem
from orgs.roles import Permission
from orgs.tenant_admin import DomainForm, TenantModelAdmin, required_tenant

_TONES = {
    AISystem.Status.IN_USE: "good",
    AISystem.Status.SUSPENDED: "warn",
    AISystem.Status.RETIRED: "",
    AISystem.Status.PLANNED: "",
}
ART5 = ("risk.art5_screening", "risk.art5_ba_bb")


class SystemForm(DomainForm):
    """One system. Overseers are members of the organisation."""

    class Meta:
        model = AISystem
        fields = ["name", "purpose", "status", "in_use_since", "retired_on", "overseers"]
        widgets = {
            "purpose": forms.Textarea(attrs={"rows": 3}),
            "status": forms.RadioSelect,
            "overseers": forms.CheckboxSelectMultiple,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "status" in self.fields:
            self.fields["status"].choices = AISystem.Status.choices  # type: ignore[attr-defined]


@admin.register(AISystem)
class AISystemAdmin(TenantModelAdmin):
    """The organisation's AI systems: what they are; beside it, what is declared of each."""

    form = SystemForm
    permissions = {
        "view": Permission.DOSSIER_READ,
        "add": Permission.ORGANISATION_MANAGE,
        "change": Permission.ORGANISATION_MANAGE,
    }
    list_intro = _(
        "Every AI system of the organisation. Conversations and API keys belong to one; role, "
        "purpose and risk are declared for each, by name and with a date."
    )
    list_display = ["name", "shown_status", "since"]
    list_select_related = ["organisation"]
    list_filter = ["status"]
    sortable_by = ()
    actions = None
    fields = ["name", "purpose", "status", "in_use_since", "retired_on", "overseers"]
    change_form_template = "admin/dossier/system/change_form.html"

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Name, status, and three answers of the declarations, which are read once."""
        made = declarations_at(required_tenant(request).organisation_id)
        return ["name", "shown_status", *_columns(made), "since"]

    @admin.display(description=_("status"))
    def shown_status(self, row: AISystem) -> Any:
        """The status; the default system is marked."""
        label = row.get_status_display()
        if row.organisation.default_system_id == row.pk:
            label = _("%(status)s, default") % {"status": label}
        return badge(_TONES[AISystem.Status(row.status)], label)

    @admin.display(description=_("in use since"))
    def since(self, row: AISystem) -> str:
        """The first day of use."""
        return row.in_use_since.isoformat() if row.in_use_since else str(_("not entered"))

    # -- Pages -----------------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also an address that makes a system the default."""
        view = self.admin_site.admin_view(require_POST(self.make_default))
        name = "orgs_aisystem_make_default"
        return [path("<path:object_id>/default/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The system, and what is declared about it."""
        row = cast(AISystem, self.get_object(request, object_id))
        tenant = required_tenant(request)
        is_default = tenant.organisation.default_system_id == row.pk
        context = {
            "chapters": chapters_about_system(tenant, row),
            "may_declare": tenant.may(Permission.DECLARE),
            "is_default": is_default,
            "may_be_default": row.takes_calls
            and not is_default
            and self.has_change_permission(request, row),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def make_default(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Have calls that name no system belong to this one."""
        row = cast(AISystem, self.get_object(request, object_id))
        systems.make_default(required_tenant(request), row)
        messages.success(
            request, _("Calls that name no system now belong to “%(name)s”.") % {"name": row}
        )
        return redirect("admin:orgs_aisystem_change", row.pk)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Enter it into the register."""
        return systems.register_system(required_tenant(request), **values)

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change it."""
        systems.change_system(required_tenant(request), cast(AISystem, row), **values)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to its own page, where the declarations are made."""
        return redirect("admin:orgs_aisystem_change", obj.pk)


def _columns(made: Declarations) -> list[Callable[[AISystem], Any]]:
    """Columns of what is declared of each system."""

    def role(row: AISystem) -> Any:
        return _declared(made, row, "role.role")

    def prohibited(row: AISystem) -> Any:
        found = [made.value(key, str(row.pk)) for key in ART5]
        if all(found):
            return badge("good", _("declared"))
        return badge("warn", _("partly declared") if any(found) else _("not declared"))

    def annex_iii(row: AISystem) -> Any:
        return _declared(made, row, "risk.annex_iii")

    titles = ((role, _("role")), (prohibited, _("Art. 5 check")), (annex_iii, _("in Annex III")))
    return [admin.display(column, description=title) for column, title in titles]


def _declared(made: Declarations, row: AISystem, key: str) -> Any:
    return made.value(key, str(row.pk)) or badge("warn", _("not declared"))
