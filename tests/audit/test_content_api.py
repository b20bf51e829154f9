"""Keeping and erasing by API: the admin's rules, for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
from django.utils import timezone

from audit.content_models import ErasureRequest, Retention
from audit.ledger import Receipt, commit_blocking
from audit.models import Content
from orgs.keys import create_key
from orgs.roles import Permission
from orgs.tenancy import Tenant
from tests.audit.test_keeping import an_old_draft
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.sealing import seal

PATH = "/api/v1/content"


def body(receipt: Receipt) -> dict[str, Any]:
    texts = [{"record_id": str(receipt.record_id), "slots": ["prompt"]}]
    return {"ground": "gdpr_17_1", "texts": texts}


def is_stored(receipt: Receipt) -> bool:
    return Content.objects.filter(record_id=receipt.record_id).exists()


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_time_of_keeping_is_tried_before_it_is_set(web_server: str, cast: Cast) -> None:
    old = commit_blocking(an_old_draft(cast, 100))
    with signed_in(web_server, cast.alice, timeout=30) as client:
        rules = {"content_days": None, "two_people_erase": False}
        assert client.get(f"{PATH}/rules").json() == rules
        tried = client.get(f"{PATH}/rules/preview", params={"content_days": 90}).json()
        assert (tried["texts"], tried["held"]) == (1, 0)
        assert is_stored(old)
        assert client.get(f"{PATH}/rules").json() == rules
        for days in (0, 36_501, 2**31):
            wrong = client.patch(f"{PATH}/rules", json={"content_days": days})
            assert code(wrong) == (422, "invalid_request")
        set_ = client.patch(f"{PATH}/rules", json={"content_days": 90})
        assert set_.json() == {**rules, "content_days": 90}
        both = client.patch(f"{PATH}/rules", json={"two_people_erase": True})
        assert both.json() == {"content_days": 90, "two_people_erase": True}
        assert client.patch(f"{PATH}/rules", json={"content_days": None}).status_code == 200
    assert Retention.objects.for_tenant(cast.alice).get().content_days is None


def test_who_may_erase_finds_no_way_to_erase_alone(
    web_server: str, cast: Cast, receipt: Receipt
) -> None:
    with signed_in(web_server, cast.olivia, timeout=30) as client:
        made = client.patch(f"{PATH}/rules", json={"content_days": 90, "two_people_erase": True})
        assert made.status_code == 200
        for change in (
            {"two_people_erase": False},
            {"content_days": 89},
            {"content_days": 89, "two_people_erase": False},
        ):
            assert code(client.patch(f"{PATH}/rules", json=change)) == (422, "invalid_value")
        assert client.get(f"{PATH}/rules").json() == made.json()
        assert client.patch(f"{PATH}/rules", json={"content_days": 91}).status_code == 200
        asked = client.post(f"{PATH}/erasures", json=body(receipt)).json()["request"]
        own = client.post(f"{PATH}/erasures/{asked['id']}/confirm")
        assert code(own) == (422, "invalid_value")
    assert is_stored(receipt)


def test_a_hold_keeps_what_it_covers_until_it_is_released(
    web_server: str, cast: Cast, receipt: Receipt
) -> None:
    with signed_in(web_server, cast.olivia, timeout=30) as client:
        moments = {"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}
        never = client.post(f"{PATH}/holds", json={"name": "Case 7", **moments})
        assert code(never) == (422, "invalid_value")
        hold = {"name": "Case 7", "actor_id": str(cast.max.user.pk)}
        placed = client.post(f"{PATH}/holds", json=hold)
        assert (placed.status_code, placed.json()["released_at"]) == (201, None)
        assert client.get(f"{PATH}/holds").json() == [placed.json()]
        assert code(client.post(f"{PATH}/erasures", json=body(receipt))) == (409, "legal_hold")
        assert is_stored(receipt)
        released = client.post(f"{PATH}/holds/{placed.json()['id']}/release").json()
        assert released["released_at"] is not None
        again = client.post(f"{PATH}/holds/{placed.json()['id']}/release").json()
        assert again == released
        done = client.post(f"{PATH}/erasures", json=body(receipt))
        assert (done.status_code, done.json()["request"]) == (201, None)
    assert not is_stored(receipt)


def test_one_asks_another_confirms_and_the_certificate_proves_it(
    web_server: str, cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    other = commit_blocking(a_draft(cast))
    everything = {"ground": "gdpr_21", "actor_id": str(cast.max.user.pk)}
    with (
        signed_in(web_server, cast.olivia, timeout=30) as olivia,
        signed_in(web_server, otto, timeout=30) as colleague,
    ):
        olivia.patch(f"{PATH}/rules", json={"two_people_erase": True})
        refused, asked = (
            olivia.post(f"{PATH}/erasures", json=wanted).json()["request"]
            for wanted in (body(receipt), everything)
        )
        assert asked["state"] == "requested"
        assert {text["record_id"] for text in asked["texts"]} == {
            str(receipt.record_id),
            str(other.record_id),
        }
        waiting = colleague.get(f"{PATH}/erasures", params={"waiting": True}).json()
        assert waiting == {"items": [asked, refused], "next": None}
        rest = colleague.get(f"{PATH}/erasures", params={"before": asked["id"]}).json()
        assert rest["items"] == [refused]
        no = colleague.post(f"{PATH}/erasures/{refused['id']}/refuse").json()
        assert (no["state"], no["erasures"]) == ("refused", [])
        assert is_stored(receipt)
        yes = colleague.post(f"{PATH}/erasures/{asked['id']}/confirm").json()
        assert (yes["state"], yes["decided_by"]) == ("confirmed", str(otto.user.pk))
        assert colleague.get(f"{PATH}/erasures/{asked['id']}").json() == yes
        twice = colleague.post(f"{PATH}/erasures/{asked['id']}/confirm")
        assert code(twice) == (422, "invalid_value")
        seal()
        (erasure,) = yes["erasures"]
        paper = olivia.get(f"{PATH}/certificates/{erasure}").json()
        assert (paper["format"], asked["id"] in paper["record"]) == ("lex-custis/erasure/v1", True)
        assert paper["proof"].startswith("c2sp.org/tlog-proof@v1\n")
        assert olivia.get(f"{PATH}/certificates/{receipt.record_id}").status_code == 404
    assert not is_stored(receipt)
    assert not is_stored(other)


def test_a_request_that_nobody_decided_has_expired(
    web_server: str, cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    with (
        signed_in(web_server, cast.olivia, timeout=30) as olivia,
        signed_in(web_server, otto, timeout=30) as colleague,
    ):
        olivia.patch(f"{PATH}/rules", json={"two_people_erase": True})
        asked = olivia.post(f"{PATH}/erasures", json=body(receipt)).json()["request"]
        rows = ErasureRequest.objects.for_tenant(cast.olivia).filter(pk=asked["id"])
        rows.update(expires_at=timezone.now() - timedelta(seconds=1))
        late = colleague.post(f"{PATH}/erasures/{asked['id']}/confirm")
        assert code(late) == (422, "invalid_value")
        assert colleague.get(f"{PATH}/erasures/{asked['id']}").json()["state"] == "expired"
        assert not colleague.get(f"{PATH}/erasures", params={"waiting": True}).json()["items"]
    assert is_stored(receipt)


def test_each_call_needs_its_right_and_the_own_organisation(
    web_server: str, cast: Cast, otto: Tenant, receipt: Receipt
) -> None:
    """P4."""
    with signed_in(web_server, cast.olivia, timeout=30) as olivia:
        hold = olivia.post(f"{PATH}/holds", json={"name": "Nobody's", "until": "2001-01-01T00:00Z"})
        olivia.patch(f"{PATH}/rules", json={"two_people_erase": True})
        asked = olivia.post(f"{PATH}/erasures", json=body(receipt)).json()["request"]
    one, held = f"{PATH}/erasures/{asked['id']}", f"{PATH}/holds/{hold.json()['id']}"
    calls: list[tuple[str, str, Any]] = [
        ("GET", f"{PATH}/rules", None),
        ("PATCH", f"{PATH}/rules", {"content_days": 1}),
        ("GET", f"{PATH}/rules/preview?content_days=1", None),
        ("GET", f"{PATH}/holds", None),
        ("POST", f"{PATH}/holds", {"name": "Mine"}),
        ("POST", f"{held}/release", None),
        ("GET", f"{PATH}/erasures", None),
        ("POST", f"{PATH}/erasures", body(receipt)),
        ("GET", one, None),
        ("POST", f"{one}/confirm", None),
        ("POST", f"{one}/refuse", None),
    ]
    for person in (cast.max, cast.rita, cast.audrey):
        with signed_in(web_server, person, timeout=30) as client:
            for method, path, sent in calls:
                answer = client.request(method, path, json=sent)
                assert answer.status_code == 403, (method, path)
    _, reading = create_key(otto, name="reading", scopes=[Permission.AUDIT_READ])
    _, text = create_key(otto, name="erasing", scopes=list(Permission))
    with with_key(web_server, reading, timeout=30) as client:
        assert client.get(f"{PATH}/erasures").status_code == 403
    with signed_in(web_server, cast.charlie, timeout=30) as client:
        for path in (f"{held}/release", one, f"{one}/confirm", f"{one}/refuse"):
            method = "GET" if path == one else "POST"
            answer = client.request(method, path)
            assert answer.status_code == 404, path
            assert asked["id"] not in answer.text
        assert client.get(f"{PATH}/erasures").json()["items"] == []
        assert client.get(f"{PATH}/holds").json() == []
    assert is_stored(receipt)
    with with_key(web_server, text, timeout=30) as client:
        assert client.post(f"{one}/confirm").json()["state"] == "confirmed"
    assert not is_stored(receipt)
