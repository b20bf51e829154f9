"""The API of who: the caller, their keys, their colleagues."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import AwareDatetime, ConfigDict, Field

from orgs import keys, members
from orgs.api_auth import tenant_of_call
from orgs.api_texts import FILLED_LINE
from orgs.roles import Permission, Role

router = Router(tags=["organisation"])


class OrganisationOut(Schema):
    """An organisation, and the caller's role in it."""

    id: UUID
    name: str
    role: Role


class PersonOut(Schema):
    """A person."""

    id: UUID
    name: str
    email: str


class MeOut(Schema):
    """Who calls, for which organisation, and what they may do there."""

    user: PersonOut
    organisation: OrganisationOut
    permissions: list[Permission]
    api_key_id: UUID | None = Field(description="The key that was used, if one was.")
    is_paused: bool = Field(description="The organisation has stopped the use of models.")
    notice: str = Field(description="To be shown wherever people talk to the model (Art. 50).")
    organisations: list[OrganisationOut] = Field(description="Where the person is a member.")


class KeyIn(Schema):
    """A key to be made. It never may more than its owner."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Nightly summary", "scopes": ["chat"]}]},
    )

    name: str = Field(min_length=1, max_length=100, pattern=FILLED_LINE)
    scopes: list[Permission] = Field(min_length=1, max_length=len(Permission))
    expires_at: AwareDatetime | None = Field(None, description="Null: it does not expire.")


class KeyOut(Schema):
    """A key, without its text."""

    id: UUID
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKeyOut(KeyOut):
    """A new key with its text, which is shown only now."""

    key: str


class MemberOut(Schema):
    """A member of the organisation."""

    user: PersonOut
    role: Role
    created_at: datetime


@router.get("/me", response=MeOut, summary="Who am I")
def me(request: HttpRequest) -> Any:
    """The caller, the organisation they work in, and what they may do there."""
    tenant = tenant_of_call(request)
    return {
        "user": tenant.user,
        "organisation": {
            "id": tenant.organisation_id,
            "name": tenant.organisation.name,
            "role": tenant.role,
        },
        "permissions": sorted(tenant.permissions),
        "api_key_id": tenant.api_key.pk if tenant.api_key else None,
        "is_paused": tenant.organisation.is_paused,
        "notice": tenant.organisation.notice,
        "organisations": [
            {"id": one.organisation_id, "name": one.organisation.name, "role": one.role}
            for one in members.memberships_of(tenant)
        ],
    }


@router.get("/keys", response=list[KeyOut], summary="List my keys")
def list_keys(request: HttpRequest) -> Any:
    """Your own API keys, newest first; their text is never shown again."""
    return keys.own_keys(tenant_of_call(request))


@router.post("/keys", response={201: NewKeyOut}, summary="Make a key")
def create_key(request: HttpRequest, body: KeyIn) -> Any:
    """Make an API key. Its text is in this answer and nowhere else."""
    key, text = keys.create_key(
        tenant_of_call(request), name=body.name, scopes=body.scopes, expires_at=body.expires_at
    )
    return Status(201, {**KeyOut.from_orm(key).dict(), "key": text})


@router.delete("/keys/{uuid:key_id}", response={204: None}, summary="Revoke a key")
def revoke_key(request: HttpRequest, key_id: UUID) -> Any:
    """End a key at once: your own, or with the right to manage keys anybody's."""
    tenant = tenant_of_call(request)
    keys.revoke_key(tenant, keys.find_key(tenant, key_id))
    return Status(204, None)


@router.get("/members", response=list[MemberOut], summary="List members")
def list_members(request: HttpRequest) -> Any:
    """The members of the organisation and their roles."""
    return members.members_of(tenant_of_call(request))
