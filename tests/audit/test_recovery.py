"""After a disaster a new epoch begins and says what was lost."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from audit.acknowledgement import wait_until_sealed
from audit.erasure import Ground, erase
from audit.ledger import Receipt, commit_blocking
from audit.logs import current_log
from audit.reading import record_bytes
from audit.recovery import NothingLost, recover
from audit.verification import verify_log
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def test_a_new_epoch_names_the_last_signed_head_and_goes_on(cast: Cast) -> None:
    old = commit_blocking(a_draft(cast))
    seal()
    with pytest.raises(NothingLost):
        recover(cast.organisation.pk)
    before = current_log(cast.organisation.pk)
    lost = base64.b64encode(bytes(range(32))).decode()
    journal = Path(settings.SIGNER_HOME) / "heads.log"
    with journal.open("ab") as file:  # the signer has signed what the restored database lacks
        file.write(f"{before.size + 3} {lost} {before.origin}\n".encode())
    receipt = recover(cast.organisation.pk)
    log = current_log(cast.organisation.pk)
    assert log.epoch == 2
    assert receipt.origin == log.origin == before.origin[:-1] + "2"
    body = json.loads(record_bytes(cast.organisation.pk, receipt.record_id))["body"]
    assert body["lexcustis.recovered.signed_size"] == before.size + 3
    assert body["lexcustis.recovered.signed_root"] == lost
    later = commit_blocking(a_draft(cast))
    assert later.origin == log.origin
    seal()
    assert wait_until_sealed([later], timeout=5)
    erase(cast.olivia, [(old.record_id, "prompt")], Ground.REQUEST)
    seal()
    report = verify_log(cast.organisation.pk)
    assert report.valid, report.problems
    assert any("epochs before" in gap for gap in report.not_checked)


def a_second_epoch(cast: Cast) -> tuple[Receipt, Receipt]:
    """A record of the first epoch, whose text was erased in the second, and one of the second."""
    old = commit_blocking(a_draft(cast))
    seal()
    before = current_log(cast.organisation.pk)
    lost = base64.b64encode(bytes(range(32))).decode()
    with (Path(settings.SIGNER_HOME) / "heads.log").open("ab") as file:
        file.write(f"{before.size + 3} {lost} {before.origin}\n".encode())
    recover(cast.organisation.pk)
    late = commit_blocking(a_draft(cast))
    erase(cast.olivia, [(old.record_id, "prompt")], Ground.REQUEST)
    seal()
    return old, late


def test_each_epoch_can_be_verified_from_inside(cast: Cast) -> None:
    a_second_epoch(cast)
    told = io.StringIO()
    call_command("verify", cast.organisation.slug, stdout=told)
    assert "epoch 1: valid" in told.getvalue()
    assert "epoch 2: valid" in told.getvalue()
    told = io.StringIO()
    call_command("verify", cast.organisation.slug, epoch=[1], stdout=told)
    assert "epoch 1: valid" in told.getvalue()
    assert "later epochs" in told.getvalue()
    assert "epoch 2" not in told.getvalue()
    with pytest.raises(SystemExit) as ended:
        call_command("verify", cast.organisation.slug, epoch=[3], stderr=io.StringIO())
    assert ended.value.code == 3


def test_tampering_in_an_earlier_epoch_is_found_there(cast: Cast) -> None:
    old, late = a_second_epoch(cast)
    with connection.cursor() as cursor:
        cursor.execute("SELECT bytes FROM audit_record WHERE id = %s", [old.record_id])
        honest = bytes(cursor.fetchone()[0])

    def overwrite(data: bytes) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            part = f"audit_record_{old.at:%Y_%m}"
            cursor.execute(f"ALTER TABLE {part} DISABLE TRIGGER append_only")
            cursor.execute(f"UPDATE {part} SET bytes = %s WHERE id = %s", [data, old.record_id])
            cursor.execute(f"ALTER TABLE {part} ENABLE ALWAYS TRIGGER append_only")

    overwrite(honest.replace(b'"v":1', b'"v":2'))
    try:
        report = verify_log(cast.organisation.pk, epoch=1)
        assert not report.valid
        assert report.first_bad is not None
        assert report.first_bad.record_id == str(old.record_id)
        assert verify_log(cast.organisation.pk, epoch=2).valid
    finally:
        overwrite(honest)
    assert verify_log(cast.organisation.pk, epoch=1).valid
    assert late.origin.endswith("/2")
