"""The admin of dossiers: ask, watch, download; declare; schedule."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from dossier import downloads, fact_admin, link_admin, system_admin, upstream_admin
from dossier.admin_forms import DeclarationForm, DossierForm, ScheduleForm
from dossier.catalogue import CATALOGUE
from dossier.declarations import declarations_at, declare, name_of_subject
from dossier.languages import Language
from dossier.models import Declaration, Dossier, DossierSchedule, Kind
from dossier.overview import overview
from dossier.periods import month_before, today
from dossier.progress import is_alive, seconds_left
from dossier.schedules import change_schedule, create_schedule, remove_schedule
from dossier.scheduling import Languages, cancel, request_dossier
from orgs.admin_lists import name_column
from orgs.roles import Permission
from orgs.tenant_admin import TenantModelAdmin, required_tenant

# Their pages are registered when they are imported.
__all__ = ["fact_admin", "link_admin", "system_admin", "upstream_admin"]

_UNFINISHED = (Dossier.State.WAITING, Dossier.State.RUNNING)
_REFRESH_SECONDS = "3"
_REQUESTER = name_column("requested_by", _("requested by"))


@admin.register(Dossier)
class DossierAdmin(TenantModelAdmin):
    """The dossiers of the organisation."""

    form = DossierForm
    permissions = {"view": Permission.DOSSIER_READ, "add": Permission.DOSSIER_REQUEST}
    list_intro = _(
        "A dossier collects what the log and named people say about one period: a PDF, the same "
        "as data, the records and their proofs. There is exactly one for each kind and period."
    )
    list_display = ["kind", "shown_period", "shown_state", "shown_size", "published_at", "act"]
    list_filter = ["state", "kind"]
    sortable_by = ()
    actions = None
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "kind",
                    "shown_period",
                    "time_zone",
                    "shown_languages",
                    "shown_state",
                    "message",
                ]
            },
        ),
        (_("Made"), {"fields": ["as_of", "published_at", _REQUESTER, "created_at"]}),
        (
            _("File"),
            {"fields": ["shown_size", "file_sha256", "manifest_sha256", "shown_record"]},
        ),
    ]
    add_fieldsets = [
        (None, {"fields": ["kind", "period", "period_start", "period_end"]}),
        (_("Languages"), {"fields": ["language", "further_languages"]}),
    ]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Three questions for a new one; what became of it otherwise."""
        return self.fieldsets if obj else self.add_fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Everything, once it is asked for."""
        return flatten_fieldsets(self.fieldsets) if obj else []

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """The last full month."""
        organisation = required_tenant(request).organisation
        first, last = month_before(today(timezone.now(), organisation.time_zone))
        return {
            "kind": Kind.ART53,
            "period_start": first,
            "period_end": last,
            "language": organisation.language,
        }

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Three questions, under what they are for."""
        context = {"title": _("Request a dossier"), **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Ask for the dossier, or find the one that exists."""
        return request_dossier(
            required_tenant(request),
            kind=Kind(values["kind"]),
            first=values["period_start"],
            last=values["period_end"],
            languages=Languages(values["language"], values["further_languages"]),
        )

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to the dossier's own page, which shows how far it is."""
        if obj.is_published:
            one = _("There is one dossier for each kind and period: this one, as it was made.")
            self.message_user(request, one)
        return redirect("admin:dossier_dossier_change", obj.pk)

    # -- Columns ---------------------------------------------------------------------------------

    @admin.display(description=_("period"))
    def shown_period(self, row: Dossier) -> str:
        """First and last day."""
        return f"{row.period_start:%Y-%m-%d} to {row.period_end:%Y-%m-%d}"

    @admin.display(description=_("languages"))
    def shown_languages(self, row: Dossier) -> str:
        """The languages it is printed in, that of ``dossier.pdf`` first."""
        return ", ".join(Language(code).label for code in row.languages)

    @admin.display(description=_("state"))
    def shown_state(self, row: Dossier) -> str:
        """The state; a bar while it is being made."""
        if row.state != Dossier.State.RUNNING:
            return row.get_state_display()
        if not is_alive(row):
            return gettext("interrupted, %(percent)s %%; a worker takes it up within a minute") % {
                "percent": row.percent
            }
        return format_html(
            '{} <progress max="100" value="{}" aria-label="{}"></progress> {}',
            f"{row.stage}, {row.percent} %",
            row.percent,
            _("progress"),
            _time_left(row),
        )

    @admin.display(description=_("size"))
    def shown_size(self, row: Dossier) -> str:
        """The zip's size in kilobytes."""
        if row.file_bytes is None:
            return str(_("no file yet"))
        return f"{max(row.file_bytes // 1000, 1):,} kB".replace(",", "\u202f")

    @admin.display(description=_("record of publication"))
    def shown_record(self, row: Dossier) -> str:
        """The record that names the file's hash."""
        if row.record_id is None:
            return str(_("none yet"))
        return format_html('<code class="hash">{}</code>', row.record_id)

    @admin.display(description=_("file"))
    def act(self, row: Dossier) -> str:
        """The download."""
        if not row.is_published:
            return ""
        return format_html('<a href="{}/download/">{}</a>', row.pk, _("Download"))

    # -- Further pages ---------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Download, cancel and try again beside Django's own pages."""
        view = self.admin_site.admin_view
        return [
            path(
                "<uuid:dossier_id>/download/",
                view(require_GET(self.download)),
                name="dossier_dossier_download",
            ),
            path(
                "<uuid:dossier_id>/cancel/",
                view(require_POST(self.cancel)),
                name="dossier_dossier_cancel",
            ),
            path(
                "<uuid:dossier_id>/again/",
                view(require_POST(self.again)),
                name="dossier_dossier_again",
            ),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The dossier; the page comes again by itself while it is being made."""
        row = self.get_object(request, object_id)
        assert isinstance(row, Dossier)
        may_ask = self.has_add_permission(request)
        context = {
            "title": str(row),
            "may_share": may_ask and row.is_published,
            "may_cancel": may_ask and row.state in _UNFINISHED,
            "may_try_again": may_ask
            and row.state in (Dossier.State.FAILED, Dossier.State.CANCELLED),
            **(extra_context or {}),
        }
        response = super().change_view(request, object_id, form_url, context)
        if row.state in _UNFINISHED:
            response["Refresh"] = _REFRESH_SECONDS
        return response

    def download(self, request: HttpRequest, dossier_id: UUID) -> HttpResponseBase:
        """The zip; the download is recorded."""
        return downloads.download(required_tenant(request), dossier_id)

    def cancel(self, request: HttpRequest, dossier_id: UUID) -> HttpResponse:
        """Stop the work."""
        tenant = required_tenant(request)
        cancel(tenant, downloads.find_dossier(tenant, dossier_id))
        return redirect("admin:dossier_dossier_change", dossier_id)

    def again(self, request: HttpRequest, dossier_id: UUID) -> HttpResponse:
        """Have another try at a dossier that failed or was cancelled."""
        tenant = required_tenant(request)
        row = downloads.find_dossier(tenant, dossier_id)
        request_dossier(tenant, kind=Kind(row.kind), first=row.period_start, last=row.period_end)
        return redirect("admin:dossier_dossier_change", dossier_id)


@admin.register(DossierSchedule)
class DossierScheduleAdmin(TenantModelAdmin):
    """Dossiers that are made for every full month, quarter or year."""

    permissions = {
        "view": Permission.DOSSIER_READ,
        "add": Permission.DOSSIER_REQUEST,
        "change": Permission.DOSSIER_REQUEST,
        "delete": Permission.DOSSIER_REQUEST,
    }
    list_intro = _(
        "The day after a full month, quarter or year, its dossier is made without anybody asking."
    )
    form = ScheduleForm
    list_display = ["kind", "rhythm", "is_enabled", "catch_up_months", "created_at"]
    fields = ["kind", "rhythm", "language", "further_languages", "is_enabled", "catch_up_months"]
    sortable_by = ()
    actions = None

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Kind and rhythm stay what they were."""
        return ["kind", "rhythm"] if obj else []

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Schedule a kind."""
        return create_schedule(required_tenant(request), **values)

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Switch on or off, or change how far back is caught up."""
        assert isinstance(row, DossierSchedule)
        change_schedule(required_tenant(request), row, **values)

    def perform_delete(self, request: HttpRequest, row: models.Model) -> None:
        """Schedule this kind no more; dossiers that exist stay."""
        assert isinstance(row, DossierSchedule)
        remove_schedule(required_tenant(request), row)


@admin.register(Declaration)
class DeclarationAdmin(TenantModelAdmin):
    """What named people stated. A change is a new statement; nothing is overwritten."""

    form = DeclarationForm
    permissions = {"view": Permission.DOSSIER_READ, "add": Permission.DECLARE}
    list_intro = _("Every statement that was ever made, newest first.")
    list_display = [
        "shown_label",
        "shown_subject",
        "shown_value",
        "shown_name",
        "declared_at",
        "expires_at",
    ]
    list_filter = ["declared_by"]
    sortable_by = ()
    actions = None
    fields = ["key", "subject", "value"]

    @admin.display(description=_("statement"))
    def shown_label(self, row: Declaration) -> str:
        """The statement's title."""
        return CATALOGUE[row.key].label if row.key in CATALOGUE else row.key

    @admin.display(description=_("about"))
    def shown_subject(self, row: Declaration) -> str:
        """The provider or model as it stands in the log; an AI system by its name."""
        return name_of_subject(row.organisation_id, row.key, row.subject)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """With who and when, once it is made."""
        if obj is None:
            return self.fields
        return [
            "shown_label",
            "shown_subject",
            "value",
            "shown_name",
            "declared_role",
            "declared_at",
            "expires_at",
            "record_id",
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Everything, once it is made."""
        return self.get_fields(request, obj) if obj else []

    def get_urls(self) -> list[Any]:
        """The overview of what can be declared comes first."""
        view = self.admin_site.admin_view
        page = path("overview/", view(require_GET(self.overview)), name="dossier_overview")
        return [page, *super().get_urls()]

    def overview(self, request: HttpRequest) -> HttpResponse:
        """Every statement that can be made, with the one that counts now."""
        tenant = required_tenant(request)
        tenant.require(Permission.DOSSIER_READ)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Declarations"),
            "opts": self.opts,
            "chapters": overview(tenant),
            "may_declare": self.has_add_permission(request),
        }
        return TemplateResponse(request, "admin/dossier/declaration/overview.html", context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of the statement that the address names."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None:
            return form
        item = CATALOGUE.get(request.POST.get("key") or request.GET.get("key") or "")
        if item is None:
            raise Http404("Choose a statement from the overview.")
        return type(form.__name__, (form,), {"item": item})

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Without a statement in the address: to the overview, to choose one."""
        item = CATALOGUE.get(request.POST.get("key") or request.GET.get("key") or "")
        if item is None:
            return redirect("admin:dossier_overview")
        subject = request.POST.get("subject") or request.GET.get("subject") or ""
        about = name_of_subject(required_tenant(request).organisation_id, item.key, subject)
        title = f"{item.label}: {about}" if about else item.label
        context = {"title": title, "item": item, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Declare."""
        return declare(
            required_tenant(request),
            key=values["key"],
            value=values["value"],
            subject=values["subject"],
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What counts now, so that a year later it can be read again and confirmed."""
        asked = super().get_changeform_initial_data(request)
        tenant, key = required_tenant(request), str(asked["key"])
        made = declarations_at(tenant.organisation_id, timezone.now())
        current = made.find(key, str(asked.get("subject", "")))
        return {**asked, "value": current.value} if current else asked

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Back to its row among what else there is to declare."""
        label = CATALOGUE[obj.key].label
        self.message_user(request, _("“%(label)s” is declared.") % {"label": label})
        return redirect(
            f"{reverse('admin:dossier_overview')}#{quote(obj.key + obj.subject, safe='')}"
        )

    @admin.display(description=_("declared"))
    def shown_value(self, row: Declaration) -> str:
        """How the statement begins."""
        return Truncator(row.value).chars(200)

    @admin.display(description=_("by"))
    def shown_name(self, row: Declaration) -> str:
        """Who made the statement, as they were called then."""
        return row.declared_name


def _time_left(row: Dossier) -> str:
    """An estimate in words, or nothing where there is none."""
    seconds = seconds_left(row)
    if seconds is None:
        return ""
    if seconds < 90:
        return gettext("about %(seconds)s s left") % {"seconds": seconds}
    return gettext("about %(minutes)s min left") % {"minutes": round(seconds / 60)}
