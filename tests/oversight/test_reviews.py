"""Reviews: who got an answer asks, another person decides, and each step is on record."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import Http404

from audit.erasure import Ground, erase
from audit.kinds import Kind
from audit.models import RecordIndex
from audit.reading import read_content, read_record
from llm.models import Inference
from orgs.keys import create_key
from orgs.roles import Permission, Role
from orgs.tenancy import PermissionRefused, Tenant, tenant_of_key
from oversight.models import Review
from oversight.reviews import (
    Exchange,
    decide,
    exchange_of,
    find_review,
    own_reviews,
    reasons_for,
    request_review,
    reviews_to_do,
    take_up,
)
from tests.cast import Cast
from tests.oversight.scene import ANSWER, answered


@pytest.fixture
def inference(cast: Cast) -> Inference:
    return answered(cast.max)


@pytest.fixture
def review(cast: Cast, inference: Inference) -> Review:
    return request_review(cast.max, inference.pk, "Is that so for apprentices, too?")


def kinds(cast: Cast) -> list[str]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    return [kind for kind in rows.order_by("at").values_list("kind", flat=True) if "over" in kind]


def rejected(tenant: Tenant, review: Review, **values: str) -> Review:
    said = {"decision": "rejected", "reason": "facts", "comment": "It is four weeks here."}
    return decide(tenant, review, **(said | values))


def test_one_asks_another_accepts_and_both_are_records(
    cast: Cast, inference: Inference, review: Review
) -> None:
    take_up(cast.rita, review)
    done = decide(cast.rita, review, decision="accepted", reason="correct")
    assert (done.state, done.reviewer, done.reason) == ("accepted", cast.rita.user, "correct")
    assert kinds(cast) == ["oversight.requested", "oversight.assigned", "oversight.accepted"]
    assert done.decision_id is not None
    record = read_record(cast.organisation.pk, done.decision_id)
    assert record is not None
    assert record["actor"] == cast.rita.actor
    assert record["body"]["lexcustis.review.seconds"] == done.seconds
    assert {link["rel"]: link["id"] for link in record["links"]} == {
        "review": str(review.pk),
        "request": str(inference.pk),
        "answer": str(inference.end_record_id),
    }


def test_the_reviewer_reads_the_exchange_only_after_taking_it_up(
    cast: Cast, review: Review
) -> None:
    with pytest.raises(Http404):
        exchange_of(cast.rita, review)
    taken = take_up(cast.rita, review)
    assert exchange_of(cast.rita, taken) == Exchange(
        question="How long is the notice period?",
        answer=ANSWER,
        concern="Is that so for apprentices, too?",
        correction=None,
        comment=None,
        is_damaged=False,
    )
    with pytest.raises(Http404):
        exchange_of(cast.olivia, taken)


def test_a_correction_stands_beside_the_answer_and_its_author_sees_it(
    cast: Cast, inference: Inference, review: Review
) -> None:
    take_up(cast.rita, review)
    said = {"reason": "facts", "comment": "Clause 4.", "correction": "It is four weeks."}
    done = decide(cast.rita, review, decision="modified", **said)
    shown = exchange_of(cast.max, find_review(cast.max, review.pk))
    assert (shown.answer, shown.correction, shown.comment) == (
        ANSWER,
        "It is four weeks.",
        "Clause 4.",
    )
    assert inference.end_record_id is not None
    read = read_content(cast.organisation.pk, inference.end_record_id, "response")
    assert read.decode() == ANSWER
    assert list(own_reviews(cast.max)) == [done]


def test_nobody_reviews_what_they_asked_for(cast: Cast) -> None:
    own = request_review(cast.rita, answered(cast.rita).pk)
    with pytest.raises(ValidationError, match="Somebody else"):
        take_up(cast.rita, own)
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.for_tenant(cast.rita).filter(pk=own.pk).update(reviewer=cast.rita.user)


def test_a_program_does_not_review(cast: Cast, review: Review) -> None:
    key, _text = create_key(cast.rita, name="bot", scopes=[Permission.REVIEW])
    bot = tenant_of_key(key, Role.REVIEWER)
    with pytest.raises(ValidationError, match="person's decision"):
        take_up(bot, review)


def test_another_takes_over_and_the_time_begins_anew(cast: Cast, review: Review) -> None:
    first = take_up(cast.rita, review)
    second = take_up(cast.olivia, review)
    assert second.taken_at is not None
    assert first.taken_at is not None
    assert second.taken_at > first.taken_at
    with pytest.raises(ValidationError, match="Take the review up"):
        rejected(cast.rita, review)
    assert rejected(cast.olivia, review).state == "rejected"


def test_taking_up_twice_leaves_one_record(cast: Cast, review: Review) -> None:
    take_up(cast.rita, review)
    take_up(cast.rita, review)
    assert kinds(cast).count("oversight.assigned") == 1


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"decision": "ignored"}, "Accept, modify or reject"),
        ({"reason": "correct"}, "reason that fits"),
        ({"reason": ""}, "reason that fits"),
        ({"comment": "No."}, "Say in a sentence"),
        ({"decision": "modified"}, "what it should say"),
        ({"decision": "modified", "correction": f" {ANSWER}\r\n"}, "what it should say"),
        ({"comment": "x" * 100_001}, "At most"),
    ],
)
def test_a_decision_without_its_reasons_is_refused(
    cast: Cast, review: Review, values: dict[str, str], words: str
) -> None:
    take_up(cast.rita, review)
    with pytest.raises(ValidationError, match=words):
        rejected(cast.rita, review, **values)
    assert find_review(cast.rita, review.pk).state == "taken"


def test_every_decision_has_reasons_of_its_own() -> None:
    assert dict(reasons_for("accepted")).keys() == {"correct", "adequate"}
    assert "correct" not in dict(reasons_for("rejected"))


def test_what_is_decided_stays_decided(cast: Cast, review: Review) -> None:
    take_up(cast.rita, review)
    rejected(cast.rita, review)
    for again in (lambda: take_up(cast.olivia, review), lambda: rejected(cast.rita, review)):
        with pytest.raises(ValidationError, match="decided already"):
            again()


def test_one_review_at_a_time(cast: Cast, inference: Inference, review: Review) -> None:
    with pytest.raises(ValidationError, match="asked for already"):
        request_review(cast.max, inference.pk)
    take_up(cast.rita, review)
    rejected(cast.rita, review)
    assert request_review(cast.max, inference.pk).pk != review.pk


def test_only_ones_own_answers_and_only_those_that_are_there(
    cast: Cast, inference: Inference
) -> None:
    for tenant in (cast.rita, cast.charlie):
        with pytest.raises(Http404):
            request_review(tenant, inference.pk)
    with pytest.raises(Http404):
        request_review(cast.max, uuid4())
    assert inference.end_record_id is not None
    erase(cast.olivia, [(inference.end_record_id, "response")], Ground.REQUEST)
    with pytest.raises(ValidationError, match="no answer"):
        request_review(cast.max, inference.pk)
    running = answered(cast.max, state="started", end_record_id=None)
    with pytest.raises(ValidationError, match="still being written"):
        request_review(cast.max, running.pk)


def test_an_erased_answer_can_still_be_decided_about(
    cast: Cast, inference: Inference, review: Review
) -> None:
    taken = take_up(cast.rita, review)
    assert inference.end_record_id is not None
    erase(cast.olivia, [(inference.end_record_id, "response")], Ground.REQUEST)
    shown = exchange_of(cast.rita, taken)
    assert (shown.answer, shown.is_damaged) == (None, False)
    assert rejected(cast.rita, review).state == "rejected"


def test_others_learn_nothing(cast: Cast, review: Review) -> None:
    with pytest.raises(PermissionRefused):
        reviews_to_do(cast.max)
    assert find_review(cast.max, review.pk) == review
    for tenant in (cast.audrey, cast.alice, cast.charlie):
        with pytest.raises(Http404):
            find_review(tenant, review.pk)
    assert list(reviews_to_do(cast.rita)) == [review]
    stranger = Tenant(
        cast.other_organisation, Role.REVIEWER, cast.rita.permissions, cast.charlie.user
    )
    assert list(reviews_to_do(stranger)) == []
    with pytest.raises(Http404):
        take_up(stranger, review)
    assert Kind.OVERSIGHT_ASSIGNED not in kinds(cast)
