"""Erased content cannot be read again by anyone, and the log still verifies (P5)."""

from __future__ import annotations

import random

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from audit.erasure import (
    Ground,
    Held,
    certificate,
    erase,
    erase_everything_of,
    place_hold,
    release_hold,
)
from audit.kinds import Kind
from audit.ledger import Draft, Link, Receipt, Text, append, commit_blocking
from audit.logs import current_log
from audit.models import Content, RecordIndex
from audit.reading import ContentGone, read_content, record_bytes
from audit.tree import StoredTree
from audit.verification import verify_log
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def slot(receipt: Receipt) -> tuple[object, str]:
    return (receipt.record_id, "prompt")


def test_erased_text_salt_and_key_are_gone_and_all_proofs_hold(cast: Cast) -> None:
    receipts = [commit_blocking(a_draft(cast, f"text {number}")) for number in range(20)]
    seal()
    log = current_log(cast.organisation.pk)
    before = bytes(log.root)
    tree = StoredTree(log.number)
    proofs = [tree.inclusion_proof(index, log.size) for index in range(log.size)]
    victims = random.Random(1).sample(receipts, 6)  # 30 %
    done = erase(cast.olivia, [slot(receipt) for receipt in victims], Ground.REQUEST)
    assert len(done) == 1
    for receipt in victims:
        with pytest.raises(ContentGone):
            read_content(cast.organisation.pk, receipt.record_id, "prompt")
        assert not Content.objects.filter(record_id=receipt.record_id).exists()
        assert record_bytes(cast.organisation.pk, receipt.record_id)
    again = StoredTree(log.number)
    assert again.root(log.size) == before
    assert [again.inclusion_proof(index, log.size) for index in range(log.size)] == proofs
    seal()
    report = verify_log(cast.organisation.pk)
    assert report.valid, report.problems
    paper = certificate(cast.organisation.pk, done[0].record_id)
    assert all(str(receipt.record_id) in paper["record"] for receipt in victims)


def test_erasing_twice_records_nothing_the_second_time(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    assert len(erase(cast.olivia, [slot(receipt)], Ground.REQUEST)) == 1
    assert erase(cast.olivia, [slot(receipt)], Ground.REQUEST) == []


def test_many_slots_take_several_records(cast: Cast) -> None:
    with transaction.atomic():
        receipts = [append(a_draft(cast)) for _ in range(150)]
    done = erase(cast.olivia, [slot(receipt) for receipt in receipts], Ground.MISTAKE)
    assert len(done) == 2
    assert verify_log(cast.organisation.pk).valid


def test_everything_of_a_person_goes_with_the_answers(cast: Cast) -> None:
    request = commit_blocking(a_draft(cast))
    answer = commit_blocking(
        Draft(
            cast.organisation.pk,
            Kind.INFERENCE_COMPLETED,
            {"id": "system", "type": "system"},
            {},
            content={"response": Text("answer")},
            links=[Link(request.record_id, "request")],
        )
    )
    erase_everything_of(cast.olivia, str(cast.max.user.pk), Ground.REQUEST)
    for record_id, name in ((request.record_id, "prompt"), (answer.record_id, "response")):
        with pytest.raises(ContentGone):
            read_content(cast.organisation.pk, record_id, name)


def test_only_who_may_erase_erases_and_only_their_own_organisations(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    assert not cast.alice.may(Permission.CONTENT_ERASE)
    with pytest.raises(PermissionRefused):
        erase(cast.alice, [slot(receipt)], Ground.REQUEST)
    with pytest.raises(ValidationError):
        erase(cast.olivia, [slot(receipt)], Ground.RETENTION)


def test_a_legal_hold_refuses_until_it_is_released(cast: Cast) -> None:
    held, free = commit_blocking(a_draft(cast)), commit_blocking(a_draft(cast))
    now = timezone.now()
    hold = place_hold(cast.olivia, name="file 7", actor_id=str(cast.max.user.pk), until=now)
    late = commit_blocking(a_draft(cast))
    with pytest.raises(Held):
        erase(cast.olivia, [slot(late), slot(held), slot(free)], Ground.REQUEST)
    assert read_content(cast.organisation.pk, late.record_id, "prompt")  # all or nothing
    erase(cast.olivia, [slot(late)], Ground.REQUEST)
    release_hold(cast.olivia, hold)
    erase(cast.olivia, [slot(held)], Ground.REQUEST)
    kinds = set(
        RecordIndex.objects.for_organisation(cast.organisation.pk).values_list("kind", flat=True)
    )
    assert {"content.held", "content.unheld", "content.erased"} <= kinds


def test_the_database_refuses_to_erase_without_the_record_that_says_so(cast: Cast) -> None:
    receipt, other = commit_blocking(a_draft(cast)), commit_blocking(a_draft(cast))
    erased = erase(cast.olivia, [slot(other)], Ground.REQUEST)[0]

    def call(by_record: object) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT audit_erase(%s, %s, %s)", [receipt.record_id, ["prompt"], by_record]
            )

    for by_record in (receipt.record_id, erased.record_id, other.record_id):
        with pytest.raises(Exception, match="only together with the record"):
            call(by_record)
    assert read_content(cast.organisation.pk, receipt.record_id, "prompt")
