"""The facts of law over HTTP: what they say, what they rest on, who checked them; checking one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from ninja.responses import Status
from pydantic import ConfigDict, Field, StringConstraints

from dossier.fact_models import FactReview
from dossier.fact_reviews import lawbook, review, reviews_of
from dossier.lawbook import FILES, Fact
from orgs.api_auth import tenant_of_call
from orgs.api_texts import LINE, PROSE

router = Router(tags=["facts"])

File = Literal["annex_xii", "incident_clocks", "obligations", "sources", "upstream", "wording"]
Line = Annotated[str, StringConstraints(pattern=LINE)]
Prose = Annotated[str, StringConstraints(pattern=PROSE)]


class ReviewRow(Schema):
    """One look at a row. ``changes`` holds what differs from the row as it is delivered."""

    id: UUID
    file: File
    key: str
    act: Literal["confirmed", "overridden"]
    grade: Literal["P", "S"]
    source: str
    changes: dict[str, str | int]
    ground: str
    reviewed_name: str
    reviewed_role: str
    reviewed_at: datetime
    record_id: UUID


class FactRow(Schema):
    """A row as it counts now. ``review`` is null until somebody here checked it.

    ``grade`` says what was read: P the text itself, S a source about it, K and U neither, so that
    the row is not printed as fact.
    """

    file: File
    key: str
    says: dict[str, Any]
    grade: str
    source: str
    checked_on: date
    review_by: date
    is_overdue: bool
    is_printed: bool
    law_version: str
    review: ReviewRow | None


class Facts(Schema):
    """The rows of each file in its order."""

    items: list[FactRow]


class Reviews(Schema):
    """The newest first."""

    items: list[ReviewRow]


class NewReview(Schema):
    """A look at a row, today. ``source`` is the address that was read.

    Without ``changes`` the row is confirmed; with them it says something else from now on, which
    needs its ``ground``.
    """

    model_config = ConfigDict(extra="forbid")

    file: File
    key: Line = Field(min_length=1, max_length=200)
    grade: Literal["P", "S"]
    source: Line = Field(min_length=1, max_length=500)
    changes: dict[Line, Annotated[Prose, StringConstraints(max_length=2000)] | int] = Field(
        {}, max_length=10
    )
    ground: Prose = Field("", max_length=2000)


@router.get("", response=Facts)
def list_facts(request: HttpRequest, file: File | None = None) -> dict[str, Any]:
    """The facts of law that dossiers of the organisation rest on; those of one file where given."""
    book, now = lawbook(tenant_of_call(request)), timezone.now()
    files = (file,) if file else FILES
    return {"items": [_shape(fact, now) for name in files for fact in book.facts(name)]}


@router.get("/reviews", response=Reviews)
def list_reviews(
    request: HttpRequest,
    file: File | None = None,
    key: Annotated[str, Query(max_length=200, pattern=LINE)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Every look at a fact that people of the organisation took."""
    return {"items": list(reviews_of(tenant_of_call(request), file=file or "", key=key)[:limit])}


@router.post("/reviews", response={201: ReviewRow})
def review_fact(request: HttpRequest, look: NewReview) -> Status[FactReview]:
    """Confirm or change a row, as the person behind this call. Nothing is overwritten."""
    return Status(201, review(tenant_of_call(request), **look.dict()))


def _shape(fact: Fact, now: datetime) -> dict[str, Any]:
    return {
        "file": fact.file,
        "key": fact.key,
        "says": dict(fact.row),
        "grade": fact.grade,
        "source": fact.source,
        "checked_on": fact.checked_on,
        "review_by": fact.review_by,
        "is_overdue": fact.is_stale(now),
        "is_printed": fact.is_printable,
        "law_version": fact.law_version,
        "review": fact.review,
    }
