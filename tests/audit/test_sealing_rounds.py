"""A round of sealing asks little of the database, and stays right when others interfere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from audit import sealing
from audit.checkpoints import Growth, latest, sign_heads, verification_key
from audit.hashing import Frontier
from audit.ledger import commit_blocking
from audit.logs import current_log
from audit.models import Log, Record
from audit.notes import verify
from audit.sealing import HeadMoved, SealReport, seal_once
from audit.signer import SignerUnavailable
from audit.verification import verify_log
from tests.audit.test_sealing import sealed_ids
from tests.audit.test_writing import a_draft
from tests.cast import Cast, make_cast
from tests.sealing import seal, wait_for_running_transactions


def signed_size(log: Log) -> int:
    log.refresh_from_db()
    return log.signed_size


def test_a_round_of_many_logs_sends_as_many_statements_as_of_one(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    class Counted(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            sent.append(query)
            return super().execute(query, *arguments, **options)

    others = [make_cast() for _ in range(4)]
    seal()
    monkeypatch.setattr("orgs.trips.Cursor", Counted)
    counts = []
    for casts in ([cast], [cast, *others]):
        for one in casts:
            for _ in range(3):
                commit_blocking(a_draft(one))
        wait_for_running_transactions()
        sent.clear()
        report = seal_once()
        assert report.sealed >= 3 * len(casts)
        assert report.signed >= len(casts)
        counts.append(len([query for query in sent if "audit_tile" not in query]))
    assert counts[0] == counts[1] <= 12


@pytest.mark.usefixtures("database")
def test_a_round_takes_the_oldest_as_the_index_gives_them() -> None:
    values = {"from": 1, "until": 2**40, "shard": 0, "shards": 1, "limit": 10}
    with connection.cursor() as cursor:
        cursor.execute("SET enable_sort = off")
        cursor.execute(f"EXPLAIN {sealing._CANDIDATES}", values)
        plan = [line.strip() for (line,) in cursor.fetchall()]
        cursor.execute("RESET enable_sort")
    assert "Sort Key: audit_record.xid, audit_record.id" in plan
    assert "Presorted Key: audit_record.xid" in plan


def test_heads_that_the_signer_missed_are_proven_from_the_stored_tree(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    before = signed_size(log)
    for _ in range(3):
        commit_blocking(a_draft(cast))
        wait_for_running_transactions()
        with monkeypatch.context() as away:
            away.setattr("audit.checkpoints.signer", nobody)
            with pytest.raises(SignerUnavailable):
                seal_once()
    assert signed_size(log) == before
    commit_blocking(a_draft(cast))
    seal()
    assert signed_size(log) == log.size == before + 4
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    assert verify(checkpoint.note, verification_key()).root == bytes(log.root)
    assert verify_log(cast.organisation.pk).valid


def nobody() -> None:
    raise SignerUnavailable("It is away.")


def test_a_wrong_proof_of_growth_is_refused_by_the_signer(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_blocking(a_draft(cast))
    seal()
    commit_blocking(a_draft(cast))
    log = current_log(cast.organisation.pk)
    wait_for_running_transactions()
    with monkeypatch.context() as unsigned:
        unsigned.setattr("audit.sealing.sign_heads", lambda *_grown, **_shard: (0, []))
        seal_once()
    wrong = Growth(log.size, log.size + 1, [bytes(32)])
    signed, problems = sign_heads({log.number: wrong})
    assert signed == 0
    assert any(log.origin in problem and "no valid proof" in problem for problem in problems)
    assert signed_size(log) == log.size - 1
    seal()
    assert signed_size(log) == log.size
    assert log.trouble == ""


def test_sealers_that_work_at_once_place_every_record_once(cast: Cast) -> None:
    def work(number: int) -> int:
        try:
            for _ in range(10):
                commit_blocking(a_draft(cast, str(number)))
                seal_once()
            return 10
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 40
    seal()
    log = current_log(cast.organisation.pk)
    ids = sealed_ids(log)
    assert len(ids) == len(set(ids)) == log.size
    assert len(ids) == Record.objects.filter(log_number=log.number).count()
    assert verify_log(cast.organisation.pk).valid


def test_a_head_that_moved_meanwhile_stops_the_round(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    commit_blocking(a_draft(cast))
    stale = sealing._Head(log.number, log.origin, 0, Frontier())
    wait_for_running_transactions()
    with monkeypatch.context() as old:
        old.setattr("audit.sealing._heads", lambda _numbers: {log.number: stale})
        with pytest.raises(HeadMoved):
            seal_once()
    report: SealReport = seal_once()
    assert log.number in report.logs
    assert verify_log(cast.organisation.pk).valid
