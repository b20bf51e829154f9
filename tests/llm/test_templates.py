"""Prompt templates: thin, versioned, and each use of them recorded with its version."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx2
import pytest

from audit.models import Record
from audit.reading import read_content
from llm.models import Conversation, Inference
from llm.prompt_templates import (
    TEMPLATES,
    NotInForm,
    UnknownTemplate,
    answer_in_form,
    classification_schema,
    places_of,
    template,
)
from orgs.keys import create_key
from orgs.roles import Permission
from tests.cast import Cast
from tests.live import with_key
from tests.llm.test_chat import simulated

PATH = "/api/v1/templates"
TEXT = "Ada wrote to Charles on Monday. Charles answered."
# What is released stays: another wording is another version.
RELEASED = {
    ("summarise", 1): "a173ba88",
    ("extract", 1): "48ad57f0",
    ("classify", 1): "40aecf1f",
}


@pytest.fixture
def max_(max_: httpx2.Client, cast: Cast) -> httpx2.Client:
    simulated(cast)
    return max_


def requested(cast: Cast) -> tuple[Inference, dict[str, Any]]:
    """The organisation's only call, and the body of its request's record."""
    inference: Inference = Inference.objects.for_tenant(cast.max).get()
    record = Record.objects.get(id=inference.pk)
    return inference, json.loads(bytes(record.bytes))["body"]


def test_a_summary_names_its_template_in_the_answer_and_in_the_log(
    max_: httpx2.Client, cast: Cast
) -> None:
    body = {"text": TEXT, "sentences": 2, "style": "bullets", "focus": "who wrote"}
    response = max_.post(f"{PATH}/summarise", json=body)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["summary"]
    assert (answer["template"], answer["version"]) == ("summarise", 1)
    assert answer["usage"]["output_tokens"] > 0
    assert response.headers["lexcustis-ai-generated"] == "true"
    inference, record = requested(cast)
    assert answer["record_id"] == str(inference.end_record_id)
    assert record["lexcustis.template.id"] == "summarise"
    assert record["lexcustis.template.version"] == 1
    assert record["lexcustis.interface"] == "template"
    system, user = json.loads(read_content(cast.organisation.pk, inference.pk, "prompt"))
    assert "2 bullet points, each on a line of its own" in system["content"]
    assert "who wrote" in system["content"]
    assert user == {"role": "user", "content": TEXT}
    assert not Conversation.objects.for_tenant(cast.max).exists()


def test_what_is_extracted_says_whether_it_stands_in_the_text(max_: httpx2.Client) -> None:
    response = max_.post(f"{PATH}/extract", json={"text": TEXT, "kinds": ["person", "date"]})
    assert response.status_code == 200, response.text
    (item,) = response.json()["items"]  # what the simulated model always finds
    assert item == {"kind": "person", "text": "simulated", "start": None, "end": None}


def test_a_classification_has_only_the_given_categories(max_: httpx2.Client) -> None:
    body = {"text": "My parcel is late.", "categories": ["complaint", "praise"], "several": True}
    response = max_.post(f"{PATH}/classify", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["categories"] == ["complaint"]


def test_an_answer_that_cannot_be_read_is_an_error_that_is_recorded(
    max_: httpx2.Client, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"text": "x", "categories": ["complaint", "praise"]}
    cut = max_.post(f"{PATH}/classify", json=body | {"max_tokens": 2})
    assert cut.status_code == 422
    error = cut.json()["error"]
    assert error["code"] == "answer_cut_off"
    inference, _ = requested(cast)
    assert error["details"]["record_id"] == str(inference.pk)
    assert inference.state == "completed"
    # As a model does that knows no structured output.
    monkeypatch.setattr("llm.providers.simulated.value_for", lambda schema: "complaint")
    wrong = max_.post(f"{PATH}/classify", json=body)
    assert wrong.status_code == 502
    assert wrong.json()["error"]["code"] == "answer_not_in_form"


def test_refusals_are_those_of_a_chat(web_server: str, max_: httpx2.Client, cast: Cast) -> None:
    assert max_.post(f"{PATH}/summarise", json={"text": "x", "version": 9}).status_code == 404
    assert max_.post(f"{PATH}/summarise", json={"text": "", "x": 1}).status_code == 422
    assert max_.post(f"{PATH}/classify", json={"text": "x", "categories": ["a"]}).status_code == 422
    assert not Inference.objects.for_tenant(cast.max).exists()
    assert max_.post(f"{PATH}/summarise", json={"text": "[[limit]]"}).status_code == 429
    wrong = max_.post(f"{PATH}/summarise", json={"text": "x", "model": "gpt-none"})
    assert wrong.json()["error"]["code"] == "model_not_offered"
    _, reads = create_key(cast.audrey, name="reads", scopes=list(Permission))
    with with_key(web_server, reads) as auditor:
        assert auditor.post(f"{PATH}/summarise", json={"text": "x"}).status_code == 403
        assert auditor.get(PATH).status_code == 403


def test_the_templates_are_listed_in_their_own_words(max_: httpx2.Client) -> None:
    listed = max_.get(PATH).json()
    assert [(one["name"], one["version"]) for one in listed] == list(RELEASED)
    assert "$kinds" in listed[1]["instruction"]


def test_a_released_version_never_changes() -> None:
    digests = {
        (one.name, one.version): hashlib.sha256(one.instruction.encode()).hexdigest()[:8]
        for one in TEMPLATES
    }
    assert digests == RELEASED
    assert template("extract").version == max(v for name, v in RELEASED if name == "extract")
    with pytest.raises(UnknownTemplate):
        template("translate")


def test_passages_are_found_where_they_stand() -> None:
    passages = [
        {"kind": "p", "text": word} for word in ("Charles", "Charles", "Charles", "Eve", "")
    ]
    places = [(one["start"], one["end"]) for one in places_of(passages, TEXT)]
    assert places == [(13, 20), (32, 39), (None, None), (None, None), (None, None)]


@pytest.mark.parametrize(
    "text",
    ["", "complaint", "[]", '{"categories": ["other"]}', '{"categories": "a"}', "[" * 100_000],
)
def test_only_json_of_the_right_form_is_an_answer(text: str) -> None:
    with pytest.raises(NotInForm):
        answer_in_form(text, classification_schema(["a", "b"]))


def test_json_in_a_fence_is_json() -> None:
    schema = classification_schema(["a", "b"])
    assert answer_in_form('```json\n{"categories": ["a"]}\n```', schema) == {"categories": ["a"]}
