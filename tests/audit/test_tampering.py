"""On a copy of the log one changed byte is found, and the exact record is named (P2)."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audit.ledger import commit_blocking
from audit.reading import record_bytes
from audit.tampering import NotSealed, tamper_with_copy
from audit.verification import verify_log
from orgs.tenancy import PermissionRefused
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def test_the_changed_record_is_named_and_the_log_stays_as_it_was(cast: Cast) -> None:
    receipts = [commit_blocking(a_draft(cast, str(number))) for number in range(5)]
    seal()
    wanted = receipts[2].record_id
    before = record_bytes(cast.organisation.pk, wanted)
    shown = tamper_with_copy(cast.audrey, wanted)
    assert shown.honest.result == "valid"
    assert shown.forged.result == "tampered"
    assert f"position {shown.position} (it calls itself {wanted})" in shown.forged.problem
    assert shown.is_found
    assert shown.before != shown.after
    assert sum(a != b for a, b in zip(shown.before, shown.after, strict=True)) == 1
    assert record_bytes(cast.organisation.pk, wanted) == before
    assert verify_log(cast.organisation.pk).valid


def test_only_who_may_read_the_log_may_try_it(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    seal()
    with pytest.raises(PermissionRefused):
        tamper_with_copy(cast.max, receipt.record_id)
    with pytest.raises(LookupError):
        tamper_with_copy(cast.charlie, receipt.record_id)


def test_a_record_that_is_not_sealed_has_nothing_to_show(cast: Cast) -> None:
    seal()
    receipt = commit_blocking(a_draft(cast))
    with pytest.raises(NotSealed):
        tamper_with_copy(cast.audrey, receipt.record_id)


def test_the_command_shows_both_verdicts(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    seal()
    said = StringIO()
    call_command("tamper", cast.organisation.slug, stdout=said)
    assert "VALID" in said.getvalue()
    assert "TAMPERED The records are not those that were signed" in said.getvalue()
    with pytest.raises(CommandError, match="no organisation"):
        call_command("tamper", "nobody")
