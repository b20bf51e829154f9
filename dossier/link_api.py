"""Auditor links over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from ninja.responses import Status
from pydantic import AwareDatetime, ConfigDict, Field

from dossier import downloads
from dossier.link_models import AuditorLink
from dossier.links import create_link, find_link, links_of, revoke_link
from orgs.api_auth import tenant_of_call
from orgs.api_texts import LINE

router = Router(tags=["dossiers"])


class LinkRow(Schema):
    """A link: what it opens, and how it was used. Its address is not known any more."""

    id: UUID
    name: str
    dossier_id: UUID | None
    period_start: date | None
    period_end: date | None
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    downloads: int
    is_usable: bool


class NewLink(LinkRow):
    """A link that was made just now. ``address`` is shown only here."""

    address: str


class LinkRequest(Schema):
    """One dossier, or a period with both days included. Without ``expires_at``: fourteen days."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]
    dossier_id: UUID | None = None
    period_start: date | None = None
    period_end: date | None = None
    expires_at: AwareDatetime | None = None


@router.get("", response=list[LinkRow])
def list_links(request: HttpRequest) -> list[AuditorLink]:
    """The organisation's links, newest first."""
    return list(links_of(tenant_of_call(request)))


@router.post("", response={201: NewLink})
def make_link(request: HttpRequest, wanted: LinkRequest) -> Status[dict[str, Any]]:
    """Make a link for somebody without an account."""
    tenant = tenant_of_call(request)
    dossier = downloads.find_dossier(tenant, wanted.dossier_id) if wanted.dossier_id else None
    link, address = create_link(
        tenant,
        name=wanted.name,
        dossier=dossier,
        period_start=wanted.period_start,
        period_end=wanted.period_end,
        expires_at=wanted.expires_at,
    )
    row = {name: getattr(link, name) for name in LinkRow.model_fields}
    return Status(201, {**row, "address": address})


@router.post("/{uuid:link_id}/revoke", response=LinkRow)
def end_link(request: HttpRequest, link_id: UUID) -> AuditorLink:
    """End a link at once."""
    tenant = tenant_of_call(request)
    revoke_link(tenant, find_link(tenant, link_id))
    return find_link(tenant, link_id)
