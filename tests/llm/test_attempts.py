"""Retries and fallback: before the first token, inside the rules, and each attempt in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from audit.verification import verify_log
from llm import attempts as module
from llm import provider_settings
from llm.budgets import save_budget, standings
from llm.call_rules import change_rules
from llm.models import Budget, Message
from orgs.keys import own_keys, revoke_key
from orgs.members import remove_member
from orgs.models import Membership
from orgs.organisations import change_organisation, pause
from tests.browser.conftest import in_thread
from tests.cast import Cast
from tests.llm.gateway import CLOSE, USAGE, Gateway, accepted_only, answering, ask, refusing
from tests.llm.providers.loopback import Reply, Request
from tests.llm.test_chat import events_of
from tests.sealing import seal


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSES", ((0.01, 0.02), (0.01, 0.02)))


def complete(client: httpx2.Client, **values: Any) -> httpx2.Response:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **values}
    return client.post("/v1/chat/completions", json=body)


def test_an_accident_is_asked_again_and_each_attempt_has_records_of_its_own(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("First", refusing(500), answering())
    answer = ask(max_)
    assert answer.status_code == 200
    assert answer.json()["text"].strip() == "Hello there"
    failed, completed = gateway.attempts()
    assert [failed.state, completed.state] == ["failed", "completed"]
    assert (failed.attempt, completed.attempt) == (1, 2)
    assert completed.attempt_of == failed.pk
    assert gateway.kinds() == [
        "inference.requested",
        "inference.failed",
        "inference.requested",
        "inference.completed",
    ]
    first, second = gateway.record(failed.pk), gateway.record(completed.pk)
    assert "prompt" in first["content"]
    assert second["content"] == {}  # the question is recorded once
    assert {"id": str(failed.pk), "rel": "attempt_of"} in second["links"]
    assert {"id": str(failed.pk), "rel": "previous"} in second["links"]
    assert second["body"]["lexcustis.attempt"] == 2
    assert second["body"]["lexcustis.attempt.reason"] == "provider_unavailable"
    # The one answer in the conversation is the one that came.
    (message,) = Message.objects.for_tenant(cast.max).filter(role="assistant")
    assert message.inference_id == completed.pk
    assert message.record_id == completed.end_record_id
    read = max_.get(f"/api/v1/conversations/{answer.json()['conversation_id']}").json()
    assert [one["text"].strip() for one in read["messages"]] == ["Hello", "Hello there"]


def test_a_provider_that_asks_to_slow_down_gets_its_time(
    gateway: Gateway, max_: httpx2.Client
) -> None:
    gateway.add("First", refusing(429, retry_after="1"), answering())
    answer = ask(max_)
    assert answer.json()["state"] == "completed"
    first, second = gateway.attempts()
    assert first.ended_at is not None
    assert (second.started_at - first.ended_at).total_seconds() >= 1.0


def test_nobody_waits_for_a_provider_that_asks_for_too_much_time(
    gateway: Gateway, max_: httpx2.Client
) -> None:
    gateway.add("First", refusing(429, retry_after="60"), answering())
    answer = ask(max_)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "60"
    assert answer.json()["error"]["code"] == "provider_rate_limited"
    assert gateway.calls("First") == 1


def test_a_dead_provider_is_replaced_by_another_of_the_same_model(
    gateway: Gateway, program: httpx2.Client
) -> None:
    gateway.dead("Dead")
    gateway.add("Alive", answering())
    answer = complete(program)
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"].strip() == "Hello there"
    assert answer.headers["lexcustis-attempts"] == "3"
    states = [(row.provider_settings_id, row.state) for row in gateway.attempts()]
    dead, alive = gateway.rows["Dead"].pk, gateway.rows["Alive"].pk
    assert states == [(dead, "failed"), (dead, "failed"), (alive, "completed")]


def test_the_stream_names_who_answered(gateway: Gateway, max_: httpx2.Client) -> None:
    gateway.add("Down", refusing(503))
    gateway.add("Up", answering(model="m-2027"))
    down = str(gateway.rows["Down"].pk)
    response = max_.post("/api/v1/chat", json={"message": "Hi", "provider_id": down, "model": "m"})
    events = events_of(response)
    assert events[0][1]["provider"] == "Up"
    assert events[0][1]["attempt"] == 3
    assert events[-1][1]["state"] == "completed"
    last = gateway.attempts()[-1]
    assert f"#{last.pk};" in response.headers["lexcustis-record"]
    body = gateway.record(last.pk)["body"]
    assert body["lexcustis.asked.provider.settings_id"] == down
    assert body["gen_ai.request.model"] == "m"
    assert gateway.record(last.end_record_id)["body"]["gen_ai.response.model"] == "m-2027"


def test_without_a_rule_no_other_model_answers_and_with_one_both_names_are_recorded(
    gateway: Gateway, program: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Down", refusing(503))
    gateway.add("Other", answering(), default_model="other")
    refused = complete(program)
    assert refused.status_code == 503
    assert gateway.calls("Other") == 0
    change_rules(cast.alice, fallback="any")
    answer = complete(program)
    assert answer.status_code == 200
    body = gateway.record(gateway.attempts()[-1].pk)["body"]
    assert body["lexcustis.asked.model"] == "m"
    assert body["gen_ai.request.model"] == "other"


def test_never_means_never(gateway: Gateway, program: httpx2.Client, cast: Cast) -> None:
    change_rules(cast.alice, fallback="never")
    gateway.add("Down", refusing(503))
    gateway.add("Up", answering())
    assert complete(program).status_code == 503
    assert gateway.calls("Up") == 0


def test_when_all_are_dead_the_error_has_a_status_and_every_attempt_is_recorded(
    gateway: Gateway, program: httpx2.Client, max_: httpx2.Client
) -> None:
    gateway.add("First", refusing(500))
    gateway.add("Second", refusing(502))
    answer = complete(program, stream=True)
    assert answer.status_code == 503
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["error"]["code"] == "provider_unavailable"
    rows = gateway.attempts()
    assert len(rows) == gateway.calls("First") + gateway.calls("Second") >= 3
    assert {row.state for row in rows} == {"failed"}
    assert [row.attempt for row in rows] == list(range(1, len(rows) + 1))
    assert {row.attempt_of for row in rows[1:]} == {rows[0].pk}
    again = max_.post("/api/v1/chat", json={"message": "Hello"})
    assert again.status_code == 503
    assert again.json()["error"]["code"] in {"provider_unavailable", "provider_resting"}


def test_p8_a_forbidden_region_gets_no_byte_though_it_is_first_in_the_chain(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("American", answering("from the US"), data_region="US")
    gateway.add("Down", refusing(500))
    gateway.add("European", answering("from the EU"))
    chain = [gateway.rows[name].pk for name in ("American", "Down", "European")]
    change_rules(cast.alice, chain=chain, fallback="any")
    answer = ask(max_)
    assert answer.json()["text"].strip() == "from the EU"
    assert gateway.servers["American"].connections == 0
    assert gateway.calls("Down") >= 1


def changed_meanwhile(gateway: Gateway, name: str, change: Callable[[], object]) -> None:
    """*change* happens while a provider has the question, before it answers."""
    server, waiting = gateway.servers[name], [change]
    answer = server.answer

    def answer_late(request: Request) -> Reply:
        if waiting:
            in_thread(waiting.pop())
        return answer(request)

    server.answer = answer_late


def set_second(cast: Cast, gateway: Gateway, **values: Any) -> None:
    second = gateway.rows["Second"].pk
    provider_settings.change(tenant=cast.alice, settings_id=second, **values)


def remove(cast: Cast) -> None:
    member = Membership.objects.for_tenant(cast.max).get(user=cast.max.user)
    remove_member(member, actor=cast.alice.actor)


def disable(cast: Cast, gateway: Gateway, name: str) -> None:
    provider_settings.disable(tenant=cast.alice, settings_id=gateway.rows[name].pk)


MEANWHILE: dict[str, Callable[[Cast, Gateway], object]] = {
    "a region is forbidden": lambda cast, _: change_organisation(
        cast.alice, allowed_regions=["EU"]
    ),
    "the organisation pauses": lambda cast, _: pause(cast.alice, reason="Looking into it."),
    "the other one is switched off": lambda cast, gateway: disable(cast, gateway, "Second"),
    "the other one is not for all": lambda cast, gateway: set_second(
        cast, gateway, open_to_roles=["auditor"]
    ),
    "nothing may replace it": lambda cast, _: change_rules(cast.alice, fallback="never"),
    "such texts are blocked": lambda cast, _: change_rules(cast.alice, screening="block"),
    "who asks is no member": lambda cast, _: remove(cast),
    "the key is revoked": lambda cast, _: revoke_key(cast.max, own_keys(cast.max).get()),
}


@pytest.mark.parametrize("what", MEANWHILE)
def test_p8_what_is_forbidden_meanwhile_gets_no_second_attempt(
    gateway: Gateway, program: httpx2.Client, cast: Cast, what: str
) -> None:
    gateway.add("First", refusing(500))
    second = gateway.add("Second", answering(), data_region="US")
    change_organisation(cast.alice, allowed_regions=["EU", "US"])
    changed_meanwhile(gateway, "First", lambda: MEANWHILE[what](cast, gateway))
    assert complete(program).status_code == 503
    assert second.connections == 0


def test_a_provider_that_moves_meanwhile_is_not_asked_again_where_it_was(
    gateway: Gateway, program: httpx2.Client, cast: Cast
) -> None:
    first = gateway.add("First", refusing(500))
    moved = {"tenant": cast.alice, "settings_id": gateway.rows["First"].pk}
    address = f"{first.origin}/elsewhere/v1"
    changed_meanwhile(gateway, "First", lambda: provider_settings.change(**moved, base_url=address))
    assert complete(program).status_code == 503
    assert [request.target for request in first.requests] == ["/v1/chat/completions"]


def test_vectors_are_asked_for_again_as_vectors(gateway: Gateway, program: httpx2.Client) -> None:
    vectors = {"data": [{"index": 0, "embedding": [0.5, 0.25]}], "model": "m", "usage": USAGE}
    server = gateway.add("First", refusing(500), Reply.json(vectors, headers=CLOSE))
    answer = program.post("/v1/embeddings", json={"model": "m", "input": "Hello"})
    assert answer.json()["data"][0]["embedding"] == [0.5, 0.25]
    assert [request.target for request in server.requests] == ["/v1/embeddings"] * 2


def test_after_the_first_token_nothing_takes_the_place(
    gateway: Gateway, max_: httpx2.Client
) -> None:
    gateway.add("Breaks", Reply(list(answering().pieces)[:2], then="reset"))
    gateway.add("Other", answering())
    events = events_of(max_.post("/api/v1/chat", json={"message": "Hello"}))
    assert [name for name, _ in events] == ["start", "text", "error", "end"]
    assert events[-1][1]["state"] == "failed"
    assert gateway.calls("Other") == 0
    (row,) = gateway.attempts()
    assert row.usage_source == "estimated"


def test_an_error_inside_a_stream_that_has_said_nothing_yet_is_no_answer(
    gateway: Gateway, max_: httpx2.Client
) -> None:
    gateway.add("Accepts", accepted_only(then="reset"))
    gateway.add("Other", answering())
    response = max_.post("/api/v1/chat", json={"message": "Hello"})
    events = events_of(response)
    assert "error" not in [name for name, _ in events]
    assert events[0][1]["provider"] == "Other"
    assert events[-1][1]["state"] == "completed"


def test_what_the_request_itself_is_to_blame_for_is_not_tried_elsewhere(
    gateway: Gateway, program: httpx2.Client
) -> None:
    gateway.add("Strict", refusing(400))
    gateway.add("Other", answering())
    assert complete(program).status_code == 400
    assert (gateway.calls("Strict"), gateway.calls("Other")) == (1, 0)


def test_a_budget_pays_each_attempt_once_and_the_sum_is_the_bill(
    gateway: Gateway, program: httpx2.Client, cast: Cast
) -> None:
    budget = Budget(limit=100_000, unit=Budget.Unit.TOKENS, period="day", scope="organisation")
    save_budget(cast.alice, budget)
    gateway.add("First", refusing(500))
    gateway.add("Second", answering())
    assert complete(program).status_code == 200
    rows = gateway.attempts()
    (standing,) = standings(cast.alice)
    used = sum((row.input_tokens or 0) + (row.output_tokens or 0) for row in rows)
    assert standing.used == used == 14


def test_the_log_with_its_attempts_verifies(
    gateway: Gateway, program: httpx2.Client, cast: Cast
) -> None:
    gateway.add("First", refusing(500), answering())
    complete(program)
    gateway.attempts()
    seal()
    assert verify_log(cast.organisation.pk).valid
