"""The paper: archival, tagged, self-contained, the same bytes each time."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pikepdf
import pytest

from dossier import bundle
from dossier.declarations import declare
from dossier.integrity import choose_checkpoint
from dossier.law import wording_faults
from dossier.models import Kind
from dossier.production import Claim, claim_dossier
from dossier.rendering import Printout, WeasyPrintRenderer
from dossier.scheduling import request_dossier
from tests.cast import Cast
from tests.dossier.oversight_scene import incident, reviewed, stepped
from tests.dossier.scene import call, settings_row
from tests.sealing import seal

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


def busy_month(cast: Cast, kind: Kind) -> Claim:
    row = settings_row(cast.alice)
    start = datetime(2026, 10, 1, 9, tzinfo=UTC)
    for number in range(12):
        call(cast.max, start + timedelta(hours=number * 50), settings=row)
    call(cast.rita, start, provider="openai", model="gpt-5.5", region="US")
    reviewed(cast.max, cast.rita, start, seconds=2)
    reviewed(cast.max, cast.rita, start, decision="modified", seconds=75, reason="facts")
    incident(cast.rita, start)
    told = incident(cast.rita, start + timedelta(days=3), category="health")
    sent = start + timedelta(days=9)
    stepped(cast.rita, told, sent, "reported", status="reported_to_authority", reported_at=sent)
    declare(cast.olivia, key="role.role", value="deployer")
    made = request_dossier(cast.olivia, kind=kind, first=FIRST, last=LAST)
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    claim.dossier.save()
    return claim


def make(claim: Claim, folder: Path) -> tuple[bytes, bundle.Bundle]:
    folder.mkdir()
    built = bundle.build(claim.dossier, folder, WeasyPrintRenderer(), lambda stage, percent: None)
    return member(built, "dossier.pdf"), built


def member(built: bundle.Bundle, name: str) -> bytes:
    with zipfile.ZipFile(built.path) as archive:
        return archive.read(f"{built.path.stem}/{name}")


def text_of(pdf: bytes) -> str:
    out = subprocess.run(
        ["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True
    )
    return out.stdout.decode()


@pytest.mark.slow
def test_the_pdf_is_archival_tagged_and_carries_its_manifests(cast: Cast, tmp_path: Path) -> None:
    pdf, built = make(busy_month(cast, Kind.FULL), tmp_path / "a")
    with pikepdf.open(io.BytesIO(pdf)) as paper:
        root = paper.Root
        assert root.OutputIntents[0].S == "/GTS_PDFA1"
        assert root.StructTreeRoot.K is not None
        assert root.MarkInfo.Marked
        assert str(root.Lang) == "en"
        assert root.ViewerPreferences.DisplayDocTitle
        assert set(paper.attachments) >= {"full_manifest.json", "integrity_attestation.json"}
        held = paper.attachments["full_manifest.json"].get_file().read_bytes()
        assert held == member(built, "full_manifest.json")
        with paper.open_metadata() as meta:
            assert meta.pdfa_status == "3A"
        assert "/JavaScript" not in repr(root.keys())
        with paper.open_outline() as outline:
            assert len(outline.root) >= 1
        fonts = [
            descendant.FontDescriptor
            for page in paper.pages
            for font in page.get("/Resources", {}).get("/Font", {}).values()
            for descendant in font.get("/DescendantFonts", [])
        ]
        assert fonts
        assert all("/FontFile2" in f or "/FontFile3" in f for f in fonts)


@pytest.mark.slow
def test_the_pdf_says_who_says_what_and_overclaims_nothing(cast: Cast, tmp_path: Path) -> None:
    pdf, _ = make(busy_month(cast, Kind.FULL), tmp_path / "a")
    words = " ".join(text_of(pdf).split())
    assert "not a conformity assessment" in words
    assert "Olivia (compliance officer) declares: “deployer”" in words
    assert "OpenAI states: OpenAI Ireland Ltd" in words
    assert "mistral-large-latest" in words
    assert "Unsealed draft" in words
    assert "Not yet applicable" in words
    assert re.search(r"Page \d+ of \d+", words)
    assert wording_faults(words) == []


@pytest.mark.slow
def test_a_long_declaration_leaves_no_page_nearly_blank(cast: Cast, tmp_path: Path) -> None:
    said = " ".join(f"word{number:03}" for number in range(490))
    declare(cast.olivia, key="system.hosting", value=said)
    pdf, _ = make(busy_month(cast, Kind.FULL), tmp_path / "a")
    begun = next(page for page in text_of(pdf).split("\f") if "word000" in page)
    assert len(begun.split("word000")[0].split()) > 60  # it follows what stands above it


@pytest.mark.slow
def test_the_same_inputs_give_the_same_bytes_in_other_processes_and_time_zones(
    cast: Cast, tmp_path: Path, database_url: str
) -> None:
    claim = busy_month(cast, Kind.FULL)
    _, built = make(claim, tmp_path / "here")
    program = (
        "import django, sys, pathlib; django.setup()\n"
        "from dossier.models import Dossier; from dossier import bundle\n"
        "from dossier.rendering import WeasyPrintRenderer\n"
        f"d = Dossier.unscoped.get(pk='{claim.dossier.pk}')\n"
        "b = bundle.build(d, pathlib.Path(sys.argv[1]), WeasyPrintRenderer(), lambda s, p: None)\n"
        "print(b.manifest_sha256, b.sha256)\n"
    )
    seen = {(built.manifest_sha256, built.sha256)}
    for number, zone in enumerate(("Pacific/Kiritimati", "America/Los_Angeles")):
        folder = tmp_path / str(number)
        folder.mkdir()
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": "lexcustis.settings",
            "TZ": zone,
            "PYTHONHASHSEED": str(number),
        }
        out = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program, str(folder)],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert out.returncode == 0, out.stderr[-2000:]
        manifest, whole = out.stdout.split()[-2:]
        seen.add((manifest, whole))
    assert len(seen) == 1


def test_nothing_is_fetched_from_elsewhere() -> None:
    html = "<html lang=en><title>x</title><body><img src='file:///etc/hostname' alt=''>"
    printout = Printout(html, {}, (), datetime(2026, 11, 1, tzinfo=UTC), b"0" * 16)
    with pytest.raises(ValueError, match="nothing from elsewhere"):
        WeasyPrintRenderer().render(printout)


def test_a_hostile_name_stays_text(cast: Cast, tmp_path: Path) -> None:
    cast.organisation.legal_name = "<img src='http://evil.example/x'>&{{ 7 }}"
    cast.organisation.save()
    call(cast.max, datetime(2026, 10, 5, tzinfo=UTC), model="<script>alert(1)</script>")
    made = request_dossier(cast.olivia, kind=Kind.ART53, first=FIRST, last=LAST)
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    pdf, _ = make(claim, tmp_path / "a")
    words = text_of(pdf)
    assert "<script>alert(1)</script>" in "".join(words.split("\n"))
    assert "{{ 7 }}" in words


def test_missing_libraries_are_named_with_the_line_to_type(monkeypatch) -> None:
    from dossier import rendering

    def missing(name, *args, **kwargs):
        raise OSError("cannot load library 'libpango-1.0-0'")

    monkeypatch.setitem(sys.modules, "weasyprint", None)
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(rendering.RendererUnavailable, match="apt-get install"):
        rendering._weasyprint()
