"""A past month of content goes as a whole where nothing in it stays; records and roots do (P5)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.core.management import call_command
from django.db import Error, connection, transaction
from django.utils import timezone

from audit.erasure import place_hold, release_hold
from audit.expired_months import drop_month, months_that_expired
from audit.kinds import Kind
from audit.ledger import Draft, Receipt, Text, append, commit_blocking
from audit.logs import current_log
from audit.models import Content, RecordIndex
from audit.reading import ContentGone, read_content, record_bytes
from audit.retention import Pruning, prune, set_retention
from audit.tree import StoredTree
from audit.verification import verify_log
from orgs.changes import SYSTEM
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal

# Long ago, where no other test writes: each test has a month of its own.
_FIRST_YEAR = 1990
_months = iter(range(12 * 20))


@pytest.fixture
def month(database: None) -> datetime:
    """A past month with partitions of its own; its first moment."""
    number = next(_months)
    start = datetime(_FIRST_YEAR + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audit_make_partitions(%s, %s)",
            [start.date(), (start + timedelta(days=20)).date()],
        )
    return start


def table(month: datetime) -> str:
    return f"audit_content_{month:%Y_%m}"


def exists(month: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [table(month)])
        return bool(cursor.fetchone()[0])


def write(cast: Cast, at: datetime) -> Receipt:
    draft = Draft(
        cast.organisation.pk,
        Kind.INFERENCE_REQUESTED,
        cast.max.actor,
        {},
        content={"prompt": Text("old"), "system": Text("older")},
        at=at,
    )
    return commit_blocking(draft)


def places(*receipts: Receipt) -> list[tuple[object, str]]:
    return [(receipt.record_id, slot) for receipt in receipts for slot in ("prompt", "system")]


def mine(cast: Cast, done: list[Pruning]) -> Pruning:
    return next(one for one in done if one.organisation_id == cast.organisation.pk)


@contextmanager
def retention(cast: Cast, days: int) -> Iterator[None]:
    """Other tests' pruning is not to find this organisation afterwards."""
    set_retention(cast.alice, days)
    try:
        yield
    finally:
        set_retention(cast.alice, None)


def test_a_month_that_is_over_goes_with_one_table_and_the_log_stays_valid(
    cast: Cast, month: datetime
) -> None:
    old = [write(cast, month + timedelta(days=day)) for day in range(5)]
    young = commit_blocking(a_draft(cast))
    seal()
    log = current_log(cast.organisation.pk)
    root, records = bytes(log.root), [record_bytes(log.organisation_id, it.record_id) for it in old]
    with retention(cast, 90):
        planned = mine(cast, prune(dry_run=True))
        assert (planned.slots, planned.with_months, planned.held) == (10, 10, 0)
        assert exists(month)
        assert read_content(cast.organisation.pk, old[0].record_id, "prompt") == b"old"
        done = mine(cast, prune())
        assert (done.slots, done.with_months) == (10, 10)
        assert mine(cast, prune()).slots == 0
    assert not exists(month)
    for receipt in old:
        with pytest.raises(ContentGone):
            read_content(cast.organisation.pk, receipt.record_id, "prompt")
    assert read_content(cast.organisation.pk, young.record_id, "prompt") == b"hello"
    assert records == [record_bytes(log.organisation_id, it.record_id) for it in old]
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    assert rows.filter(kind=Kind.CONTENT_EXPIRED).count() == 1
    seal()
    after = current_log(cast.organisation.pk)
    assert StoredTree(log.number).root(log.size) == root
    report = verify_log(cast.organisation.pk)
    assert (report.valid, report.size) == (True, after.size)


def test_a_hold_keeps_the_month_and_what_is_free_goes_alone(cast: Cast, month: datetime) -> None:
    first, second = (write(cast, month + timedelta(days=day)) for day in (1, 3))
    hold = place_hold(cast.olivia, name="file 1", until=first.at + timedelta(hours=1))
    with retention(cast, 90):
        done = mine(cast, prune())
        assert (done.slots, done.with_months, done.held) == (2, 0, 2)
        assert exists(month)
        assert not Content.objects.filter(record_id=second.record_id).exists()
        assert Content.objects.filter(record_id=first.record_id).count() == 2
        release_hold(cast.olivia, hold)
        done = mine(cast, prune())
        assert (done.slots, done.with_months) == (2, 2)
    assert not exists(month)
    seal()
    assert verify_log(cast.organisation.pk).valid


def test_another_organisations_text_keeps_the_month(cast: Cast, month: datetime) -> None:
    own = write(cast, month)
    theirs = Draft(
        cast.other_organisation.pk,
        Kind.INFERENCE_REQUESTED,
        cast.charlie.actor,
        {},
        content={"prompt": Text("theirs")},
        at=month + timedelta(days=2),
    )
    other = commit_blocking(theirs)
    with retention(cast, 90):
        done = mine(cast, prune())
    assert (done.slots, done.with_months) == (2, 0)
    assert not Content.objects.filter(record_id=own.record_id).exists()
    assert read_content(cast.other_organisation.pk, other.record_id, "prompt") == b"theirs"
    assert exists(month)


def call(name: str, *drafts: Draft) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        for draft in drafts:
            append(draft)
        cursor.execute("SELECT audit_drop_expired(%s)", [name])


def expiry(cast: Cast, *named: Receipt, kind: Kind = Kind.CONTENT_EXPIRED) -> Draft:
    entries = [{"record": str(it.record_id), "slots": ["prompt", "system"]} for it in named]
    body = {"lexcustis.erased": entries, "lexcustis.ground": "retention"}
    return Draft(cast.organisation.pk, kind, SYSTEM, body)


def test_the_database_refuses_a_month_that_no_record_says_is_over(
    cast: Cast, month: datetime
) -> None:
    first, second = write(cast, month), write(cast, month + timedelta(days=1))
    earlier = expiry(cast, first, second)
    with transaction.atomic():
        append(earlier)  # in another transaction: it says nothing for this one
    stranger = Draft(cast.other_organisation.pk, earlier.kind, SYSTEM, earlier.body)
    for drafts in (
        [],
        [expiry(cast, first)],
        [expiry(cast, first, second, kind=Kind.CONTENT_ERASED)],
        [stranger],
    ):
        with pytest.raises(Error, match="only together with the record"):
            call(table(month), *drafts)
    hold = place_hold(cast.olivia, name="file 2", actor_id=str(cast.max.user.pk))
    with pytest.raises(Error, match="legal hold"):
        call(table(month), expiry(cast, first, second))
    release_hold(cast.olivia, hold)
    assert Content.objects.filter(record_id__in=[first.record_id, second.record_id]).count() == 4
    call(table(month), expiry(cast, first), expiry(cast, second))
    assert not exists(month)


@pytest.mark.parametrize(
    "name",
    [
        "audit_content_default",
        "audit_record_1990_01",
        "audit_content",
        "orgs_user",
        "audit_content_1066_10",
        f"audit_content_{timezone.now():%Y_%m}",
        'audit_content_1990_01"; DROP TABLE orgs_user; --',
    ],
)
def test_nothing_else_is_dropped(database: None, name: str) -> None:
    with pytest.raises(Error, match="not a past month"):
        call(name)


def test_only_the_applications_login_may_ask(cast: Cast, month: datetime) -> None:
    receipt = write(cast, month)
    for role in ("lexcustis_sealer", "lexcustis_eraser"):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {role}")
            with pytest.raises(Error, match="permission denied for function"):
                cursor.execute("SELECT audit_drop_expired(%s)", [table(month)])
            transaction.set_rollback(True)
    with transaction.atomic(), connection.cursor() as cursor:
        append(expiry(cast, receipt))
        cursor.execute("SET LOCAL ROLE lexcustis_app")
        assert list(months_that_expired(places(receipt))) == [table(month)]  # type: ignore[arg-type]
        cursor.execute("SELECT audit_drop_expired(%s)", [table(month)])
        assert cursor.fetchone()[0] == 2
    assert not exists(month)


def test_a_reader_is_not_kept_waiting(cast: Cast, month: datetime, database_url: str) -> None:
    receipt = write(cast, month)
    expired = months_that_expired(places(receipt))  # type: ignore[arg-type]
    assert list(expired) == [table(month)]
    with psycopg.connect(database_url) as reader:
        reader.execute(f"SELECT * FROM {table(month)}")
        assert drop_month(table(month), expired[table(month)]) is False
        reader.rollback()
    assert exists(month)
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    assert not rows.filter(kind=Kind.CONTENT_EXPIRED).exists()
    assert drop_month(table(month), expired[table(month)]) is True
    assert not exists(month)


def test_the_command_says_what_would_go(cast: Cast, month: datetime) -> None:
    write(cast, month)
    output = io.StringIO()
    with retention(cast, 90):
        call_command("prune", "--dry-run", stdout=output)
        line = next(it for it in output.getvalue().splitlines() if str(cast.organisation.pk) in it)
        assert "2 texts from before" in line
        assert "would expire, 2 of them with whole months, 0 are held" in line
        assert exists(month)
        call_command("prune", stdout=io.StringIO())
    assert not exists(month)
