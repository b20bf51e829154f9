"""Dossiers and declarations over HTTP."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, StreamingHttpResponse
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field

from dossier import downloads
from dossier.catalogue import CATALOGUE
from dossier.declarations import LONGEST, declarations_at, declare
from dossier.link_api import router as links_router
from dossier.models import Declaration, Dossier, Kind
from dossier.progress import seconds_left
from dossier.scheduling import Languages, asked_days, cancel, request_dossier
from orgs.api_auth import tenant_of_call
from orgs.api_texts import PROSE
from orgs.roles import Permission

router = Router(tags=["dossiers"])
router.add_router("/links", links_router)


class DossierRow(Schema):
    """A dossier and how far it is. ``message`` says what stood in the way where it failed.

    ``seconds_left`` is an estimate while it is being made.
    """

    id: UUID
    kind: Literal["art53", "art10", "full"]
    period_start: date
    period_end: date
    time_zone: str
    language: Literal["en", "de", "fr", "it"]
    further_languages: list[Literal["en", "de", "fr", "it"]]
    state: Literal["waiting", "running", "published", "failed", "cancelled"]
    stage: str
    percent: int
    seconds_left: int | None
    message: str
    created_at: datetime
    published_at: datetime | None
    as_of: datetime | None
    file_bytes: int | None
    file_sha256: str
    manifest_sha256: str
    record_id: UUID | None

    @staticmethod
    def resolve_seconds_left(row: Dossier) -> int | None:
        """How long it will still take."""
        return seconds_left(row)


class Dossiers(Schema):
    """The newest period first."""

    items: list[DossierRow]


class DossierRequest(Schema):
    """What to make: ``period`` is ``2026``, ``2026-Q3`` or ``2026-10``, else both days are given.

    ``language`` is that of ``dossier.pdf``, by default the organisation's; each of
    ``further_languages`` gives one more PDF. Manifests are the same in every language.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["art53", "art10", "full"]
    period: Annotated[str, Field(pattern=r"^[0-9]{4}(-([0-9]{2}|Q[1-4]))?$")] | None = None
    period_start: date | None = None
    period_end: date | None = None
    language: Literal["en", "de", "fr", "it"] | None = None
    further_languages: list[Literal["en", "de", "fr", "it"]] = Field([], max_length=4)


class DeclarationRow(Schema):
    """One statement of a named person."""

    key: str
    subject: str
    value: str
    declared_name: str
    declared_role: str
    declared_at: datetime
    expires_at: datetime
    record_id: UUID


class Statement(Schema):
    """Something that can be declared, with its article, help and example."""

    key: str
    label: str
    about: str
    law: list[str]
    help: str
    example: str
    choices: list[str]


class DeclarationRequest(Schema):
    """``subject`` names a provider or model as it stands in the log; empty otherwise."""

    model_config = ConfigDict(extra="forbid")

    key: str = Field(max_length=60)
    value: str = Field(min_length=1, max_length=LONGEST, pattern=PROSE)
    subject: str = Field("", max_length=200, pattern=PROSE)


@router.get("", response=Dossiers)
def list_dossiers(
    request: HttpRequest, limit: Annotated[int, Query(ge=1, le=500)] = 100
) -> dict[str, Any]:
    """The organisation's dossiers."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.DOSSIER_READ)
    return {"items": list(Dossier.objects.for_tenant(tenant)[:limit])}


@router.post("", response={202: DossierRow})
def ask_for_dossier(request: HttpRequest, wanted: DossierRequest) -> Status[Dossier]:
    """Have a dossier made. Asking again for the same kind and period gives the same dossier."""
    tenant = tenant_of_call(request)
    first, last = asked_days(wanted.period, wanted.period_start, wanted.period_end)
    dossier = request_dossier(
        tenant,
        kind=Kind(wanted.kind),
        first=first,
        last=last,
        languages=_languages(wanted),
    )
    return Status(202, dossier)


def _languages(wanted: DossierRequest) -> Languages | None:
    if wanted.language is None and not wanted.further_languages:
        return None
    return Languages(wanted.language or "", wanted.further_languages)


@router.get("/statements", response=list[Statement])
def list_statements(request: HttpRequest) -> list[dict[str, Any]]:
    """What can be declared."""
    tenant_of_call(request).require(Permission.DOSSIER_READ)
    return [
        {
            "key": item.key,
            "label": item.label,
            "about": item.about.value,
            "law": list(item.law),
            "help": item.help,
            "example": item.example,
            "choices": list(item.choices),
        }
        for item in CATALOGUE.values()
    ]


@router.get("/declarations", response=list[DeclarationRow])
def list_declarations(request: HttpRequest) -> list[Declaration]:
    """The declarations that count now, newest statement of each key and subject."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.DOSSIER_READ)
    return declarations_at(tenant.organisation_id).current()


@router.post("/declarations", response={201: DeclarationRow})
def make_declaration(request: HttpRequest, statement: DeclarationRequest) -> Status[Declaration]:
    """Declare something, as the person behind this call and as of now. Nothing is overwritten."""
    tenant = tenant_of_call(request)
    made = declare(tenant, key=statement.key, value=statement.value, subject=statement.subject)
    return Status(201, made)


@router.get("/{uuid:dossier_id}", response=DossierRow)
def show_dossier(request: HttpRequest, dossier_id: UUID) -> Dossier:
    """One dossier and how far it is."""
    return downloads.find_dossier(tenant_of_call(request), dossier_id)


@router.post("/{uuid:dossier_id}/cancel", response=DossierRow)
def cancel_dossier(request: HttpRequest, dossier_id: UUID) -> Dossier:
    """Stop the work on a dossier that is not published yet."""
    tenant = tenant_of_call(request)
    dossier = downloads.find_dossier(tenant, dossier_id)
    cancel(tenant, dossier)
    dossier.refresh_from_db()
    return dossier


_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}


@router.get(
    "/{uuid:dossier_id}/download",
    openapi_extra={"responses": {200: {"description": "The zip", "content": _ZIP}}},
)
def download_dossier(request: HttpRequest, dossier_id: UUID) -> StreamingHttpResponse:
    """The zip. The download is recorded."""
    return downloads.download(tenant_of_call(request), dossier_id)
