"""Incidents by API: who chats enters them, who handles them does the rest, each step on record."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import uuid4

import pytest
from django.utils import timezone

from audit.erasure import Ground, erase
from llm import provider_settings
from orgs import api_pages
from orgs.keys import create_key
from orgs.roles import Permission, Role
from orgs.systems import choices
from orgs.tenancy import tenant_of_key
from oversight import incident_schemas
from oversight.incidents import FIELDS, open_incident
from oversight.models import Category, Incident, IncidentEvent
from tests.cast import Cast
from tests.live import signed_in
from tests.oversight.scene import answered
from tests.oversight.test_review_api import code, fields, in_chat

PATH = "/api/v1/incidents"
WHAT = "The answer named a wrong dose, and somebody followed it."
WHY = "Said so by the ward after its review."


@pytest.fixture
def incident(cast: Cast) -> Incident:
    return open_incident(cast.rita, description=WHAT)


def test_who_chats_reports_an_answer_in_two_fields(web_server: str, cast: Cast) -> None:
    message = in_chat(cast.max)
    with signed_in(web_server, cast.max, timeout=30) as client:
        body = {"description": WHAT, "severity": "high", "message_id": str(message.pk)}
        entered = client.post(PATH, json=body)
        assert entered.status_code == 201
        made = entered.json()
        assert (made["status"], made["severity"], made["category"]) == ("open", "high", "")
        assert made["record_ids"] == [str(message.inference_id), str(message.record_id)]
        assert made["clock"]["law"] == "73(3)"
        assert client.get(PATH).status_code == 403
        assert client.get(f"{PATH}/{made['id']}").status_code == 403
        more = {**body, "category": "health"}
        assert code(client.post(PATH, json=more)) == (403, "not_allowed")
        theirs = {**body, "message_id": str(in_chat(cast.olivia).pk)}
        assert code(client.post(PATH, json=theirs)) == (404, "not_found")
        record = {**body, "record_ids": [str(answered(cast.olivia).pk)]}
        assert fields(client.post(PATH, json=record)) == ["record_ids"]


def test_an_incident_is_taken_along_with_its_records(
    web_server: str, cast: Cast, incident: Incident
) -> None:
    with signed_in(web_server, cast.rita) as client:
        taken = client.get(f"{PATH}/{incident.pk}/file").json()
        assert taken["format"] == "lex-custis/incident/v1"
        assert [step["text"] for step in taken["history"]] == [WHAT]
    with signed_in(web_server, cast.audrey) as client:
        assert client.get(f"{PATH}/{incident.pk}/file").status_code == 403


def test_what_ones_own_key_asked_can_be_reported_from_the_page(web_server: str, cast: Cast) -> None:
    key, _ = create_key(cast.max, name="bot", scopes=[Permission.CHAT])
    inference = answered(tenant_of_key(key, Role.MEMBER))
    other, _ = create_key(cast.olivia, name="bot", scopes=[Permission.CHAT])
    theirs = answered(tenant_of_key(other, Role.COMPLIANCE_OFFICER))
    with signed_in(web_server, cast.max, timeout=30) as client:
        for record, status in (
            (inference.pk, 201),
            (inference.end_record_id, 201),
            (theirs.pk, 422),
            (theirs.end_record_id, 422),
            (uuid4(), 422),
        ):
            body = {"description": WHAT, "record_ids": [str(record)]}
            assert client.post(PATH, json=body).status_code == status


def test_a_step_names_its_record_and_an_erased_text_is_null(
    web_server: str, cast: Cast, incident: Incident
) -> None:
    step = IncidentEvent.objects.for_tenant(cast.rita).get(incident=incident)
    assert (step.record_id, step.kind) == (incident.pk, "incident.opened")
    erase(cast.olivia, [(step.record_id, "description")], Ground.REQUEST)
    with signed_in(web_server, cast.rita, timeout=30) as client:
        (shown,) = client.get(f"{PATH}/{incident.pk}").json()["history"]
    assert (shown["record_id"], shown["text"]) == (str(step.record_id), None)


def test_from_the_first_word_to_the_last(web_server: str, cast: Cast) -> None:
    aware = (timezone.now() - timedelta(hours=3)).isoformat()
    with signed_in(web_server, cast.rita, timeout=30) as client:
        made = client.post(PATH, json={"description": WHAT, "aware_at": aware}).json()
        here = f"{PATH}/{made['id']}"
        now = timezone.now().isoformat()
        system = choices(cast.rita)[0]
        said = {"category": "health", "country": "DE", "system_id": str(system.pk)}
        assessed = client.patch(here, json={"reason": WHY, "persons_affected": 3, **said}).json()
        assert assessed["status"] == "under_review"
        assert {name: assessed[name] for name in said} == said
        assert assessed["clock"]["case"] == "other_3(49)"
        cleared = client.patch(
            here,
            json={"reason": WHY, "system_id": None, "persons_affected": None, "severity": None},
        ).json()
        assert (cleared["system_id"], cleared["persons_affected"]) == (None, None)
        assert cleared["severity"] == "medium"

        notice = {"informed_at": now, "statement": "By mail to their hotline."}
        told = client.post(f"{here}/provider-notice", json=notice).json()
        assert told["provider_informed_at"] is not None
        record = answered(cast.max).pk
        named = client.post(f"{here}/records", json={"record_ids": [str(record)], "reason": WHY})
        assert named.json()["record_ids"] == [str(record)]
        report = {"sent_at": now, "authority": "BNetzA", "statement": "By their web form."}
        first = client.post(f"{here}/reports", json={**report, "is_complete": False}).json()
        assert (first["status"], first["clock"]["state"]) == ("initial_report_sent", "stopped")
        whole = {**report, "is_complete": True, "reference": "4711"}
        assert client.post(f"{here}/reports", json=whole).json()["reference"] == "4711"
        again = client.post(f"{here}/reports", json=whole)
        assert code(again) == (422, "invalid_value")
        jumped = client.post(f"{here}/status", json={"status": "closed", "reason": WHY})
        assert fields(jumped) == ["status"]
        for status in ("resolved", "closed"):
            moved = client.post(f"{here}/status", json={"status": status, "reason": WHY}).json()
        assert (moved["status"], moved["clock"]["is_late"]) == ("closed", False)
        read = client.get(here).json()
        assert [step["kind"].partition(".")[2] for step in read["history"]] == [
            *("opened", "updated", "updated", "updated", "updated"),
            *("reported", "reported", "updated", "closed"),
        ]
        assert [step["text"] for step in read["history"]][:2] == [WHAT, WHY]
        assert {step["person_name"] for step in read["history"]} == {"Rita"}


def test_the_list_is_read_by_status_and_page(
    web_server: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_pages, "AT_ONCE", 2)
    rows = [str(open_incident(cast.rita, description=WHAT).pk) for _ in range(3)]
    with signed_in(web_server, cast.olivia, timeout=30) as client:
        newest = client.get(PATH).json()
        assert [row["id"] for row in newest["items"]] == [rows[2], rows[1]]
        rest = client.get(PATH, params={"before": newest["next"]}).json()
        assert ([row["id"] for row in rest["items"]], rest["next"]) == ([rows[0]], None)
        status = {"status": "triaged_not_serious", "reason": WHY}
        assert client.post(f"{PATH}/{rows[0]}/status", json=status).json()["clock"] is None
        counts = {
            wanted: len(client.get(PATH, params={"status": wanted}).json()["items"])
            for wanted in ("unfinished", "open", "triaged_not_serious", "closed")
        }
        assert counts == {"unfinished": 2, "open": 2, "triaged_not_serious": 1, "closed": 0}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"aware_at": (timezone.now() + timedelta(days=1)).isoformat()}, "aware_at"),
        ({"aware_at": "0001-01-01T00:00:00+14:00"}, "aware_at"),
        ({"occurred_at": "9999-12-31T23:59:59-14:00"}, "occurred_at"),
        ({"causal_link_at": "0001-01-01T00:00:00+14:00"}, "causal_link_at"),
        ({"is_death": True, "category": "rights"}, "category"),
        ({"system_id": str(uuid4())}, "system_id"),
        ({"reason": "  short   "}, "body.body.reason"),
        ({"country": "de"}, "body.body.country"),
        ({"persons_affected": 2**31}, "body.body.persons_affected"),
        ({"aware_at": "2026-01-01T00:00:00"}, "body.body.aware_at"),
        ({"status": "closed"}, "body.body.status"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(
    web_server: str, cast: Cast, incident: Incident, body: dict[str, Any], field: str
) -> None:
    with signed_in(web_server, cast.rita, timeout=30) as client:
        refused = client.patch(f"{PATH}/{incident.pk}", json={"reason": WHY, **body})
        assert refused.status_code == 422
        assert field in fields(refused)
        assert client.get(f"{PATH}/{incident.pk}").json()["status"] == "open"


def test_providers_are_frozen_and_only_ones_own(
    web_server: str, cast: Cast, incident: Incident
) -> None:
    values: dict[str, Any] = {"vendor": "simulated", "default_model": "sim-large"}
    ours = provider_settings.create(tenant=cast.alice, name="Ours", **values)
    theirs = provider_settings.create(tenant=cast.charlie, name="Theirs", **values)
    with signed_in(web_server, cast.rita, timeout=30) as client:
        here = f"{PATH}/{incident.pk}/freeze"
        wrong = client.post(here, json={"provider_ids": [str(theirs.pk)], "reason": WHY})
        assert (code(wrong), fields(wrong)) == ((422, "invalid_value"), ["provider_ids"])
        frozen = client.post(here, json={"provider_ids": [str(ours.pk)], "reason": WHY}).json()
        assert frozen["frozen_providers"] == [str(ours.pk)]
        lifted = client.post(here, json={"provider_ids": [], "reason": WHY}).json()
        assert lifted["frozen_providers"] == []


def test_a_stranger_finds_no_incident(web_server: str, cast: Cast, incident: Incident) -> None:
    other = open_incident(cast.rita, description=WHAT)
    theirs = Incident.objects.for_tenant(cast.rita).get(pk=other.pk)
    with signed_in(web_server, cast.charlie, timeout=30) as charlie:
        for path in ("", "/status", "/reports", "/provider-notice", "/freeze", "/records"):
            bodies: dict[str, Any] = {
                "": None,
                "/status": {"status": "closed", "reason": WHY},
                "/reports": {
                    "is_complete": True,
                    "sent_at": datetime.now().astimezone().isoformat(),
                    "authority": "BNetzA",
                    "statement": WHY,
                },
                "/provider-notice": {
                    "informed_at": datetime.now().astimezone().isoformat(),
                    "statement": WHY,
                },
                "/freeze": {"provider_ids": [], "reason": WHY},
                "/records": {"record_ids": [str(uuid4())], "reason": WHY},
            }
            method = "PATCH" if path == "" else "POST"
            body = bodies[path] or {"reason": WHY}
            answer = charlie.request(method, f"{PATH}/{theirs.pk}{path}", json=body)
            assert code(answer) == (403, "not_allowed")
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        assert code(rita.get(f"{PATH}/{uuid4()}")) == (404, "not_found")


def test_the_closed_lists_are_those_of_the_rows() -> None:
    assert set(get_args(incident_schemas.IncidentStatus)) == set(Incident.Status.values)
    assert set(get_args(incident_schemas.Severity)) == set(Incident.Severity.values)
    assert set(get_args(incident_schemas.CausalLink)) == set(Incident.CausalLink.values)
    assert set(get_args(incident_schemas.Category)) == {"", *Category.values}
    assert incident_schemas._ASSESSED - {"system_id"} | {"system"} == FIELDS
