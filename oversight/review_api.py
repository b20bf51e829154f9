"""The API of reviews: asked for by who got an answer, taken up and decided by another person."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from orgs.api_auth import tenant_of_call
from orgs.api_pages import page_of
from orgs.api_texts import PROSE
from orgs.tenancy import Tenant
from oversight.answers import answer_of
from oversight.models import Review
from oversight.reviews import (
    MOST_CHARACTERS,
    decide,
    exchange_of,
    find_review,
    own_reviews,
    request_review,
    reviews_to_do,
    take_up,
)

router = Router(tags=["reviews"])

_State = Literal["waiting", "taken", "accepted", "modified", "rejected"]
_Wanted = Literal["open", "decided", "all", "waiting", "taken", "accepted", "modified", "rejected"]
_Reason = Literal[
    "correct", "adequate", "facts", "incomplete", "tone", "personal_data", "harmful", "unlawful",
    "other",
]  # fmt: skip
_Concern = Annotated[str, StringConstraints(max_length=4000, pattern=PROSE)]
_Prose = Annotated[str, StringConstraints(max_length=MOST_CHARACTERS, pattern=PROSE)]
_STATES: dict[str, tuple[str, ...]] = {
    "open": (Review.State.WAITING, Review.State.TAKEN),
    "decided": Review.DECIDED,
}


class ReviewIn(Schema):
    """An answer that somebody else shall look at: by its message, or by its inference."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "message_id": "0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e",
                    "concern": "Is that so for apprentices, too?",
                }
            ]
        },
    )

    message_id: UUID | None = Field(None, description="Of an answer in one's own conversation.")
    inference_id: UUID | None = Field(
        None, description="Instead of it: the id of the record `inference.requested`."
    )
    concern: _Concern = Field("", description="What the reviewer is asked. It may be left out.")

    @model_validator(mode="after")
    def _one_answer(self) -> ReviewIn:
        if (self.message_id is None) == (self.inference_id is None):
            raise ValueError("Send either 'message_id' or 'inference_id'.")
        return self


class DecisionIn(Schema):
    """How it is decided, and why. The person who asked reads all of it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "decision": "modified",
                    "reason": "facts",
                    "comment": "Clause 4 of the collective agreement.",
                    "correction": "The notice period is four weeks.",
                }
            ]
        },
    )

    decision: Literal["accepted", "modified", "rejected"]
    reason: _Reason = Field(
        description="`correct` or `adequate` where it is accepted, one of the others where not."
    )
    comment: _Prose = Field("", description="To reject takes one of at least ten characters.")
    correction: _Prose = Field(
        "", description="What it should say instead: only where it is modified. Markdown."
    )


class ReviewOut(Schema):
    """Where a review stands. Its id is that of its record `oversight.requested`."""

    id: UUID
    state: _State
    inference_id: UUID = Field(description="The record of the question.")
    answer_id: UUID | None = Field(
        description="The record of the answer, as `record_id` of the message has it."
    )
    conversation_id: UUID | None
    requested_by: UUID
    requested_by_name: str
    requested_at: datetime
    reviewer: UUID | None
    reviewer_name: str = Field(description="Empty until somebody has taken it up.")
    taken_at: datetime | None
    reason: Literal["", _Reason] = Field(description="Empty until it is decided.")
    reason_in_words: str
    decided_at: datetime | None
    seconds: int | None = Field(description="From when it was taken up to the decision.")
    decision_id: UUID | None = Field(description="The record of the decision.")

    @staticmethod
    def of(row: Review) -> dict[str, Any]:
        """The values for *row*."""
        names = ("id", "state", "inference_id", "requested_at", "taken_at", "reason", "decided_at")
        return {
            **{name: getattr(row, name) for name in (*names, "seconds", "decision_id")},
            "answer_id": row.inference.end_record_id,
            "conversation_id": row.inference.conversation_id,
            "requested_by": row.requested_by_id,
            "requested_by_name": row.requested_by.name,
            "reviewer": row.reviewer_id,
            "reviewer_name": row.reviewer.name if row.reviewer else "",
            "reason_in_words": row.get_reason_display(),
        }


class ExchangeOut(Schema):
    """What a review is about. A text is null where it was erased, or not written."""

    question: str | None
    answer: str | None
    concern: str | None = Field(description="What the reviewer was asked.")
    correction: str | None = Field(description="What it should say, by the reviewer.")
    comment: str | None = Field(description="What the reviewer said to it.")
    is_damaged: bool = Field(description="Some of it is stored, but does not open.")


class ReviewDetail(ReviewOut):
    """A review with its texts."""

    texts: ExchangeOut | None = Field(
        description="Null for all but who asked, and who has taken it up."
    )

    @staticmethod
    def seen_by(tenant: Tenant, row: Review) -> dict[str, Any]:
        """The values for *row*, as far as *tenant* may read them."""
        try:
            texts = exchange_of(tenant, row)
        except Http404:
            texts = None
        return {**ReviewOut.of(row), "texts": texts}


class ReviewPage(Schema):
    """Some of the reviews; with ``next`` one asks for the following page."""

    items: list[ReviewOut]
    next: UUID | None


class OwnQuery(Schema):
    """Which of one's own reviews, and from where on."""

    conversation_id: UUID | None = Field(None, description="Only of answers in this one.")
    before: UUID | None = Field(None, description="The “next” of the page before.")


class QueueQuery(Schema):
    """Which reviews of the organisation, and from where on."""

    state: _Wanted = Field("open", description="`open`: waiting or taken up, not decided yet.")
    after: UUID | None = Field(None, description="The “next” of the page before.")


@router.post("", response={201: ReviewOut}, summary="Ask for a review")
def ask_for_review(request: HttpRequest, body: ReviewIn) -> Any:
    """Ask that a person looks at an answer of one's own. Needs ``chat``.

    Whoever takes it up reads question and answer.
    """
    tenant = tenant_of_call(request)
    wanted = body.inference_id or answer_of(tenant, body.message_id).pk  # type: ignore[arg-type]
    return Status(201, ReviewOut.of(request_review(tenant, wanted, body.concern)))


@router.get("", response=ReviewPage, summary="List one's own reviews")
def list_own(request: HttpRequest, query: Annotated[OwnQuery, Query()]) -> dict[str, Any]:
    """The reviews that one asked for oneself, newest first. Needs ``chat``."""
    rows = own_reviews(tenant_of_call(request), query.conversation_id)
    if query.before is not None:
        rows = rows.filter(pk__lt=query.before)
    return page_of(rows.select_related("requested_by").order_by("-pk"), ReviewOut.of)


@router.get("/queue", response=ReviewPage, summary="List the reviews to be done")
def list_queue(request: HttpRequest, query: Annotated[QueueQuery, Query()]) -> dict[str, Any]:
    """The organisation's reviews, those that were asked for first at the top. Needs ``review``."""
    rows = reviews_to_do(tenant_of_call(request))
    if query.state != "all":
        rows = rows.filter(state__in=_STATES.get(query.state, (query.state,)))
    if query.after is not None:
        rows = rows.filter(pk__gt=query.after)
    return page_of(rows.order_by("pk"), ReviewOut.of)


@router.get("/{uuid:review_id}", response=ReviewDetail, summary="Read a review")
def read_review(request: HttpRequest, review_id: UUID) -> dict[str, Any]:
    """One review: with its texts for who asked and for who has taken it up."""
    tenant = tenant_of_call(request)
    return ReviewDetail.seen_by(tenant, find_review(tenant, review_id))


@router.post("/{uuid:review_id}/take", response=ReviewDetail, summary="Take a review up")
def take(request: HttpRequest, review_id: UUID) -> dict[str, Any]:
    """Begin to review, or take over from another: the time counts from now. Needs ``review``.

    That it was taken up is recorded. A person does it, with a session, and not who asked.
    """
    tenant = tenant_of_call(request)
    row = take_up(tenant, find_review(tenant, review_id))
    return ReviewDetail.seen_by(tenant, row)


@router.post("/{uuid:review_id}/decision", response=ReviewDetail, summary="Decide a review")
def decide_review(request: HttpRequest, review_id: UUID, body: DecisionIn) -> dict[str, Any]:
    """Accept, modify or reject what one has taken up. Needs ``review``, and a session.

    The answer itself stays as it is; a correction stands beside it.
    """
    tenant = tenant_of_call(request)
    row = decide(tenant, find_review(tenant, review_id), **body.model_dump())
    return ReviewDetail.seen_by(tenant, row)
