"""A person's own conversations: listed, read, renamed, put away, taken along; and nobody else's."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from django.db import connection, transaction

from llm import conversations
from llm.models import Conversation, Inference
from orgs.keys import create_key
from orgs.models import ApiKey
from orgs.roles import Permission
from orgs.tenancy import Tenant
from tests.audit.test_verification import tamper
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.test_chat import simulated


@pytest.fixture
def max_(max_: httpx2.Client, cast: Cast) -> httpx2.Client:
    simulated(cast)
    return max_


def ask(client: httpx2.Client, message: str, **body: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/chat", json={"message": message, "stream": False, **body})
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def test_the_list_is_newest_first_searched_and_paged(max_: httpx2.Client, cast: Cast) -> None:
    asked = [ask(max_, f"Topic number {number}") for number in range(4)]
    listed = max_.get("/api/v1/conversations").json()
    assert [item["id"] for item in listed["items"]] == [
        answer["conversation_id"] for answer in reversed(asked)
    ]
    assert listed["next"] is None
    found = max_.get("/api/v1/conversations", params={"search": "NUMBER 2"}).json()
    assert [item["title"] for item in found["items"]] == ["Topic number 2"]


def test_pages_join_without_gap_or_repetition(
    max_: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        ask(max_, f"Question {number}")
    monkeypatch.setattr(conversations, "PAGE", 2)
    seen, cursor = [], ""
    for _ in range(3):
        page = max_.get("/api/v1/conversations", params={"before": cursor}).json()
        seen += [item["title"] for item in page["items"]]
        cursor = page["next"]
    assert seen == [f"Question {number}" for number in (4, 3, 2, 1, 0)]
    assert cursor is None
    for wrong in ("x", "2026-01-01_y", "2026-01-01T00:00:00_" + str(uuid4())):
        response = max_.get("/api/v1/conversations", params={"before": wrong})
        assert response.status_code == 422


def test_a_conversation_is_renamed_and_put_away(max_: httpx2.Client) -> None:
    path = f"/api/v1/conversations/{ask(max_, 'Old name')['conversation_id']}"
    assert max_.patch(path, json={"title": "  New name "}).json()["title"] == "New name"
    assert max_.patch(path, json={"archived": True}).json()["archived"] is True
    assert max_.get("/api/v1/conversations").json()["items"] == []
    away = max_.get("/api/v1/conversations", params={"archived": True}).json()
    assert [item["title"] for item in away["items"]] == ["New name"]
    assert max_.patch(path, json={"archived": False, "title": None}).json()["title"] == "New name"
    for wrong in ({"title": " "}, {"titel": "x"}, {"archived": "perhaps"}):
        assert max_.patch(path, json=wrong).status_code == 422


def test_an_export_marks_every_answer(max_: httpx2.Client) -> None:
    answer = ask(max_, "Hello")
    path = f"/api/v1/conversations/{answer['conversation_id']}/export"
    response = max_.get(path)
    assert response.headers["content-type"].startswith("text/markdown")
    assert "attachment" in response.headers["content-disposition"]
    assert response.headers["lexcustis-ai-generated"] == "true"
    assert 'data-ai-generated="true"' in response.text
    assert f'data-record="{answer["record_id"]}"' in response.text
    assert answer["text"] in response.text
    exported = max_.get(path, params={"format": "json"}).json()
    assert exported["format"] == "lex-custis/conversation/v1"
    question, given = exported["messages"]
    assert "ai_generated" not in question
    assert given["ai_generated"] is True
    assert given["digital_source_type"].endswith("trainedAlgorithmicMedia")
    assert max_.get(path, params={"format": "exe"}).status_code == 422


def take_away(record_id: UUID, slot: str) -> None:
    """Delete a content row as the eraser would, past the trigger that stops everybody else."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_content DISABLE TRIGGER erased_by_eraser")
        cursor.execute(
            "DELETE FROM audit_content WHERE record_id = %s AND slot = %s", [record_id, slot]
        )
        assert cursor.rowcount == 1
        cursor.execute("ALTER TABLE audit_content ENABLE ALWAYS TRIGGER erased_by_eraser")


def test_an_erased_text_is_gone_and_the_conversation_stays(max_: httpx2.Client, cast: Cast) -> None:
    answer = ask(max_, "Forget this")
    inference = Inference.objects.for_tenant(cast.max).get(end_record_id=answer["record_id"])
    take_away(inference.pk, "prompt")
    path = f"/api/v1/conversations/{answer['conversation_id']}"
    question, given = max_.get(path).json()["messages"]
    assert (question["text"], question["is_gone"]) == ("", True)
    assert (given["text"], given["is_gone"]) == (answer["text"], False)
    again = max_.post("/api/v1/chat", json={"retry_of": answer["message_id"]})
    assert again.status_code == 422
    assert "erased" in again.text
    following = ask(max_, "Go on", conversation_id=answer["conversation_id"])
    assert following["state"] == "completed"


def test_what_does_not_open_hides_nothing_else(max_: httpx2.Client, cast: Cast) -> None:
    answer = ask(max_, "Keep this")
    whole = ask(max_, "Another matter")
    inference = Inference.objects.for_tenant(cast.max).get(end_record_id=answer["record_id"])
    tamper(
        (
            "UPDATE audit_content SET sealed = %s WHERE record_id = %s AND slot = 'prompt'",
            [b"not what was sealed", inference.pk],
        )
    )
    path = f"/api/v1/conversations/{answer['conversation_id']}"
    question, given = max_.get(path).json()["messages"]
    assert (question["text"], question["is_gone"], question["is_damaged"]) == ("", False, True)
    assert (given["text"], given["is_damaged"]) == (answer["text"], False)
    assert "does not open" in max_.get(f"/chat/{answer['conversation_id']}/").text
    assert "*(does not open)*" in max_.get(f"{path}/export", params={"format": "markdown"}).text
    again = max_.post("/api/v1/chat", json={"retry_of": answer["message_id"]})
    assert again.status_code == 422
    Conversation.objects.for_tenant(cast.max).filter(pk=answer["conversation_id"]).update(
        sealed_title=b"not what was sealed"
    )
    titles = [item["title"] for item in max_.get("/api/v1/conversations").json()["items"]]
    assert titles == ["Another matter", "(The title cannot be read)"]
    assert max_.get(f"/api/v1/conversations/{whole['conversation_id']}").status_code == 200


# -- The wall (P4) --------------------------------------------------------------------------------


def addresses(answer: dict[str, Any]) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Every way to name something of Max's: in the path, in the query, in the body."""
    conversation = f"/api/v1/conversations/{answer['conversation_id']}"
    chat = "/api/v1/chat"
    mine = {"message": "x", "conversation_id": answer["conversation_id"]}
    return [
        ("GET", conversation, None),
        ("PATCH", conversation, {"title": "Mine now"}),
        ("GET", f"{conversation}/export", None),
        ("GET", f"{conversation}/export?format=json", None),
        ("POST", chat, mine),
        ("POST", chat, {**mine, "parent_id": answer["message_id"]}),
        ("POST", chat, {**mine, "parent_id": None}),
        ("POST", chat, {"retry_of": answer["message_id"]}),
        ("POST", chat, {"retry_of": answer["user_message_id"]}),
        (
            "POST",
            chat,
            {"retry_of": answer["message_id"], "conversation_id": answer["conversation_id"]},
        ),
        ("GET", f"/api/v1/audit/records/{answer['record_id']}", None),
        ("GET", f"/api/v1/audit/records/{answer['record_id']}/proof", None),
    ]


def everything(tenant: Tenant) -> int:
    return Inference.objects.for_tenant(tenant).count()


def test_p4_a_stranger_finds_nothing_by_any_identifier(
    max_: httpx2.Client, web_server: str, cast: Cast
) -> None:
    answer = ask(max_, "A secret of Acme")
    provider = simulated(cast, "Second")
    key, _ = create_key(cast.max, name="mine", scopes=[Permission.CHAT])
    _, text = create_key(cast.charlie, name="his", scopes=list(Permission))
    asks_elsewhere = [
        *addresses(answer),
        ("POST", "/api/v1/chat", {"message": "x", "provider_id": str(provider.pk)}),
        ("DELETE", f"/api/v1/keys/{key.pk}", None),
    ]
    for client in (signed_in(web_server, cast.charlie), with_key(web_server, text)):
        with client as charlie:
            for method, path, body in asks_elsewhere:
                seen = charlie.request(method, path, json=body)
                assert seen.status_code == 404, (method, path, body, seen.text)
                random = path
                for name in ("conversation_id", "record_id"):
                    random = random.replace(str(answer[name]), str(uuid4()))
                random = random.replace(str(key.pk), str(uuid4()))
                missing = charlie.request(method, random, json=body)
                assert without_id(seen) == without_id(missing), "it can be told apart"
            assert charlie.get("/api/v1/conversations").json()["items"] == []
            records = charlie.get("/api/v1/audit/records").text
            assert answer["record_id"] not in records
    assert everything(cast.charlie) == 0
    assert everything(cast.max) == 1
    assert ApiKey.objects.for_tenant(cast.max).get(pk=key.pk).revoked_at is None


def test_p4_colleagues_do_not_read_each_others_conversations(
    max_: httpx2.Client, web_server: str, cast: Cast
) -> None:
    answer = ask(max_, "Between me and the model")
    for colleague in (cast.alice, cast.olivia, cast.rita):
        with signed_in(web_server, colleague) as client:
            for method, path, body in addresses(answer)[:10]:
                response = client.request(method, path, json=body)
                assert response.status_code == 404, (colleague.role, method, path)
            assert client.get("/api/v1/conversations").json()["items"] == []
    assert everything(cast.max) == 1


def without_id(response: httpx2.Response) -> dict[str, Any]:
    """An error without what differs from request to request."""
    error: dict[str, Any] = json.loads(response.text)["error"]
    return {name: value for name, value in error.items() if name != "request_id"}
