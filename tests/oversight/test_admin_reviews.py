"""The admin of reviews: nobody reads before they take it up, and nobody decides for them."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from audit.erasure import Ground, erase
from audit.kinds import Kind
from audit.models import RecordIndex
from orgs.members import add_member
from orgs.roles import Role
from oversight.models import Review
from oversight.reviews import decide, request_review, take_up
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.oversight.scene import ANSWER, answered
from tests.oversight.test_review_figures import decided

QUESTION = "How long is the notice period?"
CONCERN = "Is that so for apprentices, too?"
LIST = "/admin/oversight/review/"
HOSTILE = "</pre></textarea><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def review(cast: Cast) -> Review:
    return request_review(cast.max, answered(cast.max).pk, CONCERN)


@pytest.fixture
def rita(cast: Cast) -> Client:
    return signed_in(cast.rita.user)


def page_of(review: Review) -> str:
    return reverse("admin:oversight_review_change", args=[review.pk])


def take(client: Client, review: Review) -> str:
    """The page after the button."""
    place = reverse("admin:oversight_review_take", args=[review.pk])
    return client.post(place, follow=True).content.decode()


def say(client: Client, review: Review, **values: str) -> str:
    """The page after a decision was sent."""
    place = reverse("admin:oversight_review_decide", args=[review.pk])
    sent = {"decision": "rejected", "reason": "facts", "comment": "It is four weeks here."}
    return client.post(place, sent | values, follow=True).content.decode()


def again(cast: Cast, review: Review) -> Review:
    found: Review = Review.objects.for_tenant(cast.rita).get(pk=review.pk)
    return found


def test_before_it_is_taken_up_nothing_of_the_texts_is_shown(
    cast: Cast, rita: Client, review: Review
) -> None:
    page = rita.get(page_of(review)).content.decode()
    assert "Take it up" in page
    assert "Max" in page
    assert "sim-large" in page
    for text in (QUESTION, ANSWER, CONCERN):
        assert text not in page


def test_taken_up_it_shows_all_and_a_form_without_a_choice(
    cast: Cast, rita: Client, review: Review
) -> None:
    page = take(rita, review)
    for text in (QUESTION, ANSWER, CONCERN):
        assert text in page
    assert len(re.findall(r'<input type="radio" name="decision"', page)) == 3
    assert not re.search(r"<input[^>]*\bchecked", page)
    assert "autofocus" not in page
    assert re.search(rf"<textarea[^>]*name=\"correction\"[^>]*>\s*{re.escape(ANSWER)}", page)
    assert again(cast, review).reviewer == cast.rita.user


def test_pages_with_texts_rest_in_no_cache(rita: Client, review: Review) -> None:
    take(rita, review)
    assert "no-store" in rita.get(page_of(review)).headers["Cache-Control"]


def test_nobody_is_offered_what_they_asked_for_themselves(cast: Cast) -> None:
    own = request_review(cast.rita, answered(cast.rita).pk)
    rita = signed_in(cast.rita.user)
    assert "Take it up" not in rita.get(page_of(own)).content.decode()
    assert "Somebody else reviews what you asked for." in take(rita, own)


def test_what_another_has_in_hand_shows_who_and_can_be_taken_over(
    cast: Cast, rita: Client, review: Review
) -> None:
    take(rita, review)
    olivia = signed_in(cast.olivia.user)
    page = olivia.get(page_of(review)).content.decode()
    assert "Rita has been reviewing this since" in page
    assert ANSWER not in page
    assert ANSWER in take(olivia, review)
    assert ANSWER not in rita.get(page_of(review)).content.decode()
    assert "Take the review up first." in say(rita, review)
    assert again(cast, review).state == "taken"


def test_a_decision_is_shown_with_its_reason_and_its_records(
    cast: Cast, rita: Client, review: Review
) -> None:
    take(rita, review)
    page = say(rita, review, decision="modified", correction="Four weeks.", comment="See § 5.")
    assert "No other review waits." in page
    done = again(cast, review)
    assert (done.state, done.reason) == ("modified", "facts")
    page = rita.get(page_of(review)).content.decode()
    for text in (ANSWER, "Four weeks.", "See § 5.", "Facts are wrong", "modified by Rita"):
        assert text in page
    for record in (review.pk, review.inference_id, done.decision_id):
        place = reverse("admin:audit_recordindex_change", args=[record])
        assert place in page
        assert rita.get(place).status_code == 200
    # Others learn how it was decided, not what was said.
    page = signed_in(cast.olivia.user).get(page_of(review)).content.decode()
    assert "modified by Rita" in page
    assert ANSWER not in page


def test_after_a_decision_comes_the_one_that_has_waited_longest(
    cast: Cast, rita: Client, review: Review
) -> None:
    request_review(cast.rita, answered(cast.rita).pk)  # not hers to review
    following = [request_review(cast.max, answered(cast.max).pk) for _number in range(2)]
    take(rita, review)
    place = reverse("admin:oversight_review_decide", args=[review.pk])
    response = rita.post(place, {"decision": "accepted", "reason": "correct"})
    assert response.headers["Location"] == page_of(following[0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"decision": ""}, "This field is required."),
        ({"decision": "taken"}, "Select a valid choice."),
        ({"reason": ""}, "This field is required."),
        ({"reason": "correct"}, "Choose a reason that fits the decision."),
        ({"comment": "No."}, "Say in a sentence why it is rejected."),
        ({"decision": "modified", "correction": ""}, "Write what it should say instead."),
        ({"decision": "modified", "correction": ANSWER}, "Write what it should say instead."),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_stays(
    cast: Cast, rita: Client, review: Review, values: dict[str, str], words: str
) -> None:
    take(rita, review)
    page = say(rita, review, **{"comment": "Typed with care.", **values})
    assert words in page
    assert '<a href="#decision">' in page
    if "comment" not in values:
        assert "Typed with care." in page
    assert again(cast, review).state == "taken"


def test_an_answer_of_several_lines_that_nobody_touched_is_no_correction(
    cast: Cast, rita: Client
) -> None:
    """A browser sends each line's end as two characters."""
    lines = "First line.\n\nSecond line."
    review = request_review(cast.max, answered(cast.max, answer=lines).pk)
    take(rita, review)
    sent = lines.replace("\n", "\r\n")
    assert "Write what it should say instead." in say(
        rita, review, decision="modified", correction=sent
    )


def test_decided_meanwhile_it_says_so(cast: Cast, rita: Client, review: Review) -> None:
    take(rita, review)
    decide(cast.rita, review, decision="accepted", reason="correct")
    assert "This has been decided already." in say(rita, review)


def test_erased_texts_are_said_to_be_gone(cast: Cast, rita: Client, review: Review) -> None:
    end = review.inference.end_record_id
    assert end is not None
    erase(cast.olivia, [(end, "response")], Ground.REQUEST)
    assert "The text is gone" in take(rita, review)


def test_hostile_texts_are_shown_as_text(cast: Cast, rita: Client) -> None:
    review = request_review(cast.max, answered(cast.max, HOSTILE, answer=HOSTILE).pk, HOSTILE)
    pages = [take(rita, review), say(rita, review, comment=HOSTILE, reason="correct")]
    say(rita, review, decision="modified", comment=HOSTILE, correction=f"{HOSTILE} or not")
    assert again(cast, review).state == "modified"
    pages += [rita.get(page_of(review)).content.decode()]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_the_list_puts_first_what_waits(cast: Cast, rita: Client, review: Review) -> None:
    old = decided(cast, "olivia", 10)
    new = decided(cast, "rita", 20, decision="rejected")
    taken = take_up(cast.rita, request_review(cast.max, answered(cast.max).pk))
    last = request_review(cast.max, answered(cast.max).pk)
    page = rita.get(LIST)
    rows = [row.pk for row in page.context["cl"].result_list]
    assert rows == [review.pk, last.pk, taken.pk, new.pk, old.pk]
    only = rita.get(f"{LIST}?state__exact=rejected").context["cl"].result_list
    assert [row.pk for row in only] == [new.pk]
    text = page.content.decode()
    assert "How the last 30 days were decided" in text
    assert "automation bias" in text


def test_no_figures_where_nobody_decided(rita: Client, review: Review) -> None:
    assert "automation bias" not in rita.get(LIST).content.decode()


def test_nobody_posts_to_a_review_itself(rita: Client, review: Review) -> None:
    assert rita.post(page_of(review), {"state": "accepted"}).status_code == 403


@pytest.mark.parametrize("who", ["alice", "audrey", "max"])
def test_who_does_not_review_reaches_nothing(cast: Cast, review: Review, who: str) -> None:
    client = signed_in(getattr(cast, who).user)
    refused = {client.get(place).status_code for place in (LIST, page_of(review))}
    for name in ("take", "decide"):
        place = reverse(f"admin:oversight_review_{name}", args=[review.pk])
        refused.add(client.post(place, {}).status_code)
    assert refused <= {302, 403}
    assert again(cast, review).state == "waiting"


def test_a_reviewer_of_another_organisation_finds_nothing(cast: Cast, review: Review) -> None:
    """P4: not even that it exists."""
    add_member(cast.other_organisation, cast.audrey.user, Role.REVIEWER)
    stranger = signed_in(cast.audrey.user, at=cast.other_organisation)
    assert stranger.get(LIST).context["cl"].result_count == 0
    for pk in (review.pk, uuid4()):
        assert stranger.get(reverse("admin:oversight_review_change", args=[pk])).status_code == 404
        for name in ("take", "decide"):
            place = reverse(f"admin:oversight_review_{name}", args=[pk])
            assert stranger.post(place, {}).status_code == 404
    kinds = RecordIndex.objects.for_tenant(cast.rita).values_list("kind", flat=True)
    assert Kind.OVERSIGHT_ASSIGNED not in kinds
