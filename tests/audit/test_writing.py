"""Records are written exactly once, numbered without holes, and readable."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import DataError, OperationalError, connection, connections, transaction

from audit import writer
from audit.canonical import NotCanonical
from audit.hashing import leaf_hash
from audit.kinds import Kind
from audit.ledger import (
    Draft,
    LedgerUnavailable,
    Link,
    Receipt,
    Text,
    append,
    commit,
    commit_blocking,
    commit_together,
)
from audit.models import Log, Record, RecordIndex
from audit.reading import ContentGone, read_content, read_contents, record_bytes, records
from audit.writer import stop_writer
from orgs.identifiers import uuid7
from orgs.organisations import pause
from orgs.roles import Role
from orgs.tenancy import PermissionRefused
from orgs.trips import Change, change_together
from tests.cast import Cast


def a_draft(cast: Cast, text: str = "hello", **body: object) -> Draft:
    return Draft(
        cast.organisation.pk,
        Kind.INFERENCE_REQUESTED,
        cast.max.actor,
        {"gen_ai.provider.name": "simulated", "gen_ai.request.model": "sim", **body},
        content={"prompt": Text(text)},
    )


def read(cast: Cast, receipt: Receipt) -> dict:
    return json.loads(record_bytes(cast.organisation.pk, receipt.record_id))


def writer_numbers(cast: Cast) -> dict[str, list[int]]:
    numbers: dict[str, list[int]] = {}
    log = Log.objects.for_organisation(cast.organisation.pk).get()
    for row in Record.objects.filter(log_number=log.number):
        writer, number = json.loads(bytes(row.bytes))["writer"]
        numbers.setdefault(writer, []).append(number)
    return numbers


def assert_no_holes(cast: Cast) -> None:
    for numbers in writer_numbers(cast).values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_a_new_organisation_has_a_log_that_begins_with_its_creation(cast: Cast) -> None:
    log = Log.objects.for_organisation(cast.organisation.pk).get()
    _host, o, mark, epoch = log.origin.split("/")
    assert (o, len(mark), epoch) == ("o", 32, "1")
    kinds = [row.kind for row in RecordIndex.objects.for_organisation(cast.organisation.pk)]
    assert kinds[-1] == "organisation.created"
    assert kinds.count("member.added") == 5


def test_a_committed_record_says_what_the_draft_said(cast: Cast) -> None:
    about = uuid7()
    draft = a_draft(cast)
    draft = Draft(
        **{f: getattr(draft, f) for f in draft.__slots__} | {"links": [Link(about, "context")]}
    )
    receipt = commit_blocking(draft)
    data = record_bytes(cast.organisation.pk, receipt.record_id)
    assert leaf_hash(data) == receipt.leaf_hash
    record = json.loads(data)
    assert record["kind"] == "inference.requested"
    assert record["links"] == [{"id": str(about), "rel": "context"}]
    assert record["content"]["prompt"]["bytes"] == 5
    assert len(record["content"]["prompt"]["commitment"]) == 43
    assert "hello" not in data.decode()
    assert read_content(cast.organisation.pk, receipt.record_id, "prompt") == b"hello"
    index = RecordIndex.objects.for_tenant(cast.audrey).get(pk=receipt.record_id)
    assert (index.provider, index.model, index.slots) == ("simulated", "sim", ["prompt"])
    origin, _, rest = receipt.header.partition("#")
    assert origin == record["log"]
    assert rest.startswith(f"{receipt.record_id};")


def test_content_that_does_not_exist_is_gone(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    there, gone = (receipt.record_id, "prompt"), (receipt.record_id, "response")
    assert read_contents(cast.organisation.pk, [there, gone]) == {there: b"hello", gone: None}
    with pytest.raises(ContentGone):
        read_content(cast.organisation.pk, *gone)


def test_another_organisation_reads_nothing(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    with pytest.raises(LookupError):
        record_bytes(cast.other_organisation.pk, receipt.record_id)
    with pytest.raises(ContentGone):
        read_content(cast.other_organisation.pk, receipt.record_id, "prompt")
    assert not records(cast.charlie).filter(pk=receipt.record_id).exists()
    with pytest.raises(PermissionRefused):
        records(cast.max)


def test_rolled_back_numbers_are_used_again(cast: Cast) -> None:
    def append_and_fail() -> None:
        with transaction.atomic():
            append(a_draft(cast))
            raise RuntimeError("rolled back")

    with transaction.atomic():
        append(a_draft(cast))
        with pytest.raises(RuntimeError, match="rolled back"):
            append_and_fail()
        append(a_draft(cast))
    with pytest.raises(RuntimeError, match="rolled back"):
        append_and_fail()
    with transaction.atomic():
        append(a_draft(cast))
        with pytest.raises(NotCanonical):
            append(a_draft(cast, temperature=0.3))
        append(a_draft(cast))
    assert_no_holes(cast)


def test_a_commit_hook_that_appends_takes_the_next_number(cast: Cast) -> None:
    def append_more() -> None:
        with transaction.atomic():
            append(a_draft(cast))

    with transaction.atomic():
        transaction.on_commit(append_more)
        append(a_draft(cast))
        append(a_draft(cast))
    assert_no_holes(cast)


def test_append_needs_a_transaction(cast: Cast) -> None:
    with pytest.raises(RuntimeError):
        append(a_draft(cast))


def test_a_failing_companion_takes_back_its_own_draft_alone(cast: Cast) -> None:
    seen: list[UUID] = []

    def refuse(receipt: Receipt) -> list[Change]:
        seen.append(receipt.record_id)
        raise ValueError("no")

    def write(index: int) -> Receipt | Exception:
        try:
            return commit_blocking(a_draft(cast), refuse if index % 3 == 0 else None)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(write, range(60)))
    written = [result.record_id for result in results if isinstance(result, Receipt)]
    assert len(written) == 40
    assert Record.objects.filter(pk__in=written).count() == 40
    assert not Record.objects.filter(pk__in=seen).exists()
    assert_no_holes(cast)


def test_a_value_that_cannot_be_sent_takes_back_its_own_draft_alone(cast: Cast) -> None:
    """The driver finds it when it has the others' statements already."""
    change = Change("UPDATE audit_log SET size = size WHERE origin = %s", ["\0"])
    drafts = [(a_draft(cast, str(number)), lambda _receipt: []) for number in range(3)]
    made = commit_together([*drafts, (a_draft(cast), lambda _receipt: [change]), *drafts])
    receipts = [one for one in made if isinstance(one, Receipt)]
    assert [type(one) for one in made].index(DataError) == 3
    assert len(receipts) == 6
    assert records_of_calls(cast) == {receipt.record_id for receipt in receipts}
    assert_no_holes(cast)


def test_a_draft_that_cannot_be_written_reaches_its_own_caller(cast: Cast) -> None:
    with pytest.raises(NotCanonical):
        commit_blocking(a_draft(cast, temperature=0.3))
    twice = commit_blocking(a_draft(cast)).record_id
    draft = a_draft(cast)
    with pytest.raises(Exception, match="duplicate key"):
        commit_blocking(Draft(draft.organisation_id, draft.kind, draft.actor, {}, id=twice))
    commit_blocking(a_draft(cast))
    assert_no_holes(cast)


async def test_committing_asynchronously_shares_transactions(cast: Cast) -> None:
    receipts = await asyncio.gather(*(commit(a_draft(cast)) for _ in range(100)))
    assert len({receipt.record_id for receipt in receipts}) == 100


def test_a_lost_connection_is_replaced(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'lexcustis-writer' AND datname = current_database()"
        )
    commit_blocking(a_draft(cast))
    assert_no_holes(cast)


class _Lost:
    """The writer's connection, lost once: what it sends arrives before, later or never."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, arrives: str) -> None:
        self.arrives = arrives
        self._patch = monkeypatch
        monkeypatch.setattr(writer, "change_together", self._lose)

    def _lose(self, *groups: Sequence[Change]) -> None:
        self._patch.setattr(writer, "change_together", change_together)
        wrapper = connections["default"]
        link = wrapper.connection
        if self.arrives == "later":
            # The transaction stands open on the server, and nobody here has it any more.
            link.execute("BEGIN")
            change_together(*groups)
            wrapper.connection = None
            threading.Timer(0.5, link.commit).start()
        else:
            if self.arrives == "before":
                change_together(*groups)
            link.close()
        raise OperationalError("the connection is closed")


@pytest.mark.parametrize("arrives", ["before", "later", "never"])
def test_what_was_lost_with_its_commit_is_written_once(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, arrives: str
) -> None:
    """P1: nobody is told that it was not recorded while it is, nor the other way round."""
    stop_writer()
    _Lost(monkeypatch, arrives)
    receipt = commit_blocking(a_draft(cast, "once"))
    assert records_of_calls(cast) == {receipt.record_id}
    assert leaf_hash(record_bytes(cast.organisation.pk, receipt.record_id)) == receipt.leaf_hash
    assert_no_holes(cast)
    assert read_content(cast.organisation.pk, receipt.record_id, "prompt") == b"once"


def test_whoever_can_wait_writes_without_another_thread(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_blocking(a_draft(cast))
    monkeypatch.setattr(writer._Writer, "put", None)
    commit_blocking(a_draft(cast))


async def test_a_thread_with_an_event_loop_hands_its_draft_over(cast: Cast) -> None:
    commit_blocking(a_draft(cast))


def test_a_stopped_writer_starts_again(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    stop_writer()
    commit_blocking(a_draft(cast))
    assert len(writer_numbers(cast)) >= 2


def slow(_receipt: Receipt) -> list[Change]:
    """A server that takes its time, and answers."""
    return [Change("UPDATE audit_log SET size = size WHERE false", [], then="pg_sleep(0.3)")]


def records_of_calls(cast: Cast) -> set[UUID]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    return set(rows.filter(kind="inference.requested").values_list("record_id", flat=True))


async def at_once(cast: Cast, count: int) -> list[Receipt | BaseException]:
    drafts = [commit(a_draft(cast, str(number)), slow) for number in range(count)]
    return await asyncio.gather(*drafts, return_exceptions=True)


async def test_a_busy_writer_is_waited_for_as_long_as_the_database_answers(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1: all are in the log, far beyond the patience with a database that is silent."""
    monkeypatch.setattr(writer, "_BATCH", 1)
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.6)
    monkeypatch.setattr(writer, "_GRACE_SECONDS", 0.2)
    made = await at_once(cast, 8)
    assert {type(one) for one in made} == {Receipt}


async def test_nobody_waits_for_ever_and_what_is_refused_is_not_written_later(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P1."""
    monkeypatch.setattr(writer, "_BATCH", 1)
    monkeypatch.setattr(writer, "LONGEST_SECONDS", 1.0)
    made = await at_once(cast, 12)
    refused = [one for one in made if isinstance(one, LedgerUnavailable)]
    written = [one for one in made if isinstance(one, Receipt)]
    assert refused
    assert len(refused) + len(written) == 12
    stop_writer()  # all that it still has to do is done
    rows = await sync_to_async(records_of_calls)(cast)
    assert {one.record_id for one in written} <= rows
    assert len(rows) <= len(written) + 1  # one was under way when its caller gave up


def test_a_change_of_the_organisation_is_recorded_with_it(cast: Cast) -> None:
    pause(cast.alice, reason="private words")
    row = RecordIndex.objects.for_tenant(cast.audrey).get(kind="organisation.paused")
    data = record_bytes(cast.organisation.pk, row.pk)
    assert b"private words" not in data
    assert json.loads(data)["actor"] == cast.alice.actor
    assert cast.alice.role == Role.ADMINISTRATOR
