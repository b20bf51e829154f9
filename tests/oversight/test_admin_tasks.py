"""The admin of tasks: late ones first, given to those who may do them, done by a button."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orgs.members import add_member
from orgs.roles import Role
from oversight.incidents import open_incident
from oversight.models import Task
from oversight.task_list import assign, complete, open_task
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.oversight.scene import hours_ago
from tests.oversight.test_admin_incidents import minute

LIST = "/admin/oversight/task/"
HOSTILE = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.fixture
def olivia(cast: Cast) -> Client:
    return signed_in(cast.olivia.user)


def opened(cast: Cast, name: str = "Ask the vendor", *, days: float = 7) -> Task:
    task = open_task(cast.olivia, name=name, due_at=timezone.now() + timedelta(days=abs(days)))
    if days < 0:
        late = {"due_at": timezone.now() + timedelta(days=days), "opened_at": hours_ago(999)}
        Task.objects.for_tenant(cast.olivia).filter(pk=task.pk).update(**late)
    return again(cast, task)


def again(cast: Cast, task: Task) -> Task:
    found: Task = Task.objects.for_tenant(cast.olivia).get(pk=task.pk)
    return found


def page_of(task: Task) -> str:
    return reverse("admin:oversight_task_change", args=[task.pk])


def done(client: Client, task: Task) -> str:
    """The page after the button."""
    place = reverse("admin:oversight_task_done", args=[task.pk])
    return client.post(place, follow=True).content.decode()


def test_open_ones_by_the_day_they_are_due_then_done_ones(cast: Cast, olivia: Client) -> None:
    later, late, soon = (
        opened(cast, name, days=days) for name, days in (("a", 9), ("b", -2), ("c", 2.5))
    )
    old, new = opened(cast, "d"), opened(cast, "e")
    complete(cast.olivia, old)
    complete(cast.olivia, new)
    page = olivia.get(LIST)
    rows = [row.pk for row in page.context["cl"].result_list]
    assert rows == [row.pk for row in (late, soon, later, new, old)]
    text = page.content.decode()
    assert '<span class="badge bad">late by 48 h</span>' in text
    assert "59 h left" in text
    for state, wanted in (("late", [late]), ("open", [late, soon, later]), ("done", [new, old])):
        found = olivia.get(f"{LIST}?state={state}").context["cl"].result_list
        assert [row.pk for row in found] == [row.pk for row in wanted], state


def test_a_task_is_entered_for_somebody(cast: Cast, olivia: Client) -> None:
    sent = {
        "name": "Ask the vendor",
        "due_at": minute(timezone.now() + timedelta(days=2)),
        "assignee": str(cast.rita.user.pk),
        "is_reminded": "on",
    }
    assert olivia.post(f"{LIST}add/", sent).status_code == 302
    task = Task.objects.for_tenant(cast.olivia).get()
    assert (task.name, task.assignee, task.is_reminded) == (
        "Ask the vendor", cast.rita.user, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"due_at": "2020-01-01T00:00"}, "This moment is over."),
        ({"due_at": "2199-01-01T00:00"}, "The year is mistyped"),
        ({"due_at": ""}, "This field is required."),
    ],
)
def test_what_does_not_fit_is_said(
    cast: Cast, olivia: Client, values: dict[str, str], words: str
) -> None:
    sent = {"name": "Ask the vendor", "due_at": minute(timezone.now() + timedelta(days=2))}
    page = olivia.post(f"{LIST}add/", sent | values).content.decode()
    assert words in page
    assert values.get("name", "Ask the vendor") in page
    assert not Task.objects.for_tenant(cast.olivia).exists()


def test_only_those_who_handle_incidents_are_offered(cast: Cast, olivia: Client) -> None:
    form = olivia.get(f"{LIST}add/").content.decode()
    assert str(cast.rita.user.pk) in form
    for tenant in (cast.max, cast.audrey, cast.alice, cast.charlie):
        assert str(tenant.user.pk) not in form


def test_it_is_given_to_another_and_reminders_are_switched_off(cast: Cast, olivia: Client) -> None:
    task = opened(cast)
    assert olivia.post(page_of(task), {"assignee": str(cast.rita.user.pk)}).status_code == 302
    row = again(cast, task)
    assert (row.assignee, row.is_reminded) == (cast.rita.user, False)
    page = olivia.post(page_of(task), {"assignee": str(cast.max.user.pk)}).content.decode()
    assert "Select a valid choice." in page


def test_the_button_says_that_it_is_done(cast: Cast, olivia: Client) -> None:
    task = assign(cast.olivia, opened(cast), assignee=cast.rita.user, is_reminded=True)
    assert "“Ask the vendor” is done." in done(olivia, task)
    row = again(cast, task)
    assert row.done_by == cast.olivia.user
    assert "This is done already." in done(olivia, task)
    page = olivia.get(page_of(task)).content.decode()
    assert "Olivia" in page
    assert "oversight/task/" in page
    assert 'name="assignee"' not in page
    assert olivia.post(page_of(task), {}).status_code == 403


def test_an_incidents_task_leads_to_the_incident(cast: Cast, olivia: Client) -> None:
    incident = open_incident(cast.olivia, description="The answer named a wrong dose.")
    page = olivia.get(page_of(incident.task)).content.decode()
    assert reverse("admin:oversight_incident_change", args=[incident.pk]) in page
    assert "/done/" not in page
    assert "It is done when its incident is reported or ended." in done(olivia, incident.task)
    assert again(cast, incident.task).done_at is None


def test_hostile_names_are_shown_as_text(cast: Cast, olivia: Client) -> None:
    task = opened(cast, HOSTILE)
    for page in (
        olivia.get(LIST).content.decode(),
        olivia.get(page_of(task)).content.decode(),
        olivia.post(f"{LIST}add/", {"name": HOSTILE}).content.decode(),
        olivia.get(reverse("admin:index")).content.decode(),
        done(olivia, task),
    ):
        assert "<script>alert" not in page
        assert "<img" not in page


@pytest.mark.parametrize("who", ["alice", "audrey", "max"])
def test_who_does_not_handle_incidents_reaches_nothing(cast: Cast, who: str) -> None:
    task = opened(cast)
    client = signed_in(getattr(cast, who).user)
    places = (LIST, f"{LIST}add/", page_of(task))
    refused = {client.get(place).status_code for place in places}
    refused.add(client.post(page_of(task), {}).status_code)
    refused.add(client.post(reverse("admin:oversight_task_done", args=[task.pk])).status_code)
    assert refused <= {302, 403}
    assert again(cast, task).done_at is None


def test_an_officer_of_another_organisation_finds_nothing(cast: Cast) -> None:
    """P4: not even that it exists."""
    task = opened(cast)
    add_member(cast.other_organisation, cast.audrey.user, Role.COMPLIANCE_OFFICER)
    stranger = signed_in(cast.audrey.user, at=cast.other_organisation)
    assert stranger.get(LIST).context["cl"].result_count == 0
    for pk in (task.pk, uuid4()):
        place = reverse("admin:oversight_task_change", args=[pk])
        assert stranger.get(place).status_code == 404
        assert stranger.post(place, {}).status_code == 404
        assert stranger.post(reverse("admin:oversight_task_done", args=[pk])).status_code == 404
    assert again(cast, task).done_at is None
