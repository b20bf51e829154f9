"""Heads are anchored where it is due, kept append-only, and never said to be more than they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction
from django.utils import timezone

from audit.anchor_checks import verify_anchors, write_anchors
from audit.anchor_models import Anchor, AnchorDuty, HeadMail
from audit.anchors import (
    NOT_ANCHORED,
    anchor_due,
    anchor_now,
    anchoring_state,
    authorities,
    problems,
    witnesses,
)
from audit.checkpoints import latest, verification_key
from audit.head_mail import mail_head, mail_heads_due
from audit.kinds import Kind
from audit.ledger import Draft, commit_blocking
from audit.logs import current_log
from tests.audit.outsiders import OpensslAuthority, SmallWitness, http_server
from tests.audit.test_verification import tamper
from tests.cast import Cast, make_cast
from tests.sealing import seal


@pytest.fixture(scope="session")
def openssl(tmp_path_factory: pytest.TempPathFactory) -> OpensslAuthority:
    return OpensslAuthority(tmp_path_factory.mktemp("anchors") / "tsa")


@pytest.fixture
def outsiders(cast: Cast, openssl: OpensslAuthority, settings: Any) -> Iterator[SmallWitness]:
    """An authority and a witness, configured for the instance; the log has a checkpoint."""
    seal()
    small = SmallWitness(verification_key())
    with http_server(openssl.answer) as tsa, http_server(small.answer) as witness:
        settings.ANCHOR_AUTHORITIES = [{"url": tsa, "ca_file": openssl.ca_file}]
        settings.ANCHOR_WITNESSES = [{"url": witness, "vkey": small.vkey}]
        yield small


def grow(cast: Cast, records: int = 3) -> None:
    for _ in range(records):
        commit_blocking(
            Draft(cast.organisation.pk, Kind.INFERENCE_REQUESTED, cast.max.actor, {"a": "b"})
        )
    seal()


def anchors_of(cast: Cast) -> list[Anchor]:
    return list(Anchor.objects.for_organisation(cast.organisation.pk).order_by("id"))


def test_without_outsiders_nothing_is_claimed(cast: Cast, settings: Any) -> None:
    settings.ANCHOR_AUTHORITIES = settings.ANCHOR_WITNESSES = []
    seal()
    assert anchor_now(cast.organisation.pk) == []
    assert anchoring_state(cast.organisation.pk) == NOT_ANCHORED == "not anchored externally"


def test_a_head_is_stamped_and_cosigned(cast: Cast, outsiders: SmallWitness) -> None:
    results = anchor_now(cast.organisation.pk)
    assert [result.problem for result in results] == ["", ""]
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    assert {anchor.size for anchor in anchors_of(cast)} == {checkpoint.size}
    state = anchoring_state(cast.organisation.pk)
    tsa = authorities()[0].name
    assert f"time-stamped (RFC 3161, non-qualified, TSA {tsa})" in state
    assert f"cosigned by the witness {outsiders.name}: the first {checkpoint.size} entries" in state
    assert "not anchored" not in state
    report = verify_anchors(cast.organisation.pk)
    assert (report.checked, report.problems, report.not_checked) == (2, [], [])


def test_what_came_after_the_anchor_is_not_called_anchored(
    cast: Cast, outsiders: SmallWitness
) -> None:
    anchor_now(cast.organisation.pk)
    grow(cast, 3)
    assert anchoring_state(cast.organisation.pk).endswith(
        "3 newer entries are not anchored externally"
    )
    anchor_now(cast.organisation.pk)
    assert "not anchored" not in anchoring_state(cast.organisation.pk)
    assert len(anchors_of(cast)) == 4
    assert verify_anchors(cast.organisation.pk).problems == []


def test_qualified_is_only_what_the_operator_declared(
    cast: Cast, outsiders: SmallWitness, settings: Any
) -> None:
    settings.ANCHOR_AUTHORITIES = [settings.ANCHOR_AUTHORITIES[0] | {"qualified": True}]
    anchor_now(cast.organisation.pk)
    assert "declared qualified by the operator" in anchoring_state(cast.organisation.pk)


def test_a_head_is_anchored_once_a_period_and_only_when_it_moved(
    cast: Cast, outsiders: SmallWitness, settings: Any
) -> None:
    def mine(now: Any) -> int:
        origin = current_log(cast.organisation.pk).origin
        return sum(result.origin == origin for result in anchor_due(now=now))

    settings.ANCHOR_PERIOD_SECONDS = 3600
    now = timezone.now() + timedelta(minutes=1)
    assert mine(now) == 2
    grow(cast)
    assert mine(now + timedelta(minutes=59)) == 0
    assert mine(now + timedelta(minutes=61)) == 2
    assert mine(now + timedelta(minutes=200)) == 0


def test_a_head_that_is_damaged_holds_up_no_other(cast: Cast, outsiders: SmallWitness) -> None:
    log, others = current_log(cast.organisation.pk), make_cast()
    seal()
    tamper(("UPDATE audit_checkpoint SET note = 'no note' WHERE log_number = %s", [log.number]))
    results = anchor_due(now=timezone.now() + timedelta(minutes=1))
    damaged = [result.problem for result in results if result.origin == log.origin]
    assert damaged == ["The head of this log is damaged; its check says more."] * 2
    theirs = current_log(others.organisation.pk).origin
    assert [result.problem for result in results if result.origin == theirs] == ["", ""]


def test_two_workers_do_not_ask_twice(cast: Cast, outsiders: SmallWitness) -> None:
    from audit.anchors import _take

    anchor_now(cast.organisation.pk)
    duty = AnchorDuty.objects.for_organisation(cast.organisation.pk)[0]
    twin = AnchorDuty.unscoped.get(pk=duty.pk)
    assert [_take(duty, timezone.now()), _take(twin, timezone.now())] == [True, False]


def test_an_outsider_that_fails_is_told_and_tried_again(
    cast: Cast, outsiders: SmallWitness, settings: Any
) -> None:
    working = settings.ANCHOR_AUTHORITIES
    with http_server(lambda *_: (500, "text/plain", b"")) as broken:
        settings.ANCHOR_AUTHORITIES = [working[0] | {"url": broken}]
        results = anchor_now(cast.organisation.pk)
    assert sorted(bool(result.problem) for result in results) == [False, True]
    assert "HTTP status 500" in problems(cast.organisation.pk)[0]
    state = anchoring_state(cast.organisation.pk)
    assert "time-stamped" not in state
    assert "cosigned" in state
    duty = AnchorDuty.objects.for_organisation(cast.organisation.pk).get(kind="time_stamp")
    assert duty.failures == 1
    assert timezone.now() < duty.due_at < timezone.now() + timedelta(hours=1)


def test_a_rewritten_log_does_not_fit_its_anchors(cast: Cast, outsiders: SmallWitness) -> None:
    anchor_now(cast.organisation.pk)
    log = current_log(cast.organisation.pk)
    # The database's administrator can do what no role of the product can.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_position DISABLE TRIGGER append_only")
        cursor.execute(
            "UPDATE audit_position SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)"
            " WHERE log_number = %s AND first = 0",
            [log.number],
        )
        cursor.execute("ALTER TABLE audit_position ENABLE ALWAYS TRIGGER append_only")
    found = verify_anchors(cast.organisation.pk).problems
    assert len(found) == 2
    assert all("not those that were anchored" in problem for problem in found)


def test_an_exchanged_token_is_found(cast: Cast, outsiders: SmallWitness) -> None:
    anchor_now(cast.organisation.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_anchor DISABLE TRIGGER append_only")
        cursor.execute(
            "UPDATE audit_anchor SET at = at - interval '1 year' WHERE organisation_id = %s",
            [cast.organisation.pk],
        )
        cursor.execute("ALTER TABLE audit_anchor ENABLE ALWAYS TRIGGER append_only")
    assert all("time" in line for line in verify_anchors(cast.organisation.pk).problems)
    assert len(verify_anchors(cast.organisation.pk).problems) == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_anchor SET size = 0", "DELETE FROM audit_anchor", "TRUNCATE audit_anchor"],
)
def test_anchors_cannot_be_changed(cast: Cast, outsiders: SmallWitness, statement: str) -> None:
    anchor_now(cast.organisation.pk)
    for role in ("origin", "replica"):
        with pytest.raises(Error, match="append-only"):
            run_as(role, statement)


def test_the_applications_role_adds_anchors_and_changes_none(
    cast: Cast, outsiders: SmallWitness
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE lexcustis_app")
    try:
        assert [result.problem for result in anchor_now(cast.organisation.pk)] == ["", ""]
        for statement in ("UPDATE audit_anchor SET size = 0", "DELETE FROM audit_anchor"):
            with pytest.raises(Error, match="permission denied"):
                run_as("origin", statement, set_role=False)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def run_as(role: str, statement: str, *, set_role: bool = True) -> None:
    """Run a statement; ``replica`` is how ordinary triggers are got around."""
    with transaction.atomic(), connection.cursor() as cursor:
        if set_role:
            cursor.execute(f"SET LOCAL session_replication_role = {role}")
        cursor.execute(statement)


def test_an_outsider_who_is_gone_is_named_as_not_checked(
    cast: Cast, outsiders: SmallWitness, settings: Any
) -> None:
    anchor_now(cast.organisation.pk)
    settings.ANCHOR_AUTHORITIES = settings.ANCHOR_WITNESSES = []
    report = verify_anchors(cast.organisation.pk)
    assert (report.checked, len(report.not_checked)) == (0, 2)


def test_anchors_are_handed_out_for_openssl(
    cast: Cast, outsiders: SmallWitness, openssl: OpensslAuthority, tmp_path: Path
) -> None:
    anchor_now(cast.organisation.pk)
    size = anchors_of(cast)[0].size
    grow(cast)
    anchor_now(cast.organisation.pk)
    names = write_anchors(cast.organisation.pk, tmp_path / "all")
    assert len([name for name in names if name.endswith(".tsr")]) == 2
    names = write_anchors(cast.organisation.pk, tmp_path / "early", up_to=size)
    [token] = [name for name in names if name.endswith(".tsr")]
    [note] = [name for name in names if name.endswith(".checkpoint")]
    done = subprocess.run(
        ["openssl", "ts", "-verify", "-in", token, "-data", note, "-CAfile", openssl.ca_file],
        cwd=tmp_path / "early", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Verification: OK" in done.stdout + done.stderr
    assert token in (tmp_path / "early" / "README.txt").read_text()
    assert write_anchors(cast.other_organisation.pk, tmp_path / "none") == []
    assert not (tmp_path / "none").exists()


def test_another_organisation_sees_none_of_it(cast: Cast, outsiders: SmallWitness) -> None:
    anchor_now(cast.organisation.pk)
    assert anchoring_state(cast.other_organisation.pk) == NOT_ANCHORED
    assert not Anchor.objects.for_tenant(cast.charlie).exists()


def test_the_command_anchors_tells_and_checks(
    cast: Cast, outsiders: SmallWitness, settings: Any, tmp_path: Path
) -> None:
    slug = cast.organisation.slug

    def run(*arguments: str) -> str:
        said = StringIO()
        call_command("anchor", "--organisation", slug, *arguments, stdout=said)
        return said.getvalue()

    assert run("--state") == f"{slug}: {NOT_ANCHORED}\n"
    assert run().count(" entries at ") == 2
    assert run() == "Nothing to anchor.\n"
    assert "time-stamped" in run("--state")
    assert run("--verify") == f"{slug}: 2 checked\n"
    assert "files" in run("--write", str(tmp_path))
    with pytest.raises(CommandError, match="no organisation"):
        call_command("anchor", "--organisation", "nobody")
    grow(cast)
    settings.ANCHOR_AUTHORITIES = []
    settings.ANCHOR_WITNESSES = [{"url": "http://127.0.0.1:9", "vkey": outsiders.vkey}]
    with pytest.raises(CommandError, match="Not every head"):
        run()
    settings.ANCHOR_WITNESSES = [{"url": "http://127.0.0.1:9"}]
    with pytest.raises(CommandError, match="JSON list"):
        run()


def test_settings_that_cannot_be_used_are_named(settings: Any) -> None:
    for wrong in ([{"url": "x"}], ["https://tsa.example"], 3):
        settings.ANCHOR_AUTHORITIES = wrong
        with pytest.raises(ImproperlyConfigured, match="ANCHOR_AUTHORITIES"):
            authorities()
    for wrong in ([{"url": "x"}], [{"url": "x", "vkey": "none"}], 3):
        settings.ANCHOR_WITNESSES = wrong
        with pytest.raises(ImproperlyConfigured, match="ANCHOR_WITNESSES"):
            witnesses()


def test_the_head_is_mailed_once_a_month_to_officers_and_auditors(
    cast: Cast, settings: Any
) -> None:
    settings.HEAD_MAIL = True
    seal()
    mail.outbox.clear()
    mail_heads_due()
    addresses = {cast.olivia.user.email, cast.audrey.user.email}
    mine = [message for message in mail.outbox if message.to[0] in addresses]
    assert {message.to[0] for message in mine} == addresses
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    text = mine[0].body
    assert checkpoint.note in text
    assert checkpoint.root_hex in text
    assert "External anchoring: not anchored externally." in text
    mail.outbox.clear()
    mail_heads_due()
    assert not [message for message in mail.outbox if message.to[0] in addresses]
    assert HeadMail.objects.for_organisation(cast.organisation.pk).get().recipients == 2


def test_a_mail_that_failed_is_sent_later(cast: Cast, settings: Any) -> None:
    seal()
    month = timezone.now().date().replace(day=1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert not mail_head(cast.organisation, month)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert not mail_head(cast.organisation, month)  # somebody may still be at it
    HeadMail.objects.for_organisation(cast.organisation.pk).update(
        claimed_at=timezone.now() - timedelta(hours=1)
    )
    assert mail_head(cast.organisation, month)
    assert not mail_head(cast.organisation, month)


def test_no_transaction_is_open_while_an_outsider_is_asked(
    cast: Cast, outsiders: SmallWitness, settings: Any
) -> None:
    seen: list[bool] = []

    def look(_path: str, _body: bytes) -> tuple[int, str, bytes]:
        seen.append(connection.in_atomic_block)
        probe = (
            "import psycopg,sys;c=psycopg.connect(sys.argv[1]);print(c.execute(sys.argv[2])"
            ".fetchone()[0])"
        )
        values = connection.get_connection_params()
        address = f"host={values.get('host')} user={values['user']} dbname={values['dbname']}"
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
            " AND datname = current_database()"
        )
        done = subprocess.run(
            [sys.executable, "-c", probe, address, query],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        seen.append(int(done.stdout) > 0)
        return 500, "text/plain", b""

    with http_server(look) as url:
        settings.ANCHOR_WITNESSES = []
        settings.ANCHOR_AUTHORITIES = [settings.ANCHOR_AUTHORITIES[0] | {"url": url}]
        anchor_now(cast.organisation.pk)
    assert seen == [False, False]
