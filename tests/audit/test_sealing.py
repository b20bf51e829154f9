"""Sealing gives every committed record exactly one place, and signs only what grows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings
from django.db import connection, transaction

from audit import notes
from audit.acknowledgement import wait_until_sealed
from audit.checkpoints import latest, sign_heads, verification_key
from audit.hashing import leaf_hash, root_of
from audit.ledger import append, commit_blocking
from audit.logs import current_log
from audit.models import Log, Position, Record, SealState
from audit.notes import Head
from audit.positions import position_of, positions_of, signed_among
from audit.proofs import verify_consistency, verify_inclusion
from audit.sealing import seal_once
from audit.signer import LocalSigner, Refusal, Request, signer
from audit.tree import StoredTree
from orgs.identifiers import uuid7
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import problems_of, seal, wait_for_running_transactions


def sealed_ids(log: Log) -> list[object]:
    rows = Position.objects.filter(log_number=log.number).order_by("first")
    return [record_id for row in rows for record_id in row.ids]


@contextmanager
def another_session(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url) as session:
        yield session


def test_every_committed_record_has_one_place_and_a_signed_head_covers_it(cast: Cast) -> None:
    receipts = [commit_blocking(a_draft(cast)) for _ in range(20)]
    seal()
    log = current_log(cast.organisation.pk)
    ids = sealed_ids(log)
    records = Record.objects.filter(log_number=log.number).in_bulk()
    assert sorted(ids) == sorted(records)
    assert log.size == log.signed_size == len(ids)
    root = root_of([leaf_hash(bytes(records[record_id].bytes)) for record_id in ids])
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    assert notes.verify(checkpoint.note, verification_key()) == Head(log.origin, len(ids), root)
    tree = StoredTree(log.number)
    for receipt in receipts:
        index = ids.index(receipt.record_id)
        proof = tree.inclusion_proof(index, log.size)
        assert position_of(log.number, receipt.record_id) == index
        assert verify_inclusion(
            receipt.leaf_hash, index=index, size=log.size, proof=proof, root=root
        )


def test_sealing_again_and_again_only_adds(cast: Cast) -> None:
    heads = []
    for count in (1, 2, 3, 250, 5, 300):
        with transaction.atomic():
            for _ in range(count):
                append(a_draft(cast))
        seal()
        log = current_log(cast.organisation.pk)
        heads.append((log.size, bytes(log.root)))
    tree = StoredTree(log.number)
    for old_size, old_root in heads:
        assert tree.root(old_size) == old_root
        assert tree.frontier(old_size).root == old_root
        assert verify_consistency(
            old_size=old_size,
            new_size=heads[-1][0],
            old_root=old_root,
            new_root=heads[-1][1],
            proof=tree.consistency_proof(old_size, heads[-1][0]),
        )
    ids = sealed_ids(log)
    assert len(set(ids)) == len(ids) == log.size
    found = positions_of(log.number, ids)
    assert [found[record_id] for record_id in ids] == list(range(log.size))


def test_one_large_transaction_is_never_split(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.sealing.ROUND_LIMIT", 10)
    with transaction.atomic():
        for _ in range(35):
            append(a_draft(cast))
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    assert len(sealed_ids(log)) == Record.objects.filter(log_number=log.number).count()


def test_a_late_commit_is_sealed_after_all(cast: Cast, database_url: str) -> None:
    seal()
    with another_session(database_url) as session:
        session.execute("SELECT pg_current_xact_id()")  # a transaction that began earlier
        receipt = commit_blocking(a_draft(cast))
        seal_once()
        assert position_of(current_log(cast.organisation.pk).number, receipt.record_id) is None
        session.commit()
    seal()
    assert position_of(current_log(cast.organisation.pk).number, receipt.record_id) is not None


def test_waiting_ends_when_a_checkpoint_covers_the_record(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    assert not wait_until_sealed([receipt], timeout=0.02)
    seal()
    assert wait_until_sealed([receipt], timeout=0.02)
    with transaction.atomic(), pytest.raises(RuntimeError):
        wait_until_sealed([receipt], timeout=0.02)


def test_only_one_sealer_works_at_a_time(cast: Cast, database_url: str) -> None:
    commit_blocking(a_draft(cast))
    with another_session(database_url) as session:
        session.execute("SELECT pg_advisory_xact_lock(%s, %s)", [0x4C58, 1])
        assert seal_once().busy
        session.rollback()
    assert not seal_once().busy


def test_a_changed_number_of_shards_seals_nothing_twice(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    commit_blocking(a_draft(cast))
    for shard in range(3):
        assert problems_of(seal_once(shard=shard, shards=3)) == []
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    ids = sealed_ids(log)
    assert sorted(ids) == sorted(
        Record.objects.filter(log_number=log.number).values_list("pk", flat=True)
    )
    assert [state.pk for state in SealState.objects.all()] == ["0/1"]


def test_after_a_restore_into_another_cluster_all_is_sealed_once(cast: Cast) -> None:
    for _ in range(5):
        commit_blocking(a_draft(cast))
    seal()
    waiting = [commit_blocking(a_draft(cast)) for _ in range(5)]
    # A restored database has transaction numbers that this cluster has yet to reach.
    SealState.objects.filter(pk="0/1").update(cluster="another", next_xid=2**40)
    seal()
    later = [commit_blocking(a_draft(cast)) for _ in range(5)]
    log = current_log(cast.organisation.pk)
    committed = Record.objects.filter(log_number=log.number).count()
    seal()
    log.refresh_from_db()
    assert log.size == committed
    ids = sealed_ids(log)
    assert len(set(ids)) == len(ids) == log.size == log.signed_size
    assert {receipt.record_id for receipt in waiting + later} <= set(ids)
    found = positions_of(log.number, ids)
    assert [found[record_id] for record_id in ids] == list(range(log.size))
    assert signed_among(ids) == set(ids)


def test_the_signer_refuses_to_go_back_or_aside(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    authority = signer()
    assert authority.heads([log.origin])[log.origin].size == log.size
    smaller = Head(log.origin, log.size - 1, StoredTree(log.number).root(log.size - 1))
    aside = Head(log.origin, log.size, bytes(32))
    larger = Head(log.origin, log.size + 1, bytes(32))
    answers = authority.sign([Request(head, log.size, []) for head in (smaller, aside, larger)])
    assert all(isinstance(answer, Refusal) for answer in answers)
    same = authority.sign([Request(Head(log.origin, log.size, bytes(log.root)), 0, [])])
    assert notes.verify(str(same[0]), verification_key()).size == log.size


def test_the_signer_remembers_in_its_own_store(tmp_path) -> None:  # type: ignore[no-untyped-def]
    first = LocalSigner(tmp_path, create_key=True)
    head = Head("log/1", 3, bytes(32))
    assert isinstance(first.sign([Request(Head("log/1", 0, leaf0()), 0, [])])[0], str)
    refused = first.sign([Request(head, 2, [])])[0]
    assert isinstance(refused, Refusal)
    with (tmp_path / "heads.log").open("ab") as journal:
        journal.write(b"17 cut short by a cra")
    second = LocalSigner(tmp_path)
    assert second.all_heads() == first.all_heads()
    assert second.verification_keys() == first.verification_keys()
    assert (tmp_path / "keys" / "0001.key").stat().st_mode & 0o777 == 0o600


def leaf0() -> bytes:
    return root_of([])


def test_a_database_that_was_rolled_back_is_named(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    journal = settings.SIGNER_HOME / "heads.log"
    with journal.open("ab") as file:
        file.write(f"{log.size + 5} {'A' * 43}= {log.origin}\n".encode())
    commit_blocking(a_draft(cast))
    wait_for_running_transactions()
    report = seal_once()
    assert any("rolled back" in problem for problem in report.problems)
    assert "rolled back" in current_log(cast.organisation.pk).trouble
    with journal.open("ab") as file:  # what the signer knew before, so that other tests go on
        head = latest(cast.organisation.pk)
        assert head is not None
        file.write(head.note.split("\n")[1].encode() + b" " + head.note.split("\n")[2].encode())
        file.write(f" {log.origin}\n".encode())
    sign_heads()
    assert current_log(cast.organisation.pk).trouble == ""


def test_nothing_in_the_log_can_be_changed_or_taken_away(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    attempts = [
        f"UPDATE audit_record SET bytes = '' WHERE log_number = {log.number}",
        f"DELETE FROM audit_record WHERE log_number = {log.number}",
        "TRUNCATE audit_record",
        "TRUNCATE audit_record_default",
        f"UPDATE audit_position SET hashes = '' WHERE log_number = {log.number}",
        f"DELETE FROM audit_position WHERE log_number = {log.number}",
        "TRUNCATE audit_position",
        f"UPDATE audit_checkpoint SET note = '' WHERE log_number = {log.number}",
        f"DELETE FROM audit_checkpoint WHERE log_number = {log.number}",
        "TRUNCATE audit_checkpoint, audit_tile CASCADE",
        f"UPDATE audit_log SET size = 0 WHERE number = {log.number}",
        f"UPDATE audit_log SET origin = 'x' WHERE number = {log.number}",
        f"DELETE FROM audit_log WHERE number = {log.number}",
        "TRUNCATE audit_log CASCADE",
        f"UPDATE audit_content SET sealed = '' WHERE organisation_id = '{cast.organisation.pk}'",
        f"DELETE FROM audit_content WHERE organisation_id = '{cast.organisation.pk}'",
        "TRUNCATE audit_content",
    ]
    for attempt in attempts:
        with pytest.raises(Exception, match=r"refused|forwards|audit_erase"):
            as_owner_without_ordinary_triggers(attempt)


def as_owner_without_ordinary_triggers(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(statement)


def test_every_partition_has_its_guards(database: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT part.relname, array_agg(tgname::text ORDER BY tgname),"
            "       bool_and(tgenabled = 'A')"
            " FROM pg_class AS part JOIN pg_trigger ON tgrelid = part.oid AND NOT tgisinternal"
            " WHERE part.relname ~ '^audit_record' AND part.relkind IN ('r', 'p')"
            " GROUP BY part.relname"
        )
        rows = cursor.fetchall()
    assert len(rows) >= 10
    assert all(names == ["append_only", "never_truncated"] and on for _, names, on in rows)


def test_a_record_has_a_position_once_it_is_sealed(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    log = current_log(cast.organisation.pk)
    assert position_of(log.number, receipt.record_id) is None
    seal()
    log.refresh_from_db()
    assert position_of(log.number, receipt.record_id) == log.size - 1


def test_a_place_of_another_cluster_hides_none_of_this_one(cast: Cast) -> None:
    """Transaction numbers begin anew after a restore: those of before lie in between."""
    first = commit_blocking(a_draft(cast))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        ((between,),) = cursor.fetchall()
    second = commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    row = Position.objects.filter(log_number=log.number).latest("first")
    assert row.ids[-2:] == [first.record_id, second.record_id]
    Position.objects.create(
        log_number=log.number,
        first=10_000,
        xid_from=between,
        generation=row.generation + 1,
        ids=[uuid7()],
        hashes=bytes(32),
    )
    ids = {first.record_id, second.record_id}
    assert positions_of(log.number, ids).keys() == signed_among(ids) == ids
