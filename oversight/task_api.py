"""The API of tasks: what has to be done by a moment, for whom, and that it was done."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from orgs.api_auth import tenant_of_call
from orgs.api_texts import FILLED_LINE
from orgs.models import User
from orgs.tenancy import Tenant
from oversight.models import Task
from oversight.task_list import assign, complete, find_task, open_task, people_who_may, tasks_of

router = Router(tags=["tasks"])

_Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=FILLED_LINE),
]


class TaskIn(Schema):
    """A task to be entered."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "Renew the agreement", "due_at": "2027-01-31T12:00:00Z"}]
        },
    )

    name: _Name
    due_at: AwareDatetime = Field(description="A moment to come.")
    assignee: UUID | None = Field(None, description="One of `GET /tasks/people`; null: all.")
    is_reminded: bool = Field(True, description="Mails at half and four fifths of the time.")


class TaskChange(Schema):
    """What is to be different; what is not sent stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"assignee": None}]})

    assignee: UUID | None = Field(None, description="Null, if sent: for all officers.")
    is_reminded: bool | None = Field(None, description="Null: as it is.")


class TaskOut(Schema):
    """A task. That of an incident is due with the incident's clock, and done with it."""

    id: UUID
    name: str
    incident_id: UUID | None
    assignee: UUID | None = Field(description="Null: all compliance officers.")
    assignee_name: str
    opened_at: datetime
    due_at: datetime | None = Field(description="Null: its incident has nothing to report.")
    is_late: bool
    is_reminded: bool
    done_at: datetime | None
    done_by: UUID | None
    done_by_name: str

    @staticmethod
    def of(row: Task) -> dict[str, Any]:
        """The values for *row*."""
        names = ("id", "name", "incident_id", "opened_at", "due_at", "is_late", "is_reminded")
        return {
            **{name: getattr(row, name) for name in (*names, "done_at")},
            "assignee": row.assignee_id,
            "assignee_name": row.assignee.name if row.assignee else "",
            "done_by": row.done_by_id,
            "done_by_name": row.done_by.name if row.done_by else "",
        }


class TaskPage(Schema):
    """Some of the tasks, and how many there are."""

    items: list[TaskOut]
    total: int


class TaskPerson(Schema):
    """Somebody whom a task can be given to."""

    id: UUID
    name: str


class TaskQuery(Schema):
    """Which tasks, and how many of them."""

    state: Literal["open", "done", "all"] = "open"
    limit: int = Field(100, ge=1, le=500)
    offset: int = Field(0, ge=0, le=1_000_000)


@router.get("", response=TaskPage, summary="List tasks")
def list_tasks(request: HttpRequest, query: Annotated[TaskQuery, Query()]) -> dict[str, Any]:
    """Tasks by when they are due; those done, the last one first. Needs ``incident:manage``."""
    rows = tasks_of(tenant_of_call(request))
    if query.state != "all":
        rows = rows.filter(done_at__isnull=query.state == "open")
    order = ("-done_at", "pk") if query.state == "done" else ("due_at", "pk")
    page = rows.order_by(*order)[query.offset : query.offset + query.limit]
    return {"items": [TaskOut.of(row) for row in page], "total": rows.count()}


@router.post("", response={201: TaskOut}, summary="Enter a task")
def add_task(request: HttpRequest, body: TaskIn) -> Any:
    """Enter a task for one person or for all officers. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    values = body.model_dump(exclude={"assignee"})
    row = open_task(tenant, **values, assignee=_person(tenant, body.assignee))
    return Status(201, TaskOut.of(row))


@router.get("/people", response=list[TaskPerson], summary="Whom a task can be given to")
def list_people(request: HttpRequest) -> Any:
    """The members who handle incidents. Needs ``incident:manage``."""
    return people_who_may(tenant_of_call(request))


@router.get("/{uuid:task_id}", response=TaskOut, summary="Read a task")
def read_task(request: HttpRequest, task_id: UUID) -> dict[str, Any]:
    """One task. Needs ``incident:manage``."""
    return TaskOut.of(find_task(tenant_of_call(request), task_id))


@router.patch("/{uuid:task_id}", response=TaskOut, summary="Give a task to somebody")
def change_task(request: HttpRequest, task_id: UUID, body: TaskChange) -> dict[str, Any]:
    """Say whom it is for, and whether they are reminded. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    row = find_task(tenant, task_id)
    is_sent = "assignee" in body.model_fields_set
    assignee = _person(tenant, body.assignee) if is_sent else row.assignee
    is_reminded = row.is_reminded if body.is_reminded is None else body.is_reminded
    return TaskOut.of(assign(tenant, row, assignee=assignee, is_reminded=is_reminded))


@router.post("/{uuid:task_id}/done", response=TaskOut, summary="Say that a task is done")
def end_task(request: HttpRequest, task_id: UUID) -> dict[str, Any]:
    """Done: this is recorded. That of an incident ends with it. Needs ``incident:manage``."""
    tenant = tenant_of_call(request)
    return TaskOut.of(complete(tenant, find_task(tenant, task_id)))


def _person(tenant: Tenant, user_id: UUID | None) -> User | None:
    if user_id is None:
        return None
    found = next((one for one in people_who_may(tenant) if one.pk == user_id), None)
    if found is None:
        raise ValidationError({"assignee": _("This person does not handle incidents here.")})
    return found
