"""The server's own verification checks ML-DSA-44 under its checkpoints, where it stands."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings

from audit import notes
from audit.checkpoint_keys import CheckpointKeys
from audit.checkpoints import latest
from audit.ledger import commit_blocking
from audit.models import Checkpoint
from audit.notes import Head, InvalidNote
from audit.signer import LocalSigner, Request
from audit.verification import Report, verify_log
from tests.audit.test_verification import tamper
from tests.audit.test_writing import a_draft
from tests.cast import Cast, make_cast
from tests.sealing import seal


@pytest.fixture
def store(database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A signer's store with both kinds of keys, used from now on."""
    seal()  # what other tests left belongs to the other signer
    made = LocalSigner(tmp_path, create_key=True, second=True)
    made.new_second_key()
    use(made, monkeypatch)
    return tmp_path


def use(signer: LocalSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("checkpoints", "verification"):
        monkeypatch.setattr(f"audit.{module}.signer", lambda: signer)


@pytest.fixture
def signed(store: Path) -> Cast:
    cast = make_cast()
    for _ in range(2):
        commit_blocking(a_draft(cast))
        seal()
    return cast


def newest(cast: Cast) -> Checkpoint:
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    return checkpoint


def about_second(report: Report) -> list[str]:
    return [line for line in report.not_checked if "ML-DSA-44" in line]


def replace_note(checkpoint: Checkpoint, note: str) -> None:
    tamper(("UPDATE audit_checkpoint SET note = %s WHERE id = %s", [note, checkpoint.pk]))


def changed_line(line: str) -> str:
    dash, name, encoded = line.split(" ")
    data = bytearray(base64.b64decode(encoded))
    data[-1] ^= 1
    return f"{dash} {name} {base64.b64encode(data).decode()}"


def test_both_signatures_are_checked_also_after_their_keys_were_replaced(
    signed: Cast, store: Path
) -> None:
    assert newest(signed).note.count("\N{EM DASH}") == 2
    report = verify_log(signed.organisation.pk)
    assert (report.valid, report.problems, about_second(report)) == (True, [], [])
    signer = LocalSigner(store, second=True)
    signer.new_key()
    signer.new_second_key()
    commit_blocking(a_draft(signed))
    seal()
    assert newest(signed).note.count("\N{EM DASH}") == 4
    assert len(signer.retire_old_keys()) == 2
    report = verify_log(signed.organisation.pk)
    assert (report.valid, report.problems, about_second(report)) == (True, [], [])


def test_a_second_signature_that_does_not_fit_makes_the_log_invalid(signed: Cast) -> None:
    checkpoint = newest(signed)
    *lines, last = checkpoint.note.splitlines()
    replace_note(checkpoint, "\n".join([*lines, changed_line(last), ""]))
    report = verify_log(signed.organisation.pk)
    assert not report.valid
    assert f"checkpoint of size {checkpoint.size} is not valid" in report.problems[0]
    assert "ML-DSA-44" in report.problems[0]


def test_the_second_signature_alone_is_not_enough(signed: Cast) -> None:
    checkpoint = newest(signed)
    head, _, lines = checkpoint.note.rpartition("\n\n")
    first, second = lines.splitlines()
    replace_note(checkpoint, f"{head}\n\n{second}\n")
    assert not verify_log(signed.organisation.pk).valid
    replace_note(checkpoint, f"{head}\n\n{changed_line(first)}\n{second}\n")
    assert not verify_log(signed.organisation.pk).valid


def test_one_that_was_left_out_is_told_and_accuses_nobody(
    signed: Cast, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = newest(signed)
    use(LocalSigner(store), monkeypatch)  # SIGNER_ML_DSA switched off
    commit_blocking(a_draft(signed))
    while newest(signed).pk == before.pk:  # the record may wait for others' transactions
        seal()
    report = verify_log(signed.organisation.pk)
    assert report.valid
    (told,) = about_second(report)  # without its key the others cannot be checked either
    assert "does not know its key" in told
    use(LocalSigner(store, second=True), monkeypatch)
    report = verify_log(signed.organisation.pk)
    assert report.valid
    (told,) = about_second(report)
    assert "1 checkpoints do not bear" in told


@pytest.fixture
def note_and_keys(tmp_path: Path) -> tuple[str, Callable[..., CheckpointKeys]]:
    signer = LocalSigner(tmp_path, create_key=True, second=True)
    signer.new_second_key()
    head = Head(f"{settings.LEDGER_HOST}/o/1/1", 1, bytes(32))
    note = signer.sign([Request(head, 0, [])])[0]
    assert isinstance(note, str)
    return note, lambda: CheckpointKeys([*signer.verification_keys(), *signer.second_keys()])


def test_a_checkpoint_needs_a_key_that_is_known(
    note_and_keys: tuple[str, Callable[..., CheckpointKeys]],
) -> None:
    note, keys = note_and_keys
    assert keys().head_of(note).size == 1
    assert keys().head_of(notes.short(note)).size == 1
    for vkeys in ([], keys()._second.values()):
        with pytest.raises(InvalidNote, match="no key"):
            CheckpointKeys(vkeys).head_of(note)
