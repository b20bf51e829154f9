"""The languages: complete catalogues, words that the law allows, the same data in each."""

from __future__ import annotations

import gettext
import io
import json
import re
import subprocess
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import pikepdf
import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command

from audit.tree_check import REMOVED_OR_CUT
from audit.verification import CHANGED, REMOVED
from dossier import bundle, messages
from dossier.integrity import choose_checkpoint
from dossier.languages import (
    Language,
    check_languages,
    speaking,
    write_country,
    write_dates,
    write_day,
    write_number,
)
from dossier.law import facts, wording_faults_in
from dossier.ledger_words import in_ledger_words
from dossier.models import Kind
from dossier.phrases import Phrase, phrase, say
from dossier.production import claim_dossier
from dossier.rendering import WeasyPrintRenderer
from dossier.schedules import create_schedule
from dossier.scheduling import Languages, request_dossier
from tests.cast import Cast
from tests.dossier.scene import call
from tests.sealing import seal

BASE = Path(settings.BASE_DIR)
FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)
_PART = re.compile(r"%\(\w+\)s|%%")
TRANSLATED = [language.value for language in messages.TRANSLATED]

# -- Catalogues ------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_catalogue_holds_today_s_messages_each_translated_and_none_guessed(
    language: Language,
) -> None:
    stored = {m.id: m for m in messages.read(language) if m.id}
    assert list(stored) == list(messages.sources())
    assert [m.id for m in stored.values() if not m.string] == []
    assert [m.id for m in stored.values() if m.fuzzy] == []


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_what_is_compiled_is_what_can_be_read(language: Language) -> None:
    path = messages.catalogue_path(language)
    with path.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)
    for message in messages.read(language):
        if message.id:
            assert compiled.gettext(message.id) == message.string
    assert path.read_bytes() == messages.po(messages.merge(language))


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_translations_keep_every_placeholder_and_number(language: Language) -> None:
    for message in messages.read(language):
        if not message.id:
            continue
        for kept in (_PART, re.compile(r"\d+")):
            assert sorted(kept.findall(message.id)) == sorted(kept.findall(message.string))


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_no_translation_overclaims(language: Language) -> None:
    found = {
        message.id: faults
        for message in messages.read(language)
        if message.id and (faults := wording_faults_in(language.value, message.string))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Das System ist DSGVO-konform und revisionssicher."),
        ("de", "Ein konformes System, das Art. 12 genügt."),
        ("fr", "Le système est conforme au règlement."),
        ("fr", "Un journal infalsifiable."),
        ("it", "Il sistema è conforme al regolamento."),
        ("it", "Dati anonimizzati."),
    ],
)
def test_the_check_finds_what_may_not_be_said(language: str, text: str) -> None:
    assert wording_faults_in(language, text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "keine Konformitätsbewertung, EU-Konformitätserklärung"),
        ("fr", "une évaluation de la conformité, la déclaration UE de conformité"),
        ("it", "una valutazione della conformità, un certificato"),
    ],
)
def test_the_law_s_own_terms_may_be_said(language: str, text: str) -> None:
    assert wording_faults_in(language, text) == []


def test_every_language_has_rules_of_wording() -> None:
    rows = facts("wording_languages").rows
    assert {row["language"] for row in rows} == set(TRANSLATED)
    assert all(row["write"] for row in rows)


@pytest.mark.parametrize(
    ("language", "terms"),
    [
        ("de", ("Betreiber", "Einführer", "Händler", "Verordnung (EU) 2024/1689")),
        ("fr", ("déployeur", "importateur", "distributeur", "Règlement (UE) 2024/1689")),
        ("it", ("deployer", "importatore", "distributore", "Regolamento (UE) 2024/1689")),
    ],
)
def test_terms_are_those_of_the_regulation_in_its_language(
    language: str, terms: tuple[str, ...]
) -> None:
    with speaking(language):
        said = [
            say(t) for t in ("deployer", "importer", "distributor", "Regulation (EU) 2024/1689")
        ]
    assert tuple(said) == terms


@pytest.mark.parametrize(
    "path", sorted((BASE / "dossier/sections").glob("*.py")), ids=lambda path: path.name
)
def test_sections_hold_no_sentence_that_only_english_can_say(path: Path) -> None:
    """An f-string of words cannot be translated. What is joined of names alone may be one."""
    broken = messages.broken_sentences(path.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in broken if " " in re.sub(r"\{[^}]*\}", "", text[2:-1])
            and not re.search(r"%Y|^f'Lex Custis|^f.AI Act", text)] == []  # fmt: skip


def test_every_module_that_makes_sentences_is_read_for_messages() -> None:
    read = {messages.BASE / name for name in (*messages.WRITERS, *messages.SPEAKERS)}
    makers = {"phrases.py", "messages.py", "ledger_words.py"}  # the last names its sentences
    unread = [
        path.relative_to(messages.BASE).as_posix()
        for path in (messages.BASE / "dossier").rglob("*.py")
        if "phrase(" in path.read_text(encoding="utf-8")
        and path.name not in makers
        and read.isdisjoint({path, *path.parents})
    ]
    assert unread == []


def test_the_command_leaves_complete_catalogues_as_they_are() -> None:
    before = {
        language: messages.catalogue_path(language).read_bytes() for language in messages.TRANSLATED
    }
    out = io.StringIO()
    call_command("dossier_messages", stdout=out)
    assert out.getvalue().count(": 0 without a translation") == len(TRANSLATED)
    assert before == {x: messages.catalogue_path(x).read_bytes() for x in messages.TRANSLATED}


# -- Phrases, dates, numbers -----------------------------------------------------------------------


def test_a_phrase_is_its_english_text_for_manifests() -> None:
    made = phrase("%(part)s of %(whole)s (%(share)s %%)", part=1200, whole=2400, share=50.0)
    assert made == "1200 of 2400 (50.0 %)"
    assert json.loads(json.dumps(made)) == str(made)


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "1,200 of 2,400 (50.0 %)"),
        ("de", "1.200 von 2.400 (50,0\u00a0%)"),
        ("fr", "1\u202f200 sur 2\u202f400 (50,0\u00a0%)"),
        ("it", "1.200 di 2.400 (50,0\u00a0%)"),
    ],
)
def test_a_phrase_is_said_with_the_numbers_of_the_language(language: str, expected: str) -> None:
    made = phrase("%(part)s of %(whole)s (%(share)s %%)", part=1200, whole=2400, share=50.0)
    with speaking(language):
        assert say(made) == expected


def test_what_is_no_message_of_ours_stays_as_it_was_said() -> None:
    with speaking("de"):
        assert say("Texte schreiben; 3 of 4 (75 %)") == "Texte schreiben; 3 of 4 (75 %)"
        assert say(phrase("8.3  Flow to %(provider)s", provider="deployer")).endswith("deployer")
        assert say("") == ""


@pytest.mark.parametrize(
    ("language", "first", "other", "moment"),
    [
        ("en", "1 October 2026", "5 October 2026", "5 October 2026, 10:11:12 UTC"),
        ("de", "1. Oktober 2026", "5. Oktober 2026", "5. Oktober 2026, 10:11:12 UTC"),
        ("fr", "1er octobre 2026", "5 octobre 2026", "5 octobre 2026, 10:11:12 UTC"),
        ("it", "1º ottobre 2026", "5 ottobre 2026", "5 ottobre 2026, 10:11:12 UTC"),
    ],
)
def test_days_are_written_as_people_write_them(
    language: str, first: str, other: str, moment: str
) -> None:
    with speaking(language):
        assert write_day(date(2026, 10, 1)) == first
        assert write_dates("2026-10-05") == other
        assert write_dates("2026-10-05 10:11:12 UTC") == moment
        assert write_dates("release 2026-10-05") == "release 2026-10-05"


def test_numbers_and_countries() -> None:
    with speaking("de"):
        assert (write_number(1234567), write_number(12.34, digits=1)) == ("1.234.567", "12,3")
        assert write_country("AT") == "Österreich"
        assert write_country("ZZZ") == "ZZZ"


def test_what_the_ledger_says_of_itself_is_said_too() -> None:
    text = in_ledger_words(
        "time-stamped (RFC 3161, non-qualified, TSA tsa.example): the first 1200 entries, "
        "2026-11-01 10:00 UTC; 3 newer entries are not anchored externally"
    )
    assert isinstance(text, Phrase)
    with speaking("de"):
        assert say(text) == (
            "mit Zeitstempel (RFC 3161, nicht qualifiziert, TSA tsa.example): die ersten 1.200 "
            "Einträge, 1. November 2026, 10:00 UTC; 3 neuere Einträge sind nicht extern verankert"
        )
    assert in_ledger_words("A new sentence.") == "A new sentence."


def test_what_is_wrong_with_a_log_is_said_in_each_language() -> None:
    for reason in (REMOVED, REMOVED_OR_CUT, CHANGED):
        said = {}
        for language in Language:
            with speaking(language):
                said[language] = say(in_ledger_words(reason))
        assert said[Language.ENGLISH] == reason
        assert len(set(said.values())) == len(Language)


# -- The choice, and promise P6 --------------------------------------------------------------------


def test_languages_are_chosen_once_each_and_unknown_ones_are_refused() -> None:
    assert check_languages("de", ["fr", "de", "en", "fr"]) == ["en", "fr"]
    with pytest.raises(ValidationError):
        check_languages("nl", [])
    with pytest.raises(ValidationError):
        check_languages("de", ["nl"])


@pytest.mark.promise
def test_another_language_is_no_second_dossier(cast: Cast) -> None:
    asked = {"kind": Kind.ART10, "first": FIRST, "last": LAST}
    made = request_dossier(cast.olivia, **asked, languages=Languages("de", ["fr"]))
    again = request_dossier(cast.olivia, **asked, languages=Languages("it"))
    assert again.pk == made.pk
    again.refresh_from_db()
    assert again.languages == ("de", "fr")


def test_the_organisation_s_language_counts_where_none_is_asked_for(cast: Cast) -> None:
    cast.organisation.language = "it"
    cast.organisation.save()
    made = request_dossier(cast.olivia, kind=Kind.ART10, first=FIRST, last=LAST)
    assert made.languages == ("it",)
    schedule = create_schedule(cast.olivia, kind="art53", further_languages=["en"])
    assert (schedule.language, schedule.further_languages) == ("", ["en"])


@pytest.mark.slow
@pytest.mark.promise
def test_paper_in_four_languages_holds_one_and_the_same_data(cast: Cast, tmp_path: Path) -> None:
    call(cast.max, datetime(2026, 10, 5, 9, tzinfo=UTC))
    made = request_dossier(
        cast.olivia, kind=Kind.FULL, first=FIRST, last=LAST,
        languages=Languages("de", ["en", "fr", "it"]),
    )  # fmt: skip
    seal()
    claim = claim_dossier(made.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    claim.dossier.save()
    made = bundle.build(claim.dossier, tmp_path, WeasyPrintRenderer(), lambda stage, percent: None)
    with zipfile.ZipFile(made.path) as archive:
        archive.extractall(tmp_path)
    contents = tmp_path / made.path.stem
    expected = {
        "de": ("", "1. Oktober 2026", r"Seite 2 von \d+"),
        "en": (".en", "1 October 2026", r"Page 2 of \d+"),
        "fr": (".fr", "1er octobre 2026", r"Page 2 sur \d+"),
        "it": (".it", "1º ottobre 2026", r"Pagina 2 di \d+"),
    }
    data = (contents / "full_manifest.json").read_bytes()
    for language, (suffix, day, page) in expected.items():
        path = contents / f"dossier{suffix}.pdf"
        with pikepdf.open(path) as paper:
            assert str(paper.Root.Lang) == language
            assert paper.attachments["full_manifest.json"].get_file().read_bytes() == data
        words = _words(path)
        assert day in words
        assert re.search(page, words)
        if language != "en":
            assert wording_faults_in(language, words) == []
            assert "Not applicable" not in words
            assert "This is a collection of evidence" not in words
        readme = (contents / f"README{suffix}.txt").read_text(encoding="utf-8")
        assert "python verifier.py . --key KEY" in readme
        assert max(map(len, readme.splitlines())) <= 100


def _words(path: Path) -> str:
    out = subprocess.run(["pdftotext", "-layout", path, "-"], capture_output=True, check=True)
    return " ".join(out.stdout.decode().split())
