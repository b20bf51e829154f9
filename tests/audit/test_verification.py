"""Verification finds every change, and names the record."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from audit import notes
from audit.checkpoints import verification_key
from audit.hashing import Frontier, leaf_hash, split
from audit.ledger import Receipt, append, commit_blocking
from audit.logs import current_log
from audit.models import Position, Record
from audit.positions import position_of
from audit.slices import export_period
from audit.state import ledger_state, sealer_state
from audit.verification import Report, verify_log
from orgs.keys import create_key
from orgs.roles import Permission
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


@pytest.fixture
def receipts(cast: Cast) -> list[Receipt]:
    receipts = [commit_blocking(a_draft(cast, f"text {number}")) for number in range(5)]
    seal()
    return receipts


def tamper(*statements: tuple[str, list[object]]) -> None:
    """As somebody who owns the database: switch the triggers off, then change what is stored."""
    tables = ("audit_record", "audit_content", "audit_position", "audit_checkpoint", "audit_log")
    with transaction.atomic(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement, values in statements:
            cursor.execute(statement, values)
            assert cursor.rowcount == 1, statement
        for table in tables:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal",
                [table],
            )
            for (name,) in cursor.fetchall():
                cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def bad_position(report: Report) -> int | None:
    return report.first_bad.position if report.first_bad else None


def position(cast: Cast, receipt: Receipt) -> int:
    found = position_of(current_log(cast.organisation.pk).number, receipt.record_id)
    assert found is not None
    return found


def replace_with_its_hash(cast: Cast, receipt: Receipt, data: bytes) -> None:
    """Change a record, and its hash where the tree keeps it."""
    log, place = current_log(cast.organisation.pk), position(cast, receipt)
    rows = Position.objects.filter(log_number=log.number, first__lte=place)
    row = rows.latest("first")
    hashes = split(bytes(row.hashes))
    hashes[place - row.first] = leaf_hash(data)
    tamper(
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [data, receipt.record_id]),
        (
            "UPDATE audit_position SET hashes = %s WHERE log_number = %s AND first = %s",
            [b"".join(hashes), log.number, row.first],
        ),
    )


def test_an_honest_log_is_valid(cast: Cast, receipts: list[Receipt]) -> None:
    progress: list[tuple[int, int]] = []
    report = verify_log(cast.organisation.pk, lambda done, total: progress.append((done, total)))
    assert report.valid, report.problems
    assert report.entries_checked == report.size == progress[-1][0] == progress[-1][1]
    assert report.first_bad is None
    assert report.not_checked


def test_a_changed_record_is_named(cast: Cast, receipts: list[Receipt]) -> None:
    tamper(
        (
            (
                "UPDATE audit_record SET bytes = replace(convert_from(bytes, 'UTF8'), 'simulated',"
                " 'different')::bytea WHERE id = %s"
            ),
            [receipts[2].record_id],
        )
    )
    report = verify_log(cast.organisation.pk)
    assert not report.valid
    assert bad_position(report) == position(cast, receipts[2])
    assert report.first_bad is not None
    assert report.first_bad.record_id == str(receipts[2].record_id)


def test_a_deleted_record_is_named(cast: Cast, receipts: list[Receipt]) -> None:
    tamper(("DELETE FROM audit_record WHERE id = %s", [receipts[1].record_id]))
    report = verify_log(cast.organisation.pk)
    assert report.first_bad is not None
    assert report.first_bad.record_id == str(receipts[1].record_id)
    assert "not there any more" in report.first_bad.reason


def test_changed_and_removed_content_is_named(cast: Cast, receipts: list[Receipt]) -> None:
    tamper(("DELETE FROM audit_content WHERE record_id = %s", [receipts[3].record_id]))
    report = verify_log(cast.organisation.pk)
    assert report.first_bad is not None
    assert "no record says why" in report.first_bad.reason
    tamper(
        (
            (
                "UPDATE audit_content SET sealed = (SELECT sealed FROM audit_content"
                " WHERE record_id = %s) WHERE record_id = %s"
            ),
            [receipts[1].record_id, receipts[0].record_id],
        )
    )
    report = verify_log(cast.organisation.pk)
    assert bad_position(report) == position(cast, receipts[0])


def test_an_insider_who_also_rewrites_hashes_and_head_is_found_by_the_signed_heads(
    cast: Cast, receipts: list[Receipt]
) -> None:
    log = current_log(cast.organisation.pk)
    data = bytes(Record.objects.get(pk=receipts[2].record_id).bytes)
    changed = data.replace(b"simulated", b"different")
    rows = list(Position.objects.filter(log_number=log.number).order_by("first"))
    hashes = b"".join(bytes(row.hashes) for row in rows)
    new_hashes = hashes.replace(leaf_hash(data), leaf_hash(changed))
    frontier = Frontier()
    frontier.extend(split(new_hashes))
    index = position(cast, receipts[2])
    row = next(row for row in rows if row.first <= index < row.first + len(row.ids))
    start = row.first * 32
    tamper(
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [changed, receipts[2].record_id]),
        (
            "UPDATE audit_position SET hashes = %s WHERE log_number = %s AND first = %s",
            [new_hashes[start : start + 32 * len(row.ids)], log.number, row.first],
        ),
        (
            "UPDATE audit_log SET root = %s, frontier = %s WHERE number = %s",
            [frontier.root, frontier.to_bytes(), log.number],
        ),
    )
    report = verify_log(cast.organisation.pk)
    assert not report.valid
    assert report.first_bad is not None
    assert "signed head" in report.first_bad.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"links":[]', b'"links":[1]'),
        (b'"writer":["', b'"writer":[[],"'),
        (b'"media":"text/plain"', b'"medium":"text/plain"'),
        (b'"at":"2', b'"at":"A'),
        (b'},"id":"0', b'},"id":"x'),
        (b'"body":{', b'"body":{"lexcustis.erased":[{"slots":1}],'),
        (b'"actor":{', b'"actor":"'),
        (b'"media":"text/plain"', b'"media":["text/plain"]'),
        (b'"actor":{"id":"', b'"actor":{"id":7,"x":"'),
        (b"{", b"["),
    ],
)
def test_a_record_of_no_form_is_named_though_its_stored_hash_fits(
    cast: Cast, receipts: list[Receipt], before: bytes, after: bytes
) -> None:
    data = bytes(Record.objects.get(pk=receipts[2].record_id).bytes)
    assert before in data
    changed = data.replace(before, after, 1).replace(b"inference.requested", b"content.erased")
    replace_with_its_hash(cast, receipts[2], changed)
    report = verify_log(cast.organisation.pk)
    assert bad_position(report) == position(cast, receipts[2])


def test_a_record_dropped_before_it_was_sealed_leaves_a_hole(cast: Cast) -> None:
    with transaction.atomic():
        append(a_draft(cast))
        victim = append(a_draft(cast))
        append(a_draft(cast))
    tamper(("DELETE FROM audit_record WHERE id = %s", [victim.record_id]))
    seal()
    report = verify_log(cast.organisation.pk)
    assert not report.valid
    assert any("Of writer" in problem for problem in report.problems)


def test_a_truncated_tail_contradicts_the_checkpoints(cast: Cast, receipts: list[Receipt]) -> None:
    log = current_log(cast.organisation.pk)
    tamper(
        (
            (
                "DELETE FROM audit_position AS row WHERE log_number = %s AND first ="
                " (SELECT max(first) FROM audit_position WHERE log_number = row.log_number)"
            ),
            [log.number],
        )
    )
    report = verify_log(cast.organisation.pk)
    assert not report.valid


def test_a_slice_proves_that_nothing_is_missing_between_two_heads(
    cast: Cast, receipts: list[Receipt], tmp_path: Path
) -> None:
    start = timezone.now()
    inside = [commit_blocking(a_draft(cast)) for _ in range(4)]
    end = timezone.now()
    seal()
    commit_blocking(a_draft(cast))
    seal()
    report = export_period(cast.organisation.pk, start, end, tmp_path)
    lines = (tmp_path / "audit_log_period.jsonl").read_bytes().splitlines()
    assert report.records_in_period == 4
    assert report.kinds == {"inference.requested": 4}
    assert report.records == len(lines) == report.end - report.first
    assert {leaf_hash(line) for line in lines} >= {receipt.leaf_hash for receipt in inside}
    proof = json.loads((tmp_path / "proofs" / "slice.json").read_text())
    frontier = Frontier(proof["first"], [base64.b64decode(item) for item in proof["frontier"]])
    read = {
        name: notes.verify(
            (tmp_path / "proofs" / f"checkpoint_{name}.txt").read_text(), verification_key()
        )
        for name in ("before", "after", "latest")
    }
    assert frontier.root == read["before"].root
    frontier.extend([leaf_hash(line) for line in lines])
    assert (frontier.size, frontier.root) == (read["after"].size, read["after"].root)
    assert read["latest"].size == read["after"].size + 1


def test_a_slice_of_an_empty_period_is_empty(
    cast: Cast, receipts: list[Receipt], tmp_path: Path
) -> None:
    long_ago = timezone.now() - timedelta(days=900)
    report = export_period(cast.organisation.pk, long_ago, long_ago, tmp_path)
    assert (report.records, report.records_in_period) == (0, 0)
    assert (tmp_path / "audit_log_period.jsonl").read_bytes() == b""


def test_the_state_tells_backlog_and_head(cast: Cast, receipts: list[Receipt]) -> None:
    commit_blocking(a_draft(cast))
    state = ledger_state(cast.organisation.pk)
    assert state.backlog == 1
    assert state.size == state.signed_size
    assert state.anchoring == "not anchored externally"
    assert 0 <= state.oldest_unsealed_seconds < 20
    seal()
    state = ledger_state(cast.organisation.pk)
    assert (state.backlog, state.problems) == (0, [])
    assert len(state.root_hex) == 64
    assert state.last_checkpoint_at is not None
    assert sealer_state().is_running


@pytest.fixture
def api(cast: Cast) -> Callable[..., object]:
    _key, text = create_key(cast.audrey, name="test", scopes=[Permission.AUDIT_READ])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    seal()

    def get(path: str, status: int = 200, **parameters: object) -> object:
        response = client.get(f"/api/v1/audit/{path}", parameters)
        assert response.status_code == status, response.content
        return response.json()

    return get


def test_the_api_lists_pages_and_proves(
    cast: Cast, receipts: list[Receipt], api: Callable[..., dict]
) -> None:
    first = api("records", limit=3)
    rest = api("records", limit=200, before=first["next"])
    listed = [item["id"] for item in first["items"] + rest["items"]]
    assert len(listed) == len(set(listed)) == current_log(cast.organisation.pk).size
    assert rest["next"] is None
    assert len(api("records", kind="inference.requested")["items"]) == 5
    one = api(f"records/{receipts[0].record_id}")
    assert one["record"]["kind"] == "inference.requested"
    proof = api(f"records/{receipts[0].record_id}/proof")
    assert proof["tlog_proof"].startswith("c2sp.org/tlog-proof@v1\nindex ")
    checkpoint = api("checkpoint")
    assert notes.verify(checkpoint["note"], checkpoint["verification_key"]).size == proof["size"]
    assert api("consistency", old_size=2, new_size=proof["size"])["path"]
    assert api("verify")["valid"] is True
    assert api("state")["backlog"] == 0
    api("records/018f0000-0000-7000-8000-000000000000", status=404)


def test_the_api_shows_no_other_organisation(cast: Cast, receipts: list[Receipt]) -> None:
    _key, text = create_key(cast.charlie, name="test", scopes=[Permission.AUDIT_READ])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    for path in (f"records/{receipts[0].record_id}", f"records/{receipts[0].record_id}/proof"):
        assert client.get(f"/api/v1/audit/{path}").status_code == 404
    _key, text = create_key(cast.max, name="test", scopes=[Permission.CHAT])
    client = Client(headers={"Authorization": f"Bearer {text}"})
    for path in ("records", "checkpoint", "verify", "state", "consistency?old_size=0&new_size=0"):
        assert client.get(f"/api/v1/audit/{path}").status_code == 403
