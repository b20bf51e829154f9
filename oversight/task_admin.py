"""The admin of tasks: what has to be done by when, for whom, and the button that says it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from orgs.admin_lists import badge, time_column
from orgs.models import User
from orgs.roles import Permission
from orgs.tenant_admin import DomainForm, TenantModelAdmin, plain_choice, required_tenant
from oversight.incident_words import duration
from oversight.models import Task
from oversight.task_list import assign, complete, find_task, open_task, people_who_may

_USUAL_DAYS = 7
_DUE = time_column("due_at", _("due"))


class StateFilter(admin.SimpleListFilter):
    """To do, late, or done."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The three states."""
        return [("open", _("to do")), ("late", _("late")), ("done", _("done"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The tasks in that state."""
        wanted = {
            "open": models.Q(done_at=None),
            "late": models.Q(done_at=None, due_at__lt=timezone.now()),
            "done": models.Q(done_at__isnull=False),
        }
        return queryset.filter(wanted.get(self.value() or "", models.Q()))


class TaskForm(DomainForm):
    """A task of one's own: an incident's comes with the incident."""

    class Meta:
        model = Task
        fields = ["name", "due_at", "assignee", "is_reminded"]
        help_texts = {
            "name": _("What is to be done, for instance: Ask the vendor for its report"),
            "assignee": "",
        }


@admin.register(Task)
class TaskAdmin(TenantModelAdmin):
    """Tasks: open ones by the day they are due, late ones marked."""

    permissions: ClassVar = dict.fromkeys(("view", "add", "change"), Permission.INCIDENT_MANAGE)
    form = TaskForm
    change_form_template = "admin/oversight/task.html"
    list_intro = _(
        "What has to be done by when. Reminders are mailed when half and four fifths of the time "
        "are over, and when all of it is. An incident's task follows the incident's clock."
    )
    list_display = [
        "name",
        "shown_state",
        _DUE,
        "shown_assignee",
        "shown_incident",
    ]
    list_filter = [StateFilter]
    list_select_related = ["assignee", "incident", "done_by"]
    sortable_by = ()
    actions = None

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Open ones by the day they are due, then done ones, the newest first."""
        return [
            models.F("done_at").desc(nulls_first=True),
            models.F("due_at").asc(nulls_last=True),
            "opened_at",
        ]

    @admin.display(description=_("state"))
    def shown_state(self, row: Task) -> str:
        """Done, late, or what is left of the time."""
        if row.done_at is not None:
            return badge("good", _now("done"))
        if row.due_at is None:
            return badge("", _now("to do"))
        left = row.due_at - timezone.now()
        if left <= timedelta():
            return badge("bad", _now("late by %(time)s") % {"time": duration(-left)})
        return badge("", _now("%(time)s left") % {"time": duration(left)})

    @admin.display(description=_("for"))
    def shown_assignee(self, row: Task) -> str:
        """Whoever it is for."""
        return str(row.assignee) if row.assignee else _now("all compliance officers")

    @admin.display(description=_("incident"), empty_value="")
    def shown_incident(self, row: Task) -> str | None:
        """The incident that it belongs to."""
        if row.incident_id is None:
            return None
        address = reverse("admin:oversight_incident_change", args=[row.incident_id])
        return format_html('<a href="{}">{}</a>', address, _now("see it"))

    @admin.display(description=_("reminders by e-mail"))
    def shown_reminders(self, row: Task) -> str:
        """In words."""
        return _now("yes") if row.is_reminded else _now("no")

    @admin.display(description=_("done"))
    def shown_done(self, row: Task) -> str:
        """When, and by whom."""
        if row.done_at is None:
            return _now("not yet")
        at = f"{timezone.localtime(row.done_at):%Y-%m-%d %H:%M}"
        return _now("%(at)s, %(who)s") % {"at": at, "who": row.done_by}

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        """A plain list of people, and what an empty choice means; the day must be said."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "due_at":
            field.required = True  # only an incident's own task can do without
        plain_choice(field)
        if field is not None and db_field.name == "assignee":
            field.empty_label = _now("All compliance officers")  # type: ignore[attr-defined]
        return field

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> models.QuerySet[Any]:
        """Those to whom a task can be given."""
        people = people_who_may(required_tenant(request))
        return User.objects.filter(pk__in=[person.pk for person in people]).order_by("name")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of a new task; of an old one, whom it is for."""
        if obj is None:
            return TaskForm.Meta.fields
        people = ["assignee", "is_reminded"]
        if obj.done_at is not None:
            people = ["shown_assignee", "shown_reminders"]
        incident = ["shown_incident"] if obj.incident_id else []
        return ["shown_state", _DUE, *incident, *people, "shown_done"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything but whom it is for, and whether they are reminded."""
        editable = ("assignee", "is_reminded")
        fields = self.get_fields(request, obj) if obj else []
        return [name for name in fields if name not in editable]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes what is done."""
        is_done = obj is not None and obj.done_at is not None
        return not is_done and super().has_change_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A week from now."""
        return {"due_at": timezone.now() + timedelta(days=_USUAL_DAYS), "is_reminded": True}

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Enter it."""
        return open_task(required_tenant(request), **values)

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Say whom it is for."""
        tenant = required_tenant(request)
        assign(tenant, find_task(tenant, row.pk), **values)

    def get_urls(self) -> list[Any]:
        """Also the address of the button."""
        view = self.admin_site.admin_view(require_POST(self.done))
        return [path("<uuid:pk>/done/", view, name="oversight_task_done"), *super().get_urls()]

    def done(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Say that it is done."""
        tenant = required_tenant(request)
        row = find_task(tenant, pk)
        try:
            complete(tenant, row)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
            return redirect("admin:oversight_task_change", row.pk)
        self.message_user(request, _now("“%(task)s” is done.") % {"task": row})
        return redirect("admin:oversight_task_changelist")
