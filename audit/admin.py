"""The admin of the audit log: records to look at, the log's proof, and its verification.

Nothing here can be changed, by anybody. Content (prompts, answers) is not shown: reading other
people's text is a recorded act of its own.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from audit.kinds import Kind
from audit.models import RecordIndex
from audit.reading import record_bytes
from audit.record_page import actor_names, log_page, record_page
from audit.running_verification import running_verification, start_verification
from orgs.admin_lists import IdentifiedModelAdmin, period_filter, time_column
from orgs.models import Membership
from orgs.roles import Permission
from orgs.tenant_admin import required_tenant, tenant_of_request


class KindFilter(admin.SimpleListFilter):
    """By subject (“inference”), or by one kind of a subject (“inference.failed”)."""

    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The subjects, and beneath the chosen one its kinds."""
        chosen = (self.used_parameters.get("kind") or "").partition(".")[0]
        choices: list[tuple[str, str]] = []
        for subject in dict.fromkeys(kind.subject for kind in Kind):
            choices.append((subject, _("%(subject)s: all") % {"subject": subject}))
            if subject == chosen:
                choices += [
                    (k.value, f"\N{EM SPACE}{k.value}") for k in Kind if k.subject == subject
                ]
        return choices

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The records of the subject or kind."""
        value = self.value()
        if not value:
            return queryset
        kinds = [kind.value for kind in Kind if value in (kind.value, kind.subject)]
        return queryset.filter(kind__in=kinds)


class ActorFilter(admin.SimpleListFilter):
    """By who acted."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The members, programs, and the system itself."""
        tenant = tenant_of_request(request)
        if tenant is None:
            return []
        members = Membership.objects.for_tenant(tenant).select_related("user")[:200]
        people = [(str(member.user_id), member.user.name) for member in members]
        return [*people, ("api_key", _("API keys")), ("system", _("the system"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The records of that actor."""
        value = self.value()
        if value in ("api_key", "system"):
            return queryset.filter(actor_type=value)
        return queryset.filter(actor_id=value) if value else queryset


@admin.register(RecordIndex)
class RecordAdmin(IdentifiedModelAdmin):
    """The records of the organisation, newest first."""

    permissions = {"view": Permission.AUDIT_READ}
    identifier_fields = ("record_id", "request_id")
    search_help_text = _("A record's whole identifier")
    list_title = _("Audit log")
    list_intro = _(
        "Every act that counts, exactly as it was written. Nobody can change or remove a record; "
        "what people wrote is stored beside the log and not shown here."
    )
    list_display = [
        time_column("at", _("time")),
        "shown_kind",
        "shown_actor",
        "provider",
        "model",
        "region",
    ]
    list_filter = [KindFilter, ActorFilter, period_filter("at")]

    @admin.display(description=_("kind"))
    def shown_kind(self, row: RecordIndex) -> str:
        """The kind as it stands in the record."""
        return format_html('<code class="kind {}">{}</code>', row.kind.replace(".", "-"), row.kind)

    @admin.display(description=_("who"))
    def shown_actor(self, row: Any) -> str:
        """The person's or key's name now; the record itself holds only the opaque id."""
        return str(row.actor_name)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, with the actors' names found for all its rows at once."""
        changelist = super().get_changelist_instance(request)
        names = actor_names(required_tenant(request), changelist.result_list)
        for row in changelist.result_list:
            row.actor_name = names[row.actor_type, row.actor_id]
        return changelist

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One record: its bytes, its place in the tree, its content's commitments, its links."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied("Nobody changes a record.")
        row, tenant = self._row(request, object_id), required_tenant(request)
        context = {
            **self.admin_site.each_context(request),
            "title": row.kind,
            "opts": self.opts,
            "page": record_page(tenant, row),
        }
        return TemplateResponse(request, "admin/audit/record.html", context)

    def _row(self, request: HttpRequest, object_id: str) -> RecordIndex:
        required_tenant(request).require(Permission.AUDIT_READ)
        row = self.get_object(request, object_id)
        assert isinstance(row, RecordIndex)
        return row

    # -- Pages about the log as a whole ----------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """The log's own page, its verification, and a record as a file."""
        view = self.admin_site.admin_view
        return [
            path("log/", view(require_GET(self.log)), name="audit_log"),
            path("log/verify/", view(require_POST(self.verify)), name="audit_verify"),
            path("log/progress/", view(require_GET(self.progress)), name="audit_progress"),
            path("<uuid:record_id>/canonical.json", view(self.download), name="audit_download"),
            *super().get_urls(),
        ]

    def log(self, request: HttpRequest) -> HttpResponse:
        """Size, head, checkpoint, key, backlog, anchor, and the last verification."""
        tenant = required_tenant(request)
        tenant.require(Permission.AUDIT_READ)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Proof of the log"),
            "opts": self.opts,
            "page": log_page(tenant),
        }
        return TemplateResponse(request, "admin/audit/log.html", context)

    def verify(self, request: HttpRequest) -> HttpResponse:
        """Verify the whole log now; a long one goes on while the page shows how far it is."""
        start_verification(required_tenant(request))
        return redirect("admin:audit_log")

    def progress(self, request: HttpRequest) -> JsonResponse:
        """How far the running verification is, for the page that waits for it."""
        tenant = required_tenant(request)
        tenant.require(Permission.AUDIT_READ)
        running = running_verification(tenant.organisation_id)
        return JsonResponse(
            {"running": running is not None, **(asdict(running) if running else {})}
        )

    def download(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """The record's canonical bytes, exactly as they were hashed."""
        row = self._row(request, str(record_id))
        data = record_bytes(row.organisation_id, row.record_id)
        headers = {"Content-Disposition": f'attachment; filename="record_{row.record_id}.json"'}
        return HttpResponse(data, content_type="application/json", headers=headers)
