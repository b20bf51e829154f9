"""What is done otherwise for a log too long to verify completely, tried on a short one."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from audit.canonical import encode
from audit.checkpoints import verification_key
from audit.logs import current_log
from audit.models import Record
from audit.positions import position_of
from audit.verification import verify_and_keep
from dossier import bundle, integrity, packing
from dossier.evidence import _provider_and_place
from dossier.integrity import choose_checkpoint
from dossier.models import Kind
from dossier.production import claim_dossier
from dossier.scheduling import request_dossier
from tests.audit.test_verification import tamper
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_manifests import FIRST, LAST, NOON
from tests.dossier.test_production import QuickPaper
from tests.sealing import seal


@pytest.fixture(autouse=True)
def long_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "MOST_VERIFIED_COMPLETELY", 0)
    monkeypatch.setattr(packing, "MOST_DEFLATED_BYTES", 1000)


def built(cast: Cast, folder: Path, kind: Kind = Kind.ART10) -> Path:
    made = request_dossier(cast.olivia, kind=kind, first=FIRST, last=LAST)
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    folder.mkdir(exist_ok=True)
    return bundle.build(claim.dossier, folder, QuickPaper(), lambda stage, percent: None).path


def attestation(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = json.loads(archive.read(f"{path.stem}/integrity_attestation.json"))
    return found


def test_every_record_is_hashed_and_what_is_not_checked_is_said(cast: Cast, tmp_path: Path) -> None:
    for _ in range(3):
        call(cast.max, NOON)
    found = attestation(built(cast, tmp_path))
    assert found["verified"] is True
    assert found["entries_checked"] == found["total_entries"] > 6
    assert found["message"].startswith("All ")
    said = " ".join(found["not_checked"])
    assert "texts kept beside the log" in said
    assert "No complete verification" in said


def test_an_honest_log_raises_no_alarm(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    path = built(cast, tmp_path)
    with zipfile.ZipFile(path) as archive:
        assert b'class="alarm"' not in archive.read(f"{path.stem}/dossier.pdf")


def test_the_last_complete_verification_is_named_with_what_came_of_it(
    cast: Cast, tmp_path: Path
) -> None:
    call(cast.max, NOON)
    seal()
    kept = verify_and_keep(cast.olivia)
    last = attestation(built(cast, tmp_path / "valid"))["not_checked"][-1]
    assert f"first {kept.size} records" in last
    assert "found nothing wrong" in last
    kept.valid = False
    kept.save()
    last = attestation(built(cast, tmp_path / "not_valid", Kind.ART53))["not_checked"][-1]
    assert "found the log not valid" in last


def test_a_changed_record_is_found_while_it_is_copied(cast: Cast, tmp_path: Path) -> None:
    request_id = call(cast.max, NOON)
    seal()
    data = bytes(Record.objects.get(pk=request_id).bytes)
    tamper(
        (
            "UPDATE audit_record SET bytes = %s WHERE id = %s",
            [data.replace(b"mistral-large", b"mistral-small"), request_id],
        )
    )
    found = attestation(built(cast, tmp_path))
    assert found["verified"] is False
    assert found["message"].startswith("Not valid: ")
    place = position_of(current_log(cast.organisation.pk).number, request_id)
    assert found["first_broken_at"] == f"position {place}"


@pytest.mark.parametrize(
    "change",
    [
        (b'"kind":"', b'"kind":"\xff'),
        (b'"body":{', b'"body":{"lexcustis.data_region.served":"\\q",'),
        (b'"at":"', b'"at":"x'),
    ],
)
def test_bytes_that_are_no_record_keep_no_dossier_from_being_made(
    cast: Cast, tmp_path: Path, change: tuple[bytes, bytes]
) -> None:
    request_id = call(cast.max, NOON)
    seal()
    log = current_log(cast.organisation.pk)
    rows = Record.objects.filter(log_number=log.number)
    victim = next(row for row in rows if change[0] in bytes(row.bytes) and row.pk >= request_id)
    tamper(
        (
            "UPDATE audit_record SET bytes = %s WHERE id = %s",
            [bytes(victim.bytes).replace(*change), victim.pk],
        )
    )
    found = attestation(built(cast, tmp_path))
    assert found["verified"] is False
    assert found["first_broken_at"] == f"position {position_of(log.number, victim.pk)}"


@pytest.mark.parametrize("most", [0, 100_000])
def test_a_removed_record_is_a_hole_that_the_bundle_tells(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(integrity, "MOST_VERIFIED_COMPLETELY", most)
    request_id = call(cast.max, NOON)
    call(cast.max, NOON)
    seal()
    log = current_log(cast.organisation.pk)
    place = position_of(log.number, request_id)
    assert place is not None
    tamper(("DELETE FROM audit_record WHERE id = %s", [request_id]))
    path = built(cast, tmp_path)
    found = attestation(path)
    with zipfile.ZipFile(path) as archive:
        paper = archive.read(f"{path.stem}/dossier.pdf").decode()
    assert "it is not there any more" in paper
    assert paper.count('class="alarm"') == 2  # on the cover, and on the page of the summary
    assert "of them not sealed yet: 0; no longer there: 1" in paper
    assert found["verified"] is False
    assert re.match(rf"position {place}\b", found["first_broken_at"])
    assert "not there any more" in found["message"]
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / path.stem
    lines = (folder / "audit_log_period.jsonl").read_bytes().split(b"\n")
    first = json.loads((folder / "proofs" / "slice.json").read_text())["first"]
    assert lines[place - first] == b""
    said = subprocess.run(
        [sys.executable, "verifier.py", ".", "--key", verification_key(), "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert f"osition {place}" in said.stdout


def test_large_members_are_stored_and_every_hash_is_that_of_the_file(
    cast: Cast, tmp_path: Path
) -> None:
    for _ in range(3):
        call(cast.max, NOON)
    path = built(cast, tmp_path)
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info for info in archive.infolist()}
        assert {info.compress_type for info in sizes.values()} == {
            zipfile.ZIP_STORED,
            zipfile.ZIP_DEFLATED,
        }
        for info in sizes.values():
            is_stored = info.file_size > 1000 or info.filename.endswith(".bin")
            assert (info.compress_type == zipfile.ZIP_STORED) == is_stored
        members = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
        archive.extractall(tmp_path / "unpacked")
    for entry in json.loads(members["MANIFEST.json"])["files"]:
        assert hashlib.sha256(members[entry["path"]]).hexdigest() == entry["sha256"]
    for line in members["SHA256SUMS"].decode().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256(members[name]).hexdigest() == digest
    folder = tmp_path / "unpacked" / path.stem
    key = json.loads(members["integrity_attestation.json"])["verification_key"]
    command = [sys.executable, "-I", str(folder / "verifier.py"), str(folder), "--key", key]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "body",
    [
        {"gen_ai.provider.name": "aws.bedrock", "lexcustis.data_region.served": "eu-west-3"},
        {"gen_ai.provider.name": 'with "quotes"', "lexcustis.data_region.served": "back\\slash"},
        {
            "a": {"gen_ai.provider.name": "inner", "lexcustis.data_region.served": "inner"},
            "gen_ai.provider.name": "outer",
            "lexcustis.data_region.served": "outer",
        },
    ],
)
def test_provider_and_place_are_those_of_the_parsed_record(body: dict[str, Any]) -> None:
    data = encode({"at": f"{datetime(2026, 10, 1, tzinfo=UTC)}", "body": body, "v": 1})
    lines = b'{"gen_ai.provider.name":"before"}\n' + data + b"\n" + data.swapcase() + b"\n"
    start = lines.index(data)
    assert _provider_and_place(lines, start, start + len(data)) == (
        body["gen_ai.provider.name"].encode(),
        body["lexcustis.data_region.served"].encode(),
    )


@pytest.mark.parametrize(
    "data",
    [
        b'{"body":{"lexcustis.data_region.served":"eu-west-3"}}',
        b'{"body":[],"lexcustis.data_region.served":""}',
        b'"lexcustis.data_region.served',
    ],
)
def test_what_is_no_record_names_no_place(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        _provider_and_place(data + b"\n", 0, len(data))
