"""A single record against the head of its log: the page shows what it is, not what it was."""

from __future__ import annotations

import base64

import pytest
from django.test import Client
from django.urls import reverse

from audit.erasure import Ground, erase
from audit.ledger import Receipt, commit_blocking
from audit.logs import current_log
from audit.models import RecordIndex
from audit.notes import short
from audit.reading import ContentDamaged, read_content, read_record, record_bytes
from audit.standing import Standing, standing_of
from orgs.keys import create_key
from orgs.roles import Permission
from tests.admin_pages import request_draft, signed_in
from tests.audit.test_verification import position, replace_with_its_hash, tamper
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal

CHANGED = "Its bytes are not those that were sealed"
REMOVED = "It is not there any more"


@pytest.fixture
def receipts(cast: Cast) -> list[Receipt]:
    receipts = [commit_blocking(request_draft(cast.max, f"text {n}")) for n in range(5)]
    seal()
    return receipts


def standing(cast: Cast, receipt: Receipt) -> Standing:
    data = record_bytes(cast.organisation.pk, receipt.record_id)
    return standing_of(current_log(cast.organisation.pk).number, receipt.record_id, data)


def change(receipt: Receipt, data: bytes) -> None:
    tamper(("UPDATE audit_record SET bytes = %s WHERE id = %s", [data, receipt.record_id]))


def page(cast: Cast, receipt: Receipt) -> str:
    place = reverse("admin:audit_recordindex_change", args=[receipt.record_id])
    response = signed_in(cast.audrey.user).get(place)
    assert response.status_code == 200
    return response.content.decode()


def test_every_honest_record_leads_to_the_head(cast: Cast, receipts: list[Receipt]) -> None:
    late = commit_blocking(a_draft(cast))
    assert standing(cast, late).position is None
    for receipt in receipts:
        found = standing(cast, receipt)
        assert (found.position, found.problem) == (position(cast, receipt), "")
        assert found.is_covered
    assert not standing(cast, late).is_covered
    assert standing(cast, late).problem == ""


@pytest.mark.parametrize("data", [b"no record \xff", b"{}", b"[1]", b'{"links":7}', b""])
def test_bytes_that_are_no_record_are_shown_for_what_they_are(
    cast: Cast, receipts: list[Receipt], data: bytes
) -> None:
    change(receipts[1], data)
    text = page(cast, receipts[1])
    assert "This is not the record that was written" in text
    assert CHANGED in text
    assert "sealed and signed" not in text
    assert "Inclusion proof" not in text
    assert read_record(cast.organisation.pk, receipts[1].record_id) is None
    assert "This is not the record" not in page(cast, receipts[2])


def test_a_record_that_still_reads_well_is_not_called_sealed(
    cast: Cast, receipts: list[Receipt]
) -> None:
    honest = record_bytes(cast.organisation.pk, receipts[0].record_id)
    change(receipts[0], honest.replace(b"inference.requested", b"inference.completed"))
    text = page(cast, receipts[0])
    assert CHANGED in text
    assert "What stands there now" in text
    assert "inference.completed" in text
    assert "not what was sealed" in text


def test_hashes_changed_with_the_record_do_not_lead_to_the_signed_root(
    cast: Cast, receipts: list[Receipt]
) -> None:
    honest = record_bytes(cast.organisation.pk, receipts[0].record_id)
    replace_with_its_hash(cast, receipts[0], honest.replace(b"requested", b"completed"))
    assert "does not lead to the root" in standing(cast, receipts[0]).problem
    assert "does not lead to the root" in standing(cast, receipts[1]).problem  # its neighbour


def test_hashes_taken_away_are_told(cast: Cast, receipts: list[Receipt]) -> None:
    log = current_log(cast.organisation.pk)
    last = commit_blocking(a_draft(cast))
    seal()
    tamper(
        (
            "DELETE FROM audit_position WHERE log_number = %s AND first = %s",
            [log.number, position(cast, last)],
        )
    )
    assert "hashes of the tree are damaged" in standing(cast, receipts[0]).problem


@pytest.mark.parametrize("note", ["", "no note", "a/b\n1\nAAAA\n\n— x AAAA\n"])
def test_a_head_that_is_none_is_told(cast: Cast, receipts: list[Receipt], note: str) -> None:
    log = current_log(cast.organisation.pk)
    tamper(
        (
            (
                "UPDATE audit_checkpoint SET note = %s WHERE id ="
                " (SELECT max(id) FROM audit_checkpoint WHERE log_number = %s)"
            ),
            [note, log.number],
        )
    )
    assert "The head or hashes of the tree are damaged" in page(cast, receipts[0])
    assert short(note) == note  # as mails and dossiers show it


def test_a_removed_record_keeps_its_page(cast: Cast, receipts: list[Receipt]) -> None:
    place = position(cast, receipts[3])
    tamper(("DELETE FROM audit_record WHERE id = %s", [receipts[3].record_id]))
    text = page(cast, receipts[3])
    assert REMOVED in text
    assert f"<dd>{place}</dd>" in text
    assert "canonical.json" not in text
    client = signed_in(cast.audrey.user)
    for name in ("audit_download", "audit_proof"):
        assert client.get(reverse(f"admin:{name}", args=[receipts[3].record_id])).status_code == 404
    RecordIndex.objects.for_organisation(cast.organisation.pk).filter(
        pk=receipts[3].record_id
    ).delete()
    gone = reverse("admin:audit_recordindex_change", args=[receipts[3].record_id])
    assert client.get(gone).status_code == 404


def test_an_erasure_that_was_changed_explains_nothing(cast: Cast, receipts: list[Receipt]) -> None:
    done = erase(cast.olivia, [(receipts[0].record_id, "prompt")], Ground.REQUEST)
    seal()
    assert "Request of the person concerned" in page(cast, receipts[0])
    named = f'{{"record":"{receipts[0].record_id}"}}'.encode()  # by which it is searched for
    change(done[0], named)
    text = page(cast, receipts[0])
    assert "missing, and no record says that it was erased" in text


def test_a_text_that_does_not_open_is_told_on_its_page(
    cast: Cast, receipts: list[Receipt], client: Client
) -> None:
    own = signed_in(cast.olivia.user)
    mine = commit_blocking(request_draft(cast.olivia, "my own text"))
    place = reverse("admin:audit_recordindex_change", args=[mine.record_id])
    assert "my own text" in own.get(place).content.decode()
    for receipt in (mine, receipts[0]):
        tamper(
            (
                "UPDATE audit_content SET sealed = %s WHERE record_id = %s",
                [b"something else", receipt.record_id],
            )
        )
    assert "does not open" in own.get(place).content.decode()
    with pytest.raises(ContentDamaged, match="does not open"):
        read_content(cast.organisation.pk, receipts[0].record_id, "prompt")


def test_the_api_tells_what_is_wrong(cast: Cast, receipts: list[Receipt], client: Client) -> None:
    key = create_key(cast.olivia, name="reading", scopes=[Permission.AUDIT_READ])[1]
    headers = {"Authorization": f"Bearer {key}"}
    place = f"/api/v1/audit/records/{receipts[4].record_id}"
    honest = client.get(place, headers=headers).json()
    assert (honest["problem"], honest["record"]["id"]) == ("", str(receipts[4].record_id))
    change(receipts[4], b"nothing")
    said = client.get(place, headers=headers).json()
    assert CHANGED in said["problem"]
    assert said["record"] is None
    assert base64.b64decode(said["bytes"]) == b"nothing"
    assert said["position"] == honest["position"]
