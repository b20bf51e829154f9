"""Hashing every record while it is copied: what that finds, and that nothing is read wrongly."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from audit import record_stream
from audit.canonical import encode
from audit.hashing import Frontier, leaf_hash
from audit.ledger import Receipt, append, commit_blocking
from audit.logs import current_log
from audit.models import Log, Position, Record
from audit.positions import position_of
from audit.record_stream import pieces
from audit.slices import kinds_of, records_between, times_of
from audit.tree_check import TreeCheck
from tests.audit.test_verification import tamper
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal

_TRICKY = st.text(alphabet='",:{}[]\\kindat-Z \n\u00e9', max_size=40)


@pytest.fixture
def log(cast: Cast) -> Log:
    """Five records sealed alone, then five together, in another order than that of their ids."""
    for number in range(5):
        commit_blocking(a_draft(cast, f"text {number}"))
        seal()
    now = timezone.now()
    for number in (0, 3, 1, 4, 2):
        at = now + timedelta(seconds=number)
        commit_blocking(replace(a_draft(cast, f"more {number}"), at=at))
    seal()
    return current_log(cast.organisation.pk)


def checked(log: Log) -> TreeCheck:
    check = TreeCheck(log, log.size)
    check.finish()
    return check


def record_at(log: Log, position: int) -> Record:
    ids: list[UUID] = [
        record_id
        for row in Position.objects.filter(log_number=log.number).order_by("first")
        for record_id in row.ids
    ]
    return Record.objects.get(pk=ids[position])


@given(st.dictionaries(st.sampled_from(["kind", "at", "x"]), _TRICKY | st.dictionaries(
    st.sampled_from(["kind", "at", "links"]), _TRICKY)), _TRICKY)  # fmt: skip
def test_time_and_kind_are_found_whatever_else_a_record_says(body, identifier) -> None:
    record = {
        "actor": {"id": identifier, "type": "user"},
        "at": "2026-11-21T10:15:00.123456Z",
        "body": body,
        "content": {"prompt": {"bytes": 1, "commitment": "x", "media": '","kind":"no"'}},
        "id": "018f0000-0000-7000-8000-000000000000",
        "kind": "inference.requested",
        "links": [{"id": "018f0000-0000-7000-8000-000000000000", "rel": ',"kind":"no"'}],
        "log": "ledger.example/o/1/1",
        "v": 1,
        "writer": ["7c1f9a", 4711],
    }
    data = encode(record)
    parsed = json.loads(data)
    assert times_of([data]) == [parsed["at"].encode()]
    assert kinds_of([data]) == [parsed["kind"].encode()]


def test_pieces_are_the_stored_records_in_order_wherever_one_begins_and_ends(log: Log) -> None:
    together = Position.objects.filter(log_number=log.number).latest("first").ids
    assert together != sorted(together)
    whole = list(records_between(log.number, 0, log.size))
    assert [data for data, _leaf in whole] == [
        bytes(record_at(log, position).bytes) for position in range(log.size)
    ]
    assert all(leaf_hash(data) == leaf for data, leaf in whole)
    for first in range(log.size + 1):
        for end in range(first, log.size + 1):
            found = list(pieces(log.number, first, end))
            assert [record for piece in found for record in piece.records] == [
                data for data, _leaf in whole[first:end]
            ]
            assert b"".join(piece.lines for piece in found).count(b"\n") == end - first


def test_a_record_cut_in_two_does_not_take_the_place_of_one_that_is_missing(log: Log) -> None:
    honest = list(records_between(log.number, 0, log.size))
    cut = record_at(log, 6)
    tamper(
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [b"one\ntwo", cut.pk]),
        ("DELETE FROM audit_record WHERE id = %s", [record_at(log, 7).pk]),
    )
    found = list(pieces(log.number, 0, log.size))
    records = [record for piece in found for record in piece.records]
    assert [n for n, (data, _leaf) in enumerate(honest) if records[n] != data] == [6, 7]
    assert records[6:8] == [b"", b""]
    assert b"".join(piece.lines for piece in found).count(b"\n") == log.size
    check = checked(log)
    assert (check.first_bad, check.checked) == (6, log.size)
    assert "not there any more" in check.problem


def test_what_is_read_while_somebody_works_is_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = list(pieces(log.number, 0, log.size))
    monkeypatch.setattr(record_stream, "_AT_ONCE", 3)
    stream = pieces(log.number, 0, log.size)
    begun = [next(stream)]
    assert "record-stream" in " ".join(thread.name for thread in threading.enumerate())
    ahead = begun + list(stream)
    assert len(ahead) > len(at_once)
    assert b"".join(piece.lines for piece in ahead) == b"".join(piece.lines for piece in at_once)
    assert b"".join(piece.hashes for piece in ahead) == b"".join(piece.hashes for piece in at_once)
    assert checked(log).problem == ""


def test_a_reader_who_stops_early_leaves_no_thread_and_no_connection(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_stream, "_AT_ONCE", 3)
    closed: list[str] = []
    close_all = record_stream.connections.close_all

    def close() -> None:
        closed.append(threading.current_thread().name)
        close_all()

    monkeypatch.setattr(record_stream.connections, "close_all", close)
    stream = pieces(log.number, 0, log.size)
    next(stream)
    stream.close()
    assert [name.startswith("record-stream") for name in closed] == [True]
    assert "record-stream" not in " ".join(thread.name for thread in threading.enumerate())


def test_a_record_missing_further_on_is_found_where_it_is_missing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    tamper(("DELETE FROM audit_record WHERE id = %s", [record_at(log, log.size - 1).pk]))
    monkeypatch.setattr(record_stream, "_AT_ONCE", 2)
    seen = [record for piece in pieces(log.number, 0, log.size) for record in piece.records]
    assert [bool(record) for record in seen] == [True] * (log.size - 1) + [False]


def test_an_honest_log_fits_its_signed_head(log: Log) -> None:
    told: list[tuple[int, int]] = []
    check = TreeCheck(log, log.size, lambda done, total: told.append((done, total)))
    for piece in pieces(log.number, 3, 7):  # what comes before and after is read by itself
        check.take(piece)
    check.finish()
    assert (check.problem, check.first_bad, check.checked) == ("", None, log.size)
    assert check.signature_checked
    assert told[-1] == (log.size, log.size)


def test_a_changed_record_is_named_by_its_position(log: Log) -> None:
    victim = record_at(log, 6)
    tamper(
        (
            "UPDATE audit_record SET bytes = %s WHERE id = %s",
            [bytes(victim.bytes).replace(b"simulated", b"different"), victim.pk],
        )
    )
    check = checked(log)
    assert check.first_bad == 6
    assert "not those that were sealed" in check.problem


def test_a_record_changed_together_with_its_hash_contradicts_the_signed_head(log: Log) -> None:
    victim = record_at(log, 6)
    changed = bytes(victim.bytes).replace(b"simulated", b"different")
    row = Position.objects.filter(log_number=log.number, first__lte=6).order_by("-first")[0]
    hashes = bytes(row.hashes).replace(leaf_hash(bytes(victim.bytes)), leaf_hash(changed))
    tamper(
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [changed, victim.pk]),
        (
            "UPDATE audit_position SET hashes = %s WHERE log_number = %s AND first = %s",
            [hashes, log.number, row.first],
        ),
    )
    check = checked(log)
    assert "signed head" in check.problem


def test_a_head_forged_with_the_records_is_not_signed(log: Log) -> None:
    victim = record_at(log, log.size - 1)
    changed = bytes(victim.bytes).replace(b"simulated", b"different")
    row = Position.objects.filter(log_number=log.number).order_by("-first")[0]
    hashes = bytes(row.hashes).replace(leaf_hash(bytes(victim.bytes)), leaf_hash(changed))
    frontier = Frontier()
    leaves = [leaf for _data, leaf in records_between(log.number, 0, log.size)]
    frontier.extend([*leaves[:-1], leaf_hash(changed)])
    tamper(
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [changed, victim.pk]),
        (
            "UPDATE audit_position SET hashes = %s WHERE log_number = %s AND first = %s",
            [hashes, log.number, row.first],
        ),
        (
            "UPDATE audit_checkpoint SET root = %s WHERE log_number = %s AND size = %s",
            [frontier.root, log.number, log.size],
        ),
    )
    check = checked(log)
    assert "signed head" in check.problem


@pytest.mark.parametrize("order", ["first", "-first"])
def test_a_row_of_which_no_record_is_left_is_read_as_holes(log: Log, order: str) -> None:
    row = Position.objects.filter(log_number=log.number).order_by(order)[0]
    tamper(*(("DELETE FROM audit_record WHERE id = %s", [pk]) for pk in row.ids))
    check = checked(log)
    assert (check.first_bad, check.checked) == (row.first, log.size)
    assert "not there any more" in check.problem


def test_missing_positions_fail_the_check(log: Log) -> None:
    tamper(("DELETE FROM audit_position WHERE log_number = %s AND first = 0", [log.number]))
    check = checked(log)
    assert check.first_bad == 0
    assert "missing" in check.problem


def test_a_record_dropped_before_it_was_sealed_leaves_a_hole(cast: Cast) -> None:
    with transaction.atomic():
        append(a_draft(cast))
        victim: Receipt = append(a_draft(cast))
        append(a_draft(cast))
    tamper(("DELETE FROM audit_record WHERE id = %s", [victim.record_id]))
    seal()
    log = current_log(cast.organisation.pk)
    assert position_of(log.number, victim.record_id) is None
    assert "of writer" in checked(log).problem
