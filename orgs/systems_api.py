"""The API of the register of AI systems."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field, StringConstraints

from orgs import keys, systems
from orgs.api_auth import tenant_of_call
from orgs.api_texts import FILLED_LINE, PROSE
from orgs.models import AISystem, User
from orgs.tenancy import Tenant

router = Router(tags=["AI systems"])

_Status = Literal["planned", "in_use", "suspended", "retired"]
_Name = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=FILLED_LINE),
]
_Purpose = Annotated[str, StringConstraints(max_length=1000, pattern=PROSE)]
_People = Annotated[list[UUID], Field(max_length=100)]


class SystemOut(Schema):
    """An AI system of the organisation. What is declared of it: `GET /dossiers/declarations`."""

    id: UUID
    name: str
    purpose: str
    status: _Status
    in_use_since: date | None
    retired_on: date | None
    overseers: list[UUID] = Field(description="Ids of the members who oversee it.")
    is_default: bool = Field(description="Calls that name no system belong to it.")
    created_at: datetime
    changed_at: datetime


class SystemIn(Schema):
    """A system to be entered into the register."""

    model_config = ConfigDict(extra="forbid")

    name: _Name
    purpose: _Purpose = ""
    status: _Status = "in_use"
    in_use_since: date | None = None
    retired_on: date | None = None
    overseers: _People = []


class SystemChange(Schema):
    """What is to differ; fields that are absent stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: _Name | None = None
    purpose: _Purpose | None = None
    status: _Status | None = None
    in_use_since: date | None = None
    retired_on: date | None = None
    overseers: _People | None = None
    is_default: Literal[True] | None = Field(None, description="True: make it the default.")


class KeySystem(Schema):
    """The system that a key's calls belong to from now on."""

    model_config = ConfigDict(extra="forbid")

    system_id: UUID


@router.get("/systems", response=list[SystemOut], summary="List AI systems")
def list_systems(request: HttpRequest) -> Any:
    """The organisation's register of AI systems, the oldest first."""
    tenant = tenant_of_call(request)
    rows = systems.systems_of(tenant).prefetch_related("overseers")
    return [_shape(tenant, row) for row in rows]


@router.post("/systems", response={201: SystemOut}, summary="Register an AI system")
def register(request: HttpRequest, body: SystemIn) -> Any:
    """Enter a system into the register. The entry is recorded."""
    tenant = tenant_of_call(request)
    values = body.dict(exclude={"overseers"})
    made = systems.register_system(tenant, overseers=_people(body.overseers), **values)
    return Status(201, _shape(tenant, made))


@router.get("/systems/{uuid:system_id}", response=SystemOut, summary="Read one AI system")
def read(request: HttpRequest, system_id: UUID) -> Any:
    """One system of the register."""
    tenant = tenant_of_call(request)
    return _shape(tenant, systems.find_system(tenant, system_id))


@router.patch("/systems/{uuid:system_id}", response=SystemOut, summary="Change an AI system")
def change(request: HttpRequest, system_id: UUID, body: SystemChange) -> Any:
    """Change a system, retire it, or make it the default. What differs is recorded."""
    tenant = tenant_of_call(request)
    row = systems.find_system(tenant, system_id)
    given = body.dict(exclude_unset=True)
    is_default = given.pop("is_default", None)
    people = given.pop("overseers", None)
    for name in ("name", "purpose", "status"):
        if given.get(name, "") is None:
            given.pop(name)
    row = systems.change_system(
        tenant, row, overseers=None if people is None else _people(people), **given
    )
    if is_default:
        systems.make_default(tenant, row)
    return _shape(tenant, row)


@router.put("/keys/{uuid:key_id}/system", response={204: None}, summary="Put a key into a system")
def put_key(request: HttpRequest, key_id: UUID, body: KeySystem) -> Any:
    """Have a key's calls belong to a system: your own key, or with the right to manage keys any."""
    tenant = tenant_of_call(request)
    key = keys.find_key(tenant, key_id)
    systems.put_key_into(tenant, key, systems.find_system(tenant, body.system_id))
    return Status(204, None)


def _people(ids: list[UUID]) -> list[User]:
    found = list(User.objects.filter(pk__in=ids))
    if len(found) != len(set(ids)):
        raise ValidationError({"overseers": "Only members of the organisation can oversee."})
    return found


def _shape(tenant: Tenant, row: AISystem) -> dict[str, Any]:
    return {
        **{
            name: getattr(row, name) for name in ("id", *systems.FIELDS, "created_at", "changed_at")
        },
        "overseers": sorted((person.pk for person in row.overseers.all()), key=str),
        "is_default": row.pk == tenant.organisation.default_system_id,
    }
