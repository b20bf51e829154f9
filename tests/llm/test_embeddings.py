"""Embeddings: the official client unchanged; each call decided, recorded and paid like a chat."""

from __future__ import annotations

import json
import math
from typing import Any

import openai
import pytest

from audit.models import Record, RecordIndex
from audit.reading import read_content
from llm import budgets, provider_settings
from llm.embeddings import Wanted, prepare
from llm.models import Budget, BudgetEntry, Inference
from orgs.keys import create_key
from orgs.organisations import pause
from orgs.roles import Permission
from tests.cast import Cast
from tests.live import with_key
from tests.llm.test_chat import kinds_of, simulated


@pytest.fixture
def key(key: str, cast: Cast) -> str:
    simulated(cast, allowed_models=["sim-large", "sim-embed"])
    return key


def body_of(record_id: Any) -> dict[str, Any]:
    record = Record.objects.get(id=record_id)
    body: dict[str, Any] = json.loads(bytes(record.bytes))["body"]
    return body


def test_the_official_client_gets_vectors_and_the_log_has_the_call(
    client: openai.OpenAI, cast: Cast
) -> None:
    """P1, P3."""
    texts = ["The invoice is due.", "When is the invoice due?", "Grüße aus Köln"]
    raw = client.embeddings.with_raw_response.create(model="sim-embed", input=texts)
    made = raw.parse()
    assert [row.index for row in made.data] == [0, 1, 2]
    assert {len(row.embedding) for row in made.data} == {256}
    assert made.model == "sim-embed-2026-11"
    inference: Inference = Inference.objects.for_tenant(cast.max).get()
    assert inference.operation == "embeddings"
    assert inference.input_tokens == made.usage.prompt_tokens == made.usage.total_tokens > 0
    assert inference.output_tokens == 0
    assert inference.cost == 0
    assert f"#{inference.pk};" in raw.headers["lexcustis-record"]
    assert kinds_of(cast.max, str(inference.pk)) == ["inference.requested", "inference.completed"]
    assert json.loads(read_content(cast.organisation.pk, inference.pk, "prompt")) == texts
    requested, ended = body_of(inference.pk), body_of(inference.end_record_id)
    assert requested["gen_ai.operation.name"] == ended["gen_ai.operation.name"] == "embeddings"
    assert requested["lexcustis.embeddings.inputs"] == 3
    assert requested["gen_ai.request.encoding_formats"] == ["base64"]
    assert ended["gen_ai.usage.input_tokens"] == made.usage.prompt_tokens
    assert ended["lexcustis.cost.amount"] == "0"


def test_texts_that_share_words_are_near_and_the_same_text_is_the_same(
    client: openai.OpenAI,
) -> None:
    texts = ["The invoice is due.", "The invoice is overdue.", "Penguins live far south"]
    made = client.embeddings.create(model="sim-embed", input=texts, encoding_format="float")
    first, near, far = (row.embedding for row in made.data)
    assert math.isclose(math.hypot(*first), 1.0, rel_tol=1e-9)

    def nearness(one: list[float], other: list[float]) -> float:
        return sum(a * b for a, b in zip(one, other, strict=True))

    assert nearness(first, near) > nearness(first, far) + 0.3
    again = client.embeddings.create(model="sim-embed", input=texts[0])  # base64 on the wire
    assert again.data[0].embedding == pytest.approx(first, abs=1e-6)


def test_dimensions_are_as_asked(client: openai.OpenAI) -> None:
    made = client.embeddings.create(model="sim-embed", input="short", dimensions=8)
    assert len(made.data[0].embedding) == 8
    with pytest.raises(openai.BadRequestError):
        client.embeddings.create(model="sim-embed", input="long", dimensions=60_000)


def test_what_cannot_be_recorded_or_read_is_refused(client: openai.OpenAI, cast: Cast) -> None:
    wrong: list[Any] = ["", [], ["a", ""], [1, 2, 3], [[1], [2]], ["x"] * 2049, "\ud800"]
    for given in wrong:
        with pytest.raises((openai.BadRequestError, UnicodeEncodeError)):
            client.embeddings.create(model="sim-embed", input=given)
    with pytest.raises(openai.BadRequestError, match="token numbers"):
        client.embeddings.create(model="sim-embed", input=[1, 2])
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-none", input="x")
    assert not Inference.objects.for_tenant(cast.max).exclude(state="blocked").exists()


def test_failures_are_recorded_and_have_the_clients_own_classes(
    client: openai.OpenAI, cast: Cast
) -> None:
    with pytest.raises(openai.InternalServerError):
        client.embeddings.create(model="sim-embed", input="[[fail]]")
    with pytest.raises(openai.RateLimitError):
        client.embeddings.create(model="sim-embed", input="[[limit]]")
    states = Inference.objects.for_tenant(cast.max).values_list("state", flat=True)
    assert set(states) == {"failed"}
    pause(cast.olivia, reason="test")
    with pytest.raises(openai.PermissionDeniedError):
        client.embeddings.create(model="sim-embed", input="x")
    blocked = RecordIndex.objects.for_tenant(cast.audrey).filter(kind="inference.blocked")
    assert blocked.count() == 1


def test_a_forbidden_region_gets_no_byte_and_a_provider_without_vectors_is_named(
    web_server: str, key: str, cast: Cast
) -> None:
    """P8."""
    provider_settings.create(
        tenant=cast.alice,
        name="Abroad",
        vendor="openai_compatible",
        base_url="http://127.0.0.1:9/v1",
        default_model="embed-abroad",
        data_region="US",
    )
    provider_settings.create(
        tenant=cast.alice,
        name="Words only",
        vendor="anthropic",
        base_url="http://127.0.0.1:9/v1",
        default_model="words-only",
        data_region="self-hosted",
    )
    with with_key(web_server, key) as client:
        answers = {
            model: client.post("/v1/embeddings", json={"model": model, "input": "x"})
            for model in ("embed-abroad", "words-only")
        }
    codes = {model: answer.json()["error"]["code"] for model, answer in answers.items()}
    assert codes == {"embed-abroad": "region_forbidden", "words-only": "no_embeddings"}
    assert [answer.status_code for answer in answers.values()] == [403, 400]
    kinds = RecordIndex.objects.for_tenant(cast.audrey).filter(kind="inference.blocked")
    assert kinds.count() == 2


def test_budgets_count_what_is_read_and_reserve_no_answer(
    web_server: str, key: str, cast: Cast
) -> None:
    budget = Budget(limit=100, unit="tokens", action="block")
    budgets.save_budget(cast.olivia, budget)
    wanted = Wanted(["a" * 400], "sim-embed")
    call = budgets.admitted(prepare(lambda: cast.max, wanted))
    assert call.refusal is None
    reserved = BudgetEntry.objects.get(inference_id=call.id)
    assert reserved.amount == 100
    with with_key(web_server, key) as client:
        refused = client.post("/v1/embeddings", json={"model": "sim-embed", "input": "more"})
    assert refused.status_code == 402
    assert refused.json()["error"]["code"] == "budget_exceeded"


def test_only_keys_that_may_chat_get_vectors(web_server: str, key: str, cast: Cast) -> None:
    _, reads = create_key(cast.audrey, name="reads", scopes=list(Permission))
    for text, status in (("lxc_00000000_x", 401), (reads, 403)):
        with with_key(web_server, text) as client:
            answer = client.post("/v1/embeddings", json={"model": "sim-embed", "input": "x"})
        assert answer.status_code == status
