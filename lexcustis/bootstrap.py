"""Makes the environment in ``.venv``: the first step of ``make run`` and ``make test``.

Run by whatever ``python3`` the machine has, before anything is installed: the standard library
alone, and no syntax that an old Python could not read. ``bootstrap.py --dev`` adds what the tests
need. Nothing is installed twice: a stamp in ``.venv`` remembers the hash of the requirements.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
UV = "uv>=0.9,<1"
_IS_NEW_ENOUGH = f"import sys; sys.exit(sys.version_info[:2] < {OLDEST_PYTHON})"


class BootstrapError(Exception):
    """The environment cannot be made; the message says what to do."""


def main(arguments: list[str]) -> int:
    """Make the environment; 0 when it is there, 2 when the person must do something first."""
    requirements = ["requirements.txt"]
    if "--dev" in arguments:
        requirements.append("requirements-dev.txt")
    try:
        if sys.version_info[:2] < OLDEST_PYTHON:
            _continue_with_newer_python(arguments)
        stamp = ENVIRONMENT / "stamp-{}".format("dev" if "--dev" in arguments else "run")
        wanted = _fingerprint(requirements)
        if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
            return 0
        _make_environment()
        _install(requirements)
        stamp.write_text(wanted)
    except BootstrapError as error:
        print(f"lexcustis: {error}", file=sys.stderr)  # noqa: T201 - no logging yet
        return 2
    except OSError as error:
        where = error.filename or ROOT
        print(f"lexcustis: {where}: {error.strerror}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _continue_with_newer_python(arguments: list[str]) -> None:
    """Replace this process by the same one under a newer Python, where the machine has one."""
    for minor in (14, 13, 12, 11):
        path = shutil.which(f"python3.{minor}")
        # A shim of a version manager may be on the path without a Python behind it.
        if path and _run([path, "-c", "pass"]).returncode == 0:
            os.execv(path, [path, "-I", __file__, *arguments])  # noqa: S606 - no shell wanted
    raise BootstrapError(
        "Python 3.11 or newer is needed, this is {}.{}. Install one, for instance with "
        "'apt-get install python3' on a current system, 'brew install python@3.13' or "
        "'uv python install 3.13', and put it on the PATH.".format(*sys.version_info[:2])
    )


def _fingerprint(requirements: list[str]) -> str:
    digest = hashlib.sha256()
    for name in requirements:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _make_environment() -> None:
    """Create ``.venv`` unless a usable one is there."""
    if PYTHON.exists() and _runs(_IS_NEW_ENOUGH) and (_uv() or _runs("import pip")):
        return
    _say("Creating the environment in .venv …")
    uv = _uv()
    if uv:
        command = [uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(ENVIRONMENT)]
    elif importlib.util.find_spec("ensurepip"):
        command = [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)]
    else:
        # Debian takes ensurepip out of its Python.
        raise BootstrapError(
            "This Python cannot make an environment (it has no ensurepip): "
            "run 'apt-get install python3-venv' as root, or install uv, then try again."
        )
    _expect(_run(command), "The environment could not be made")


def _install(requirements: list[str]) -> None:
    uv = _uv()
    if not uv:
        _say("Installing uv …")
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _expect(_run([*pip, UV]), "uv could not be installed")
        uv = _uv()
    if not uv:
        raise BootstrapError(f"uv was installed and does not run: try '{PYTHON} -m uv'.")
    _say("Installing the pinned packages …")
    command = [uv, "pip", "install", "--quiet", "--python", str(PYTHON), "--require-hashes"]
    for name in requirements:
        command += ["-r", str(ROOT / name)]
    _expect(_run(command), "The packages could not be installed (is there a network?)")


def _uv() -> str:
    """Where a uv that runs is, or an empty string."""
    for candidate in (str(ENVIRONMENT / "bin" / "uv"), shutil.which("uv")):
        if candidate and _run([candidate, "--version"]).returncode == 0:
            return candidate
    return ""


def _runs(program: str) -> bool:
    return _run([str(PYTHON), "-c", program]).returncode == 0


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    # A person's own VIRTUAL_ENV must not decide where things go.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    try:
        return subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            cwd=str(ROOT),
        )
    except OSError as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def _expect(done: subprocess.CompletedProcess[str], problem: str) -> None:
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines()]
        raise BootstrapError("{}: {}".format(problem, " | ".join(filter(None, lines))[-600:]))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - no logging yet


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
