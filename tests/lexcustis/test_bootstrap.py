"""``bootstrap.py`` makes the environment with whatever the machine has, or says what to install."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lexcustis import bootstrap

SOURCE = Path(bootstrap.__file__)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with nothing but what the bootstrap reads; it requires no package."""
    (tmp_path / "lexcustis").mkdir()
    shutil.copy(SOURCE, tmp_path / "lexcustis" / "bootstrap.py")
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    return tmp_path


def run(
    checkout: Path, *arguments: str, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "lexcustis/bootstrap.py", *arguments],
        cwd=checkout,
        env={"PATH": path} if path is not None else None,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_it_makes_an_environment_and_the_second_run_does_nothing(checkout: Path) -> None:
    first = run(checkout)
    assert first.returncode == 0, first.stderr
    python = checkout / ".venv" / "bin" / "python"
    assert subprocess.run([python, "-c", "pass"], check=False).returncode == 0
    second = run(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_changed_requirements_are_installed_again(checkout: Path) -> None:
    assert run(checkout).returncode == 0
    (checkout / "requirements.txt").write_text("no-such-file-on-any-index @ file:///nowhere\n")
    changed = run(checkout)
    assert changed.returncode == 2
    assert changed.stderr.splitlines()[-1].startswith(
        "lexcustis: The packages could not be installed"
    )


def test_a_broken_environment_is_made_anew(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    (checkout / ".venv" / "pyvenv.cfg").write_text("home = /nowhere\n")
    done = run(checkout)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([python, "-c", "pass"], check=False).returncode == 0


def test_a_folder_that_cannot_be_written_is_named(checkout: Path) -> None:
    (checkout / ".venv").write_text("a file where the folder should be")
    done = run(checkout)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert ".venv" in done.stderr


def test_without_uv_and_ensurepip_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], checkout: Path
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", checkout)
    monkeypatch.setattr(bootstrap, "ENVIRONMENT", checkout / ".venv")
    monkeypatch.setattr(bootstrap, "PYTHON", checkout / ".venv" / "bin" / "python")
    monkeypatch.setenv("PATH", str(checkout))
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda _name: None)
    assert bootstrap.main([]) == 2
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_an_old_python_without_a_newer_one_says_which_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap.sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.main([]) == 2
    assert "Python 3.11 or newer is needed, this is 3.9" in capsys.readouterr().err


def test_an_old_python_can_read_it() -> None:
    """Python 3.7 must come as far as looking for a newer one."""
    ast.parse(SOURCE.read_text(), feature_version=(3, 7))
    imported = {
        name.name.split(".")[0]
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.Import)
        for name in node.names
    }
    assert imported <= set(sys.stdlib_module_names)
