"""Reviews of answers (Art. 14, Art. 26(2)): asked for by who got the answer, decided by another.

Asking hands question and answer to whoever takes the review up. That it was taken up, and how it
was decided, are records; the decision's names how many seconds lay between. The answer itself is
never changed: a corrected text stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from audit.reading import ContentGone, damaged, read_content, read_contents
from llm.models import Inference
from orgs.identifiers import uuid7
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantQuerySet
from oversight.models import Review
from oversight.written import as_kept

MOST_CHARACTERS = 100_000
_KINDS = {
    Review.State.ACCEPTED: Kind.OVERSIGHT_ACCEPTED,
    Review.State.MODIFIED: Kind.OVERSIGHT_MODIFIED,
    Review.State.REJECTED: Kind.OVERSIGHT_REJECTED,
}
_GOOD = {Review.Reason.CORRECT, Review.Reason.ADEQUATE}
_BAD = set(Review.Reason) - _GOOD
_REASONS = {
    Review.State.ACCEPTED: _GOOD,
    Review.State.MODIFIED: _BAD,
    Review.State.REJECTED: _BAD,
}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a reviewer reads: each text is None where it was erased or does not open.

    ``question`` is what was asked of the model, ``concern`` what the person asked of the reviewer,
    ``correction`` and ``comment`` what the reviewer said.
    """

    question: str | None
    answer: str | None
    concern: str | None
    correction: str | None
    comment: str | None
    is_damaged: bool


def reasons_for(state: str) -> list[tuple[str, str]]:
    """The reasons that fit a decision, and their words."""
    fitting = _REASONS[Review.State(state)]
    return [(str(value), str(label)) for value, label in Review.Reason.choices if value in fitting]


def request_review(tenant: Tenant, inference_id: UUID, concern: str = "") -> Review:
    """Ask that somebody else looks at an answer that one got. Needs ``chat``.

    ``Http404`` for an answer that is not one's own; ``ValidationError`` where there is nothing to
    review, or a review is open already.
    """
    tenant.require(Permission.CHAT)
    with transaction.atomic():
        inference = _own_inference(tenant, inference_id)
        if inference.end_record_id is None:
            raise ValidationError(_("The answer is still being written."))
        if _answer_of(inference) is None:
            raise ValidationError(_("There is no answer to review."))
        if inference.reviews.exclude(state__in=Review.DECIDED).exists():
            raise ValidationError(_("A review of this answer is asked for already."))
        review = Review(
            id=uuid7(),
            organisation_id=tenant.organisation_id,
            inference=inference,
            requested_by=tenant.user,
            requested_at=timezone.now(),
        )
        review.save(force_insert=True)
        concern = as_kept(concern)
        append(
            Draft(
                tenant.organisation_id,
                Kind.OVERSIGHT_REQUESTED,
                tenant.actor,
                inference.body(),
                content={"concern": Text(concern)} if concern else {},
                links=[Link(inference.pk, "request"), Link(inference.end_record_id, "answer")],
                id=review.pk,
            )
        )
    return review


def take_up(tenant: Tenant, review: Review) -> Review:
    """Begin to review, or take over what another began: from now on the time counts.

    Needs ``review``, to be a person and not the one who asked.
    """
    _require_reviewer(tenant)
    with transaction.atomic():
        row = _locked(tenant, review)
        _require_open(row)
        if row.requested_by_id == tenant.user.pk:
            raise ValidationError(_("Somebody else reviews what you asked for."))
        if row.reviewer_id == tenant.user.pk:
            return row
        row.state, row.reviewer, row.taken_at = Review.State.TAKEN, tenant.user, timezone.now()
        row.save()
        append(
            Draft(
                tenant.organisation_id,
                Kind.OVERSIGHT_ASSIGNED,
                tenant.actor,
                row.inference.body(),
                links=_links(row),
            )
        )
    return row


def decide(
    tenant: Tenant,
    review: Review,
    *,
    decision: str,
    reason: str,
    comment: str = "",
    correction: str = "",
) -> Review:
    """Accept, modify or reject what one has taken up, with a reason.

    *decision* is one of :data:`Review.DECIDED`, *reason* one of :func:`reasons_for` it. To modify
    takes a *correction* that differs from the answer; to reject, a *comment*. The person who asked
    sees all of it.
    """
    _require_reviewer(tenant)
    # Forms end lines with CR LF: a text that nobody touched is no correction.
    comment, correction = as_kept(comment), as_kept(correction)
    with transaction.atomic():
        row = _locked(tenant, review)
        _require_open(row)
        if row.reviewer_id != tenant.user.pk or row.taken_at is None:
            raise ValidationError(_("Take the review up first."))
        _require_reasons(row, decision, reason, comment, correction)
        row.state, row.reason, row.decided_at = decision, reason, timezone.now()
        row.seconds = int((row.decided_at - row.taken_at).total_seconds())
        content = {"comment": Text(comment)} if comment else {}
        if decision == Review.State.MODIFIED:
            content["correction"] = Text(correction, "text/markdown")
        receipt = append(
            Draft(
                tenant.organisation_id,
                _KINDS[Review.State(decision)],
                tenant.actor,
                {
                    **row.inference.body(),
                    "lexcustis.review.reason": reason,
                    "lexcustis.review.seconds": row.seconds,
                },
                content=content,
                links=_links(row),
            )
        )
        row.decision_id = receipt.record_id
        row.save()
    return row


def exchange_of(tenant: Tenant, review: Review) -> Exchange:
    """What the review is about, for who asked and for who took it up; ``Http404`` for others.

    A key of theirs needs the scope ``chat`` for the one, ``review`` for the other.
    """
    has_asked = _has_asked(tenant, review)
    has_taken = review.reviewer_id == tenant.user.pk and tenant.may(Permission.REVIEW)
    if not (has_asked or has_taken) or tenant.organisation_id != review.organisation_id:
        raise Http404
    inference = review.inference
    # The question of a further attempt stands with the first.
    asked = inference.attempt_of or inference.pk
    places = {"question": (asked, "prompt"), "concern": (review.pk, "concern")}
    if inference.end_record_id is not None:
        places["answer"] = (inference.end_record_id, "response")
    if review.decision_id is not None:
        places["correction"] = (review.decision_id, "correction")
        places["comment"] = (review.decision_id, "comment")
    texts = read_contents(tenant.organisation_id, places.values())
    unread = [place for place, data in texts.items() if data is None]
    said = {
        name: None if (data := texts[place]) is None else data.decode(errors="replace")
        for name, place in places.items()
    }
    return Exchange(
        question=said["question"],
        answer=said.get("answer"),
        concern=said["concern"],
        correction=said.get("correction"),
        comment=said.get("comment"),
        is_damaged=bool(damaged(tenant.organisation_id, unread)),
    )


def reviews_to_do(tenant: Tenant) -> TenantQuerySet[Review]:
    """The organisation's reviews, newest first. Needs ``review``."""
    tenant.require(Permission.REVIEW)
    return Review.objects.for_tenant(tenant).select_related("inference", "requested_by", "reviewer")


def next_review(tenant: Tenant) -> Review | None:
    """The review that has waited longest for somebody like this person; None where none does."""
    rows = reviews_to_do(tenant).filter(state=Review.State.WAITING)
    found: Review | None = rows.exclude(requested_by=tenant.user).order_by("requested_at").first()
    return found


def own_reviews(tenant: Tenant, conversation_id: UUID | None = None) -> TenantQuerySet[Review]:
    """The reviews that the person asked for, in one conversation where it is given."""
    tenant.require(Permission.CHAT)
    rows = Review.objects.for_tenant(tenant).filter(requested_by=tenant.user)
    rows = rows.select_related("inference", "reviewer")
    return rows.filter(inference__conversation_id=conversation_id) if conversation_id else rows


def find_review(tenant: Tenant, review_id: UUID) -> Review:
    """A review that the person asked for, or may do; ``Http404`` for any other."""
    rows = Review.objects.for_tenant(tenant).select_related("inference", "requested_by", "reviewer")
    found: Review | None = rows.filter(pk=review_id).first()
    if found is None or not (_has_asked(tenant, found) or tenant.may(Permission.REVIEW)):
        raise Http404
    return found


def _has_asked(tenant: Tenant, review: Review) -> bool:
    return review.requested_by_id == tenant.user.pk and tenant.may(Permission.CHAT)


def _answer_of(inference: Inference) -> str | None:
    """The text of an answer; None where there is none to read."""
    if inference.end_record_id is None:
        return None
    try:
        data = read_content(inference.organisation_id, inference.end_record_id, "response")
    except ContentGone:
        return None
    return data.decode(errors="replace")


def _own_inference(tenant: Tenant, inference_id: UUID) -> Inference:
    rows = Inference.objects.for_tenant(tenant).select_for_update()
    found: Inference | None = rows.filter(pk=inference_id, user_id=tenant.user.pk).first()
    if found is None:
        raise Http404
    return found


def _locked(tenant: Tenant, review: Review) -> Review:
    rows = Review.objects.for_tenant(tenant).select_for_update(of=("self",))
    row: Review | None = rows.select_related("inference").filter(pk=review.pk).first()
    if row is None:
        raise Http404
    return row


def _require_reviewer(tenant: Tenant) -> None:
    tenant.require(Permission.REVIEW)
    if tenant.api_key is not None:
        raise ValidationError(
            _("A review is a person's decision: sign in, instead of using a key.")
        )


def _require_open(review: Review) -> None:
    if review.is_decided:
        raise ValidationError(_("This has been decided already."))


def _require_reasons(
    review: Review, decision: str, reason: str, comment: str, correction: str
) -> None:
    if decision not in Review.DECIDED:
        raise ValidationError({"decision": _("Accept, modify or reject.")})
    if reason not in _REASONS[Review.State(decision)]:
        raise ValidationError({"reason": _("Choose a reason that fits the decision.")})
    if max(len(comment), len(correction)) > MOST_CHARACTERS:
        raise ValidationError(_("At most 100,000 characters can be kept."))
    if decision == Review.State.REJECTED and len(comment) < 10:
        raise ValidationError({"comment": _("Say in a sentence why it is rejected.")})
    if decision != Review.State.MODIFIED:
        return
    answer = _answer_of(review.inference)
    if not correction or (answer is not None and correction == as_kept(answer)):
        raise ValidationError({"correction": _("Write what it should say instead.")})


def _links(review: Review) -> Sequence[Link]:
    links = [Link(review.pk, "review"), Link(review.inference_id, "request")]
    if review.inference.end_record_id is not None:
        links.append(Link(review.inference.end_record_id, "answer"))
    return links
