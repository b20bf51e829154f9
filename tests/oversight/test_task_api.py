"""Tasks by API: entered, given to somebody, done; those of incidents follow their incidents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from oversight.incidents import open_incident
from oversight.task_list import open_task
from tests.cast import Cast
from tests.live import signed_in
from tests.oversight.test_review_api import code, fields

PATH = "/api/v1/tasks"


def body(days: int = 7, **values: Any) -> dict[str, Any]:
    due = (timezone.now() + timedelta(days=days)).isoformat()
    return {"name": "Renew the agreement", "due_at": due, **values}


def test_a_task_is_entered_given_to_somebody_and_done(web_server: str, cast: Cast) -> None:
    with signed_in(web_server, cast.olivia, timeout=30) as client:
        people = client.get(f"{PATH}/people").json()
        assert [person["name"] for person in people] == ["Olivia", "Rita"]
        rita = people[1]["id"]
        later = client.post(PATH, json=body(9)).json()
        made = client.post(PATH, json=body(assignee=rita))
        assert made.status_code == 201
        task = made.json()
        assert (task["assignee"], task["assignee_name"], task["is_late"]) == (rita, "Rita", False)
        listed = client.get(PATH).json()
        assert listed == {"items": [task, later], "total": 2}
        assert client.get(PATH, params={"limit": 1, "offset": 1}).json()["items"] == [later]

        quiet = client.patch(f"{PATH}/{task['id']}", json={"is_reminded": False}).json()
        assert (quiet["is_reminded"], quiet["assignee"]) == (False, rita)
        all_ = client.patch(f"{PATH}/{task['id']}", json={"assignee": None}).json()
        assert (all_["is_reminded"], all_["assignee"]) == (False, None)
        done = client.post(f"{PATH}/{task['id']}/done").json()
        assert (done["done_by_name"], done["done_at"] is not None) == ("Olivia", True)
        assert code(client.post(f"{PATH}/{task['id']}/done")) == (422, "invalid_value")
        assert client.get(PATH).json()["items"] == [later]
        assert client.get(PATH, params={"state": "done"}).json()["items"] == [done]
        assert client.get(PATH, params={"state": "all"}).json()["total"] == 2
        assert client.get(f"{PATH}/{task['id']}").json() == done


def test_an_incidents_task_is_not_done_by_hand(web_server: str, cast: Cast) -> None:
    incident = open_incident(cast.rita, description="It named a wrong dose.")
    with signed_in(web_server, cast.rita, timeout=30) as client:
        (task,) = client.get(PATH).json()["items"]
        assert task["incident_id"] == str(incident.pk)
        assert code(client.post(f"{PATH}/{task['id']}/done")) == (422, "invalid_value")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"due_at": "2026-01-01T00:00:00Z"}, "due_at"),
        ({"due_at": "9999-12-31T23:59:59-14:00"}, "due_at"),
        ({"due_at": "0001-01-01T00:00:00+14:00"}, "due_at"),
        ({"assignee": str(uuid4())}, "assignee"),
        ({"name": " "}, "body.body.name"),
        ({"name": "a\nb"}, "body.body.name"),
        ({"colour": "red"}, "body.body.colour"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    web_server: str, cast: Cast, values: dict[str, Any], field: str
) -> None:
    with signed_in(web_server, cast.rita, timeout=30) as client:
        refused = client.post(PATH, json={**body(), **values})
        assert (refused.status_code, fields(refused)) == (422, [field])


def test_others_learn_nothing(web_server: str, cast: Cast) -> None:
    due = timezone.now() + timedelta(days=7)
    task = open_task(cast.olivia, name="Renew", due_at=due)
    for tenant in (cast.max, cast.audrey, cast.charlie):
        with signed_in(web_server, tenant, timeout=30) as client:
            asked = [
                client.get(PATH),
                client.get(f"{PATH}/people"),
                client.get(f"{PATH}/{task.pk}"),
                client.post(PATH, json=body(assignee=str(cast.rita.user.pk))),
                client.patch(f"{PATH}/{task.pk}", json={"is_reminded": False}),
                client.post(f"{PATH}/{task.pk}/done"),
            ]
            assert [answer.status_code for answer in asked] == [403] * len(asked)
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        assert code(rita.get(f"{PATH}/{uuid4()}")) == (404, "not_found")
