"""A server that is killed in the middle of an answer loses nothing (P2, P3)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx2
import pytest
from django.db import connections
from django.utils import timezone

from audit.models import RecordIndex
from audit.verification import verify_log
from llm import interrupted
from llm.models import Inference
from tests.cast import Cast
from tests.live import ServerProcess, signed_in
from tests.llm.test_chat import simulated
from tests.sealing import seal

LEASE_SECONDS = "3"


def running(cast: Cast) -> Inference:
    found: Inference = Inference.objects.for_tenant(cast.max).get()
    return found


def read_a_little(client: httpx2.Client, then: Callable[[], None]) -> str:
    """Ask for a long answer, read some of it, do *then*; return what had arrived."""
    received = ""
    try:
        body = {"message": "[[long]]"}
        with client.stream("POST", "/api/v1/chat", json=body) as response:
            assert response.status_code == 200
            for chunk in response.iter_text():
                received += chunk
                if received.count("event: text") > 5:
                    then()
                    then = lambda: None  # noqa: E731 - once
    except httpx2.TransportError:
        pass
    return received


@pytest.mark.slow
def test_p3_an_inference_whose_server_was_killed_is_interrupted_and_the_log_verifies(
    live_server_process: Callable[..., ServerProcess], cast: Cast
) -> None:
    simulated(cast, options={"first_word_ms": 0, "word_ms": 20})
    server = live_server_process(INFERENCE_LEASE_SECONDS=LEASE_SECONDS)
    with signed_in(server.url, cast.max, timeout=20) as client:
        received = read_a_little(client, server.kill)
    assert "event: end" not in received
    inference = running(cast)
    assert inference.state == Inference.State.STARTED

    server.start()
    with signed_in(server.url, cast.max, timeout=20) as client:
        deadline = time.monotonic() + 15
        while running(cast).state == Inference.State.STARTED and time.monotonic() < deadline:
            interrupted.close_expired()
            time.sleep(0.2)
        inference = running(cast)
        assert inference.state == Inference.State.INTERRUPTED
        read = client.get(f"/api/v1/conversations/{inference.conversation_id}").json()
        assert [message["state"] for message in read["messages"]] == [None, "interrupted"]
        assert read["messages"][0]["text"] == "[[long]]"
        # And the server goes on working.
        body = {"message": "Hi", "stream": False}
        assert client.post("/api/v1/chat", json=body).json()["state"] == "completed"

    endings = RecordIndex.objects.for_tenant(cast.max).filter(request_id=inference.pk)
    assert [row.kind for row in endings] == ["inference.interrupted"]
    seal()
    report = verify_log(cast.organisation.pk)
    assert report.valid, report.problems
    assert report.size == RecordIndex.objects.for_tenant(cast.max).count()


@pytest.mark.slow
def test_p3_an_inference_whose_server_is_stopped_is_recorded_on_the_way_out(
    live_server_process: Callable[..., ServerProcess], cast: Cast
) -> None:
    simulated(cast, options={"first_word_ms": 0, "word_ms": 50})
    server = live_server_process()
    with signed_in(server.url, cast.max, timeout=30) as client:
        read_a_little(client, server.stop)
    inference = running(cast)
    assert inference.state in {Inference.State.STOPPED, Inference.State.INTERRUPTED}
    assert inference.output_tokens


@pytest.mark.slow
def test_p3_a_lease_is_renewed_while_its_process_lives(
    live_server_process: Callable[..., ServerProcess], cast: Cast
) -> None:
    simulated(cast, options={"first_word_ms": 7000, "word_ms": 0})
    server = live_server_process(INFERENCE_LEASE_SECONDS="4")
    answers: list[dict[str, str]] = []
    with signed_in(server.url, cast.max, timeout=30) as client:
        body = {"message": "Hello", "stream": False}
        asking = threading.Thread(
            target=lambda: answers.append(client.post("/api/v1/chat", json=body).json())
        )
        asking.start()
        while asking.is_alive():
            interrupted.close_expired()  # also what other tests have left
            time.sleep(0.1)
    assert answers[0]["state"] == "completed"
    endings = RecordIndex.objects.for_tenant(cast.max).filter(request_id=running(cast).pk)
    assert [row.kind for row in endings] == ["inference.completed"]


def test_p3_sweeps_at_once_close_an_inference_once(cast: Cast, web_server: str) -> None:
    simulated(cast)
    with signed_in(web_server, cast.max, timeout=20) as client:
        client.post("/api/v1/chat", json={"message": "Hello", "stream": False})
    done = running(cast)
    Inference.unscoped.filter(pk=done.pk).update(
        state="started", end_record_id=None, lease_expires_at=timezone.now() - timedelta(seconds=1)
    )

    def sweep(_number: int) -> None:
        try:
            interrupted.close_expired()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sweep, range(4)))
    endings = RecordIndex.objects.for_tenant(cast.max).filter(request_id=done.pk)
    assert sorted(row.kind for row in endings) == ["inference.completed", "inference.interrupted"]
    assert running(cast).state == Inference.State.INTERRUPTED
