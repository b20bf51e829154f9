"""The admin of incidents: the list with its clocks, entering one, and the page of one."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from audit.models import RecordIndex
from llm.models import ProviderSettings
from orgs.admin_lists import IdentifiedModelAdmin, badge, time_column
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.tenant_admin import plain_choice, required_tenant
from oversight.clocks import clock_of
from oversight.incident_file import as_download
from oversight.incident_forms import Acts, EnterForm
from oversight.incident_words import CATEGORIES, clock_words, history_of
from oversight.incidents import descriptions_of, find_incident, open_incident
from oversight.models import Category, Incident

_Status = Incident.Status
_TONES: dict[str, str] = {_Status.OPEN: "warn", _Status.UNDER_REVIEW: "warn"}
_SEVERITIES: dict[str, str] = {Incident.Severity.HIGH: "warn", Incident.Severity.CRITICAL: "bad"}
_PAGE = "admin:oversight_incident_change"
_SHOWN_CHARACTERS = 90


@admin.register(Incident)
class IncidentAdmin(IdentifiedModelAdmin):
    """Incidents: those whose time runs come first. Each step is an act with a reason."""

    permissions: ClassVar = dict.fromkeys(("view", "add"), Permission.INCIDENT_MANAGE)
    form = EnterForm
    change_form_template = "admin/oversight/incident_add.html"
    list_intro = _(
        "What went wrong with an AI system, and how long there is to report it (Art. 73). Those "
        "whose time ends first stand on top."
    )
    list_display = [
        time_column("opened_at", _("entered")),
        "shown_clock",  # beside the day, so that a phone shows it
        "shown_description",
        "shown_category",
        "shown_severity",
        "shown_status",
    ]
    list_filter = ["status"]
    fieldsets = [
        (None, {"fields": ["description", "severity", "aware_at", "occurred_at"]}),
        (
            _("As far as it is known already"),
            {
                "fields": [
                    "category",
                    "is_death",
                    "is_widespread",
                    "country",
                    "persons_affected",
                    "system",
                    "record_ids",
                ]
            },
        ),
    ]

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Running clocks by their end, then what is reported and goes on, then what is over.

        An incident's task is due when its clock ends.
        """
        rank = models.Case(
            models.When(status__in=Incident.OVER, then=2),
            models.When(status__in=[_Status.INITIAL_REPORT_SENT, _Status.REPORTED], then=1),
            default=0,
        )
        is_over = models.Q(status__in=Incident.OVER)
        ends = models.Case(models.When(~is_over, then="task__due_at"))
        return [rank, ends.asc(nulls_last=True), "-opened_at"]

    @admin.display(description=_("what happened"))
    def shown_description(self, row: Any) -> str:
        """The description's beginning."""
        if row.description is None:
            return _now("was erased")
        return Truncator(" ".join(row.description.split())).chars(_SHOWN_CHARACTERS)

    @admin.display(description=_("led to"))
    def shown_category(self, row: Incident) -> Any:
        """In short."""
        return CATEGORIES[row.category]

    @admin.display(description=_("severity"))
    def shown_severity(self, row: Incident) -> str:
        """With a tone where it is high."""
        tone = _SEVERITIES.get(row.severity)
        words = row.get_severity_display()
        return badge(tone, words) if tone else words

    @admin.display(description=_("status"))
    def shown_status(self, row: Incident) -> str:
        """Where the work stands."""
        return badge(_TONES.get(row.status, ""), row.get_status_display())

    @admin.display(description=_("clock"))
    def shown_clock(self, row: Incident) -> str:
        """What remains of the time to report."""
        words = clock_words(row)
        return badge(words.tone, words.text)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """The list, with what the page's incidents say read at once."""
        changelist = super().get_changelist_instance(request)
        texts = descriptions_of(required_tenant(request), changelist.result_list)
        for row in changelist.result_list:
            row.description = texts[row.pk]
        return changelist

    # -- Entering one ----------------------------------------------------------------------------

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A plain list of AI systems: none is made or changed from here."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        plain_choice(field)
        return field

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Aware now, and the record that led here."""
        return {
            "aware_at": timezone.now(),
            "record_ids": request.GET.get("record", "")[:36],
            "severity": Incident.Severity.MEDIUM,
        }

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Enter it."""
        return open_incident(required_tenant(request), **values)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """On to its page, where the clock stands."""
        self.message_user(request, _("The incident is on record. Assess it next."))
        return redirect(_PAGE, obj.pk)

    # -- One incident ----------------------------------------------------------------------------

    def get_urls(self) -> list[Any]:
        """Also the address that takes its steps, and its file."""
        act = self.admin_site.admin_view(require_POST(self.act))
        file = self.admin_site.admin_view(require_GET(self.file))
        return [
            path("<uuid:pk>/act/<str:name>/", act, name="oversight_incident_act"),
            path("<uuid:pk>/incident.json", file, name="oversight_incident_file"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What is known, what remains of the time, which steps can come next, what was done."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied("An incident takes steps, it is not edited.")
        tenant, row = self._found(request, object_id)
        return self._page(request, tenant, row)

    def act(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Take one step; the page once more, with what was typed, where it is refused."""
        tenant, row = self._found(request, pk)
        acts = Acts(tenant, row)
        if name not in acts.names:
            raise Http404
        if not acts.offers(name):
            said = _now("That step does not fit any more: the incident is “%(status)s” now.")
            self.message_user(request, said % {"status": row.get_status_display()}, "ERROR")
            return redirect(_PAGE, row.pk)
        form = acts.form(name, request.POST)
        if form.carried_out(tenant, row):
            self.message_user(request, _("The step is on record."))
            return redirect(_PAGE, row.pk)
        return self._page(request, tenant, row, {name: form})

    def file(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """The incident with its records and their proofs, as JSON."""
        return as_download(*self._found(request, pk))

    def _found(self, request: HttpRequest, pk: object) -> tuple[Tenant, Incident]:
        tenant = required_tenant(request)
        tenant.require(Permission.INCIDENT_MANAGE)
        return tenant, find_incident(tenant, self.get_object(request, str(pk)).pk)

    def _page(
        self,
        request: HttpRequest,
        tenant: Tenant,
        row: Incident,
        refused: dict[str, Any] | None = None,
    ) -> HttpResponse:
        acts = Acts(tenant, row)
        history = history_of(tenant, row)
        context = {
            **self.admin_site.each_context(request),
            "title": _now("Incident %(incident)s") % {"incident": row},
            "opts": self.opts,
            "incident": row,
            "tone": _TONES.get(row.status, ""),
            "clock": clock_of(row),
            "clock_words": clock_words(row),
            "is_none_of_these": row.category == Category.NONE,
            "description": history[0].text if history else None,
            "history": list(reversed(history)),
            "acts": acts.all(refused),
            "refused": next(iter(refused or {}), ""),
            "records": RecordIndex.objects.for_tenant(tenant).filter(pk__in=row.record_ids),
            "frozen": ProviderSettings.objects.for_tenant(tenant).filter(pk__in=acts.frozen),
            "task": getattr(row, "task", None),
        }
        response = TemplateResponse(request, "admin/oversight/incident.html", context)
        response.headers["Cache-Control"] = "no-store"
        return response
