"""The admin of content: reading other people's texts, erasing, legal holds.

A request to read is decided by a second person; what was read, erased or held is a record. The
pages only ask; :mod:`audit.break_glass` and :mod:`audit.erasure` decide.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit.break_glass import NotDisclosed, decide, read_disclosed
from audit.content_models import Disclosure, Hold
from audit.content_page import as_text, reason_of
from audit.decided_admin import DecidedAdmin
from audit.erasure import place_hold, release_hold
from audit.models import RecordIndex
from audit.reading import ContentGone
from orgs.admin_lists import badge, time_column
from orgs.models import ApiKey, Membership, User
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import DomainForm, TenantModelAdmin, required_tenant, tenant_of_request


@admin.register(Disclosure)
class DisclosureAdmin(DecidedAdmin):
    """Who asked to read whose texts, and how it was decided; those that wait come first."""

    tones = {"requested": "warn", "released": "good"}
    page_title = gettext_lazy("Request to read")
    page_template = "admin/audit/disclosure.html"
    list_title = gettext_lazy("Requests to read")
    list_intro = gettext_lazy(
        "Somebody who must read texts that are not their own asks on a record's page, with a "
        "reason, and somebody else decides here. What is released can be read for 24 hours, and "
        "each reading is a record. Erasing is asked for there too, on a legal ground."
    )
    list_display = [
        time_column("requested_at", gettext_lazy("asked")),
        "requested_by",
        "shown_records",
        "shown_state",
        "decided_by",
        time_column("expires_at", gettext_lazy("readable until")),
    ]

    @admin.display(description=gettext_lazy("records"))
    def shown_records(self, row: Disclosure) -> int:
        """How many records were asked for."""
        return len(row.record_ids)

    def get_urls(self) -> list[Any]:
        """The decision, and the reading of one text."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/decide/", view(require_POST(self.decide)), name="audit_decide"),
            path(
                "<uuid:pk>/read/<uuid:record_id>/<str:slot>/",
                view(require_POST(self.read)),
                name="audit_read",
            ),
            *super().get_urls(),
        ]

    def details(self, tenant: Tenant, row: Disclosure) -> dict[str, Any]:
        """Why, and which records."""
        found = RecordIndex.objects.for_tenant(tenant).filter(pk__in=row.record_ids)
        return {"reason": reason_of(row), "records": found}

    def decide(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Release or refuse."""
        tenant, row = self.asked(request, pk)
        try:
            decide(tenant, row, release=request.POST.get("decision") == "release")
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
        return redirect("admin:audit_disclosure_change", pk)

    def read(self, request: HttpRequest, pk: UUID, record_id: UUID, slot: str) -> HttpResponse:
        """Show one released text; that it is shown is recorded before."""
        tenant, row = self.asked(request, pk)
        try:
            data = read_disclosed(tenant, row, record_id, slot)
        except (NotDisclosed, ContentGone) as refusal:
            self.message_user(request, str(refusal), "ERROR")
            return redirect("admin:audit_disclosure_change", pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Released text"),
            "opts": self.opts,
            "asked": row,
            "record_id": record_id,
            "slot": slot,
            "text": as_text(data),
        }
        response = TemplateResponse(request, "admin/audit/content.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response


class HoldForm(DomainForm):
    """A legal hold, over one member or key by name, or over everybody."""

    actor_id = forms.ChoiceField(label=gettext_lazy("Person or key"), required=False)


@admin.register(Hold)
class HoldAdmin(TenantModelAdmin):
    """Legal holds: what they cover cannot be erased and does not expire."""

    permissions = {"view": Permission.ORGANISATION_MANAGE, "add": Permission.CONTENT_ERASE}
    form = HoldForm
    fields = ("name", "actor_id", "since", "until")
    list_title = gettext_lazy("Legal holds")
    list_intro = gettext_lazy(
        "What a hold covers can neither be erased nor expire until the hold is lifted. The "
        "database itself refuses."
    )
    list_display = [
        "name",
        "shown_actor",
        "since",
        "until",
        time_column("placed_at", gettext_lazy("placed")),
        "shown_state",
    ]
    sortable_by = ()
    actions = None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked of a new hold, and what is known of one."""
        if obj is None:
            return self.fields
        return ("name", "shown_actor", "since", "until", "placed_at", "released_at")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A hold is never changed."""
        return self.get_fields(request, obj) if obj else ()

    @admin.display(description=gettext_lazy("covers"))
    def shown_actor(self, row: Hold) -> str:
        """Whose texts are held, by the name they have now; there are few holds."""
        if not row.actor_id:
            return _("everybody")
        people = User.objects.filter(pk=row.actor_id).values_list("name", flat=True)
        keys = ApiKey.objects.for_organisation(row.organisation_id).filter(pk=row.actor_id)
        return people.first() or keys.values_list("name", flat=True).first() or row.actor_id

    @admin.display(description=gettext_lazy("state"))
    def shown_state(self, row: Hold) -> str:
        """Whether it holds."""
        return badge("", _("lifted")) if row.released_at else badge("warn", _("in force"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Whom the page that led here was about."""
        return {"actor_id": request.GET.get("actor_id", "")}

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, which offers those who act in the organisation."""
        form = super().get_form(request, obj, change, **kwargs)
        tenant = tenant_of_request(request)
        if tenant is not None and "actor_id" in form.base_fields:
            form.base_fields["actor_id"].choices = [("", _("everybody")), *_actors(tenant)]
        return form

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Hold:
        """Place the hold."""
        return place_hold(required_tenant(request), **values)

    def get_urls(self) -> list[Any]:
        """Lifting a hold."""
        view = self.admin_site.admin_view
        return [
            path("<uuid:pk>/lift/", view(require_POST(self.lift)), name="audit_lift"),
            *super().get_urls(),
        ]

    def lift(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """End a hold."""
        tenant = required_tenant(request)
        tenant.require(Permission.CONTENT_ERASE)
        row = Hold.objects.for_tenant(tenant).filter(pk=pk).first()
        if row is None:
            raise Http404
        release_hold(tenant, row)
        self.message_user(request, _("The hold is lifted."))
        return redirect("admin:audit_hold_changelist")


def _actors(tenant: Tenant) -> list[tuple[str, str]]:
    members = Membership.objects.for_tenant(tenant).select_related("user").order_by("user__name")
    keys = ApiKey.objects.for_tenant(tenant).order_by("name")
    return [
        *((str(member.user_id), member.user.name or member.user.email) for member in members),
        *((str(key.pk), f"{key.name} (API key)") for key in keys),
    ]
