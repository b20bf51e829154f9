"""What users of gateways complain of most: money that is not counted, and calls that never stop.

Each test is a complaint about another gateway, tried on this one with real connections. Others of
the kind stand with what they are about: attempts and bills in ``test_attempts.py``, budgets passed
by calls at once in ``test_budgets.py``, exact usage of every vendor in ``providers/``.
"""

from __future__ import annotations

import json
import random
import socket
import sysconfig
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.cast import Cast
from tests.live import with_key
from tests.llm.gateway import USAGE, Gateway, answering
from tests.llm.providers.loopback import Reply

WORDS = 60


def send(url: str, key: str, *, stream: bool) -> socket.socket:
    """Ask over a connection of its own, which can be closed at any moment."""
    where = urlsplit(url)
    assert where.port is not None
    message = {"role": "user", "content": "Hello"}
    body = json.dumps({"model": "m", "messages": [message], "stream": stream}).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection((where.hostname or "", where.port), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("before", [60.0, 0.0], ids=["before the first word", "in the middle"])
def test_stop_stops_the_call_upstream(
    gateway: Gateway, web_server: str, key: str, stream: bool, before: float
) -> None:
    """LiteLLM #37140 and #3341, Open WebUI #14384 and #16251."""
    server = gateway.add("First", answering("word " * 500, before=before, pause=0.02))
    connection = send(web_server, key, stream=stream)
    wait_until(lambda: server.requests)
    time.sleep(0.3)
    assert not server.closed_early.is_set()
    connection.close()
    wait_until(server.closed_early.is_set)
    (call,) = gateway.attempts()
    assert call.state == "stopped"


def test_a_client_that_leaves_at_any_moment_is_counted(
    gateway: Gateway, web_server: str, key: str, cast: Cast
) -> None:
    """LiteLLM #14457 and #13245, LibreChat #9308: rows are as many as requests, each with usage."""
    server = gateway.add("First", answering("word " * WORDS, pause=0.01))
    chance = random.Random(1)
    for _ in range(12):
        before = len(server.requests)
        connection = send(web_server, key, stream=chance.random() < 0.5)
        wait_until(lambda before=before: len(server.requests) > before)
        time.sleep(chance.random() * 0.4)
        connection.close()
    calls = gateway.attempts()
    assert len(calls) == len(server.requests) == 12
    assert {call.state for call in calls} == {"stopped"}
    for call in calls:
        record = gateway.record(call.end_record_id)
        assert record["kind"] == "inference.stopped"
        assert (call.usage_source, call.input_tokens > 0) == ("estimated", True)
        assert 0 <= call.output_tokens < WORDS * 3


def test_usage_that_nobody_asked_for_is_counted_and_not_shown(
    gateway: Gateway, web_server: str, key: str, cast: Cast
) -> None:
    """LiteLLM #8349 and #35290: guessed usage; the provider's own is asked for and kept back."""
    gateway.add("First", answering())
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
    with with_key(web_server, key, timeout=30) as client:
        response = client.post("/v1/chat/completions", json=body | {"stream": True})
    assert b"usage" not in response.content
    (request,) = gateway.servers["First"].requests
    assert request.json["stream_options"] == {"include_usage": True}
    (call,) = gateway.attempts()
    counted = (call.input_tokens, call.output_tokens, call.usage_source)
    assert counted == (USAGE["prompt_tokens"], USAGE["completion_tokens"], "provider")


@pytest.mark.parametrize("stream", [True, False])
def test_a_provider_streams_only_to_who_reads_a_stream(
    gateway: Gateway, web_server: str, key: str, stream: bool
) -> None:
    """Models that their vendor streams to verified organisations alone answer whole to all."""
    gateway.add("First", answering())
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
    with with_key(web_server, key, timeout=30) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
    (request,) = gateway.servers["First"].requests
    assert request.json["stream"] is stream
    (call,) = gateway.attempts()
    assert (call.first_token_ms is not None) == stream


@pytest.mark.parametrize("stream", [True, False])
def test_an_error_inside_a_200_is_an_error(
    gateway: Gateway, web_server: str, key: str, stream: bool
) -> None:
    """Portkey #1047 and #1142: the first frame is looked at before anybody is told 200."""
    error = {"error": {"message": "overloaded", "type": "overloaded_error", "code": 529}}
    frame = f"data: {json.dumps(error)}\n\n".encode()
    gateway.add("First", Reply([frame], headers={"connection": "close"}))
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream}
    with with_key(web_server, key, timeout=30) as client:
        response = client.post("/v1/chat/completions", json=body)
    assert response.status_code >= 500
    assert response.json()["error"]["message"]
    assert {call.state for call in gateway.attempts()} == {"failed"}


def test_no_package_runs_code_at_the_start_of_python() -> None:
    """LiteLLM 1.82.7 stole keys through a file that Python runs whenever it starts."""
    folder = Path(sysconfig.get_paths()["purelib"])
    known = {"_virtualenv.pth", "distutils-precedence.pth"}
    running = [
        path.name
        for path in folder.glob("*.pth")
        if path.name not in known
        and any(line.startswith(("import ", "import\t")) for line in path.read_text().splitlines())
    ]
    assert running == []
