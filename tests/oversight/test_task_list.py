"""Tasks: entered, done, and not forgotten, since people are reminded by mail."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone

from audit.models import RecordIndex
from orgs.members import remove_member
from orgs.models import Membership
from orgs.tenancy import PermissionRefused
from oversight.incidents import open_incident
from oversight.models import Task
from oversight.task_list import (
    assign,
    complete,
    find_task,
    open_task,
    people_who_may,
    remind_due,
    tasks_of,
)
from tests.cast import Cast

NAME = "Ask the maker for the summary"


def task(cast: Cast, days: float = 10, **values: Any) -> Task:
    return open_task(cast.olivia, name=NAME, due_at=timezone.now() + timedelta(days=days), **values)


def later(row: Task, share: float) -> None:
    """Let *share* of the task's time be over."""
    assert row.due_at is not None
    window = row.due_at - row.opened_at
    now = timezone.now()
    Task.objects.for_organisation(row.organisation_id).filter(pk=row.pk).update(
        opened_at=now - share * window, due_at=now + (1 - share) * window
    )


def told(mailoutbox: list[Any], cast: Cast) -> list[tuple[str, str]]:
    """Subject's beginning and recipient of the mails about this organisation's tasks."""
    ours = {
        member.user.email: member.user.name
        for member in Membership.objects.for_tenant(cast.olivia).select_related("user")
    }
    found = [(m.subject.partition(":")[0], ours[m.to[0]]) for m in mailoutbox if m.to[0] in ours]
    mailoutbox.clear()
    return found


def test_a_task_is_entered_and_done_on_record(cast: Cast) -> None:
    row = task(cast, assignee=cast.rita.user)
    done = complete(cast.rita, row)
    assert (done.done_by, done.is_late) == (cast.rita.user, False)
    kinds = RecordIndex.objects.for_organisation(cast.organisation.pk).filter(
        kind__startswith="task."
    )
    assert sorted(kinds.values_list("kind", flat=True)) == ["task.done", "task.opened"]
    with pytest.raises(ValidationError, match="done already"):
        complete(cast.rita, row)


def test_reminders_come_at_half_four_fifths_and_the_end_once_each(
    cast: Cast, mailoutbox: list[Any]
) -> None:
    row = task(cast)
    for share, wanted in (
        (0.4, []),
        (0.5, [("Due soon", "Olivia")]),
        (0.6, []),
        (0.85, [("Due soon", "Olivia")]),
        (1.1, [("Overdue", "Olivia")]),
        (3.0, []),
    ):
        later(row, share)
        remind_due()
        remind_due()
        assert told(mailoutbox, cast) == wanted, share


def test_the_mail_leads_to_the_task_and_says_no_more(cast: Cast, mailoutbox: list[Any]) -> None:
    secret = "A wrong dose was named for a patient."
    incident = open_incident(cast.rita, description=secret)
    mails = [mail for mail in mailoutbox if mail.to == [cast.olivia.user.email]]
    assert len(mails) == 1
    assert mails[0].subject.startswith("New task")
    assert f"/admin/oversight/task/{incident.task.pk}/change/" in mails[0].body
    assert secret not in mails[0].body


def test_who_is_to_do_it_is_reminded_as_long_as_they_are_here(
    cast: Cast, mailoutbox: list[Any]
) -> None:
    row = task(cast, assignee=cast.rita.user)
    later(row, 0.6)
    remind_due()
    assert told(mailoutbox, cast) == [("Due soon", "Rita")]
    left = Membership.objects.for_tenant(cast.alice).get(user=cast.rita.user)
    remove_member(left, actor=cast.alice.actor)
    later(row, 0.9)
    remind_due()
    assert told(mailoutbox, cast) == [("Due soon", "Olivia")]


def test_nobody_is_reminded_who_does_not_want_to_be_or_of_what_is_done(
    cast: Cast, mailoutbox: list[Any]
) -> None:
    silent, done = task(cast, is_reminded=False), task(cast)
    complete(cast.olivia, done)
    for row in (silent, done):
        later(row, 2)
    remind_due()
    assert told(mailoutbox, cast) == []


@pytest.mark.parametrize("days", [-1, 0, 365_000])
def test_a_task_is_due_at_a_moment_to_come(cast: Cast, days: float) -> None:
    with pytest.raises(ValidationError):
        task(cast, days)


def test_a_task_is_for_somebody_who_may_do_it(cast: Cast) -> None:
    assert people_who_may(cast.olivia) == [cast.olivia.user, cast.rita.user]
    for person in (cast.max.user, cast.charlie.user):
        with pytest.raises(ValidationError, match="does not handle"):
            task(cast, assignee=person)
        with pytest.raises(ValidationError, match="does not handle"):
            assign(cast.olivia, task(cast), assignee=person, is_reminded=True)


def test_an_incidents_task_is_done_by_the_incident_alone(cast: Cast) -> None:
    incident = open_incident(cast.rita, description="It named a wrong dose.")
    with pytest.raises(ValidationError, match="its incident"):
        complete(cast.rita, incident.task)


def test_others_see_no_task(cast: Cast) -> None:
    row = task(cast)
    for tenant in (cast.max, cast.audrey, cast.charlie):
        with pytest.raises(PermissionRefused):
            tasks_of(tenant)
    from dataclasses import replace

    stranger = replace(cast.charlie, permissions=cast.rita.permissions)
    with pytest.raises(Http404):
        find_task(stranger, row.pk)
    with pytest.raises(Http404):
        complete(stranger, row)
