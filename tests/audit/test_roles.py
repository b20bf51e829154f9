"""Every bypass, tried as the application, the sealer, the eraser and the owner of the tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import Error, connection, transaction

from audit.erasure import Ground, erase
from audit.guard import refuse_if_weak, weaknesses
from audit.keeping import beat_hearts, make_partitions
from audit.ledger import append, commit_blocking
from audit.logs import current_log
from audit.models import Log, Record
from audit.sealing import seal_once
from audit.verification import verify_and_keep, verify_log
from tests.audit.test_writing import a_draft
from tests.cast import Cast, make_cast
from tests.sealing import seal, wait_for_running_transactions


@contextmanager
def working_as(role: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute(f"SET ROLE {role}")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE")


def attempt(statement: str, *, as_role: str) -> int:
    """Run a statement as a role and take it back; return how many rows it touched."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL SESSION AUTHORIZATION {as_role}")
        cursor.execute(statement)
        rows = cursor.rowcount
        transaction.set_rollback(True)
    return rows


ATTACKS = [
    "UPDATE audit_record SET bytes = ''",
    "DELETE FROM audit_record",
    "TRUNCATE audit_record",
    "UPDATE audit_record_default SET bytes = ''",
    "UPDATE audit_position SET hashes = ''",
    "DELETE FROM audit_position",
    "DELETE FROM audit_tile",
    "UPDATE audit_checkpoint SET note = ''",
    "DELETE FROM audit_checkpoint",
    "UPDATE audit_content SET sealed = ''",
    "DELETE FROM audit_content",
    "DELETE FROM audit_log",
    "UPDATE audit_log SET origin = 'x'",
    "ALTER TABLE audit_record DISABLE TRIGGER USER",
    "ALTER TABLE audit_record NO FORCE ROW LEVEL SECURITY",
    "DROP TABLE audit_record_default",
    (
        "CREATE OR REPLACE FUNCTION audit_refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'"
    ),
    "SET session_replication_role = replica",
    "SET ROLE lexcustis_eraser",
]


@pytest.mark.parametrize("role", ["lexcustis_app", "lexcustis_sealer"])
@pytest.mark.parametrize("statement", ATTACKS)
def test_neither_application_nor_sealer_changes_the_past(
    database: None, role: str, statement: str
) -> None:
    with pytest.raises(Error):
        attempt(statement, as_role=role)


@pytest.mark.parametrize(
    "statement",
    [
        (
            "INSERT INTO audit_record (id, xid, log_number, bytes)"
            " VALUES (gen_random_uuid(), '1'::xid8, 1, '')"
        ),
        "INSERT INTO audit_position SELECT * FROM audit_position",
        (
            "INSERT INTO audit_checkpoint (log_number, size, root, note, at)"
            " VALUES (1, 1, '', '', now())"
        ),
        "UPDATE audit_log SET size = size + 1, root = '', frontier = ''",
        "UPDATE audit_sealstate SET next_xid = 0",
    ],
)
def test_the_application_does_not_do_the_sealers_work(database: None, statement: str) -> None:
    with pytest.raises(Error, match="permission denied"):
        attempt(statement, as_role="lexcustis_app")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM audit_content",
        "SELECT * FROM orgs_user",
        "INSERT INTO audit_record (id, log_number, bytes) VALUES (gen_random_uuid(), 1, '')",
    ],
)
def test_the_sealer_reads_no_content_and_writes_no_records(database: None, statement: str) -> None:
    with pytest.raises(Error, match="permission denied"):
        attempt(statement, as_role="lexcustis_sealer")


def test_the_eraser_erases_content_and_nothing_else(database: None) -> None:
    for statement in ("DELETE FROM audit_record", "UPDATE audit_content SET sealed = ''"):
        with pytest.raises(Error, match="permission denied"):
            attempt(statement, as_role="lexcustis_eraser")


# What an owner of the tables, who is no superuser, can do in a single statement. It harms nobody by
# itself, and what is done afterwards is found; all other attacks fail even for the owner.
OPEN_TO_THE_OWNER = {
    "ALTER TABLE audit_record DISABLE TRIGGER USER",
    "ALTER TABLE audit_record NO FORCE ROW LEVEL SECURITY",
    "DROP TABLE audit_record_default",
    next(attack for attack in ATTACKS if attack.startswith("CREATE OR REPLACE FUNCTION")),
    "SET ROLE lexcustis_eraser",
}
_HAND_OVER = """
DO $$ DECLARE name text; BEGIN
    FOR name IN SELECT oid::regclass::text FROM pg_class
                WHERE relname ~ '^audit_' AND relkind IN ('r', 'p') LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO an_owner', name);
    END LOOP;
    FOR name IN SELECT oid::regprocedure::text FROM pg_proc
                WHERE proname ~ '^audit_' AND proname <> 'audit_erase' LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO an_owner', name);
    END LOOP;
END $$
"""


@contextmanager
def working_as_owner() -> Iterator[None]:
    """As an ordinary owner of every table and function of the log; all is taken back after."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE an_owner LOGIN IN ROLE lexcustis_eraser")
        cursor.execute("GRANT USAGE, CREATE ON SCHEMA public TO an_owner")
        cursor.execute(_HAND_OVER)
        cursor.execute("SET LOCAL SESSION AUTHORIZATION an_owner")
        yield
        transaction.set_rollback(True)


def touches(statement: str) -> bool:
    """Whether a statement succeeds and, where it changes rows, changes one; taken back."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            changed = cursor.rowcount
            transaction.set_rollback(True)
    except Error:
        return False
    return changed != 0


def test_what_the_owner_of_the_tables_can_and_cannot_do(cast: Cast) -> None:
    """The owner's column of docs/threat-model.md: what it says is prevented, and what is not."""
    commit_blocking(a_draft(cast))
    seal()
    with working_as_owner():
        possible = {attack for attack in ATTACKS if touches(attack)}
    assert possible == OPEN_TO_THE_OWNER


def test_the_eraser_can_do_nothing_of_all_this_but_delete_content(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    done = set()
    for attack in ATTACKS:
        try:
            if attempt(attack, as_role="lexcustis_eraser"):
                done.add(attack)
        except Error:
            continue
    assert done == {"DELETE FROM audit_content", "SET ROLE lexcustis_eraser"}


def test_an_owner_who_switches_the_triggers_off_still_changes_no_row(cast: Cast) -> None:
    """Row security has no policy for it. Dropping that too is only detected, not prevented."""
    commit_blocking(a_draft(cast))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE ROLE a_table_owner NOLOGIN")
        cursor.execute("GRANT USAGE, CREATE ON SCHEMA public TO a_table_owner")
        cursor.execute("ALTER TABLE audit_record OWNER TO a_table_owner")
        cursor.execute("SET LOCAL ROLE a_table_owner")
        cursor.execute("ALTER TABLE ONLY audit_record DISABLE TRIGGER USER")
        cursor.execute("UPDATE audit_record SET bytes = ''")
        assert cursor.rowcount == 0
        cursor.execute("DELETE FROM audit_record")
        assert cursor.rowcount == 0
        transaction.set_rollback(True)


def test_the_product_works_with_the_applications_and_the_sealers_rights(database: None) -> None:
    with working_as("lexcustis_app"):
        cast = make_cast()
        with transaction.atomic():
            first = append(a_draft(cast))
            append(a_draft(cast))
        erase(cast.olivia, [(first.record_id, "prompt")], Ground.REQUEST)
        make_partitions()
        beat_hearts()
        assert Record.objects.filter(pk=first.record_id).exists()
    wait_for_running_transactions()
    with working_as("lexcustis_sealer"):
        # Not seal(): to tell which other logs are damaged takes the right to read them.
        while (report := seal_once()).busy or report.more:
            pass
    with working_as("lexcustis_app"):
        assert current_log(cast.organisation.pk).signed_size > 0
        verified = verify_and_keep(cast.audrey)
        assert verified.valid, verified.report


def test_the_guard_names_weaknesses_and_refuses_outside_the_demo(
    cast: Cast, settings: object
) -> None:
    assert any("superuser" in weakness for weakness in weaknesses())
    with working_as("lexcustis_app"):
        assert weaknesses() == []
        refuse_if_weak()
    refuse_if_weak()
    settings.DEMO = False  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="superuser"):
        refuse_if_weak()


def test_what_a_superuser_does_is_detected(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    seal()
    part = f"audit_record_{receipt.at:%Y_%m}"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {part} DISABLE TRIGGER USER")
        cursor.execute(f"DELETE FROM {part} WHERE id = %s", [receipt.record_id])
        assert cursor.rowcount == 1
        cursor.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER append_only")
        cursor.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER never_truncated")
    report = verify_log(cast.organisation.pk)
    assert not report.valid
    assert report.first_bad is not None
    assert report.first_bad.record_id == str(receipt.record_id)
    assert Log.objects.for_organisation(cast.organisation.pk).exists()
