"""Rules about the repository itself, that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]
APPS = ("lexcustis", "orgs", "audit", "llm", "oversight", "dossier")
LONGEST_MODULE = 480  # 400 is long
LONGER_FOR_A_REASON = {
    "audit/verifier.py": "an outsider runs it as one file, without anything of ours",
}
# Models whose tests speak of them by another name.
TESTED_ELSEWHERE = {
    "Tile": "tests/audit/test_tree.py compares the stored tree with one of its own",
    "Checkpoint": "tests/audit/test_sealing.py reads signed notes as outsiders do",
    "Hold": "tests/audit/test_keeping.py and test_erasure.py hold content and let it go",
    "Retention": "tests/audit/test_keeping.py lets content expire",
}


def tracked(*suffixes: str) -> list[Path]:
    """The files of the repository; also without git, as in an unpacked archive."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 0 and listed.stdout:
        paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        paths = [path for path in ROOT.rglob("*") if not any(p.startswith(".") for p in path.parts)]
    return [path for path in paths if path.is_file() and path.suffix in (suffixes or {path.suffix})]


def modules() -> list[Path]:
    """The product's own modules, without migrations."""
    return [
        path
        for path in tracked(".py")
        if path.relative_to(ROOT).parts[0] in APPS and "migrations" not in path.parts
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def lines_with(pattern: str, paths: list[Path]) -> Iterator[str]:
    expression = re.compile(pattern)
    for path in paths:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if expression.search(line):
                yield f"{name_of(path)}:{number}: {line.strip()[:120]}"


@pytest.mark.parametrize("app", APPS)
def test_every_app_says_what_it_is_for(app: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / app / "__init__.py").read_text()))


def test_every_model_has_a_test() -> None:
    """A model that no test names is a model that nobody has tried."""
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    untested = [
        model.__name__
        for model in apps.get_models()
        if model._meta.app_label in APPS
        and model.__name__ not in TESTED_ELSEWHERE
        and not re.search(rf"\b{model.__name__}\b", texts)
    ]
    assert untested == []


def test_every_command_has_a_test() -> None:
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    commands = [
        path.stem
        for path in modules()
        if path.parent.name == "commands" and not path.stem.startswith("_")
    ]
    assert [name for name in commands if not re.search(rf"[\"']{name}[\"']", texts)] == []


def test_every_app_has_its_tests_in_a_folder_of_its_name() -> None:
    lived_in = [app for app in APPS if len(list((ROOT / app).glob("*.py"))) > 2]
    assert [app for app in lived_in if not any((ROOT / "tests" / app).rglob("test_*.py"))] == []


def test_the_models_and_the_migrations_agree(database: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_query_across_organisations_says_why() -> None:
    """``unscoped`` stands out in review, and a comment beside it gives the reason (P4)."""
    silent = []
    for path in modules():
        lines = path.read_text().splitlines()
        for number, line in enumerate(lines):
            if not re.search(r"\w\.unscoped\b", line) or "``" in line or '"' in line:
                continue
            # One row by its own key, or rows that name their organisation, cross nothing.
            statement = " ".join(lines[number : number + 2])
            if re.search(r"unscoped\.(bulk_create\(|filter\(\s*pk=[\w.]+\.pk)", statement):
                continue
            if not any("#" in near for near in lines[max(number - 4, 0) : number + 3]):
                silent.append(f"{name_of(path)}:{number + 1}: {line.strip()}")
    assert silent == []


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = {"utils", "util", "helpers", "helper", "services", "managers", "misc", "common"}
    assert [name_of(path) for path in modules() if path.stem in drawers] == []


def test_modules_are_short() -> None:
    long = {
        name_of(path): count
        for path in modules()
        if (count := len(path.read_text().splitlines())) > LONGEST_MODULE
        and name_of(path) not in LONGER_FOR_A_REASON
    }
    assert long == {}


def test_nothing_is_left_for_later() -> None:
    words = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    assert list(lines_with(rf"\b({words})\b", tracked(".py", ".html", ".js", ".css", ".md"))) == []


def test_no_path_of_a_machine_and_no_index_is_written_down() -> None:
    """A file that names somebody's home folder or package index works there alone."""
    pattern = r"(/home/[a-z]|/root/|/Users/|[a-z]:\\Users|--index-url|--extra-index|/simple/?\b)"
    paths = [path for path in tracked() if path.name != "test_repository.py"]
    assert list(lines_with(pattern, paths)) == []


def test_no_secret_is_written_down() -> None:
    pattern = (
        r"(-----BEGIN [A-Z ]*PRIVATE KEY|\bsk-[A-Za-z0-9]{32,}|\bAKIA[0-9A-Z]{16}\b"
        r"|\bghp_[A-Za-z0-9]{30,})"
    )
    made_up = {"test_repository.py", "test_screening.py"}  # what screening must find
    found = lines_with(pattern, [path for path in tracked() if path.name not in made_up])
    assert [line for line in found if "EXAMPLE" not in line] == []  # Amazon's own example key


def test_pages_hold_nothing_inline_and_nothing_from_elsewhere() -> None:
    """The Content-Security-Policy would stop it in the browser; this stops it before."""
    pages = [path for path in tracked(".html") if "templates" in path.parts]
    inline = r"<style|\sstyle=|\son[a-z]+=\"|javascript:|<script(?![^>]*\bsrc=)(?![^>]*json)"
    paper = [path for path in pages if "dossier" in path.parts]  # printed, never in a browser
    assert list(lines_with(inline, [path for path in pages if path not in paper])) == []
    remote = r"<(script|link|img|iframe)[^>]*(src|href)=\"(https?:)?//"
    assert list(lines_with(remote, pages)) == []


def test_the_law_is_never_said_to_be_fulfilled() -> None:
    """We give evidence; nobody is made "compliant" by a program."""
    claim = (
        r"(?i)\b(is|are|be|being|stay|become|fully|100 ?%|makes? you) compliant\b"
        r"|AI[- ]Act[- ]compliant"
    )
    paths = [*modules(), *tracked(".html", ".md", ".json")]
    assert list(lines_with(claim, [path for path in paths if path.name != "CONTRIBUTING.md"])) == []


def test_the_version_is_the_same_everywhere() -> None:
    from lexcustis.settings import VERSION

    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(rf"^## {re.escape(VERSION)}\b", changes, re.MULTILINE)


@pytest.mark.parametrize(
    "name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"]
)
def test_links_of_the_texts_lead_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_runner_of_the_checks_can_be_run() -> None:
    runner = ROOT / ".ci" / "run"
    assert runner.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", str(runner)], check=False).returncode == 0
