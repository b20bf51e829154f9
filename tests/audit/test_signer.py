"""The signer behind a socket, and keys that are replaced."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from audit import notes
from audit.checkpoints import latest
from audit.hashing import EMPTY_ROOT, leaf_hash
from audit.keeping import announce_new_keys
from audit.key_history import announce_keys
from audit.ledger import commit_blocking
from audit.models import RecordIndex
from audit.notes import Head, InvalidNote
from audit.reading import record_bytes
from audit.remote_signer import RemoteSigner, SignerServer
from audit.signer import LocalSigner, Refusal, Request, SignerUnavailable
from audit.verification import verify_log
from audit.verifier import Key, split_note
from orgs.tenancy import Tenant
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


@pytest.fixture
def local(tmp_path: Path) -> LocalSigner:
    return LocalSigner(tmp_path / "store", create_key=True)


def mails_to(tenant: Tenant) -> list[str]:
    """What this person was told of keys."""
    sent: list[EmailMessage] = getattr(mail, "outbox", [])
    mine = [it for it in sent if it.to == [tenant.user.email] and "verification key" in it.subject]
    return [str(it.body) for it in mine]


@pytest.fixture
def remote(tmp_path: Path, local: LocalSigner) -> Iterator[RemoteSigner]:
    path = tmp_path / "signer.sock"
    with SignerServer(path, local) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield RemoteSigner(path)
        server.shutdown()
        thread.join()


def one(origin: str = "log/1") -> Request:
    return Request(Head(origin, 1, leaf_hash(b"first")), 0, [])


def test_a_remote_signer_answers_like_the_local_one(
    local: LocalSigner, remote: RemoteSigner
) -> None:
    note = remote.sign([one()])[0]
    assert isinstance(note, str)
    key = remote.verification_keys()[0]
    assert notes.verify(note, key) == one().head
    assert remote.heads(["log/1", "log/2"]) == remote.all_heads() == local.all_heads()
    refused = remote.sign([Request(Head("log/1", 0, EMPTY_ROOT), 0, [])])[0]
    assert isinstance(refused, Refusal)
    assert refused.known == one().head
    assert Key(key).signed(*split_note(remote.sign_manifest(bytes(32))))
    assert local.verification_keys() == remote.verification_keys()


def test_a_signer_that_is_away_is_named(tmp_path: Path) -> None:
    with pytest.raises(SignerUnavailable, match="does not answer"):
        RemoteSigner(tmp_path / "nobody").all_heads()
    with pytest.raises(SignerUnavailable, match="no signing key"):
        LocalSigner(tmp_path / "empty").verification_keys()


def test_the_socket_admits_nobody_else(tmp_path: Path, remote: RemoteSigner) -> None:
    assert (tmp_path / "signer.sock").stat().st_mode & 0o007 == 0


def test_while_a_key_is_replaced_both_sign_and_then_the_old_one_cannot(
    local: LocalSigner, tmp_path: Path
) -> None:
    old = local.verification_keys()[0]
    new = local.new_key()
    both = str(local.sign([one()])[0])
    assert notes.verify(both, old) == notes.verify(both, new)
    assert local.retire_old_keys() == [old]
    assert local.verification_keys() == [new, old]
    alone = str(local.sign([one("log/2")])[0])
    assert notes.verify(alone, new)
    with pytest.raises(InvalidNote):
        notes.verify(alone, old)
    kept = sorted(path.name for path in (tmp_path / "store" / "keys").iterdir())
    assert kept == ["0001.retired", "0002.key"]
    assert local.new_key() != new
    assert len(local.verification_keys()) == 3


def test_a_replaced_key_is_announced_in_the_log_and_old_heads_stay_valid(
    cast: Cast, local: LocalSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("checkpoints", "key_history", "verification"):
        monkeypatch.setattr(f"audit.{module}.signer", lambda: local)
    commit_blocking(a_draft(cast))
    seal()
    announce_new_keys()
    assert mails_to(cast.olivia) == []  # nothing changed for anybody: the log is told, no person
    local.new_key()
    announce_new_keys()
    commit_blocking(a_draft(cast))
    seal()
    local.retire_old_keys()
    announce_new_keys()
    assert announce_keys() == 0
    seal()
    said = [
        json.loads(record_bytes(cast.organisation.pk, row.pk))["body"]["lexcustis.key"]
        for row in RecordIndex.objects.for_organisation(cast.organisation.pk)
        .filter(kind__startswith="log.key_")
        .order_by("written_at")
    ]
    new, old = local.verification_keys()
    assert said == [old, new, old]
    added, retired = mails_to(cast.olivia)
    assert f"signed with:\n\n    {new}" in added
    assert f"checked with it:\n\n    {old}" in retired
    assert mails_to(cast.audrey) == [added, retired]
    assert mails_to(cast.max) == []
    assert verify_log(cast.organisation.pk).valid
    checkpoint = latest(cast.organisation.pk)
    assert checkpoint is not None
    assert notes.verify(checkpoint.note, new)


def test_a_signer_that_is_away_announces_nothing_and_stops_nobody(
    database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.key_history.signer", lambda: RemoteSigner(tmp_path / "nobody"))
    assert announce_new_keys() == 0
