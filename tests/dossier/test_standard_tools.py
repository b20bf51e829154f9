"""What the documentation says of checking a dossier with standard tools does what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from audit.anchors import anchor_now
from audit.checkpoints import verification_key
from audit.slices import export_period
from dossier.models import Kind
from dossier.production import render
from dossier.scheduling import request_dossier
from tests.audit.outsiders import OpensslAuthority, SmallWitness
from tests.audit.test_anchors import grow, openssl, outsiders
from tests.audit.test_verifier import run
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_production import FIRST, LAST, QuickPaper
from tests.sealing import seal

__all__ = ["openssl", "outsiders"]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "standard-tools.md"

pytestmark = pytest.mark.skipif(
    not shutil.which("openssl") or not shutil.which("sha256sum"),
    reason="openssl and sha256sum are the tools that are tested here",
)


def commands(name: str) -> str:
    """A block of commands of the page."""
    found = re.search(rf"^```sh {name}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert found, f"the page has no commands called {name}"
    return found[1]


def succeeds(name: str, folder: Path, **environment: str) -> bool:
    """Whether a reader who types the block sees no error."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands(name)],
        cwd=folder,
        env=os.environ | {"KEY": verification_key()} | environment,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def unpacked(cast: Cast, tmp_path: Path) -> Path:
    call(cast.max, datetime(2026, 10, 10, 12, tzinfo=UTC))
    return dossier_of(cast, tmp_path)


def dossier_of(cast: Cast, folder: Path, kind: Kind = Kind.ART53) -> Path:
    """A dossier, unpacked in *folder*."""
    dossier = request_dossier(cast.olivia, kind=kind, first=FIRST, last=LAST)
    seal()
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    with default_storage.open(dossier.file.name) as file, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder / Path(dossier.file.name).stem


def test_the_sums_hold_until_a_file_is_another(unpacked: Path) -> None:
    names = {line.split("  ")[1] for line in (unpacked / "SHA256SUMS").read_text().splitlines()}
    files = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert names == files - {"SHA256SUMS"}
    assert succeeds("files", unpacked)
    assert run(unpacked, "--key", verification_key())[0] == 0
    metrics = unpacked / "metrics.json"
    metrics.write_bytes(metrics.read_bytes() + b" ")
    assert not succeeds("files", unpacked)


def test_the_verifier_finds_sums_that_tell_something_else(unpacked: Path) -> None:
    sums = unpacked / "SHA256SUMS"
    sums.write_text(sums.read_text().replace("MANIFEST.json\n", "MANIFEST.jsan\n", 1))
    status, result = run(unpacked, "--key", verification_key())
    assert status == 1
    assert "SHA256SUMS does not name MANIFEST.json as it is" in str(result)


def test_the_signature_holds_until_the_manifest_or_the_key_is_another(unpacked: Path) -> None:
    assert succeeds("signature", unpacked)
    other = verification_key()[:-6] + "AAAAA="
    assert not succeeds("signature", unpacked, KEY=other)
    manifest = unpacked / "MANIFEST.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"lex-custis", b"lex-custos", 1))
    assert not succeeds("signature", unpacked)


def test_time_stamps_hold_until_the_head_is_another(
    cast: Cast, outsiders: SmallWitness, openssl: OpensslAuthority, tmp_path: Path
) -> None:
    start = datetime.now(UTC)
    grow(cast)
    end = datetime.now(UTC)
    anchor_now(cast.organisation.pk)
    export_period(cast.organisation.pk, start, end, tmp_path)
    assert succeeds("stamps", tmp_path, ROOTS=openssl.ca_file)
    note = tmp_path / "proofs" / "checkpoint_anchored.txt"
    note.write_text(note.read_text().replace("\n\n", "\nmore\n\n", 1))
    assert not succeeds("stamps", tmp_path, ROOTS=openssl.ca_file)


def test_the_readme_says_how_a_time_stamp_is_checked_where_there_is_one(
    cast: Cast, outsiders: SmallWitness, openssl: OpensslAuthority, unpacked: Path, tmp_path: Path
) -> None:
    assert "openssl" not in (unpacked / "README.txt").read_text()
    anchor_now(cast.organisation.pk)
    folder = dossier_of(cast, tmp_path / "stamped", Kind.ART10)
    command = re.search(r"openssl ts .* ROOTS$", (folder / "README.txt").read_text(), re.MULTILINE)
    assert command
    told = command[0].replace("ROOTS", openssl.ca_file).split()
    done = subprocess.run(told, cwd=folder / "proofs", capture_output=True, check=False)
    assert done.returncode == 0
