"""The stand-alone verifier: it finds every forgery and accuses nobody who is honest."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from audit import notes, verifier
from audit.checkpoints import verification_key
from audit.hashing import leaf_hash, root_of
from audit.inclusion import prove_inclusion
from audit.ledger import commit_blocking
from audit.proofs import verify_consistency, verify_inclusion
from audit.slices import VERIFIER, export_period
from audit.statements import sign_manifest
from audit.tree import consistency_ranges
from tests.audit.bundles import MUTATIONS, ORIGIN, a_record, encoded, make_forge
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    """Run the verifier in this process."""
    output = io.StringIO()
    with redirect_stdout(output):
        status = verifier.main([*(str(item) for item in arguments), "--json"])
    return status, json.loads(output.getvalue())


def test_it_runs_alone_on_the_standard_library() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", VERIFIER, "selftest"], capture_output=True, check=False
    )
    assert done.returncode == 0, done
    done = subprocess.run([sys.executable, "-I", "-S", VERIFIER], capture_output=True, check=False)
    assert done.returncode == 3
    assert b"python verifier.py . --key KEY\n" in done.stderr  # as the bundle's README.txt says it


@pytest.mark.parametrize("seed", range(60))
def test_honest_bundles_are_valid(seed: int, tmp_path: Path) -> None:
    forge = make_forge(random.Random(seed))
    forge.write(tmp_path / "bundle")
    status, result = run(tmp_path / "bundle", "--key", forge.vkey)
    assert status == 0, result
    assert result["records"] == forge.end - forge.first


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_forgery_is_found(mutation: Callable[..., None], tmp_path: Path) -> None:
    for seed in range(36):
        chance = random.Random(f"{mutation.__name__}{seed}")
        forge = make_forge(chance)
        folder = tmp_path / str(seed)
        forge.write(folder)
        mutation(chance, folder, forge)
        status, result = run(folder, "--key", forge.vkey)
        assert status in {1, 2}, (seed, result)
        shutil.rmtree(folder)


def test_the_wrong_record_is_named(tmp_path: Path) -> None:
    forge = make_forge(random.Random(3), size=30)
    forge.first, forge.end = 5, 25
    forge.write(tmp_path)
    lines = (tmp_path / "audit_log_period.jsonl").read_bytes().splitlines(keepends=True)
    lines[7] = lines[7].replace(b"simulated", b"different")
    (tmp_path / "audit_log_period.jsonl").write_bytes(b"".join(lines))
    status, result = run(tmp_path, "--key", forge.vkey)
    assert status == 1
    assert "at position 12" in result["problem"]
    assert json.loads(lines[7])["id"] in result["problem"]


def test_a_key_from_elsewhere_is_needed_and_must_be_whole(tmp_path: Path) -> None:
    forge, stranger = make_forge(random.Random(1)), make_forge(random.Random(2))
    forge.write(tmp_path)
    assert run(tmp_path, "--key", stranger.vkey)[0] == 1
    assert run(tmp_path, "--key", forge.vkey[:-4])[0] == 2
    assert run(tmp_path / "nothing", "--key", forge.vkey)[0] == 2
    (tmp_path / "proofs" / "checkpoint_after.txt").unlink()
    assert run(tmp_path, "--key", forge.vkey)[0] == 2


def test_a_hole_in_a_writers_numbers_is_found_although_everything_is_signed(
    tmp_path: Path,
) -> None:
    forge = make_forge(random.Random(4), size=12)
    forge.first, forge.end = 0, 12
    forge.records = [
        a_record(index, writer="aa", number=number)
        for index, number in enumerate([1, 2, 3, 5, 4, 6, 8, 9, 10, 11, 12, 13])
    ]
    forge.write(tmp_path)
    status, result = run(tmp_path, "--key", forge.vkey)
    assert status == 1
    assert "number 7" in result["problem"]


def test_an_inference_that_ends_twice_is_found(tmp_path: Path) -> None:
    forge = make_forge(random.Random(4), size=8)
    forge.first, forge.end = 0, 8
    request = json.loads(forge.records[0])["id"]
    for index in (6, 7):
        forge.records[index] = a_record(
            index,
            writer="ff",
            number=index - 5,
            kind="inference.completed",
            links=[{"id": request, "rel": "request"}],
        )
    forge.records[1:6] = [a_record(i, writer="99", number=i) for i in range(1, 6)]
    forge.write(tmp_path)
    status, result = run(tmp_path, "--key", forge.vkey)
    assert status == 1
    assert "two endings" in result["problem"]


def test_several_processes_find_the_same(tmp_path: Path) -> None:
    forge = make_forge(random.Random(5), size=3000)
    forge.first, forge.end = 100, 2900
    forge.write(tmp_path)
    assert run(tmp_path, "--key", forge.vkey, "--processes", 2)[0] == 0
    path = tmp_path / "audit_log_period.jsonl"
    path.write_bytes(path.read_bytes().replace(b"simulated", b"different", 1))
    assert run(tmp_path, "--key", forge.vkey, "--processes", 2)[0] == 1


def test_what_an_outsider_saw_before_cannot_be_changed(tmp_path: Path) -> None:
    forge = make_forge(random.Random(6), size=40)
    state = tmp_path / "state.json"
    key = ("--key", forge.vkey, "--state", state)
    old = tmp_path / "old.txt"
    old.write_text(forge.checkpoint(20))
    assert run("watch", old, *key)[0] == 0

    forge.first, forge.end = 10, 35
    forge.write(tmp_path / "bundle")
    assert run("watch", tmp_path / "bundle", *key)[0] == 0
    assert json.loads(state.read_text())[ORIGIN]["size"] == 40

    assert run("watch", old, *key)[0] == 1  # a smaller log than before

    fork = make_forge(random.Random(7), size=50)
    fork.key = forge.key
    new = tmp_path / "new.txt"
    new.write_text(fork.checkpoint(50))
    assert run("watch", new, *key)[0] == 2  # without a proof nobody can tell
    leaves = [leaf_hash(item) for item in fork.records]
    path = [encoded(root_of(leaves[a:b])) for a, b in consistency_ranges(40, 50)]
    proof = tmp_path / "proof.json"
    proof.write_text(json.dumps({"path": path}))
    assert run("watch", new, *key, "--consistency", proof)[0] == 1


def test_a_fork_inside_a_bundle_shows_to_those_who_saw_another(tmp_path: Path) -> None:
    forge = make_forge(random.Random(6), size=40)
    state = tmp_path / "state.json"
    old = tmp_path / "old.txt"
    old.write_text(forge.checkpoint(20))
    run("watch", old, "--key", forge.vkey, "--state", state)
    writer, number = json.loads(forge.records[15])["writer"]
    forge.records[15] = a_record(15, writer=writer, number=number, note="fork")
    forge.first, forge.end = 10, 30
    forge.write(tmp_path / "bundle")
    status, result = run("watch", tmp_path / "bundle", "--key", forge.vkey, "--state", state)
    assert status == 1
    assert "first 20 records" in result["problem"]


def test_disclosed_texts_are_compared_with_their_commitments(tmp_path: Path) -> None:
    forge = make_forge(random.Random(8), size=10)
    forge.write(tmp_path / "bundle")
    identifiers = [json.loads(line)["id"] for line in forge.records]
    disclosed = tmp_path / "content.jsonl"

    def disclose(text: bytes) -> None:
        entry = {"id": identifiers[forge.first], "slot": "prompt"}
        entry |= {"salt": encoded(bytes(32)), "content": encoded(text)}
        disclosed.write_text(json.dumps(entry) + "\n")

    disclose(f"text {forge.first}".encode())
    status, result = run("content", tmp_path / "bundle", "--disclosed", disclosed)
    assert (status, result["match"]) == (0, 1)
    disclose(b"another text")
    assert run("content", tmp_path / "bundle", "--disclosed", disclosed)[0] == 1


def test_a_real_bundle_as_folder_and_zip(cast: Cast, tmp_path: Path) -> None:
    commit_blocking(a_draft(cast))
    seal()
    start = timezone.now()
    for _ in range(300):
        commit_blocking(a_draft(cast))
    end = timezone.now()
    seal()
    folder = tmp_path / "bundle"
    export_period(cast.organisation.pk, start, end, folder_made(folder))
    status, result = run(folder, "--key", verification_key())
    assert status == 0, result
    assert result["records"] >= 300

    members = [path for path in folder.rglob("*") if path.is_file()]
    manifest = {
        "files": [
            {
                "path": path.relative_to(folder).as_posix(),
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in members
        ]
    }
    data = json.dumps(manifest).encode()
    (folder / "MANIFEST.json").write_bytes(data)
    digest = hashlib.sha256(data).digest()
    (folder / "MANIFEST.json.sig").write_text(sign_manifest(digest))
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in folder.rglob("*"):
            if path.is_file():
                target.write(path, f"dossier_x/{path.relative_to(folder).as_posix()}")
    status, result = run(archive, "--key", verification_key())
    assert status == 0, result
    assert any("MANIFEST.json is signed" in check for check in result["checked"])

    (folder / "extra.txt").write_text("smuggled")
    assert run(folder, "--key", verification_key())[0] == 1
    (folder / "extra.txt").unlink()
    (folder / "MANIFEST.json").write_bytes(data + b" ")
    assert run(folder, "--key", verification_key())[0] == 1


def folder_made(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_real_proof_of_one_record(cast: Cast, tmp_path: Path) -> None:
    receipt = commit_blocking(a_draft(cast))
    for _ in range(20):
        commit_blocking(a_draft(cast))
    seal()
    proof = prove_inclusion(cast.organisation.pk, receipt.record_id)
    file, record = tmp_path / "record.tlog-proof", tmp_path / "record.json"
    file.write_text(proof.tlog_proof)
    record.write_bytes(proof.record)
    key = ("--key", verification_key())
    assert run("proof", file, *key, "--record", record)[0] == 0
    assert run("proof", file, *key)[0] == 2
    record.write_bytes(proof.record.replace(b"simulated", b"different"))
    assert run("proof", file, *key, "--record", record)[0] == 1
    value = {"record": encoded(proof.record), "index": proof.index, "checkpoint": proof.checkpoint}
    value["path"] = [encoded(item) for item in proof.path]
    as_json = tmp_path / "proof.json"
    as_json.write_text(json.dumps(value))
    assert run("proof", as_json, *key)[0] == 0
    as_json.write_text(json.dumps(value | {"index": proof.index + 1}))
    assert run("proof", as_json, *key)[0] == 1


def test_both_implementations_agree_on_proofs() -> None:
    chance = random.Random(9)
    leaves = [leaf_hash(bytes([number])) for number in range(60)]
    for _ in range(2000):
        new = chance.randrange(1, 60)
        old, index = chance.randrange(new + 1), chance.randrange(new)
        path = [root_of(leaves[a:b]) for a, b in consistency_ranges(old, new)]
        if chance.random() < 0.5:
            path = [chance.choice([*path, bytes(32)]) for _ in range(chance.randrange(8))]
        old_root, new_root = root_of(leaves[:old]), root_of(leaves[:new])
        ours = verify_consistency(
            old_size=old, new_size=new, old_root=old_root, new_root=new_root, proof=path
        )
        assert ours == verifier.is_consistent(old, new, old_root, new_root, path)
        inside = verifier.inclusion_root(leaves[index], index, new, path) == new_root
        assert inside == verify_inclusion(
            leaves[index], index=index, size=new, proof=path, root=new_root
        )


def test_cosignatures_of_witnesses(tmp_path: Path) -> None:
    forge = make_forge(random.Random(10))
    forge.write(tmp_path)
    witness = make_forge(random.Random(11)).key
    public = b"\x04" + witness.public_key().public_bytes_raw()
    identifier = hashlib.sha256(b"witness.example/w1\n" + public).digest()[:4]
    vkey = f"witness.example/w1+{identifier.hex()}+{encoded(public)}"
    assert run(tmp_path, "--key", forge.vkey, "--witness", vkey)[0] == 2
    note = forge.checkpoint(forge.end)
    (tmp_path / "proofs" / "checkpoint_anchored.txt").write_text(note)
    assert run(tmp_path, "--key", forge.vkey, "--witness", vkey)[0] == 2
    text = note.rpartition("\n\n")[0] + "\n"
    mark = witness.sign(f"cosignature/v1\ntime 1700000000\n{text}".encode())
    path = tmp_path / "proofs" / "checkpoint_anchored.cosignatures"

    def cosign(moment: int) -> None:
        line = encoded(identifier + moment.to_bytes(8, "big") + mark)
        path.write_text(f"\N{EM DASH} witness.example/w1 {line}\n")

    cosign(1700000000)
    assert run(tmp_path, "--key", forge.vkey, "--witness", vkey)[0] == 0
    cosign(1700000001)
    assert run(tmp_path, "--key", forge.vkey, "--witness", vkey)[0] == 1


def test_notes_are_those_of_other_implementations() -> None:
    """The examples of C2SP signed-note and of Go's sumdb/note, as published there."""
    key = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    line = (
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlT"
        "gK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM="
    )
    note = f"This is an example message.\n\n\N{EM DASH} example.com/foo {line}\n"
    assert verifier.Key(key).signed(*verifier.split_note(note))
    assert notes.split_note(note)[0] == "This is an example message.\n"
    assert notes.parse_verification_key(key)[0] == "example.com/foo"

    seed = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert notes.verification_key("PeterNeumann", private.public_key().public_bytes_raw()) == key
    text = (
        "If you think cryptography is the answer to your problem,\n"
        "then you don't know what your problem is.\n"
    )
    line = (
        "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNI"
        "uGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    )
    made = notes.sign(text, name="PeterNeumann", private_key=private)
    assert made == f"\N{EM DASH} PeterNeumann {line}\n"
    assert verifier.Key(key).signed(*verifier.split_note(f"{text}\n{made}"))
