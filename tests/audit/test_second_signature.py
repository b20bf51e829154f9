"""A second signature under checkpoints, ML-DSA-44: made where wanted, checked by outsiders."""

from __future__ import annotations

import base64
import random
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from audit import notes, verifier
from audit.hashing import leaf_hash
from audit.notes import Head, InvalidNote
from audit.remote_signer import RemoteSigner, SignerServer
from audit.signer import LocalSigner, Request, SignerUnavailable
from audit.slices import VERIFIER
from tests.audit.bundles import NAME, make_forge
from tests.audit.test_verifier import run

HEAD = Head(f"{NAME}/o/x/1", 1, leaf_hash(b"first"))
LATEST = "proofs/checkpoint_latest.txt"


@pytest.fixture
def signer(tmp_path: Path, settings: object) -> LocalSigner:
    settings.LEDGER_HOST = NAME  # type: ignore[attr-defined]
    made = LocalSigner(tmp_path / "store", create_key=True, second=True)
    made.new_second_key()
    return made


def checkpoint_of(signer: LocalSigner) -> str:
    note = signer.sign([Request(HEAD, 0, [])])[0]
    assert isinstance(note, str)
    return note


def test_both_signatures_stand_under_a_checkpoint(signer: LocalSigner) -> None:
    note = checkpoint_of(signer)
    first, second = signer.verification_keys()[0], signer.second_keys()[0]
    assert base64.b64decode(second.split("+", 2)[2])[:1] == b"\x06"
    assert notes.verify(note, first) == notes.verify(note, second) == HEAD
    key = verifier.Key(first)
    key.second = verifier.Key(second)
    head = verifier.read_checkpoint(note, key)
    assert key.twice == {head}
    with pytest.raises(InvalidNote, match="does not fit"):
        notes.verify(note.replace("\n1\n", "\n2\n"), second)


def test_on_paper_the_first_signature_is_enough(signer: LocalSigner) -> None:
    note = checkpoint_of(signer)
    short = notes.short(note)
    assert len(short) < 400 < len(note)
    assert notes.verify(short, signer.verification_keys()[0]) == HEAD
    assert notes.short(short) == short


def test_it_is_made_only_where_it_is_wanted_and_needs_a_key(tmp_path: Path) -> None:
    plain = LocalSigner(tmp_path / "store", create_key=True)
    assert plain.second_keys() == []
    assert checkpoint_of(plain).count("\N{EM DASH}") == 1
    wanted = LocalSigner(tmp_path / "store", create_key=True, second=True)
    with pytest.raises(SignerUnavailable, match="--new-second-key"):
        checkpoint_of(wanted)


def test_a_second_key_is_replaced_like_the_first(signer: LocalSigner, tmp_path: Path) -> None:
    old = signer.second_keys()[0]
    new = signer.new_second_key()
    assert signer.second_keys() == [new, old]
    note = checkpoint_of(signer)
    assert notes.verify(note, old) == notes.verify(note, new) == HEAD
    assert old in signer.retire_old_keys()
    assert signer.second_keys() == [new]
    assert old in signer.verification_keys()  # what it signed can still be checked
    assert list((tmp_path / "store" / "keys").glob("*.mldsa44"))


def test_a_remote_signer_makes_it_too(signer: LocalSigner, tmp_path: Path) -> None:
    import threading

    with SignerServer(tmp_path / "socket", signer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        remote = RemoteSigner(tmp_path / "socket")
        assert remote.second_keys() == signer.second_keys()
        note = remote.sign([Request(HEAD, 0, [])])[0]
        server.shutdown()
        thread.join()
    assert notes.verify(str(note), signer.second_keys()[0]) == HEAD


class Signed:
    """A bundle whose checkpoints bear both signatures."""

    def __init__(self, folder: Path) -> None:
        forge = make_forge(random.Random(7))
        forge.write(folder)
        self.folder, self.key = folder, forge.vkey
        self.private = MLDSA44PrivateKey.generate()
        self.second = notes.verification_key(NAME, self.private.public_key().public_bytes_raw())
        for path in (folder / "proofs").glob("checkpoint_*.txt"):
            head = notes.parse_head(notes.split_note(path.read_text())[0])
            line = notes.sign_again(head, name=NAME, private_key=self.private, moment=1_800_000_000)
            path.write_text(path.read_text() + line)

    def verify(self, *arguments: str) -> tuple[int, dict[str, object]]:
        return run(self.folder, "--key", self.key, *arguments)


@pytest.fixture
def bundle(tmp_path: Path) -> Signed:
    return Signed(tmp_path / "bundle")


def test_an_outsider_checks_it_who_has_the_key(bundle: Signed) -> None:
    status, result = bundle.verify("--second-key", bundle.second)
    assert status == 0, result
    assert any("bears the second signature" in line for line in result["checked"])  # type: ignore[attr-defined]
    assert not any("second" in line for line in result["not_checked"])  # type: ignore[attr-defined]


def test_who_has_not_the_key_is_told_that_it_was_not_checked(bundle: Signed) -> None:
    status, result = bundle.verify()
    assert status == 0
    assert any("--second-key" in line for line in result["not_checked"])  # type: ignore[attr-defined]


def test_another_key_proves_nothing(bundle: Signed) -> None:
    public = MLDSA44PrivateKey.generate().public_key().public_bytes_raw()
    status, result = bundle.verify("--second-key", notes.verification_key(NAME, public))
    assert status == 0
    assert any("another key's" in line for line in result["not_checked"])  # type: ignore[attr-defined]
    assert bundle.verify("--second-key", bundle.key)[0] == 2


@pytest.mark.parametrize("place", ["before", "after", "latest"])
def test_a_second_signature_that_does_not_fit_is_found(bundle: Signed, place: str) -> None:
    path = bundle.folder / f"proofs/checkpoint_{place}.txt"
    *lines, last = path.read_text().splitlines()
    data = bytearray(base64.b64decode(last.split(" ")[2]))
    data[-1 - data[20]] ^= 1
    path.write_text(
        "\n".join([*lines, f"\N{EM DASH} {NAME} {base64.b64encode(data).decode()}", ""])
    )
    status, result = bundle.verify("--second-key", bundle.second)
    assert status == 1
    assert "second signature" in str(result)


def test_who_asks_for_it_is_not_put_off_with_a_head_without_it(bundle: Signed) -> None:
    """Whoever broke Ed25519 would leave the other signature out."""
    for path in (bundle.folder / "proofs").glob("checkpoint_*.txt"):
        path.write_text(notes.short(path.read_text()))
    assert bundle.verify()[0] == 0
    status, result = bundle.verify("--second-key", bundle.second)
    assert status == 1
    assert "does not bear" in str(result)


def test_without_a_library_it_is_listed_as_not_checked(bundle: Signed) -> None:
    command = [sys.executable, "-I", "-S", VERIFIER, bundle.folder, "--key", bundle.key]
    done = subprocess.run(
        [*map(str, command), "--second-key", bundle.second],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert "this Python has no ML-DSA-44" in done.stdout


def test_watching_checks_it_too(bundle: Signed, tmp_path: Path) -> None:
    arguments = (bundle.folder / LATEST, "--key", bundle.key, "--second-key", bundle.second)
    status, result = run("watch", *arguments, "--state", tmp_path / "state")
    assert status == 0
    assert any("second signature" in line for line in result["checked"])
