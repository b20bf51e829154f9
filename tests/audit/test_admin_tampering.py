"""The demo's tamper button: one byte of a copy, the exact record named, nothing real touched."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from audit.ledger import commit_blocking
from audit.reading import record_bytes
from audit.tampering_demo import demonstrate_tampering
from audit.verification import verify_log
from orgs.tenancy import PermissionRefused
from tests.admin_pages import request_draft, signed_in
from tests.cast import Cast
from tests.sealing import seal


def test_the_exact_record_turns_red_and_the_log_stays_as_it_is(cast: Cast) -> None:
    receipts = [commit_blocking(request_draft(cast.max)) for _ in range(8)]
    seal()
    victim = receipts[4].record_id
    data = record_bytes(cast.organisation.pk, victim)
    shown = demonstrate_tampering(cast.audrey, victim)
    assert shown.tampering.honest.result == "valid"
    assert shown.tampering.forged.result == "tampered"
    assert [line.record_id for line in shown.lines if line.is_accused] == [str(victim)]
    assert len(shown.lines) > 4
    before, byte, after = shown.changed
    assert before + byte + after == shown.tampering.after != shown.tampering.before
    assert record_bytes(cast.organisation.pk, victim) == data
    assert verify_log(cast.organisation.pk).valid


def test_the_button_stands_on_the_log_page_and_shows_both_verdicts(cast: Cast) -> None:
    audrey = signed_in(cast.audrey.user)
    place = reverse("admin:audit_tamper")
    commit_blocking(request_draft(cast.max))
    seal()
    assert place in audrey.get(reverse("admin:audit_log")).content.decode()
    text = audrey.post(place).content.decode()
    assert "Before: valid" in text
    assert "After one byte: tampered" in text
    assert text.count('class="accused"') == 1
    assert audrey.get(place).status_code == 405


def test_it_is_refused_outside_the_demo_and_to_those_who_may_not_read_the_log(
    cast: Cast, settings: Any
) -> None:
    record_id = commit_blocking(request_draft(cast.max)).record_id
    seal()
    with pytest.raises(PermissionRefused):
        demonstrate_tampering(cast.max, record_id)
    with pytest.raises(LookupError):
        demonstrate_tampering(cast.charlie, record_id)
    settings.DEMO = False
    with pytest.raises(PermissionDenied, match="demo alone"):
        demonstrate_tampering(cast.audrey, record_id)
    audrey = signed_in(cast.audrey.user)
    place = reverse("admin:audit_tamper")
    assert audrey.post(place).status_code == 403
    assert place not in audrey.get(reverse("admin:audit_log")).content.decode()
