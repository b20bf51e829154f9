"""The admin of the audit log: records to look at, the log's proof, and its verification.

No record can be changed, by anybody. One's own content (prompts, answers) is shown; reading other
people's, and erasing, are recorded acts of their own (:mod:`audit.content_admin`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from audit import content_admin  # noqa: F401 - it registers its pages
from audit.break_glass import request_disclosure
from audit.erasure import certificate, demands_two_people
from audit.erasure_admin import ErasureForm
from audit.inclusion import NotSealedYet, prove_inclusion
from audit.kinds import Kind
from audit.models import Content, RecordIndex
from audit.reading import RecordNotFound, record_bytes
from audit.record_page import actor_names, log_page, record_page
from audit.running_verification import running_verification, start_verification
from audit.tampering import NotSealed
from audit.tampering_demo import demonstrate_tampering
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
    search_help_text = _("A record's identifier")
    list_title = _("Audit log")
    list_intro = _(
        "Every act that counts, exactly as it was written. Nobody can change or remove a record; "
        "what people wrote is stored beside the log."
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
            path("log/tamper/", view(require_POST(self.tamper)), name="audit_tamper"),
            path("<uuid:record_id>/canonical.json", view(self.download), name="audit_download"),
            path("<uuid:record_id>/proof.tlog-proof", view(self.proof), name="audit_proof"),
            path("<uuid:record_id>/erasure.json", view(self.certificate), name="audit_certificate"),
            path("<uuid:record_id>/ask/", view(require_POST(self.ask)), name="audit_ask"),
            path("<uuid:record_id>/erase/", view(self.erase), name="audit_erase"),
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

    def tamper(self, request: HttpRequest) -> HttpResponse:
        """In the demo: change one byte on a copy, and show what the verifier says of it."""
        try:
            shown = demonstrate_tampering(required_tenant(request))
        except (NotSealed, LookupError) as refusal:
            self.message_user(request, str(refusal), "ERROR")
            return redirect("admin:audit_log")
        context = {
            **self.admin_site.each_context(request),
            "title": _("One byte changed"),
            "opts": self.opts,
            "demonstration": shown,
        }
        return TemplateResponse(request, "admin/audit/tampering.html", context)

    def download(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """The record's canonical bytes, exactly as they were hashed."""
        row = self._row(request, str(record_id))
        try:
            data = record_bytes(row.organisation_id, row.record_id)
        except RecordNotFound as error:
            raise Http404(str(error)) from error
        headers = {"Content-Disposition": f'attachment; filename="record_{row.record_id}.json"'}
        return HttpResponse(data, content_type="application/json", headers=headers)

    def proof(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """The record's inclusion proof as a file (C2SP ``tlog-proof``); 404 until sealed."""
        row = self._row(request, str(record_id))
        try:
            proof = prove_inclusion(row.organisation_id, row.record_id)
        except (NotSealedYet, RecordNotFound) as error:
            raise Http404(str(error)) from error
        name = f"record_{row.record_id}.tlog-proof"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(proof.tlog_proof, content_type="text/plain", headers=headers)

    def certificate(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """What the person who asked for an erasure gets; 404 until its record is sealed."""
        row = self._row(request, str(record_id))
        if row.kind != Kind.CONTENT_ERASED:
            raise Http404
        try:
            paper = certificate(row.organisation_id, row.record_id)
        except (NotSealedYet, RecordNotFound) as error:
            raise Http404(str(error)) from error
        name = f"erasure_{row.record_id}.json"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return JsonResponse(paper, headers=headers)

    # -- Content ---------------------------------------------------------------------------------

    def ask(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """Ask to read a record's content, with a reason; somebody else decides."""
        row = self._row(request, str(record_id))
        reason = request.POST.get("reason", "")
        try:
            request_disclosure(required_tenant(request), [row.record_id], reason)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
        else:
            self.message_user(request, _("Asked. A second person decides."))
        return redirect("admin:audit_recordindex_change", row.record_id)

    def erase(self, request: HttpRequest, record_id: UUID) -> HttpResponse:
        """Erase texts of a record on a legal ground, after a page that says what that means."""
        row, tenant = self._row(request, str(record_id)), required_tenant(request)
        tenant.require(Permission.CONTENT_ERASE)
        stored = Content.objects.filter(
            organisation_id=tenant.organisation_id, record_id=row.record_id
        ).values_list("slot", flat=True)
        form = ErasureForm(request.POST or None, stored=sorted(stored))
        if form.is_valid():
            self.message_user(request, *form.erase(tenant, row.record_id))
            return redirect("admin:audit_recordindex_change", row.record_id)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Erase content"),
            "opts": self.opts,
            "row": row,
            "form": form,
            "two_people": demands_two_people(tenant.organisation_id),
        }
        return TemplateResponse(request, "admin/audit/erase.html", context)
