"""``make run``: one start brings everything up, one Ctrl-C takes everything down.

The product is really started; nothing of it is replaced.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_PASSWORD
from lexcustis.supervisor import environment_of_run
from tests.running import ROOT, Running, environment_of, free_port, new_home

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]


@pytest.fixture
def starts() -> Iterator[Callable[..., Running]]:
    """Starts of the product in one temporary home, all stopped and removed in the end."""
    home, started = new_home(), []

    def start(port: int | None = None, **environment: str) -> Running:
        started.append(Running(home, port or free_port(), **environment))
        return started[-1]

    yield start
    for running in started:
        running.remove()


def get(address: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def sign_in(running: Running, email: str) -> urllib.request.OpenerDirector:
    """A browser's way in: the page, its token, the form."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(f"{running.address}/accounts/login/", timeout=20).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert token is not None
    form = {"login": email, "password": DEMO_PASSWORD, "csrfmiddlewaretoken": token.group(1)}
    request = urllib.request.Request(
        f"{running.address}/accounts/login/",
        data=urlencode(form).encode(),
        headers={"Referer": running.address},
    )
    answer = browser.open(request, timeout=20)
    assert "/accounts/login" not in answer.geturl()
    return browser


def test_the_whole_product_starts_serves_restarts_what_dies_and_stops(
    starts: Callable[..., Running],
) -> None:
    running = starts().wait_ready()

    # The block: an address, a sign-in for everybody, and what the person must know.
    assert running.address in running.output
    for account in DEMO_ACCOUNTS:
        assert account.email in running.output
    assert DEMO_PASSWORD in running.output
    assert "nothing leaves this machine" in running.output

    # It is ready, and somebody can sign in and see the conversations of the demo.
    status, body = get(f"{running.address}/readyz")
    assert (status, json.loads(body)["ready"]) == (200, True)
    browser = sign_in(running, "member@demo.example")
    listed = json.loads(browser.open(f"{running.address}/api/v1/conversations").read())
    assert len(listed["items"]) > 10

    # Commands in another terminal find the running instance by themselves.
    told = subprocess.run(
        [sys.executable, "manage.py", "verify"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "LEXCUSTIS_HOME": str(running.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.count(": valid;") == 2
    assert set(environment_of(running.home)) >= {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_DEMO"}
    assert (running.home / "instance.env").stat().st_mode & 0o077 == 0

    # A second start on the same data says what to do and touches nothing.
    second = starts()
    assert second.process.wait(60) == 2
    second.wait_for("already runs on .* stop it there with Ctrl-C")

    # What dies comes back.
    os.kill(running.child("sealer"), signal.SIGKILL)
    running.wait_for(r"sealer ended \(signal 9\), starts again in 1 s")
    running.wait_for("sealer started again")

    # One Ctrl-C, and nothing is left: no process, no published address.
    assert running.stop() == 0
    assert running.lines[-1] == "Stopped."
    running.wait_gone()
    assert not (running.home / "instance.env").exists()
    assert "Traceback" not in running.output

    # The second start finds its data, seeds nothing, and is quick.
    again = starts().wait_ready()
    seconds = float(re.search(r"ready after ([\d.]+) s", again.output).group(1))  # type: ignore[union-attr]
    assert seconds < 30  # under ten on an idle machine, see docs/proofs.md
    sign_in(again, "officer@demo.example")
    assert again.stop(signal.SIGTERM) == 0
    again.wait_gone()


@pytest.mark.parametrize("seconds", [0.1, 1.5, 4.0])
def test_ctrl_c_during_the_start_leaves_nothing(
    starts: Callable[..., Running], seconds: float
) -> None:
    running = starts()
    time.sleep(seconds)
    code = running.stop()
    assert code == 0 or (seconds < 1 and code in {-signal.SIGINT, 1}), running.output
    running.wait_gone()


def test_a_supervisor_that_is_killed_leaves_nothing(starts: Callable[..., Running]) -> None:
    running = starts().wait_ready()
    assert len(running.processes()) >= 6
    running.process.kill()
    running.wait_gone()
    assert starts().wait_ready().stop() == 0  # and the data is as good as before


def test_a_port_in_use_is_told_in_one_line(starts: Callable[..., Running]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        running = starts(other.getsockname()[1])
        assert running.process.wait(60) == 2
    line = running.wait_for("Port")
    assert "make run PORT=" in line
    assert len(running.lines) == 1


def test_links_for_people_outside_lead_to_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8321")
    assert environment_of_run()["PUBLIC_URL"] == "http://127.0.0.1:8321"
    monkeypatch.setenv("PUBLIC_URL", "https://ai.example.org")
    assert environment_of_run()["PUBLIC_URL"] == "https://ai.example.org"


@pytest.mark.parametrize("port", ["0", "web", "70000", "-1"])
def test_a_port_that_is_none_is_told_in_one_line(port: str) -> None:
    told = supervise(PORT=port)
    assert told.returncode == 2
    assert told.stdout.startswith("lexcustis: PORT must be a number")


def test_a_model_that_is_none_is_told_in_one_line() -> None:
    told = supervise(MODEL="largest")
    assert told.returncode == 2
    assert "make run MODEL=local" in told.stdout
    assert len(told.stdout.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_told_in_one_line() -> None:
    told = supervise(LEXCUSTIS_HOME="/proc/nowhere", PORT=str(free_port()))
    assert told.returncode == 2
    assert told.stdout.startswith("lexcustis: Cannot write to /proc/nowhere")
    assert "LEXCUSTIS_HOME" in told.stdout
    assert len(told.stdout.splitlines()) == 1


def test_a_database_that_does_not_answer_is_told_in_one_line(tmp_path: Path) -> None:
    told = supervise(
        LEXCUSTIS_HOME=str(tmp_path),
        PORT=str(free_port()),
        DATABASE_URL=f"postgres://nobody@127.0.0.1:{free_port()}/nothing",
        REDIS_URL="redis://127.0.0.1:1/0",
    )
    assert told.returncode == 2
    assert told.stdout.splitlines()[-1].startswith("lexcustis: The database cannot be reached")
    assert "Traceback" not in told.stdout


def supervise(**environment: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to end by itself."""
    own = {"DATABASE_URL", "REDIS_URL", "LEXCUSTIS_HOME"}
    inherited = {name: value for name, value in os.environ.items() if name not in own}
    return subprocess.run(
        [sys.executable, "-m", "lexcustis.supervisor"],
        cwd=ROOT,
        env=inherited | {"LEXCUSTIS_DEMO": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
