"""The upstream register over HTTP: models seen in the log, documents, requests, complaints."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import File, Form, Query, Router, Schema
from ninja.files import UploadedFile
from ninja.responses import Status
from pydantic import ConfigDict, Field, StringConstraints

from dossier import upstream_documents, upstream_register, upstream_requests
from dossier.upstream_downloads import attachment
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from orgs.api_auth import tenant_of_call
from orgs.api_texts import LINE, PROSE

router = Router(tags=["upstream"])

Line = Annotated[str, StringConstraints(pattern=LINE)]
Prose = Annotated[str, StringConstraints(pattern=PROSE)]
Model = Annotated[
    str, Query(min_length=1, max_length=200, pattern=LINE, description="As in the log.")
]
OneModel = Annotated[
    str, Query(max_length=200, pattern=LINE, description="As in the log; all without it.")
]
Limit = Annotated[int, Query(ge=1, le=500)]


class Snapshot(Schema):
    """A version that answered under the model's name; ``first_record`` proves since when."""

    provider: str
    answered_by: str
    calls: int
    first_at: datetime
    last_at: datetime
    first_record: UUID


class Item(Schema):
    """An item of Annex XII as it stands, and what it rests on."""

    key: str
    law: str
    title: str
    state: Literal["published", "supplied", "declared", "requested", "refused", "unknown"]
    document_id: UUID | None
    request_id: UUID | None
    declared: str


class Published(Schema):
    """A page or document of the maker, as far as is on file. Nobody here kept a copy by that."""

    kind: str
    title: str
    url: str
    grade: str


class SeenModel(Schema):
    """A model that was really called. ``maker`` is null where its name does not tell.

    ``no_model`` says why Art. 53 does not apply, where it does not. ``version_changes`` counts how
    often another version answered under the same name. That something is missing proves no breach.
    """

    model: str
    maker: str | None
    hosts: list[str]
    calls: int
    first_at: datetime
    last_at: datetime
    version_changes: int
    versions: list[Snapshot]
    no_model: str
    published: list[Published]
    summary_id: UUID | None
    answered: int
    checklist: list[Item]


class SeenModels(Schema):
    """The most called first."""

    items: list[SeenModel]


class DocumentRow(Schema):
    """A document, with the hash of its bytes and the record of when it was brought."""

    id: UUID
    model: str
    kind: str
    title: str
    publisher: str
    version: str
    url: str
    retrieved_on: date
    answers: list[str]
    is_confidential: bool
    request_id: UUID | None
    file_name: str
    media: str
    size: int
    sha256: str
    added_name: str
    added_at: datetime
    record_id: UUID


class Documents(Schema):
    """The newest first."""

    items: list[DocumentRow]


class DocumentFields(Schema):
    """What is known of a document. Give its ``url``, or the request that it answers."""

    model: Line = Field(min_length=1, max_length=200)
    kind: Literal[
        "training_content_summary",
        "model_documentation",
        "terms",
        "acceptable_use",
        "copyright_policy",
        "data_processing",
        "other",
    ]
    title: Line = Field(min_length=1, max_length=300)
    publisher: Line = Field(min_length=1, max_length=200)
    version: Line = Field("", max_length=100)
    url: Line = Field("", max_length=500)
    retrieved_on: date
    answers: list[str] = Field([], max_length=11, description="Items of Annex XII, as 1a or 2c.")
    is_confidential: bool = False
    request_id: UUID | None = None


class RequestRow(Schema):
    """A request, and what came of it. Signatories of the code are reminded of after 14 days."""

    id: UUID
    model: str
    addressee: str
    channel: str
    asked_on: date
    items: list[str]
    text: str
    is_signatory: bool
    remind_on: date | None
    reminded_at: datetime | None
    outcome: Literal["open", "supplied", "refused"]
    answered_on: date | None
    answer: str
    asked_name: str
    created_at: datetime
    record_id: UUID
    answer_record_id: UUID | None


class Requests(Schema):
    """The newest first."""

    items: list[RequestRow]


class NewRequest(Schema):
    """A request that was sent already; nothing is sent from here."""

    model_config = ConfigDict(extra="forbid")

    model: Line = Field(min_length=1, max_length=200)
    addressee: Line = Field(min_length=1, max_length=300)
    channel: Line = Field(min_length=1, max_length=200)
    asked_on: date
    items: list[str] = Field(
        min_length=1,
        max_length=12,
        description="Items of Annex XII, as 1a or 2c; or training_content_summary.",
    )
    text: Prose = Field("", max_length=8000)


class Answer(Schema):
    """What came back. It is noted once."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["supplied", "refused"]
    answered_on: date
    answer: Prose = Field(min_length=1, max_length=4000)


@router.get("/models", response=SeenModels)
def list_models(request: HttpRequest) -> dict[str, Any]:
    """Every model that was really called, with the state of each item of Annex XII."""
    return {"items": [_shape(row) for row in upstream_register.register(tenant_of_call(request))]}


@router.get("/model", response=SeenModel)
def show_model(request: HttpRequest, model: Model) -> dict[str, Any]:
    """One model of the register."""
    return _shape(upstream_register.seen(tenant_of_call(request), model))


_TEXT = {"text/plain": {"schema": {"type": "string"}}}


@router.get(
    "/complaint",
    openapi_extra={"responses": {200: {"description": "The draft", "content": _TEXT}}},
)
def draft_complaint(request: HttpRequest, model: Model) -> HttpResponse:
    """The draft of a complaint under Art. 89(2), from what is on file. Nothing is sent."""
    text = upstream_register.complaint_draft(tenant_of_call(request), model)
    return attachment(text.encode(), f"complaint-draft-{model}.txt", "text/plain; charset=utf-8")


@router.get("/documents", response=Documents)
def list_documents(
    request: HttpRequest, model: OneModel = "", limit: Limit = 100
) -> dict[str, Any]:
    """Documents of model makers that people brought."""
    rows = upstream_documents.documents_on_file(tenant_of_call(request), model=model)
    return {"items": list(rows[:limit])}


@router.post("/documents", response={201: DocumentRow})
def add_document(
    request: HttpRequest, fields: Form[DocumentFields], file: File[UploadedFile]
) -> Status[UpstreamDocument]:
    """Bring a document of at most 20 MB, as it was retrieved. The server fetches nothing."""
    tenant = tenant_of_call(request)
    values = fields.dict()
    request_id = values.pop("request_id")
    document = upstream_documents.add_document(
        tenant,
        file_name=file.name or "",
        data=upstream_documents.read_upload(file),
        request=upstream_requests.find_request(tenant, request_id) if request_id else None,
        **values,
    )
    return Status(201, document)


@router.get("/documents/{uuid:document_id}", response=DocumentRow)
def show_document(request: HttpRequest, document_id: UUID) -> UpstreamDocument:
    """One document."""
    return upstream_documents.find_document(tenant_of_call(request), document_id)


_COPY = {
    name: {"schema": {"type": "string", "format": "binary"}}
    for name in ("application/octet-stream", "application/pdf", "text/plain")
}


@router.get(
    "/documents/{uuid:document_id}/copy",
    openapi_extra={"responses": {200: {"description": "The document", "content": _COPY}}},
)
def download_document(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """The document's own bytes, as they were brought; their SHA-256 is in its row."""
    document = upstream_documents.find_document(tenant_of_call(request), document_id)
    data = upstream_documents.read_document(document)
    return attachment(data, document.file_name, document.media)


@router.get("/requests", response=Requests)
def list_requests(request: HttpRequest, model: OneModel = "", limit: Limit = 100) -> dict[str, Any]:
    """What was asked of model makers, and what came of it."""
    rows = upstream_requests.requests_on_file(tenant_of_call(request), model=model)
    return {"items": list(rows[:limit])}


@router.post("/requests", response={201: RequestRow})
def enter_request(request: HttpRequest, wanted: NewRequest) -> Status[UpstreamRequest]:
    """Enter a request that was sent to a maker or host."""
    return Status(201, upstream_requests.ask(tenant_of_call(request), **wanted.dict()))


@router.get("/requests/{uuid:request_id}", response=RequestRow)
def show_request(request: HttpRequest, request_id: UUID) -> UpstreamRequest:
    """One request."""
    return upstream_requests.find_request(tenant_of_call(request), request_id)


@router.post("/requests/{uuid:request_id}/answer", response=RequestRow)
def note_answer(request: HttpRequest, request_id: UUID, answer: Answer) -> UpstreamRequest:
    """Note what came back: documents, or a refusal with its ground."""
    tenant = tenant_of_call(request)
    row = upstream_requests.find_request(tenant, request_id)
    return upstream_requests.note_answer(tenant, row, **answer.dict())


def _shape(row: upstream_register.Seen) -> dict[str, Any]:
    return {
        "model": row.model,
        "maker": row.maker["name"] if row.maker else None,
        "hosts": row.hosts,
        "calls": row.calls,
        "first_at": row.first_at,
        "last_at": row.last_at,
        "version_changes": row.changes,
        "versions": row.snapshots,
        "no_model": row.no_model,
        "published": row.published,
        "summary_id": row.summary.pk if row.summary else None,
        "answered": row.answered,
        "checklist": [
            {
                "key": item.key,
                "law": item.law,
                "title": item.title,
                "state": item.state,
                "document_id": item.document.pk if item.document else None,
                "request_id": item.request.pk if item.request else None,
                "declared": item.declared,
            }
            for item in row.checklist
        ],
    }
