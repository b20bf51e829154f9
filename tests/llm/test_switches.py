"""Pause and kill switch while answers stream, in web processes that know nothing of each other."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm import provider_settings
from orgs.organisations import pause
from tests.cast import Cast
from tests.live import ServerProcess, signed_in
from tests.llm.gateway import CLOSE, Gateway, _chunk, gateway_of
from tests.llm.providers.loopback import Reply, sse

SECONDS = 30  # a few are enough; the machines that run the tests are shared


def endless() -> Reply:
    """An answer that never ends by itself."""
    words = itertools.repeat(sse(_chunk({"content": "word "}, "m-2026")))
    return Reply(words, headers=CLOSE, pause=0.05)


class Reader(threading.Thread):
    """Somebody who reads an endless answer."""

    def __init__(self, url: str, tenant: Any, provider_id: Any) -> None:
        super().__init__(daemon=True)
        self._body = {"message": "Go on", "provider_id": str(provider_id)}
        self._client = signed_in(url, tenant, timeout=60)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.start()

    def run(self) -> None:
        name = ""
        with (
            self._client,
            self._client.stream("POST", "/api/v1/chat", json=self._body) as response,
        ):
            for line in response.iter_lines():
                kind, _, value = line.partition(": ")
                if kind == "event":
                    name = value
                elif kind == "data":
                    self.events.append((name, json.loads(value)))

    def wait_for_words(self) -> None:
        deadline = time.monotonic() + SECONDS
        while sum(name == "text" for name, _ in self.events) < 3:
            assert time.monotonic() < deadline, self.events
            time.sleep(0.05)

    def ended(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The error and the end, once they have come."""
        self.join(SECONDS)
        assert not self.is_alive(), "the answer goes on"
        (error,) = (data["error"] for name, data in self.events if name == "error")
        return error, self.events[-1][1]


@pytest.fixture
def gateway(cast: Cast) -> Iterator[Gateway]:
    with gateway_of(cast) as made:
        yield made


def is_closed(gateway: Gateway, name: str) -> bool:
    deadline = time.monotonic() + SECONDS
    while not gateway.servers[name].closed_early.is_set() and time.monotonic() < deadline:
        time.sleep(0.05)
    return gateway.servers[name].closed_early.is_set()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_switch_of_a_provider_and_then_the_pause_end_streams_in_all_processes(
    live_server_process: Callable[..., ServerProcess],
    gateway: Gateway,
    cast: Cast,
    settings: Any,
) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    first, second = live_server_process(), live_server_process()
    readers = {}
    for name, server in (("First", first), ("Second", first), ("Third", second)):
        gateway.add(name, endless())
        readers[name] = Reader(server.url, cast.max, gateway.rows[name].pk)
    for reader in readers.values():
        reader.wait_for_words()

    # From here, a process that serves nobody: a console, a worker, another web process.
    provider_settings.disable(tenant=cast.alice, settings_id=gateway.rows["First"].pk)
    error, end = readers["First"].ended()
    assert (error["code"], end["state"]) == ("provider_disabled", "stopped")
    assert is_closed(gateway, "First")
    for name in ("Second", "Third"):
        assert not gateway.servers[name].closed_early.is_set()
        assert readers[name].is_alive()

    pause(cast.alice, reason="An incident")
    for name in ("Second", "Third"):
        error, end = readers[name].ended()
        assert (error["code"], end["state"]) == ("organisation_paused", "stopped"), name
        assert "word" in end["html"]  # what had come stays
        assert is_closed(gateway, name)

    rows = {row.provider_settings_id: row for row in gateway.attempts()}
    for name, code in (
        ("First", "provider_disabled"),
        ("Second", "organisation_paused"),
        ("Third", "organisation_paused"),
    ):
        row = rows[gateway.rows[name].pk]
        assert (row.state, row.error_code) == ("stopped", code)
        assert row.output_tokens  # what it took is counted
        ending = gateway.record(row.end_record_id)
        assert ending["kind"] == "inference.stopped"
        assert code in ending["body"].values()
        assert "response" in ending["content"]
        assert gateway.calls(name) == 1  # and nobody tried again
