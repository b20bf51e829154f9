"""What waits for people: for the start page, in a fixed number of queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from oversight.incidents import move, open_incident, report
from oversight.models import Review, Task
from oversight.reviews import request_review, take_up
from oversight.state import before_working_days, oversight_state
from oversight.task_list import open_task
from tests.cast import Cast
from tests.oversight.scene import answered, hours_ago

WHAT = "The answer named a wrong dose."


def test_everybody_sees_the_parts_that_are_theirs(cast: Cast) -> None:
    officer = oversight_state(cast.olivia)
    assert officer is not None
    assert None not in (officer.reviews, officer.incidents, officer.tasks)
    assert oversight_state(cast.alice) is None
    assert oversight_state(cast.audrey) is None


def test_reviews_that_wait_and_the_oldest_of_them(cast: Cast) -> None:
    first, second, third = (request_review(cast.max, answered(cast.max).pk) for _number in range(3))
    take_up(cast.rita, first)
    state = oversight_state(cast.rita)
    assert state is not None
    assert state.reviews is not None
    assert (state.reviews.waiting, state.reviews.taken) == (2, 1)
    assert state.reviews.oldest_at == second.requested_at
    assert not state.reviews.is_slow
    long_ago = timezone.now() - timedelta(days=5)
    Review.objects.for_tenant(cast.rita).filter(pk=third.pk).update(requested_at=long_ago)
    later = oversight_state(cast.rita)
    assert later is not None
    assert later.reviews is not None
    assert later.reviews.is_slow


@pytest.mark.parametrize(
    ("day", "wanted"),
    [
        (25, 23),  # Wednesday: Monday
        (24, 20),  # Tuesday: Friday
        (23, 19),  # Monday: Thursday
        (22, 19),  # Sunday: Thursday, after Friday and Thursday
    ],
)
def test_working_days_leave_weekends_out(day: int, wanted: int) -> None:
    moment = datetime(2026, 11, day, 12, tzinfo=UTC)
    assert before_working_days(moment, 2).day == wanted


def test_incidents_by_their_clocks(cast: Cast) -> None:
    late = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(50))
    near = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(40))
    open_incident(cast.olivia, description=WHAT)
    told = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(100))
    report(
        cast.olivia,
        told,
        is_complete=False,
        sent_at=timezone.now(),
        authority="BNetzA",
        statement=WHAT,
    )
    over = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(100))
    move(cast.olivia, over, status="triaged_not_serious", reason=WHAT)
    state = oversight_state(cast.olivia)
    assert state is not None
    assert state.incidents is not None
    assert state.incidents.open == 4
    assert state.incidents.over == [late]
    assert state.incidents.near == [near]
    assert state.incidents.nearest == late
    assert state.incidents.nearest_words is not None
    assert state.incidents.nearest_words.text == "over since 2 h"


def test_tasks_that_are_late_and_the_next_one(cast: Cast) -> None:
    due = [timezone.now() + timedelta(days=days) for days in (3, 1, 2)]
    tasks = [open_task(cast.olivia, name=f"Task {at:%d}", due_at=at) for at in due]
    past = {"due_at": hours_ago(1), "opened_at": hours_ago(2)}
    Task.objects.for_tenant(cast.olivia).filter(pk=tasks[2].pk).update(**past)
    state = oversight_state(cast.olivia)
    assert state is not None
    assert state.tasks is not None
    assert (state.tasks.open, state.tasks.late, state.tasks.next) == (3, [tasks[2]], tasks[1])


def test_three_queries_whatever_there_is(cast: Cast) -> None:
    for _number in range(3):
        request_review(cast.max, answered(cast.max).pk)
        open_incident(cast.olivia, description=WHAT)
    with CaptureQueriesContext(connection) as asked:
        oversight_state(cast.olivia)
    assert len(asked) == 3
