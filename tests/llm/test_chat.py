"""The chat over HTTP: asked, streamed, stopped, refused, and in the log each time."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx2
import pytest
from django.db import connection, connections

from audit.ledger import LedgerUnavailable
from audit.models import RecordIndex
from audit.reading import read_content
from llm import provider_settings
from llm.models import Conversation, Inference, Message, ProviderSettings
from orgs.keys import create_key
from orgs.organisations import pause
from orgs.roles import Permission
from orgs.tenancy import Tenant
from tests.cast import Cast
from tests.live import signed_in, with_key

FAST = {"first_word_ms": 0, "word_ms": 0}


def simulated(cast: Cast, name: str = "Quick", **fields: Any) -> ProviderSettings:
    values = {"options": FAST, "data_region": "self-hosted", "allowed_models": ["sim-small"]}
    return provider_settings.create(
        tenant=cast.alice,
        name=name,
        vendor="simulated",
        default_model="sim-large",
        **(values | fields),
    )


def events_of(response: httpx2.Response) -> list[tuple[str, dict[str, Any]]]:
    """The server-sent events of a whole response."""
    blocks = [block.split("\n") for block in response.text.split("\n\n") if block]
    return [
        (block[0].removeprefix("event: "), json.loads(block[1].removeprefix("data: ")))
        for block in blocks
        if not block[0].startswith(":")
    ]


def kinds_of(tenant: Tenant, inference_id: str) -> list[str]:
    """The kinds of an inference's records, once it has ended."""
    rows = RecordIndex.objects.for_tenant(tenant)
    for _ in range(100):
        endings = list(rows.filter(request_id=inference_id).values_list("kind", flat=True))
        if endings:
            break
        time.sleep(0.05)
    return [*rows.filter(record_id=inference_id).values_list("kind", flat=True), *endings]


def test_an_answer_streams_and_is_in_the_log(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    response = max_.post("/api/v1/chat", json={"message": "Write a table, please"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["lexcustis-ai-generated"] == "true"
    events = events_of(response)
    assert [events[0][0], events[-1][0]] == ["start", "end"]
    start, end = events[0][1], events[-1][1]
    assert (start["provider"], start["region"]) == ("Quick", "self-hosted")
    text = "".join(data["text"] for name, data in events if name == "text")
    assert end["state"] == "completed"
    assert end["finish_reason"] == "stop"
    assert end["usage"]["source"] == "provider"
    assert end["title"] == "Write a table, please"
    assert "<table>" in end["html"]
    assert kinds_of(cast.max, start["record_id"]) == [
        "inference.requested",
        "inference.completed",
    ]
    assert f"#{start['record_id']};" in response.headers["lexcustis-record"]
    assert f"#{end['record_id']};" in end["receipt"]
    organisation_id = cast.organisation.pk
    prompt = read_content(organisation_id, UUID(start["record_id"]), "prompt")
    assert prompt == b"Write a table, please"
    assert read_content(organisation_id, UUID(end["record_id"]), "response") == text.encode()


def test_tokens_arrive_one_after_another(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast, options={"first_word_ms": 0, "word_ms": 30})
    arrived: list[float] = []
    with max_.stream("POST", "/api/v1/chat", json={"message": "Hello"}) as response:
        for chunk in response.iter_bytes():
            if b"event: text" in chunk:
                arrived.append(time.monotonic())  # noqa: PERF401 - each at its own moment
    assert len(arrived) > 5
    assert arrived[-1] - arrived[0] > 0.1


def test_an_unstreamed_answer_is_one_object(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    response = max_.post("/api/v1/chat", json={"message": "Hello", "stream": False})
    assert response.status_code == 200
    answer = response.json()
    assert answer["text"]
    assert answer["state"] == "completed"
    assert answer["record_id"]
    assert Message.objects.for_tenant(cast.max).get(pk=answer["message_id"]).role == "assistant"


def test_a_conversation_goes_on_with_what_was_said(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    first = max_.post("/api/v1/chat", json={"message": "First?", "stream": False}).json()
    second = max_.post(
        "/api/v1/chat",
        json={"message": "Second?", "stream": False, "conversation_id": first["conversation_id"]},
    ).json()
    read = max_.get(f"/api/v1/conversations/{first['conversation_id']}").json()
    assert [m["role"] for m in read["messages"]] == ["user", "assistant", "user", "assistant"]
    parents = [m["parent_id"] for m in read["messages"]]
    assert parents == [None, *(m["id"] for m in read["messages"][:3])]
    inference = Inference.objects.for_tenant(cast.max).get(end_record_id=second["record_id"])
    from audit.reading import record_bytes

    links = json.loads(record_bytes(cast.organisation.pk, inference.pk))["links"]
    assert links == [
        {"id": str(read["messages"][0]["record_id"]), "rel": "context"},
        {"id": str(read["messages"][1]["record_id"]), "rel": "context"},
    ]
    assert inference.input_tokens > 4  # what was said before was sent along


def test_a_retry_is_a_second_answer_and_an_edit_a_new_branch(
    max_: httpx2.Client, cast: Cast
) -> None:
    simulated(cast)
    first = max_.post("/api/v1/chat", json={"message": "Question", "stream": False}).json()
    conversation = {"conversation_id": first["conversation_id"], "stream": False}
    again = max_.post(
        "/api/v1/chat", json={"retry_of": first["message_id"], "stream": False}
    ).json()
    assert again["user_message_id"] == first["user_message_id"]
    assert again["message_id"] != first["message_id"]
    edited = max_.post(
        "/api/v1/chat", json={"message": "Question, edited", "parent_id": None, **conversation}
    ).json()
    deeper = max_.post(
        "/api/v1/chat",
        json={"message": "And?", "parent_id": first["message_id"], **conversation},
    ).json()
    rows = {str(m.pk): m for m in Message.objects.for_tenant(cast.max)}
    assert rows[edited["user_message_id"]].parent_id is None
    assert str(rows[deeper["user_message_id"]].parent_id) == first["message_id"]
    assert len(rows) == 2 + 1 + 2 + 2
    question = max_.post(
        "/api/v1/chat",
        json={"message": "x", "parent_id": first["user_message_id"], **conversation},
    )
    assert question.status_code == 422


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("word", "status", "code"),
    [("[[fail]]", 503, "provider_unavailable"), ("[[limit]]", 429, "provider_rate_limited")],
)
def test_an_error_before_the_first_word_has_its_status(
    max_: httpx2.Client, cast: Cast, word: str, status: int, code: str, stream: bool
) -> None:
    simulated(cast)
    response = max_.post("/api/v1/chat", json={"message": word, "stream": stream})
    assert response.status_code == status
    error = response.json()["error"]
    assert error["code"] == code
    assert error["request_id"] == response.headers["x-request-id"]
    assert kinds_of(cast.max, error["details"]["record_id"])[1] == "inference.failed"
    if status == 429:
        assert response.headers["retry-after"] == "8"


def test_an_error_in_the_middle_is_an_event_and_keeps_the_partial_text(
    max_: httpx2.Client, cast: Cast
) -> None:
    simulated(cast)
    events = events_of(max_.post("/api/v1/chat", json={"message": "[[break]]"}))
    assert [name for name, _ in events[-2:]] == ["error", "end"]
    assert events[-2][1]["error"]["code"] == "provider_unavailable"
    assert events[-1][1]["state"] == "failed"
    text = "".join(data["text"] for name, data in events if name == "text")
    read = max_.get(f"/api/v1/conversations/{events[0][1]['conversation_id']}").json()
    answer = read["messages"][1]
    assert (answer["state"], answer["text"]) == ("failed", text)
    assert answer["error_code"] == "provider_unavailable"


def test_closing_the_connection_stops_the_answer(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast, options={"first_word_ms": 0, "word_ms": 20})
    with max_.stream("POST", "/api/v1/chat", json={"message": "[[long]]"}) as response:
        received = b""
        for chunk in response.iter_bytes():
            received += chunk
            if received.count(b"event: text") > 5:
                break
    start = json.loads(received.split(b"data: ")[1].split(b"\n")[0])
    assert kinds_of(cast.max, start["record_id"]) == ["inference.requested", "inference.stopped"]
    inference = Inference.objects.for_tenant(cast.max).get(pk=start["record_id"])
    assert inference.usage_source == "estimated"
    read = max_.get(f"/api/v1/conversations/{start['conversation_id']}").json()
    assert read["messages"][1]["state"] == "stopped"
    assert len(read["messages"][1]["text"].split()) >= 5


def test_closing_an_unstreamed_call_stops_it_too(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    with pytest.raises(httpx2.ReadTimeout):
        max_.post("/api/v1/chat", json={"message": "[[slow]]", "stream": False}, timeout=3)
    inference = Inference.objects.for_tenant(cast.max).get()
    assert kinds_of(cast.max, str(inference.pk))[1] == "inference.stopped"


def test_a_paused_organisation_sends_nothing_and_says_so(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    pause(cast.olivia, reason="test")
    response = max_.post("/api/v1/chat", json={"message": "Hello"})
    assert response.status_code == 403
    error = response.json()["error"]
    assert error["code"] == "organisation_paused"
    assert kinds_of(cast.max, error["details"]["record_id"]) == [
        "inference.requested",
        "inference.blocked",
    ]


def test_p8_a_forbidden_region_is_refused_and_recorded(max_: httpx2.Client, cast: Cast) -> None:
    abroad = provider_settings.create(
        tenant=cast.alice,
        name="Abroad",
        vendor="openai_compatible",
        base_url="http://127.0.0.1:9/v1",
        default_model="any",
        data_region="US",
    )
    for chosen in (str(abroad.pk), None):
        response = max_.post("/api/v1/chat", json={"message": "Hello", "provider_id": chosen})
        assert response.status_code == 403, response.text
        error = response.json()["error"]
        assert error["code"] == "region_forbidden"
        assert kinds_of(cast.max, error["details"]["record_id"])[1] == "inference.blocked"
        # The evidence names what did not get a byte, and where it would have been processed.
        refused = Inference.objects.for_tenant(cast.max).get(pk=error["details"]["record_id"])
        assert (refused.provider_name, refused.data_region) == ("openai_compatible", "US")


def test_a_disabled_provider_and_a_model_that_is_not_offered_are_refused(
    max_: httpx2.Client, cast: Cast
) -> None:
    row = simulated(cast)
    other = max_.post(
        "/api/v1/chat",
        json={"message": "Hello", "provider_id": str(row.pk), "model": "gpt-none"},
    )
    assert (other.status_code, other.json()["error"]["code"]) == (422, "model_not_offered")
    provider_settings.disable(tenant=cast.alice, settings_id=row.pk)
    response = max_.post("/api/v1/chat", json={"message": "Hello", "provider_id": str(row.pk)})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "provider_disabled")


def test_p1_without_the_ledger_the_call_is_refused(
    max_: httpx2.Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit import ledger

    def away(drafts: Sequence[Any]) -> list[LedgerUnavailable]:
        return [LedgerUnavailable("away") for _ in drafts]

    simulated(cast)
    monkeypatch.setattr(ledger, "commit_together", away)
    response = max_.post("/api/v1/chat", json={"message": "Hello"})
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "ledger_unavailable"
    assert not Inference.objects.for_tenant(cast.max).exists()


def test_only_whoever_may_chat_chats(web_server: str, cast: Cast) -> None:
    simulated(cast)
    body = {"message": "Hello", "stream": False}
    with httpx2.Client(base_url=web_server) as nobody:
        assert nobody.post("/api/v1/chat", json=body).status_code == 401
        bad = {"Authorization": "Bearer lxc_00000000_nothing"}
        assert nobody.post("/api/v1/chat", json=body, headers=bad).status_code == 401
    with signed_in(web_server, cast.audrey) as auditor:
        refused = auditor.post("/api/v1/chat", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    with signed_in(web_server, cast.max) as forged:
        del forged.headers["X-CSRFToken"]
        assert forged.post("/api/v1/chat", json=body).status_code == 403
    key, text = create_key(cast.max, name="test", scopes=[Permission.CHAT])
    with with_key(web_server, text, timeout=20) as program:
        answer = program.post("/api/v1/chat", json=body).json()
    inference = Inference.objects.for_tenant(cast.max).get(end_record_id=answer["record_id"])
    assert inference.api_key_id == key.pk
    assert RecordIndex.objects.for_tenant(cast.max).get(record_id=inference.pk).actor_id == str(
        key.pk
    )
    _, text = create_key(cast.max, name="none", scopes=[Permission.AUDIT_READ])
    with with_key(web_server, text) as program:
        assert program.post("/api/v1/chat", json=body).status_code == 403


def test_sixty_streams_hold_no_database_connection(web_server: str, cast: Cast) -> None:
    """A pool of ten serves sixty readers, because no stream holds a connection."""
    simulated(cast, options={"first_word_ms": 0, "word_ms": 200})
    pool = connections["default"].pool  # type: ignore[attr-defined]
    assert pool.max_size == 10
    connection.close()  # the test's own
    before = held(pool)  # by threads of other tests in this process, if any
    _, text = create_key(cast.max, name="many", scopes=[Permission.CHAT])
    started, finish = threading.Semaphore(0), threading.Event()
    results: list[int] = []

    def read() -> None:
        with with_key(web_server, text, timeout=60) as client:
            body = {"message": "[[long]]"}
            with client.stream("POST", "/api/v1/chat", json=body) as response:
                chunks = response.iter_bytes()  # kept: letting go of it closes the connection
                for chunk in chunks:
                    if b"event: text" in chunk:
                        results.append(response.status_code)
                        started.release()
                        break
                finish.wait(60)

    threads = [threading.Thread(target=read) for _ in range(60)]
    for thread in threads:
        thread.start()
    assert all(started.acquire(timeout=60) for _ in threads), results
    connection.close()
    during, statistics = held(pool, until=before), pool.get_stats()
    running = Inference.objects.for_tenant(cast.max).filter(state="started").count()
    connection.close()
    finish.set()
    for thread in threads:
        thread.join(60)
    assert results == [200] * 60
    assert running == 60
    assert during <= before
    assert statistics["requests_waiting"] == 0
    for _ in range(200):
        if not Inference.objects.for_tenant(cast.max).filter(state="started").exists():
            break
        time.sleep(0.05)
    states = Inference.objects.for_tenant(cast.max).values_list("state", flat=True)
    assert set(states) == {"stopped"}


def held(pool: Any, *, until: int = 0) -> int:
    """How many connections are out, once short queries are over; a stream's would not be."""
    for _ in range(100):
        statistics = pool.get_stats()
        out: int = statistics["pool_size"] - statistics["pool_available"]
        if out <= until:
            break
        time.sleep(0.05)
    return out


def test_titles_are_sealed(max_: httpx2.Client, cast: Cast) -> None:
    simulated(cast)
    message = "A very secret question about payroll and nothing else that fits on one line of it"
    answer = max_.post("/api/v1/chat", json={"message": message, "stream": False}).json()
    row = Conversation.objects.for_tenant(cast.max).get(pk=answer["conversation_id"])
    assert b"secret" not in bytes(row.sealed_title)
    assert answer["title"] == "A very secret question about payroll and nothing else that…"
