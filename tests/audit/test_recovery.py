"""After a disaster a new epoch begins and says what was lost."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from django.conf import settings

from audit.erasure import Ground, erase
from audit.ledger import commit_blocking, wait_until_sealed
from audit.logs import current_log
from audit.reading import record_bytes
from audit.recovery import NothingLost, recover
from audit.sealing import seal_once
from audit.verification import verify_log
from tests.audit.test_sealing import seal
from tests.audit.test_writing import a_draft
from tests.cast import Cast


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
    seal_once()
    assert wait_until_sealed(later)
    erase(cast.olivia, [(old.record_id, "prompt")], Ground.REQUEST)
    seal_once()
    report = verify_log(cast.organisation.pk)
    assert report.valid, report.problems
    assert any("epochs before" in gap for gap in report.not_checked)
