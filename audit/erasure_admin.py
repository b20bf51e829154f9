"""The admin of erasures by two people: who asks for which texts to go, and who confirms it.

The pages only ask; :mod:`audit.erasure_requests` decides.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit.content_models import ErasureRequest
from audit.decided_admin import DecidedAdmin
from audit.erasure import Ground, Held, demands_two_people
from audit.erasure_requests import decide_erasure, demand_two_people, erase_or_request
from audit.models import RecordIndex
from orgs.admin_lists import badge, time_column
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import required_tenant


class ErasureForm(forms.Form):
    """Which texts of a record go, and on which ground."""

    slots = forms.MultipleChoiceField(
        label=gettext_lazy("Texts"), widget=forms.CheckboxSelectMultiple
    )
    ground = forms.ChoiceField(
        label=gettext_lazy("Legal ground"),
        choices=[("", "…"), *((g.value, g.label) for g in Ground if g is not Ground.RETENTION)],
    )

    def __init__(self, *arguments: Any, stored: list[str], **options: Any) -> None:
        super().__init__(*arguments, **options)
        field = self.fields["slots"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in stored]
        field.initial = stored

    def erase(self, tenant: Tenant, record_id: UUID) -> tuple[str, str]:
        """Erase what was chosen, or ask to; what to tell the person, and its level."""
        places = [(record_id, slot) for slot in self.cleaned_data["slots"]]
        try:
            asked = erase_or_request(tenant, places, Ground(self.cleaned_data["ground"]))
        except Held:
            return _("A legal hold covers this text: it stays."), "ERROR"
        if isinstance(asked, ErasureRequest):
            return _("Asked. It is erased when a second person confirms it."), "INFO"
        return _("Erased. The record and its proof stay."), "INFO"


@admin.register(ErasureRequest)
class ErasureRequestAdmin(DecidedAdmin):
    """Which erasures wait for a second person, and how others were decided."""

    tones = {"requested": "warn", "confirmed": "good"}
    page_title = gettext_lazy("Request to erase")
    page_template = "admin/audit/erasure_request.html"
    list_title = gettext_lazy("Requests to erase")
    list_intro = gettext_lazy(
        "Where the organisation demands two people, whoever may erase asks on a record's page, and "
        "another who may erase confirms it here within seven days. Then the texts go at once."
    )
    list_display = [
        time_column("requested_at", gettext_lazy("asked")),
        "requested_by",
        "shown_texts",
        "shown_state",
        "decided_by",
        time_column("expires_at", gettext_lazy("to confirm until")),
    ]

    def waiting(self) -> models.Q:
        """Those that somebody can still confirm."""
        return super().waiting() & models.Q(expires_at__gt=timezone.now())

    @admin.display(description=gettext_lazy("texts"))
    def shown_texts(self, row: ErasureRequest) -> int:
        """How many texts are to go."""
        return len(row.places)

    @admin.display(description=gettext_lazy("state"))
    def shown_state(self, row: ErasureRequest) -> str:
        """Whether somebody has to decide."""
        if row.is_over:
            return badge("", _("expired"))
        return super().shown_state(row)

    def get_urls(self) -> list[Any]:
        """The decision, and the organisation's rule."""
        view = self.admin_site.admin_view
        return [
            path("rule/", view(require_POST(self.rule)), name="audit_erasure_rule"),
            path(
                "<uuid:pk>/decide/",
                view(require_POST(self.decide)),
                name="audit_decide_erasure",
            ),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, and whether two people are demanded."""
        tenant = required_tenant(request)
        context = {
            "two_people": demands_two_people(tenant.organisation_id),
            "may_lift": not tenant.may(Permission.CONTENT_ERASE),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def details(self, tenant: Tenant, row: ErasureRequest) -> dict[str, Any]:
        """On which ground, and which texts."""
        slots = row.slots
        found = RecordIndex.objects.for_tenant(tenant).filter(pk__in=slots)
        is_mine = row.requested_by_id == tenant.user.pk
        return {
            "ground": Ground(row.ground).label,
            "records": [(record, slots[str(record.pk)]) for record in found],
            "may_decide": row.is_open and not is_mine and tenant.may(Permission.CONTENT_ERASE),
        }

    def decide(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Confirm, which erases, or refuse."""
        tenant, row = self.asked(request, pk)
        confirm = request.POST.get("decision") == "confirm"
        try:
            decide_erasure(tenant, row, confirm=confirm)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
        except Held:
            self.message_user(request, _("A legal hold covers some of it: all stays."), "ERROR")
        else:
            if confirm:
                self.message_user(request, _("Erased. The records and their proofs stay."))
        return redirect("admin:audit_erasurerequest_change", pk)

    def rule(self, request: HttpRequest) -> HttpResponse:
        """Demand two people, or no longer."""
        demanded = request.POST.get("two_people") == "on"
        try:
            demand_two_people(required_tenant(request), demanded)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
        return redirect("admin:audit_erasurerequest_changelist")
