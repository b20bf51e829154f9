"""The one page: it stays one, and says in words what its pictures show."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from dossier import bundle, charts
from dossier.abridgement import MOST_ROWS_ABRIDGED
from dossier.integrity import choose_checkpoint
from dossier.languages import Language, speaking
from dossier.models import Kind
from dossier.production import claim_dossier
from dossier.rendering import Renderer, WeasyPrintRenderer
from dossier.scheduling import Languages, request_dossier
from tests.audit.test_verification import tamper
from tests.cast import Cast
from tests.dossier.oversight_scene import incident, reviewed, stepped
from tests.dossier.scene import call
from tests.dossier.test_manifests import FIRST, LAST, NOON
from tests.dossier.test_pdf import member, text_of
from tests.dossier.test_production import QuickPaper
from tests.sealing import seal

DAY = timedelta(days=1)
_LAST_LINES = {
    "en": "is a setting, not a proof",
    "de": "Eine eingestellte Region ist eine Einstellung",
    "fr": "Une région configurée est un réglage",
    "it": "Una regione configurata è un\u2019impostazione",
}


def made(
    cast: Cast,
    folder: Path,
    renderer: Renderer,
    *,
    kind: Kind = Kind.FULL,
    languages: Languages | None = None,
) -> bundle.Bundle:
    asked = request_dossier(
        cast.olivia, kind=kind, first=FIRST, last=LAST, languages=languages or Languages()
    )
    seal()
    claim = claim_dossier(asked.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    claim.dossier.save()
    folder.mkdir(exist_ok=True)
    return bundle.build(claim.dossier, folder, renderer, lambda stage, percent: None)


def page(cast: Cast, folder: Path, kind: Kind = Kind.FULL) -> str:
    """The page of the summary as HTML."""
    html = member(made(cast, folder, QuickPaper(), kind=kind), "dossier.pdf").decode()
    return html.split('<section class="summary">')[1].split("</section>")[0]


def alternatives(paper: pikepdf.Pdf) -> Iterator[str]:
    """The texts for who does not see the pictures."""
    for item in paper.objects:
        if isinstance(item, pikepdf.Dictionary) and "/Alt" in item:
            yield str(item["/Alt"])


def test_pictures_say_in_words_what_they_show(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, NOON)
    call(cast.max, NOON, state="stopped")
    reviewed(cast.max, cast.rita, NOON)
    row = incident(cast.rita, NOON, category="infrastructure")
    sent = NOON + 3 * DAY
    stepped(cast.rita, row, sent, "reported", status="reported_to_authority", reported_at=sent)
    shown = page(cast, tmp_path)
    assert "Calls over time by configured region: EU 2." in shown
    assert "Answers accepted 1, Answers modified 0, Answers rejected 0" in shown
    assert "Answers stopped by the user 1" in shown
    name = f"…{str(row.pk)[-12:]}"
    assert f"{name}, reported to the authority, 3.0 of 2 days, reported late." in shown
    assert shown.count("<img") == 4


def test_without_oversight_and_incidents_there_are_sentences_and_no_empty_pictures(
    cast: Cast, tmp_path: Path
) -> None:
    shown = page(cast, tmp_path)
    assert "No oversight was recorded in the period" in shown
    assert "No incident was recorded in the period (monitoring coverage: " in shown
    assert shown.count("<img") == 2


def test_an_incident_without_a_time_to_report_is_counted(cast: Cast, tmp_path: Path) -> None:
    incident(cast.rita, NOON, category="none")
    shown = page(cast, tmp_path)
    assert "No time to report ran for the incidents of the period." in shown
    assert "Further incidents of the period: 1 (section 14)." in shown


@pytest.mark.parametrize("kind", [Kind.ART53, Kind.ART10])
def test_a_dossier_without_these_sections_shows_nothing_of_them(
    cast: Cast, tmp_path: Path, kind: Kind
) -> None:
    incident(cast.rita, NOON)
    reviewed(cast.max, cast.rita, NOON)
    shown = page(cast, tmp_path, kind)
    assert "ncident" not in shown
    assert "accepted" not in shown
    assert shown.count("<img") == 2


@pytest.mark.slow
def test_it_is_one_page_in_every_language_however_much_there_is(cast: Cast, tmp_path: Path) -> None:
    for number in range(300):
        category = ("", "health", "rights")[number % 3]
        incident(cast.rita, NOON + number * timedelta(hours=1), category=category)
    for decision in ("accepted", "modified", "rejected"):
        reviewed(cast.max, cast.rita, NOON, decision=decision)
    gone = call(cast.max, NOON, state="stopped")
    for number, region in enumerate(("EU", "US", "self-hosted", "unknown", "CH")):
        call(cast.max, NOON + number * DAY, region=region)
    seal()
    tamper(("DELETE FROM audit_record WHERE id = %s", [gone]))  # so that an alarm stands there too

    languages = Languages("en", ["de", "fr", "it"])
    built = made(cast, tmp_path / "made", WeasyPrintRenderer(), languages=languages)

    for language, last_line in _LAST_LINES.items():
        pdf = member(built, "dossier.pdf" if language == "en" else f"dossier.{language}.pdf")
        pages = text_of(pdf).split("\f")
        assert len(pages) <= 60
        assert last_line in " ".join(pages[1].split()), language
        with pikepdf.open(io.BytesIO(pdf)) as paper:
            texts = list(alternatives(paper))
        with speaking(language):
            assert any(charts.used_of(_bar(21.5, 2)) in text for text in texts)
    found = json.loads(member(built, "incidents.json"))
    blocks = [b for b in found["section"]["blocks"] if b["key"].startswith("incident_")]
    assert len(blocks) == 300
    english = " ".join(text_of(member(built, "dossier.pdf")).split())
    printed = english.count("Number in the log")
    assert 1 <= printed < MOST_ROWS_ABRIDGED / 10
    assert f"{300 - printed} whole tables among them" in english
    assert "Further incidents of the period: 295 (section 14)." in english


def _bar(used: float, days: int) -> charts.ClockBar:
    return charts.ClockBar("…abc", "open", used, days, "time over, no report", is_running=True)


def test_bars_that_are_far_too_long_are_cut() -> None:
    drawn = charts.clocks([_bar(400.0, 2), _bar(1.0, 15)])
    widest = max(float(part.split("'")[0]) for part in drawn.split(" width='")[2:])
    assert widest <= charts.WIDTH
    assert "400.0 of 2 days" in drawn


@pytest.mark.parametrize(("language", "text"), [("de", "1.200"), ("fr", "1\u202f200")])
def test_numbers_of_pictures_are_those_of_the_language(language: Language, text: str) -> None:
    values: list[tuple[str, Any]] = [("x", 1200)]
    with speaking(language):
        assert text in charts.strip(values)
        assert text in charts.bars(values)
