"""The API of keeping and erasing content: how long, what is held, what goes, and who agreed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db import transaction
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from audit.content_models import ErasureRequest, Hold
from audit.erasure import (
    Ground,
    certificate,
    demands_two_people,
    place_hold,
    places_of,
    release_hold,
)
from audit.erasure_requests import (
    decide_erasure,
    demand_two_people,
    erase_or_request,
    erasures_of,
    open_requests,
)
from audit.inclusion import NotSealedYet
from audit.kinds import Kind
from audit.reading import records
from audit.retention import MOST_DAYS, Pruning, preview, retention_of, set_retention
from orgs.api_auth import tenant_of_call
from orgs.api_pages import page_of
from orgs.api_texts import FILLED_LINE
from orgs.roles import Permission
from orgs.tenancy import Tenant

router = Router(tags=["keeping and erasing"])

_Days = Annotated[int, Field(ge=1, le=MOST_DAYS)]
_Slot = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]


class KeepingOut(Schema):
    """The organisation's rules for content. Records and proofs stay, whatever these say."""

    content_days: int | None = Field(description="Null: content is kept until it is erased.")
    two_people_erase: bool = Field(description="Whether a second person confirms each erasure.")


class KeepingChange(Schema):
    """The rules to change; what is not sent stays."""

    model_config = ConfigDict(extra="forbid")

    content_days: _Days | None = Field(None, description="Null, if sent: kept until erased.")
    two_people_erase: bool | None = None


class PreviewOut(Schema):
    """What would expire the next time that the clock looks. Nothing was changed."""

    before: datetime = Field(description="Content of records from before this moment is over.")
    texts: int = Field(description="Texts that would go.")
    held: int = Field(description="Texts that would stay under a legal hold.")

    @staticmethod
    def of(found: Pruning) -> dict[str, Any]:
        """The values for what was found."""
        return {"before": found.before, "texts": found.slots, "held": found.held}


class HoldIn(Schema):
    """A legal hold. What it covers can neither be erased nor expire."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=200, pattern=FILLED_LINE)] = Field(
        description="For instance a file number."
    )
    actor_id: UUID | None = Field(None, description="Of a member or key; null: everybody.")
    since: AwareDatetime | None = Field(None, description="Records from then on; null: all.")
    until: AwareDatetime | None = Field(None, description="Records before then; null: all.")


class HoldOut(Schema):
    """A legal hold, in force until it is released."""

    id: UUID
    name: str
    actor_id: str = Field(description="Whose texts are held; empty: everybody's.")
    since: datetime | None
    until: datetime | None
    placed_at: datetime
    released_at: datetime | None


class Texts(Schema):
    """Texts of one record."""

    model_config = ConfigDict(extra="forbid")

    record_id: UUID
    slots: Annotated[list[_Slot], Field(min_length=1, max_length=20)]


class ErasureIn(Schema):
    """What is to be erased, and on which ground: either some texts or all of one person or key."""

    model_config = ConfigDict(extra="forbid")

    ground: Literal["gdpr_17_1", "gdpr_21", "gdpr_17_1_d", "gdpr_17_1_e", "mistake"]
    texts: Annotated[list[Texts], Field(max_length=200)] = []
    actor_id: UUID | None = Field(
        None, description="Everything that this member or key asked, and the answers."
    )

    def places(self, tenant: Tenant) -> list[tuple[UUID, str]]:
        """The slots that are named, as (record id, slot)."""
        named = [(text.record_id, slot) for text in self.texts for slot in text.slots]
        return named + (places_of(tenant, str(self.actor_id)) if self.actor_id else [])


class ErasureOut(Schema):
    """A request to erase, and how it was decided."""

    id: UUID
    state: Literal["requested", "confirmed", "refused", "expired"]
    ground: Ground
    texts: list[Texts]
    requested_by: UUID
    requested_at: datetime
    expires_at: datetime = Field(description="To be confirmed until then.")
    decided_by: UUID | None
    decided_at: datetime | None
    erasures: list[UUID] = Field(
        description="Records of the erasure; each has a certificate once it is sealed."
    )

    @staticmethod
    def of(row: ErasureRequest) -> dict[str, Any]:
        """The values for *row*."""
        names = ("id", "ground", "requested_at", "expires_at", "decided_at")
        return {
            **{name: getattr(row, name) for name in names},
            "state": "expired" if row.is_over else row.state,
            "texts": [{"record_id": pk, "slots": of_record} for pk, of_record in row.slots.items()],
            "requested_by": row.requested_by_id,
            "decided_by": row.decided_by_id,
            "erasures": erasures_of(row),
        }


class ErasureDone(Schema):
    """What came of it: erased at once, or asked for where two people are demanded."""

    erasures: list[UUID] = Field(description="Records of the erasure; empty where it was asked.")
    request: ErasureOut | None


class ErasurePage(Schema):
    """Requests, newest first; ``next`` is the ``before`` of the next page."""

    items: list[ErasureOut]
    next: UUID | None


class ErasureQuery(Schema):
    """Which requests, and from where on."""

    waiting: bool = Field(False, description="Only those that somebody can still decide.")
    before: UUID | None = Field(None, description="The “next” of the page before.")


class CertificateOut(Schema):
    """What the person gets who asked to be erased: the record, and the proof that it is logged."""

    format: Literal["lex-custis/erasure/v1"]
    record: str
    proof: str = Field(description="In the format c2sp.org/tlog-proof@v1.")
    note: str


@router.get("/rules", response=KeepingOut, summary="Read the rules of keeping")
def read_rules(request: HttpRequest) -> dict[str, Any]:
    """How long content is kept and how many erase it. Needs ``organisation:manage``."""
    return _rules(tenant_of_call(request))


@router.patch("/rules", response=KeepingOut, summary="Change the rules of keeping")
def change_rules(request: HttpRequest, body: KeepingChange) -> dict[str, Any]:
    """Change them; each change is recorded. Needs ``organisation:manage``.

    Where two people erase, who may erase can neither lift that rule nor shorten the time.
    """
    tenant = tenant_of_call(request)
    with transaction.atomic():
        if "content_days" in body.model_fields_set:
            set_retention(tenant, body.content_days)
        if body.two_people_erase is not None:
            demand_two_people(tenant, body.two_people_erase)
    return _rules(tenant)


@router.get("/rules/preview", response=PreviewOut, summary="What a time of keeping would erase")
def preview_rules(request: HttpRequest, content_days: _Days) -> dict[str, Any]:
    """A dry run over the organisation's content. Needs ``organisation:manage``."""
    return PreviewOut.of(preview(tenant_of_call(request), content_days))


@router.get("/holds", response=list[HoldOut], summary="List legal holds")
def list_holds(request: HttpRequest) -> Any:
    """Holds in force and released ones, newest first. Needs ``organisation:manage``."""
    return _holds(tenant_of_call(request))


@router.post("/holds", response={201: HoldOut}, summary="Place a legal hold")
def add_hold(request: HttpRequest, body: HoldIn) -> Any:
    """Forbid that what the hold covers is erased or expires. Needs ``content:erase``."""
    actor_id = str(body.actor_id or "")
    values = body.model_dump(include={"name", "since", "until"})
    return Status(201, place_hold(tenant_of_call(request), actor_id=actor_id, **values))


@router.post("/holds/{uuid:hold_id}/release", response=HoldOut, summary="Release a legal hold")
def end_hold(request: HttpRequest, hold_id: UUID) -> Any:
    """End a hold; one that has ended stays as it is. Needs ``content:erase``."""
    tenant = tenant_of_call(request)
    row = get_object_or_404(_holds(tenant), pk=hold_id)
    release_hold(tenant, row)
    row.refresh_from_db()
    return row


@router.get("/erasures", response=ErasurePage, summary="List requests to erase")
def list_erasures(request: HttpRequest, query: Annotated[ErasureQuery, Query()]) -> dict[str, Any]:
    """Requests and how they were decided, newest first. Needs ``organisation:manage``."""
    tenant = tenant_of_call(request)
    found = _requests(tenant)
    if query.waiting:
        found = open_requests(tenant)
    if query.before is not None:
        found = found.filter(pk__lt=query.before)
    return page_of(found.order_by("-pk"), ErasureOut.of)


@router.post("/erasures", response={201: ErasureDone}, summary="Erase texts, or ask to")
def add_erasure(request: HttpRequest, body: ErasureIn) -> Any:
    """Erase at once, or ask where the organisation demands two people. Needs ``content:erase``.

    Refused (409) where a legal hold covers some of it; then nothing is erased.
    """
    tenant = tenant_of_call(request)
    done = erase_or_request(tenant, body.places(tenant), Ground(body.ground))
    if isinstance(done, ErasureRequest):
        return Status(201, {"erasures": [], "request": ErasureOut.of(done)})
    return Status(201, {"erasures": [it.record_id for it in done], "request": None})


@router.get("/erasures/{uuid:request_id}", response=ErasureOut, summary="Read a request to erase")
def read_erasure(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """One request. Needs ``organisation:manage``."""
    tenant = tenant_of_call(request)
    return ErasureOut.of(get_object_or_404(_requests(tenant), pk=request_id))


@router.post(
    "/erasures/{uuid:request_id}/confirm", response=ErasureOut, summary="Confirm, which erases"
)
def confirm_erasure(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Erase what somebody else asked for. Needs ``content:erase``, and to be in time.

    Refused (409) where a legal hold covers some of it; the request then stands.
    """
    return _decide(tenant_of_call(request), request_id, confirm=True)


@router.post("/erasures/{uuid:request_id}/refuse", response=ErasureOut, summary="Refuse to erase")
def refuse_erasure(request: HttpRequest, request_id: UUID) -> dict[str, Any]:
    """Refuse what somebody else asked for. Needs ``content:erase``."""
    return _decide(tenant_of_call(request), request_id, confirm=False)


@router.get(
    "/certificates/{uuid:record_id}", response=CertificateOut, summary="Certificate of an erasure"
)
def read_certificate(request: HttpRequest, record_id: UUID) -> dict[str, Any]:
    """The proof that an erasure is recorded; 404 until it is sealed. Needs ``audit:read``."""
    tenant = tenant_of_call(request)
    row = get_object_or_404(records(tenant), pk=record_id, kind=Kind.CONTENT_ERASED)
    try:
        return certificate(tenant.organisation_id, row.pk)
    except NotSealedYet as error:
        raise Http404(str(error)) from error


def _rules(tenant: Tenant) -> dict[str, Any]:
    return {
        "content_days": retention_of(tenant),
        "two_people_erase": demands_two_people(tenant.organisation_id),
    }


def _holds(tenant: Tenant) -> Any:
    tenant.require(Permission.ORGANISATION_MANAGE)
    return Hold.objects.for_tenant(tenant)


def _requests(tenant: Tenant) -> Any:
    tenant.require(Permission.ORGANISATION_MANAGE)
    return ErasureRequest.objects.for_tenant(tenant)


def _decide(tenant: Tenant, request_id: UUID, *, confirm: bool) -> dict[str, Any]:
    row = get_object_or_404(_requests(tenant), pk=request_id)
    return ErasureOut.of(decide_erasure(tenant, row, confirm=confirm))
