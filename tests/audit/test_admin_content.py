"""Content in the admin: one's own, somebody else's by two people, erased on a ground, held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from audit.checkpoints import verification_key
from audit.content_models import Disclosure, Hold
from audit.erasure import Ground, erase_as
from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, commit_blocking
from audit.models import Content, RecordIndex
from orgs.changes import SYSTEM
from tests.admin_pages import request_draft, signed_in
from tests.audit.test_verifier import run
from tests.cast import Cast
from tests.sealing import seal

SECRET = "the secret of the prompt"
REASON = "Max reported an odd answer, ticket 4711"


@pytest.fixture
def record_id(cast: Cast) -> UUID:
    return commit_blocking(request_draft(cast.max, SECRET)).record_id


def page(client: Client, record_id: Any) -> str:
    answer = client.get(reverse("admin:audit_recordindex_change", args=[record_id]))
    assert answer.status_code == 200
    return answer.content.decode()


def kinds(cast: Cast) -> list[str]:
    rows = RecordIndex.objects.for_tenant(cast.alice).filter(kind__startswith="content.")
    return list(rows.order_by("written_at").values_list("kind", flat=True))


def asked(cast: Cast, record_id: UUID) -> Disclosure:
    place = reverse("admin:audit_ask", args=[record_id])
    assert signed_in(cast.olivia.user).post(place, {"reason": REASON}).status_code == 302
    return Disclosure.objects.for_tenant(cast.olivia).get()


def decided(client: Client, disclosure: Disclosure, decision: str) -> str:
    place = reverse("admin:audit_decide", args=[disclosure.pk])
    return client.post(place, {"decision": decision}, follow=True).content.decode()


def test_ones_own_text_and_the_answer_to_it_are_ordinary_reading(cast: Cast) -> None:
    own = commit_blocking(request_draft(cast.olivia, SECRET)).record_id
    answer = Draft(
        cast.organisation.pk,
        Kind.INFERENCE_COMPLETED,
        SYSTEM,
        {},
        content={"response": Text("<b>the answer</b>")},
        links=[Link(own, "request")],
    )
    answer_id = commit_blocking(answer).record_id
    olivia = signed_in(cast.olivia.user)
    assert SECRET in page(olivia, own)
    assert "&lt;b&gt;the answer&lt;/b&gt;" in page(olivia, answer_id)
    for other in (cast.alice, cast.audrey, cast.rita):
        client = signed_in(other.user)
        assert SECRET not in page(client, own)
        assert "the answer" not in page(client, answer_id)
    assert kinds(cast) == []


def test_somebody_elses_text_takes_a_reason_a_second_person_and_is_recorded(
    cast: Cast, record_id: UUID
) -> None:
    olivia, alice = signed_in(cast.olivia.user), signed_in(cast.alice.user)
    assert "Ask to read" in page(olivia, record_id)
    assert SECRET not in page(olivia, record_id)
    disclosure = asked(cast, record_id)
    read = reverse("admin:audit_read", args=[disclosure.pk, record_id, "prompt"])
    too_early = olivia.post(read, follow=True).content.decode()
    assert SECRET not in too_early
    assert "not released" in too_early
    assert "Somebody else decides" in decided(olivia, disclosure, "release")
    waiting = alice.get(reverse("admin:audit_disclosure_change", args=[disclosure.pk]))
    assert REASON in waiting.content.decode()
    assert "Release for 24 hours" in waiting.content.decode()
    decided(alice, disclosure, "release")
    assert "Read “prompt”" in page(olivia, record_id)
    assert SECRET not in page(olivia, record_id)
    assert kinds(cast) == ["content.requested", "content.released"]
    shown = olivia.post(read)
    assert SECRET in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    assert kinds(cast)[-1] == "content.read"
    for other in (alice, signed_in(cast.audrey.user), signed_in(cast.charlie.user)):
        assert SECRET not in other.post(read, follow=True).content.decode()
    assert kinds(cast).count("content.read") == 1


def test_a_refused_request_shows_nothing_and_is_not_decided_twice(
    cast: Cast, record_id: UUID
) -> None:
    disclosure = asked(cast, record_id)
    alice = signed_in(cast.alice.user)
    assert "refused" in decided(alice, disclosure, "refuse")
    assert "decided already" in decided(alice, disclosure, "release")
    read = reverse("admin:audit_read", args=[disclosure.pk, record_id, "prompt"])
    shown = signed_in(cast.olivia.user).post(read, follow=True)
    assert SECRET not in shown.content.decode()
    assert "content.read" not in kinds(cast)


def test_asking_takes_a_reason_and_the_right_to_ask(cast: Cast, record_id: UUID) -> None:
    place = reverse("admin:audit_ask", args=[record_id])
    told = signed_in(cast.olivia.user).post(place, {"reason": "why"}, follow=True)
    assert "Say in a sentence" in told.content.decode()
    for refused in (cast.alice, cast.audrey, cast.rita):
        assert signed_in(refused.user).post(place, {"reason": REASON}).status_code == 403
    assert signed_in(cast.charlie.user).post(place, {"reason": REASON}).status_code == 404
    assert not Disclosure.objects.for_tenant(cast.olivia).exists()


def test_waiting_requests_come_first(cast: Cast, record_id: UUID) -> None:
    waiting = asked(cast, record_id)
    decided_one = commit_blocking(request_draft(cast.max)).record_id
    place = reverse("admin:audit_ask", args=[decided_one])
    signed_in(cast.olivia.user).post(place, {"reason": REASON})
    newer = Disclosure.objects.for_tenant(cast.olivia).exclude(pk=waiting.pk).get()
    alice = signed_in(cast.alice.user)
    decided(alice, newer, "refuse")
    rows = alice.get(reverse("admin:audit_disclosure_changelist")).context["cl"].result_list
    assert [row.pk for row in rows] == [waiting.pk, newer.pk]
    row = reverse("admin:audit_disclosure_change", args=[waiting.pk])
    assert signed_in(cast.charlie.user).get(row).status_code == 404
    assert signed_in(cast.audrey.user).get(row).status_code == 403


def test_erasing_names_the_ground_and_the_page_says_so_afterwards(
    cast: Cast, record_id: UUID
) -> None:
    place = reverse("admin:audit_erase", args=[record_id])
    olivia = signed_in(cast.olivia.user)
    assert "Erase now" in olivia.get(place).content.decode()
    for refused in (cast.alice, cast.audrey, cast.rita):
        client = signed_in(refused.user)
        assert client.get(place).status_code == client.post(place).status_code == 403
    without_ground = olivia.post(place, {"slots": "prompt", "ground": ""})
    by_retention = olivia.post(place, {"slots": "prompt", "ground": "retention"})
    assert without_ground.status_code == by_retention.status_code == 200
    assert Content.objects.filter(record_id=record_id).exists()
    done = olivia.post(place, {"slots": "prompt", "ground": "gdpr_17_1"}, follow=True)
    text = done.content.decode()
    assert not Content.objects.filter(record_id=record_id).exists()
    assert "Request of the person concerned (Art. 17(1) GDPR)" in text
    assert "stored, encrypted" not in text
    erasure = RecordIndex.objects.for_tenant(cast.olivia).get(kind=Kind.CONTENT_ERASED)
    assert str(erasure.pk) in text
    assert "no text that could be erased" in olivia.get(place).content.decode()
    paper = reverse("admin:audit_certificate", args=[erasure.pk])
    assert olivia.get(paper).status_code == 404  # not sealed yet
    seal()
    assert str(record_id) in json.loads(olivia.get(paper).content)["record"]
    assert olivia.get(reverse("admin:audit_certificate", args=[record_id])).status_code == 404


def test_expired_and_missing_texts_are_told_apart(cast: Cast) -> None:
    first = commit_blocking(request_draft(cast.max)).record_id
    erase_as(
        cast.organisation.pk,
        [(first, "prompt")],
        Ground.RETENTION,
        actor=SYSTEM,
        kind=Kind.CONTENT_EXPIRED,
    )
    text = page(signed_in(cast.audrey.user), first)
    assert "expired" in text
    assert "Time of keeping is over" in text
    assert "no record says" not in text


def test_a_hold_names_whom_it_covers_and_refuses_a_mistyped_year(cast: Cast) -> None:
    olivia = signed_in(cast.olivia.user)
    add, shown = reverse("admin:audit_hold_add"), reverse("admin:audit_hold_changelist")
    form = {"name": "File 8", "actor_id": str(cast.max.user.pk), "since": "2026-11-01T00:00"}
    for year in ("0001", "9999"):
        refused = olivia.post(add, {**form, "since": f"{year}-01-01T00:00"})
        assert "The year is mistyped." in refused.content.decode()
    assert olivia.post(add, form).status_code == 302
    olivia.post(add, {"name": "File 9"})
    text = olivia.get(shown).content.decode()
    assert cast.max.user.name in text
    assert "everybody" in text
    assert "2026-11-01" in text
    hold = Hold.objects.for_tenant(cast.olivia).get(name="File 8")
    page = olivia.get(reverse("admin:audit_hold_change", args=[hold.pk])).content.decode()
    assert cast.max.user.name in page


def test_a_hold_refuses_erasure_until_it_is_lifted(cast: Cast, record_id: UUID) -> None:
    olivia = signed_in(cast.olivia.user)
    add = reverse("admin:audit_hold_add")
    form = olivia.get(add, {"actor_id": str(cast.max.user.pk)}).content.decode()
    assert f'value="{cast.max.user.pk}" selected' in form
    assert str(cast.charlie.user.pk) not in form
    posted = {"name": "File 7", "actor_id": str(cast.charlie.user.pk), "since": "", "until": ""}
    assert olivia.post(add, posted).status_code == 200
    posted["actor_id"] = str(cast.max.user.pk)
    assert olivia.post(add, posted).status_code == 302
    hold = Hold.objects.for_tenant(cast.olivia).get()
    assert "Under legal hold “File 7”" in page(olivia, record_id)
    place = reverse("admin:audit_erase", args=[record_id])
    refused = olivia.post(place, {"slots": "prompt", "ground": "mistake"}, follow=True)
    assert "A legal hold covers this text" in refused.content.decode()
    assert Content.objects.filter(record_id=record_id).exists()
    lift = reverse("admin:audit_lift", args=[hold.pk])
    assert signed_in(cast.alice.user).post(lift).status_code == 403
    assert signed_in(cast.charlie.user).post(lift).status_code in (403, 404)
    assert (
        "Lift the hold"
        in olivia.get(reverse("admin:audit_hold_change", args=[hold.pk])).content.decode()
    )
    olivia.post(lift)
    assert "Under legal hold" not in page(olivia, record_id)
    olivia.post(place, {"slots": "prompt", "ground": "mistake"})
    assert not Content.objects.filter(record_id=record_id).exists()
    assert kinds(cast) == ["content.held", "content.unheld", "content.erased"]


def test_what_is_downloaded_convinces_the_verifier(
    cast: Cast, record_id: UUID, tmp_path: Path
) -> None:
    audrey = signed_in(cast.audrey.user)
    place = reverse("admin:audit_proof", args=[record_id])
    assert audrey.get(place).status_code == 404
    assert place not in page(audrey, record_id)
    seal()
    assert place in page(audrey, record_id)
    record, proof = tmp_path / "record.json", tmp_path / "record.tlog-proof"
    record.write_bytes(audrey.get(reverse("admin:audit_download", args=[record_id])).content)
    proof.write_bytes(audrey.get(place).content)
    assert run("proof", proof, "--record", record, "--key", verification_key())[0] == 0
    record.write_bytes(record.read_bytes() + b" ")
    assert run("proof", proof, "--record", record, "--key", verification_key())[0] == 1
    assert signed_in(cast.charlie.user).get(place).status_code == 404
