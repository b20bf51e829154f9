"""Figures in which automation bias shows: Art. 14(4)(b)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from orgs.tenancy import PermissionRefused
from oversight.models import Review
from oversight.review_figures import DAYS, figures_of
from oversight.reviews import decide, request_review, take_up
from tests.cast import Cast
from tests.oversight.scene import answered


def decided(cast: Cast, by: str, seconds: int, *, decision: str = "accepted") -> Review:
    """A review that somebody decided after so many seconds."""
    reviewer = getattr(cast, by)
    review = take_up(reviewer, request_review(cast.max, answered(cast.max).pk))
    started = timezone.now() - timedelta(seconds=seconds)
    Review.objects.for_tenant(cast.rita).filter(pk=review.pk).update(taken_at=started)
    said = {
        "accepted": {"reason": "correct"},
        "rejected": {"reason": "facts", "comment": "It is four weeks here."},
        "modified": {"reason": "facts", "correction": "Four weeks."},
    }
    return decide(reviewer, review, decision=decision, **said[decision])


def test_each_reviewer_has_their_figures_and_the_busiest_comes_first(cast: Cast) -> None:
    for seconds in (1, 3, 4, 200):
        decided(cast, "rita", seconds)
    decided(cast, "rita", 10, decision="rejected")
    decided(cast, "olivia", 60, decision="modified")
    rita, olivia = figures_of(cast.olivia)
    assert (rita.name, rita.decided, rita.changed_percent, rita.hasty_percent) == (
        "Rita", 5, 20, 40,
    )  # fmt: skip
    assert rita.median_seconds == 4
    assert not rita.is_striking
    assert (olivia.name, olivia.decided, olivia.changed_percent) == ("Olivia", 1, 100)
    assert olivia.median_seconds == 60


def test_whoever_accepts_within_seconds_stands_out_from_five_decisions_on(cast: Cast) -> None:
    for _number in range(4):
        decided(cast, "rita", 1)
    assert not figures_of(cast.rita)[0].is_striking
    decided(cast, "rita", 90)
    assert figures_of(cast.rita)[0].is_striking


def test_what_is_older_or_of_others_or_undecided_does_not_count(cast: Cast) -> None:
    take_up(cast.rita, request_review(cast.max, answered(cast.max).pk))
    assert figures_of(cast.rita) == []
    decided(cast, "rita", 5)
    later = timezone.now() + timedelta(days=DAYS)
    assert figures_of(cast.rita, later) == []
    with pytest.raises(PermissionRefused):
        figures_of(cast.charlie)
