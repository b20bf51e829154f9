"""The file that follows Annex IV: only for systems that are provided, and only what is known."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from dossier import bundle
from dossier.declarations import declare
from dossier.formats import check
from dossier.integrity import choose_checkpoint
from dossier.law import wording_faults, wording_faults_in
from dossier.models import Kind
from dossier.production import claim_dossier
from dossier.rendering import WeasyPrintRenderer
from dossier.scheduling import Languages, request_dossier
from dossier.statements.system import PROVIDER_ROLES
from llm.models import Inference
from orgs.models import AISystem
from orgs.systems import register_system
from tests.cast import Cast
from tests.dossier.oversight_scene import incident
from tests.dossier.scene import call
from tests.dossier.test_manifests import FIRST, LAST, NOON, members, section
from tests.dossier.test_pdf import text_of
from tests.sealing import seal

PROVIDER = "provider of the AI system"
HIGH_RISK = "high-risk by Annex III"


def own_product(cast: Cast, result: str = "no listed high-risk use found") -> AISystem:
    """A second system, beside the one that the organisation only deploys."""
    product = register_system(cast.olivia, name="Claims assistant")
    declare(cast.olivia, key="role.role", value="deployer")
    for key, value in (
        ("role.role", PROVIDER),
        ("risk.result", result),
        ("system.purpose", "Sorts claims by urgency."),
        ("annex_iv.file", "File TD-7 in the archive of the development department."),
    ):
        declare(cast.olivia, key=key, value=value, subject=str(product.pk))
    return product


def point(file: dict[str, Any], number: int) -> dict[str, dict[str, Any]]:
    (block,) = section(file, str(number))["blocks"]
    fields: dict[str, dict[str, Any]] = block["fields"]
    return fields


@pytest.mark.parametrize("role", ["deployer", "importer", "provider of a general-purpose AI model"])
def test_who_provides_no_system_has_no_such_file(cast: Cast, tmp_path: Path, role: str) -> None:
    declare(cast.olivia, key="role.role", value=role)
    found = members(cast, Kind.FULL, tmp_path)
    assert not {"annex_iv.pdf", "annex_iv.json"} & set(found)
    assert section(found["full_manifest.json"], "22")["notes"] == []
    assert b"annex_iv.pdf" not in found["README.txt"]


@pytest.mark.parametrize("kind", [Kind.ART10, Kind.ART53])
def test_it_belongs_to_the_full_dossier(cast: Cast, tmp_path: Path, kind: Kind) -> None:
    own_product(cast)
    assert "annex_iv.pdf" not in members(cast, kind, tmp_path)


@pytest.mark.parametrize("role", sorted(PROVIDER_ROLES))
def test_the_nine_points_of_a_system_that_is_provided(
    cast: Cast, tmp_path: Path, role: str
) -> None:
    product = own_product(cast)
    declare(cast.olivia, key="role.role", value=role, subject=str(product.pk))
    made = call(cast.max, NOON, model="mistral-large-latest")
    call(cast.max, NOON + timedelta(hours=1))
    Inference.objects.for_tenant(cast.max).filter(pk=made).update(system=product)
    about = incident(cast.rita, NOON, system=product)
    incident(cast.rita, NOON + timedelta(hours=2))
    found = members(cast, Kind.FULL, tmp_path)
    file = found["annex_iv.json"]
    check(file)
    assert [part["number"] for part in file["sections"]] == [str(n) for n in range(1, 10)]
    systems = {block["system"] for part in file["sections"] for block in part["blocks"]}
    assert systems == {str(product.pk)}
    first, third, ninth = (point(file, number) for number in (1, 3, 9))
    assert first["system"]["value"] == "Claims assistant"
    assert first["system_purpose"]["value"] == "Sorts claims by urgency."
    assert first["system_hosting"]["state"] == "UNKNOWN"
    assert first["elsewhere"]["value"].startswith("File TD-7")
    assert third["calls"]["value"] == 1
    assert "mistral-large-latest" in str(point(file, 2)["models"]["value"])
    assert ninth["incidents"]["value"] == 1
    assert [item["id"] for item in ninth["incidents"]["evidence"] if item["type"] == "record"] == [
        str(about.pk)
    ]
    assert "annex_iv.pdf" in section(found["full_manifest.json"], "22")["notes"][0]
    paths = {entry["path"] for entry in found["MANIFEST.json"]["files"]}
    assert {"annex_iv.pdf", "annex_iv.json"} <= paths


@pytest.mark.parametrize(
    ("result", "title", "is_voluntary"),
    [
        (HIGH_RISK, "Technical documentation following the structure of Annex IV", False),
        (
            "undecided",
            "Voluntary system documentation following the structure of Annex IV",
            True,
        ),
    ],
)
def test_its_title_says_whether_anybody_owes_it(
    cast: Cast, tmp_path: Path, result: str, title: str, is_voluntary: bool
) -> None:
    own_product(cast, result)
    found = members(cast, Kind.FULL, tmp_path)
    assert found["annex_iv.json"]["title"] == title
    page = found["annex_iv.pdf"].decode()
    assert f"<h1>{title}</h1>" in page
    assert ("kept voluntarily" in page) is is_voluntary
    assert wording_faults(page) == []
    assert "On one page" not in page
    assert "section 23" not in page
    assert "Declared role" not in page


@pytest.mark.slow
def test_its_paper_in_two_languages(cast: Cast, tmp_path: Path) -> None:
    own_product(cast, HIGH_RISK)
    call(cast.max, datetime(2026, 10, 5, 9, tzinfo=UTC))
    made = request_dossier(
        cast.olivia, kind=Kind.FULL, first=FIRST, last=LAST, languages=Languages("en", ["de"])
    )
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    built = bundle.build(claim.dossier, tmp_path, WeasyPrintRenderer(), lambda stage, percent: None)
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / built.path.stem
    data = (folder / "annex_iv.json").read_bytes()
    for suffix, language, words in (
        ("", "en", "Kept elsewhere"),
        (".de", "de", "Anderswo geführt"),
    ):
        path = folder / f"annex_iv{suffix}.pdf"
        text = text_of(path.read_bytes())
        assert words in text
        assert wording_faults_in(language, text) == []
        with pikepdf.open(path) as pdf:
            assert str(pdf.Root.Lang) == language
            assert list(pdf.attachments) == ["annex_iv.json"]
            assert pdf.attachments["annex_iv.json"].get_file().read_bytes() == data
            assert len(pdf.pages) <= 8
