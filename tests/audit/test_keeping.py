"""Break-glass reading, retention, exports, the index, and what the clock does."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.utils import timezone

from audit import verifier
from audit.break_glass import (
    NotDisclosed,
    decide,
    disclosures_about,
    read_disclosed,
    request_disclosure,
)
from audit.checkpoints import verification_key
from audit.content_models import Disclosure
from audit.erasure import place_hold
from audit.indexing import rebuild_index
from audit.keeping import beat_hearts, make_partitions
from audit.kinds import Kind
from audit.ledger import Draft, Text, commit_blocking
from audit.models import Log, RecordIndex
from audit.reading import ContentGone, read_content, record_bytes
from audit.retention import prune, set_retention
from audit.tasks import keep_ledger
from audit.verification import verify_log
from orgs.tenancy import PermissionRefused
from tests.audit.test_verification import tamper
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal

REASON = "An affected person complains about this answer."


def kinds(cast: Cast) -> list[str]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk).order_by("written_at")
    return list(rows.values_list("kind", flat=True))


def test_one_asks_another_releases_and_the_person_sees_it(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast, "my secret"))
    wanted = request_disclosure(cast.olivia, [receipt.record_id], REASON)
    with pytest.raises(NotDisclosed):
        read_disclosed(cast.olivia, wanted, receipt.record_id, "prompt")
    with pytest.raises(ValidationError, match="Somebody else"):
        decide(cast.olivia, wanted, release=True)
    with pytest.raises(PermissionRefused):
        decide(cast.rita, wanted, release=True)
    decide(cast.alice, wanted, release=True)
    assert read_disclosed(cast.olivia, wanted, receipt.record_id, "prompt") == b"my secret"
    with pytest.raises(PermissionRefused):
        read_disclosed(cast.alice, wanted, receipt.record_id, "prompt")
    assert kinds(cast)[-3:] == ["content.requested", "content.released", "content.read"]
    seen = disclosures_about(cast.max).get()
    assert (seen.requested_by, seen.decided_by) == (cast.olivia.user, cast.alice.user)
    assert not disclosures_about(cast.rita).exists()
    asked = record_bytes(cast.organisation.pk, wanted.pk)
    assert REASON.encode() not in asked
    assert read_content(cast.organisation.pk, wanted.pk, "reason").decode() == REASON


def test_what_was_refused_or_is_over_or_was_not_asked_for_stays_shut(cast: Cast) -> None:
    receipt, other = commit_blocking(a_draft(cast)), commit_blocking(a_draft(cast))
    refused = request_disclosure(cast.olivia, [receipt.record_id], REASON)
    decide(cast.alice, refused, release=False)
    with pytest.raises(ValidationError, match="decided already"):
        decide(cast.alice, refused, release=True)
    released = request_disclosure(cast.olivia, [receipt.record_id], REASON)
    decide(cast.alice, released, release=True)
    for disclosure, record_id in ((refused, receipt.record_id), (released, other.record_id)):
        with pytest.raises(NotDisclosed):
            read_disclosed(cast.olivia, disclosure, record_id, "prompt")
    Disclosure.objects.for_tenant(cast.olivia).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    with pytest.raises(NotDisclosed):
        read_disclosed(cast.olivia, released, receipt.record_id, "prompt")
    with pytest.raises(ValidationError):
        request_disclosure(cast.olivia, [receipt.record_id], "because")
    with pytest.raises(PermissionRefused):
        request_disclosure(cast.charlie, [receipt.record_id], REASON)


def an_old_draft(cast: Cast, days: int) -> Draft:
    return Draft(
        cast.organisation.pk,
        Kind.INFERENCE_REQUESTED,
        cast.max.actor,
        {},
        content={"prompt": Text("old")},
        at=timezone.now() - timedelta(days=days),
    )


def test_content_expires_unless_it_is_held_and_the_log_stays_valid(cast: Cast) -> None:
    old, held, young = (commit_blocking(an_old_draft(cast, days)) for days in (100, 95, 10))
    place_hold(cast.olivia, name="file 8", until=held.at + timedelta(days=1), since=held.at)
    set_retention(cast.alice, 90)
    planned = next(p for p in prune(dry_run=True) if p.organisation_id == cast.organisation.pk)
    assert (planned.slots, planned.held) == (1, 1)
    assert read_content(cast.organisation.pk, old.record_id, "prompt") == b"old"
    prune()
    with pytest.raises(ContentGone):
        read_content(cast.organisation.pk, old.record_id, "prompt")
    for receipt in (held, young):
        assert read_content(cast.organisation.pk, receipt.record_id, "prompt") == b"old"
    assert kinds(cast)[-1] == "content.expired"
    seal()
    assert verify_log(cast.organisation.pk).valid
    set_retention(cast.alice, None)


def test_a_whole_log_is_exported_and_verifies(cast: Cast, tmp_path: Path) -> None:
    commit_blocking(a_draft(cast))
    seal()
    folder = tmp_path / "log"
    call_command("export_log", cast.organisation.slug, str(folder), stdout=io.StringIO())
    assert (folder / "verifier.py").exists()
    output = io.StringIO()
    with redirect_stdout(output):
        status = verifier.main([str(folder), "--key", verification_key(), "--json"])
    result = json.loads(output.getvalue())
    assert status == 0, result
    assert (result["first"], result["end"]) == (0, 7)


def test_an_export_says_what_is_not_there_any_more(cast: Cast, tmp_path: Path) -> None:
    lost = commit_blocking(a_draft(cast)).record_id
    seal()
    tamper(("DELETE FROM audit_record WHERE id = %s", [lost]))
    folder, said = tmp_path / "log", io.StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command(
            "export_log", cast.organisation.slug, str(folder), stdout=io.StringIO(), stderr=said
        )
    assert said.getvalue().startswith("No longer there: 1.")
    output = io.StringIO()
    with redirect_stdout(output):
        assert verifier.main([str(folder), "--key", verification_key()]) == 1
    assert "TAMPERED" in output.getvalue()


def test_the_index_is_made_again_from_the_records(cast: Cast) -> None:
    kept, lost, changed, twin = (commit_blocking(a_draft(cast)).record_id for _ in range(4))
    honest = record_bytes(cast.organisation.pk, kept)
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    before = list(rows.values())
    rows.filter(pk=kept).update(model="another", at=timezone.now())
    rebuild_index()
    assert list(rows.values()) == before
    rows.filter(pk__in=[lost, changed, twin]).update(model="the row is all that is left")
    left = list(rows.values())
    tamper(
        ("DELETE FROM audit_record WHERE id = %s", [lost]),
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [b"nothing", changed]),
        ("UPDATE audit_record SET bytes = %s WHERE id = %s", [honest, twin]),
    )
    told, names = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit, match="1"):  # other tests may have left such records, too
        call_command("rebuild_index", stdout=told, stderr=names)
    assert list(rows.values()) == left
    assert "records indexed" in told.getvalue()
    assert f"{lost} is not there any more" in names.getvalue()
    assert f"{changed} is no record any more" in names.getvalue()
    assert f"{twin} is no record any more" in names.getvalue()


def test_an_idle_log_shows_that_it_lives(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    seal()
    monkeypatch.setattr("audit.keeping.HEARTBEAT_EVERY", timedelta(0))
    beat_hearts()
    assert "log.heartbeat" in kinds(cast)
    log = Log.objects.for_organisation(cast.organisation.pk).get()
    monkeypatch.setattr("audit.keeping.HEARTBEAT_EVERY", timedelta(hours=1))
    count = kinds(cast).count("log.heartbeat")
    beat_hearts()
    assert kinds(cast).count("log.heartbeat") == count
    assert log.sealed_at is not None
    assert make_partitions() == 0


def test_commands_verify_and_seal(cast: Cast) -> None:
    commit_blocking(a_draft(cast))
    call_command("seal", "--once")
    output = io.StringIO()
    call_command("verify", cast.organisation.slug, stdout=output)
    assert "valid" in output.getvalue()
    with pytest.raises(SystemExit):
        call_command("verify", "nobody", stderr=io.StringIO())


def test_an_operator_erases_by_command_and_the_clock_keeps_the_ledger(cast: Cast) -> None:
    receipt = commit_blocking(a_draft(cast))
    output = io.StringIO()
    actor = str(cast.max.user.pk)
    slug = cast.organisation.slug
    call_command("erase", slug, "--actor", actor, "--ground", "gdpr_17_1", stdout=output)
    assert "recorded as" in output.getvalue()
    with pytest.raises(ContentGone):
        read_content(cast.organisation.pk, receipt.record_id, "prompt")
    with pytest.raises(SystemExit):
        call_command("erase", slug, "--ground", "gdpr_17_1", stderr=io.StringIO())
    place_hold(cast.olivia, name="file 9")
    held = commit_blocking(a_draft(cast))
    with pytest.raises(SystemExit):
        call_command(
            "erase",
            slug,
            "--record",
            str(held.record_id),
            "--ground",
            "mistake",
            stderr=io.StringIO(),
        )
    keep_ledger()
    assert read_content(cast.organisation.pk, held.record_id, "prompt") == b"hello"
