"""The words: no template and no string of this software says what the law does not let it say."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from dossier.law import FACTS, forbidden_wording, wording_faults
from oversight.clocks import CLOCKS_FILE

BASE = Path(settings.BASE_DIR)
PYTHON = sorted((BASE / "dossier").rglob("*.py"))
TEMPLATES = sorted(
    path
    for folder in (BASE / "templates/dossier", BASE / "templates/admin/dossier")
    for path in folder.rglob("*")
    if path.is_file()
)
DATA = sorted(
    path
    for folder in (FACTS, CLOCKS_FILE.parent)
    for path in folder.glob("*.json")
    if path.name != "wording.json"
)


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of a module; neighbours that Python joins are joined."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [p.value for p in node.values if isinstance(p, ast.Constant)]
            yield node.lineno, " ".join(map(str, parts))


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: path.relative_to(BASE).as_posix())
def test_no_string_overclaims(path: Path) -> None:
    found = [(line, wording_faults(text)) for line, text in strings(path) if wording_faults(text)]
    assert found == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.relative_to(BASE).as_posix())
def test_no_template_overclaims(path: Path) -> None:
    assert wording_faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.name)
def test_no_fact_overclaims(path: Path) -> None:
    assert wording_faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("phrase", [phrase for phrase, _ in forbidden_wording()])
def test_the_check_finds_each_forbidden_phrase(phrase: str) -> None:
    assert phrase in wording_faults(f"We are {phrase.upper()} for sure.")
    assert wording_faults(f"We are\n   {phrase}") != []


def test_every_forbidden_phrase_has_a_better_one() -> None:
    assert all(better for _, better in forbidden_wording())
