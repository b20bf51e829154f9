"""The seal: appended, of the level that is printed, and good in the eyes of others' programs."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pikepdf
import pytest
from django.core.files.storage import default_storage

from audit.checkpoints import verification_key
from audit.timestamps import Authority
from dossier.models import Dossier
from dossier.production import render
from dossier.rendering import WeasyPrintRenderer
from dossier.seal import Sealer, configured_sealer
from dossier.seal_keys import Pkcs11Key, Pkcs12Key, SealFailed, SealUnavailable
from tests.cast import Cast
from tests.dossier.seals import (
    PASSPHRASE,
    SealAuthority,
    authority,
    openssl_verifies,
    pdfsig,
    self_signed_file,
    signed_bytes,
)
from tests.dossier.test_production import asked_for


def sealer(outsider: SealAuthority, *, stamped: bool = True, long_term: bool = False) -> Sealer:
    stamps = Authority(outsider.url, outsider.ca_file) if stamped else None
    key = Pkcs12Key(outsider.seal_file(), PASSPHRASE)
    return Sealer(key, (outsider.certificate,), stamps, long_term)


def test_the_seal_is_good_in_the_eyes_of_poppler_and_openssl(outsider, paper, tmp_path) -> None:
    sealed = sealer(outsider).seal(paper)
    said = pdfsig(sealed, tmp_path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert openssl_verifies(sealed, outsider.ca_file, tmp_path)


def test_a_changed_byte_breaks_the_seal(outsider, paper, tmp_path) -> None:
    sealed = bytearray(sealer(outsider, stamped=False).seal(paper))
    place = sealed.index(b"/StructTreeRoot")
    sealed[place + 1] ^= 1
    assert "Signature is Valid" not in pdfsig(bytes(sealed), tmp_path)
    assert not openssl_verifies(bytes(sealed), outsider.ca_file, tmp_path)


def test_the_time_stamp_is_one_of_the_authority(outsider, paper, tmp_path) -> None:
    assert b"1.2.840.113549.1.9.16.2.14" not in paper
    _, cms = signed_bytes(sealer(outsider).seal(paper))
    (tmp_path / "seal.der").write_bytes(cms)
    said = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", f"{tmp_path}/seal.der"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "id-smime-aa-timeStampToken" in said
    _, plain = signed_bytes(sealer(outsider, stamped=False).seal(paper))
    assert len(plain) < len(cms)


def test_the_long_term_seal_holds_revocation_and_a_second_stamp(outsider, paper, tmp_path) -> None:
    made = sealer(outsider, long_term=True)
    sealed = made.seal(paper)
    assert made.facts.level == "PAdES B-LTA"
    with pikepdf.open(io.BytesIO(sealed)) as read:
        kinds = [str(field.V.Type) for field in read.Root.AcroForm.Fields]
        assert kinds == ["/Sig", "/DocTimeStamp"]
        store = read.Root.DSS
        assert len(store.CRLs) >= 1
        assert len(store.Certs) >= 3
    assert openssl_verifies(sealed, outsider.ca_file, tmp_path)
    assert "Signature is Valid" in pdfsig(sealed, tmp_path)


def test_without_revocation_information_there_is_no_long_term_seal(
    outsider, paper, monkeypatch
) -> None:
    made = sealer(outsider, long_term=True)
    monkeypatch.setattr(outsider, "revocation_list", lambda: b"no list")
    with pytest.raises(SealFailed, match="B-LTA"):
        made.seal(paper)


def test_an_authority_that_does_not_answer_means_no_seal_and_no_weaker_one(outsider, paper) -> None:
    made = sealer(outsider)
    nobody = Authority("http://127.0.0.1:9", outsider.ca_file)
    with pytest.raises(SealFailed, match="Cannot be reached"):
        Sealer(made.key, (), nobody).seal(paper)


def test_a_time_stamp_of_somebody_else_is_refused(outsider, paper, tmp_path) -> None:
    with authority(tmp_path / "other") as other:
        wrong = Authority(outsider.url, other.ca_file)
        with pytest.raises(SealFailed, match="does not verify"):
            Sealer(sealer(outsider).key, (), wrong).seal(paper)


@pytest.mark.parametrize("long_term", [False, True])
def test_what_made_the_pdf_archival_and_readable_aloud_outlives_the_seal(
    outsider, paper, long_term
) -> None:
    sealed = sealer(outsider, long_term=long_term).seal(paper)
    assert sealed.startswith(paper)
    with pikepdf.open(io.BytesIO(sealed)) as read:
        with read.open_metadata() as meta:
            assert meta.pdfa_status == "3A"
            assert meta["dc:title"] == "Paper"
        assert read.Root.OutputIntents[0].S == "/GTS_PDFA1"
        assert read.Root.StructTreeRoot.K is not None
        assert str(read.Root.Lang) == "en"
        assert not read.Root.AcroForm.get("/NeedAppearances", False)
        for field in read.Root.AcroForm.Fields:
            assert int(field.F) & 4, "PDF/A wants annotations that print"
            assert not int(field.F) & 3, "and that are not hidden"
        assert read.check_pdf_syntax() == []


def test_the_words_say_no_more_than_is_so(outsider, tmp_path) -> None:
    assert sealer(outsider, stamped=False).facts.level == "PAdES B-B"
    assert sealer(outsider, stamped=False).facts.timestamp == "local clock"
    facts = sealer(outsider).facts
    assert (facts.level, facts.quality) == ("PAdES B-T", "electronic")
    assert facts.timestamp.startswith("RFC 3161, non-qualified (127.0.0.1")
    assert facts.subject == "CN=Olivia's Bakery e-seal"
    own = Sealer(Pkcs12Key(self_signed_file(tmp_path), PASSPHRASE), declared="qualified")
    assert own.facts.quality == "electronic (self-signed)"  # whatever is declared


def test_what_is_declared_is_said_to_be_declared(outsider) -> None:
    made = Sealer(Pkcs12Key(outsider.seal_file(), PASSPHRASE), declared="advanced")
    assert made.facts.quality == "advanced, as the operator declares"


def test_a_certificate_that_is_over_seals_nothing(outsider, paper) -> None:
    key = Pkcs12Key(outsider.seal_file(days=-1), PASSPHRASE)
    with pytest.raises(SealUnavailable, match="is valid from"):
        Sealer(key).seal(paper)


def test_a_wrong_passphrase_is_said_and_not_shown(outsider, settings) -> None:
    settings.SEAL_PKCS12_FILE = str(outsider.seal_file())
    settings.SEAL_PKCS12_PASSPHRASE = "wrong secret"
    made = configured_sealer()
    assert made is not None
    with pytest.raises(SealUnavailable, match="SEAL_PKCS12_PASSPHRASE") as error:
        _ = made.facts
    assert "wrong secret" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"SEAL_PKCS12_FILE": "x", "SEAL_PKCS11": {"module": "m"}}, "not both"),
        ({"SEAL_PKCS11": {"module": "m"}}, "JSON object"),
        ({"SEAL_REMOTE": {"url": "https://signing.example"}}, "JSON object"),
        ({"SEAL_REMOTE": {"url": "u", "credential": "c"}, "SEAL_PKCS12_FILE": "x"}, "not both"),
        ({"SEAL_PKCS12_FILE": "x", "SEAL_LONG_TERM": True}, "needs SEAL_TIMESTAMP_AUTHORITY"),
        ({"SEAL_PKCS12_FILE": "x", "SEAL_DECLARED_LEVEL": "certified"}, "SEAL_DECLARED_LEVEL"),
        ({"SEAL_PKCS12_FILE": "x", "SEAL_CA_FILE": "/nowhere"}, "SEAL_CA_FILE"),
        ({"SEAL_PKCS12_FILE": "x", "SEAL_TIMESTAMP_AUTHORITY": {"url": "u"}}, "JSON object"),
    ],
)
def test_settings_that_cannot_be_meant_are_named(settings, values, said) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    with pytest.raises(SealUnavailable, match=said):
        configured_sealer()


def test_without_a_certificate_there_is_no_seal(settings) -> None:
    assert configured_sealer() is None


def test_a_token_needs_its_library(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(SealUnavailable, match="pip install python-pkcs11"):
        _ = Pkcs11Key("/nowhere.so", "token", "1234", "seal").certificate


# -- The whole dossier -----------------------------------------------------------------------------


@pytest.fixture
def dossier(cast: Cast, outsider: SealAuthority, settings) -> Dossier:
    settings.SEAL_PKCS12_FILE = str(outsider.seal_file())
    settings.SEAL_PKCS12_PASSPHRASE = PASSPHRASE
    settings.SEAL_TIMESTAMP_AUTHORITY = {"url": outsider.url, "ca_file": outsider.ca_file}
    return asked_for(cast)


def unpack(dossier: Dossier, folder: Path) -> Path:
    dossier.refresh_from_db()
    assert dossier.state == "published", dossier.message
    with default_storage.open(dossier.file.name) as file, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    (inside,) = folder.iterdir()
    return inside


@pytest.mark.slow
def test_page_and_manifest_name_the_level_and_the_bundle_verifies(dossier, tmp_path) -> None:
    assert render(dossier.pk)
    folder = unpack(dossier, tmp_path / "out")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    assert manifest["seal"]["level"] == "PAdES B-T"
    pdf = (folder / "dossier.pdf").read_bytes()
    (entry,) = [row for row in manifest["files"] if row["path"] == "dossier.pdf"]
    assert entry["followed_by"] == "seal"
    assert hashlib.sha256(pdf[: entry["bytes"]]).hexdigest() == entry["sha256"]
    words = subprocess.run(
        ["pdftotext", "-layout", str(folder / "dossier.pdf"), "-"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "Sealed, PAdES B-T" in words
    assert "CN=Olivia's Bakery e-seal" in words
    assert "Unsealed draft" not in words
    assert "Signature is Valid" in pdfsig(pdf, tmp_path)
    done = subprocess.run(
        [sys.executable, "verifier.py", ".", "--key", verification_key()],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert re.search(r"the seal at the end of dossier\.pdf", done.stdout)
    (folder / "dossier.pdf").write_bytes(pdf[:100] + b"X" + pdf[101:])
    done = subprocess.run(
        [sys.executable, "verifier.py", ".", "--key", verification_key()],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1


@pytest.mark.slow
def test_two_seals_differ_and_the_manifest_does_not_p6(dossier, tmp_path) -> None:
    from dossier.bundle import build
    from dossier.integrity import choose_checkpoint
    from dossier.production import claim_dossier

    claim = claim_dossier(dossier.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(dossier.organisation_id)
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made.append(
            build(claim.dossier, tmp_path / name, WeasyPrintRenderer(), lambda stage, percent: None)
        )
    assert made[0].manifest_sha256 == made[1].manifest_sha256
    assert made[0].sha256 != made[1].sha256


def test_a_seal_that_cannot_be_used_ends_the_work_with_the_reason(dossier, settings) -> None:
    settings.SEAL_PKCS12_FILE = "/nowhere/seal.p12"
    assert not render(dossier.pk)
    dossier.refresh_from_db()
    assert dossier.state == "failed"
    assert "SEAL_PKCS12_FILE cannot be read" in dossier.message
