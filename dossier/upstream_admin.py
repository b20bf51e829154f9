"""The admin of the upstream register: models seen in the log, documents, requests, complaints."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from dossier import upstream_documents, upstream_register, upstream_requests
from dossier.upstream_downloads import attachment
from dossier.upstream_forms import AnswerForm, DocumentForm, RequestForm
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from llm.models import Inference
from orgs.admin_lists import badge
from orgs.roles import Permission
from orgs.tenant_admin import TenantModelAdmin, plain_choice, required_tenant

_PERMISSIONS = {"view": Permission.DOSSIER_READ, "add": Permission.DECLARE}
_TONES = {
    UpstreamRequest.Outcome.OPEN: "warn",
    UpstreamRequest.Outcome.SUPPLIED: "good",
    UpstreamRequest.Outcome.REFUSED: "bad",
}


def model_page(model: str) -> str:
    """The address of a model's page in the register."""
    return f"{reverse('admin:dossier_upstream_model')}?{urlencode({'model': model})}"


@admin.register(UpstreamDocument)
class UpstreamDocumentAdmin(TenantModelAdmin):
    """Documents of model makers; and the register itself."""

    form = DocumentForm
    formfield_overrides = {
        **TenantModelAdmin.formfield_overrides,
        models.URLField: {"assume_scheme": "https"},
    }
    permissions = _PERMISSIONS
    list_intro = _("Documents that people retrieved or got, each with its day and its SHA-256.")
    list_display = ["title", "model", "kind", "publisher", "retrieved_on", "added_name"]
    list_filter = ["kind"]
    sortable_by = ()
    actions = None
    change_form_template = "admin/dossier/upstream/document.html"
    known = [
        "model", "kind", "title", "publisher", "version", "shown_url", "retrieved_on",
        "shown_answers", "shown_confidence", "request", "file_name", "size", "shown_sha256",
        "added_name", "added_at", "record_id",
    ]  # fmt: skip

    def has_module_permission(self, request: HttpRequest) -> bool:
        """No line of its own: the register leads here."""
        return False

    @admin.display(description=_("address"))
    def shown_url(self, row: UpstreamDocument) -> Any:
        """The address as text and link."""
        if not row.url:
            return _("none: supplied on request")
        return format_html('<a href="{0}" rel="noreferrer noopener">{0}</a>', row.url)

    @admin.display(description=_("answers"))
    def shown_answers(self, row: UpstreamDocument) -> Any:
        """The items in the words of the annex."""
        labels = upstream_requests.items()
        return "; ".join(labels.get(key, key) for key in row.answers) or _("no item ticked")

    @admin.display(description=_("confidential"))
    def shown_confidence(self, row: UpstreamDocument) -> Any:
        """In words: a red cross for “no” would look like a fault."""
        return _("yes, dossiers name it only") if row.is_confidential else _("no")

    @admin.display(description=_("SHA-256"))
    def shown_sha256(self, row: UpstreamDocument) -> Any:
        """The hash, breakable."""
        return format_html('<code class="hash">{}</code>', row.sha256)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A plain list of requests: none is made or changed from here."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        plain_choice(field)
        return field

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form for a new one; what is known of an old one."""
        if obj is not None:
            return self.known
        return ["upload", *DocumentForm.Meta.fields]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything, once it is kept."""
        return self.known if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The model that the address names, and its maker."""
        return _initial(request, ("model", "kind", "request"))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Keep the document."""
        upload = values.pop("upload")
        try:
            data = upstream_documents.read_upload(upload)
            return upstream_documents.add_document(
                required_tenant(request), file_name=upload.name, data=data, **values
            )
        except ValidationError as refusal:
            if hasattr(refusal, "error_dict") and "file" in refusal.error_dict:
                raise ValidationError({"upload": refusal.error_dict["file"]}) from None
            raise

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Back to the model that it is about."""
        return (
            redirect(model_page(obj.model))
            if _is_seen(request, obj.model)
            else redirect("admin:dossier_upstreamdocument_change", obj.pk)
        )

    # -- The register ----------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """The register, a model's page, the draft of a complaint, and the copy itself."""
        view = self.admin_site.admin_view
        return [
            path("register/", view(require_GET(self.register_page)), name="dossier_upstream"),
            path(
                "register/model/", view(require_GET(self.model_page)), name="dossier_upstream_model"
            ),
            path(
                "register/complaint/",
                view(require_GET(self.complaint)),
                name="dossier_upstream_complaint",
            ),
            path(
                "<uuid:document_id>/copy/",
                view(require_GET(self.copy)),
                name="dossier_upstreamdocument_copy",
            ),
            *super().get_urls(),
        ]

    def register_page(self, request: HttpRequest) -> HttpResponse:
        """Every model that was called."""
        tenant = required_tenant(request)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Upstream register"),
            "opts": self.opts,
            "models": upstream_register.register(tenant),
        }
        return TemplateResponse(request, "admin/dossier/upstream/register.html", context)

    def model_page(self, request: HttpRequest) -> HttpResponse:
        """One model: observed, published, asked for, received."""
        tenant = required_tenant(request)
        row = upstream_register.seen(tenant, request.GET.get("model", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": row.model,
            "opts": self.opts,
            "seen": row,
            "items": upstream_requests.items(),
            "may_add": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/dossier/upstream/model.html", context)

    def complaint(self, request: HttpRequest) -> HttpResponse:
        """The draft of a complaint as a text file."""
        model = request.GET.get("model", "")
        text = upstream_register.complaint_draft(required_tenant(request), model)
        return attachment(
            text.encode(), f"complaint-draft-{model}.txt", "text/plain; charset=utf-8"
        )

    def copy(self, request: HttpRequest, document_id: UUID) -> HttpResponse:
        """The document as it was retrieved; never shown inside this site's own pages."""
        document = upstream_documents.find_document(required_tenant(request), document_id)
        data = upstream_documents.read_document(document)
        return attachment(data, document.file_name, document.media)


@admin.register(UpstreamRequest)
class UpstreamRequestAdmin(TenantModelAdmin):
    """Requests to model makers, with what came of them."""

    form = RequestForm
    permissions = _PERMISSIONS
    list_intro = _(
        "What was asked of the makers of models. Signatories of the Code of Practice answer within "
        "14 days; for them a reminder is mailed when these are over."
    )
    list_display = ["model", "addressee", "asked_on", "shown_outcome", "remind_on", "answered_on"]
    list_filter = ["outcome"]
    sortable_by = ()
    actions = None
    change_form_template = "admin/dossier/upstream/request.html"
    known = [
        "model", "addressee", "channel", "asked_on", "shown_items", "text", "shown_outcome",
        "remind_on", "answered_on", "answer", "shown_author", "record_id",
    ]  # fmt: skip

    def has_module_permission(self, request: HttpRequest) -> bool:
        """No line of its own: the register leads here."""
        return False

    @admin.display(description=_("outcome"))
    def shown_outcome(self, row: UpstreamRequest) -> Any:
        """What came of it."""
        tone = _TONES[UpstreamRequest.Outcome(row.outcome)]
        return badge(tone, row.get_outcome_display())

    @admin.display(description=_("asked by"))
    def shown_author(self, row: UpstreamRequest) -> str:
        """Who entered it, by the name of then."""
        return row.asked_name

    @admin.display(description=_("asked for"))
    def shown_items(self, row: UpstreamRequest) -> str:
        """The items in words."""
        labels = upstream_requests.items()
        return "; ".join(labels.get(key, key) for key in row.items)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """The form for a new one; what is known of an old one."""
        return self.known if obj is not None else RequestForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything, once it is entered."""
        return self.known if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The model that the address names."""
        return _initial(request, ("model", "addressee"))

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Enter the request."""
        return upstream_requests.ask(required_tenant(request), **values)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the request's own page."""
        return redirect("admin:dossier_upstreamrequest_change", obj.pk)

    def get_urls(self) -> list[Any]:
        """Also an address for noting the answer."""
        view = self.admin_site.admin_view(require_POST(self.answer))
        name = "dossier_upstreamrequest_answer"
        return [path("<uuid:request_id>/answer/", view, name=name), *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The request, with a form for its answer while there is none."""
        row = cast(UpstreamRequest, self.get_object(request, object_id))
        is_open = row.outcome == UpstreamRequest.Outcome.OPEN
        context = {
            "answer_form": AnswerForm() if is_open and self.has_add_permission(request) else None,
            "may_add": self.has_add_permission(request),
            **(extra_context or {}),
        }
        return super().change_view(request, object_id, form_url, context)

    def answer(self, request: HttpRequest, request_id: UUID) -> HttpResponse:
        """Note what came back; the form once more where it does not fit."""
        tenant = required_tenant(request)
        row = upstream_requests.find_request(tenant, request_id)
        form = AnswerForm(request.POST)
        if form.is_valid():
            try:
                upstream_requests.note_answer(tenant, row, **form.cleaned_data)
            except ValidationError as refusal:
                form.add_error(None, refusal)
            else:
                messages.success(request, _("The answer is noted."))
                return redirect("admin:dossier_upstreamrequest_change", row.pk)
        request.method = "GET"
        context = {"answer_form": form}
        return self.change_view(request, str(request_id), extra_context=context)


def _initial(request: HttpRequest, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: request.GET[name][:300] for name in names if name in request.GET}


def _is_seen(request: HttpRequest, model: str) -> bool:
    calls = Inference.objects.for_tenant(required_tenant(request))
    return calls.filter(requested_model=model).exists()
