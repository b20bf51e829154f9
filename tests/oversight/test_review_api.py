"""Reviews by API: asked for with a session or a key, decided by a person with a session."""

from __future__ import annotations

from typing import Any, get_args
from uuid import uuid4

import httpx2
import pytest

from llm.models import Conversation, Inference, Message
from llm.titles import seal_title
from orgs import api_pages
from orgs.identifiers import uuid7
from orgs.keys import create_key
from orgs.roles import Permission
from orgs.tenancy import Tenant
from oversight import review_api
from oversight.models import Review
from oversight.reviews import request_review
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.oversight.scene import ANSWER, answered

PATH = "/api/v1/reviews"
MODIFIED = {
    "decision": "modified",
    "reason": "facts",
    "comment": "Clause 4.",
    "correction": "It is four weeks.",
}


def in_chat(tenant: Tenant) -> Message:
    """An answer in a conversation of the tenant's own."""
    conversation_id = uuid7()
    conversation = Conversation.objects.create(
        id=conversation_id,
        organisation=tenant.organisation,
        user=tenant.user,
        sealed_title=seal_title(tenant.organisation_id, conversation_id, "Notice"),
    )
    inference = answered(tenant, conversation=conversation)
    message: Message = Message.objects.create(
        organisation=tenant.organisation,
        conversation=conversation,
        role=Message.Role.ASSISTANT,
        record_id=inference.end_record_id,
        slot="response",
        inference=inference,
    )
    return message


def code(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def fields(answer: httpx2.Response) -> list[str]:
    return [problem["field"] for problem in answer.json()["error"]["details"]]


def test_one_asks_by_the_message_another_corrects_and_who_asked_reads_it(
    web_server: str, cast: Cast
) -> None:
    message = in_chat(cast.max)
    with (
        signed_in(web_server, cast.max, timeout=30) as max_,
        signed_in(web_server, cast.rita, timeout=30) as rita,
    ):
        body = {"message_id": str(message.pk), "concern": "Also for apprentices?"}
        asked = max_.post(PATH, json=body)
        assert asked.status_code == 201
        review = asked.json()
        assert (review["state"], review["answer_id"]) == ("waiting", str(message.record_id))
        assert review["conversation_id"] == str(message.conversation_id)
        assert code(max_.post(PATH, json=body)) == (422, "invalid_value")
        queue = rita.get(f"{PATH}/queue").json()
        assert queue == {"items": [review], "next": None}

        before = rita.get(f"{PATH}/{review['id']}").json()
        assert before["texts"] is None
        assert fields(rita.post(f"{PATH}/{review['id']}/decision", json=MODIFIED)) == [""]
        taken = rita.post(f"{PATH}/{review['id']}/take").json()
        assert (taken["state"], taken["reviewer_name"]) == ("taken", "Rita")
        assert (taken["texts"]["answer"], taken["texts"]["concern"]) == (ANSWER, body["concern"])
        wrong = rita.post(f"{PATH}/{review['id']}/decision", json={**MODIFIED, "correction": ""})
        assert (code(wrong), fields(wrong)) == ((422, "invalid_value"), ["correction"])
        done = rita.post(f"{PATH}/{review['id']}/decision", json=MODIFIED).json()
        assert (done["state"], done["decision_id"] is not None) == ("modified", True)
        assert rita.get(f"{PATH}/queue").json()["items"] == []

        here = max_.get(PATH, params={"conversation_id": str(message.conversation_id)}).json()
        assert [row["state"] for row in here["items"]] == ["modified"]
        assert max_.get(PATH, params={"conversation_id": str(uuid4())}).json()["items"] == []
        read = max_.get(f"{PATH}/{review['id']}").json()
        assert read["texts"] == {
            "question": "How long is the notice period?",
            "answer": ANSWER,
            "concern": "Also for apprentices?",
            "correction": "It is four weeks.",
            "comment": "Clause 4.",
            "is_damaged": False,
        }


def test_the_queue_is_read_by_state_and_page(
    web_server: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_pages, "AT_ONCE", 2)
    rows = [str(request_review(cast.max, answered(cast.max).pk).pk) for _ in range(3)]
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        rita.post(f"{PATH}/{rows[2]}/take")
        first = rita.get(f"{PATH}/queue").json()
        assert [row["id"] for row in first["items"]] == rows[:2]
        rest = rita.get(f"{PATH}/queue", params={"after": first["next"]}).json()
        assert ([row["id"] for row in rest["items"]], rest["next"]) == (rows[2:], None)
        by_state = {
            state: len(rita.get(f"{PATH}/queue", params={"state": state}).json()["items"])
            for state in ("waiting", "taken", "decided", "rejected")
        }
        assert by_state == {"waiting": 2, "taken": 1, "decided": 0, "rejected": 0}
    with signed_in(web_server, cast.max, timeout=30) as max_:
        newest = max_.get(PATH).json()
        assert [row["id"] for row in newest["items"]] == [rows[2], rows[1]]
        older = max_.get(PATH, params={"before": newest["next"]}).json()
        assert [row["id"] for row in older["items"]] == [rows[0]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message_id": str(uuid4()), "inference_id": str(uuid4())},
        {"inference_id": str(uuid4()), "concern": "x" * 4001},
        {"inference_id": str(uuid4()), "concern": "a\x00b"},
        {"inference_id": str(uuid4()), "sincerely": True},
    ],
)
def test_what_names_no_answer_or_too_much_is_refused(
    web_server: str, cast: Cast, body: dict[str, Any]
) -> None:
    with signed_in(web_server, cast.max, timeout=30) as client:
        assert code(client.post(PATH, json=body)) == (422, "invalid_request")


def test_others_learn_nothing(web_server: str, cast: Cast) -> None:
    message = in_chat(cast.max)
    assert message.inference is not None
    review = request_review(cast.max, message.inference.pk)
    for tenant, queue in ((cast.charlie, 403), (cast.alice, 403), (cast.audrey, 403)):
        with signed_in(web_server, tenant, timeout=30) as client:
            assert client.get(f"{PATH}/queue").status_code == queue
            assert client.get(f"{PATH}/{review.pk}").status_code == 404
            assert client.post(f"{PATH}/{review.pk}/take").status_code in (403, 404)
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        for body in (
            {"message_id": str(message.pk)},
            {"inference_id": str(message.inference.pk)},
            {"message_id": str(uuid4())},
        ):
            assert code(rita.post(PATH, json=body)) == (404, "not_found")
        assert rita.get(PATH).json()["items"] == []
    with signed_in(web_server, cast.max, timeout=30) as max_:
        assert code(max_.post(f"{PATH}/{review.pk}/take")) == (403, "not_allowed")


def test_a_key_asks_within_its_scopes_and_never_decides(web_server: str, cast: Cast) -> None:
    inference: Inference = answered(cast.max)
    _, chatting = create_key(cast.max, name="chat", scopes=[Permission.CHAT])
    with with_key(web_server, chatting, timeout=30) as client:
        asked = client.post(PATH, json={"inference_id": str(inference.pk)})
        assert asked.status_code == 201
        review = asked.json()["id"]
        assert client.get(f"{PATH}/{review}").json()["texts"]["answer"] == ANSWER
    _, narrow = create_key(cast.rita, name="log", scopes=[Permission.AUDIT_READ])
    own = request_review(cast.rita, answered(cast.rita).pk)
    with with_key(web_server, narrow, timeout=30) as client:
        assert client.get(PATH).status_code == 403
        assert client.get(f"{PATH}/{own.pk}").status_code == 404
    _, reviewing = create_key(cast.rita, name="review", scopes=[Permission.REVIEW])
    with with_key(web_server, reviewing, timeout=30) as client:
        assert len(client.get(f"{PATH}/queue").json()["items"]) == 2
        assert code(client.post(f"{PATH}/{review}/take")) == (422, "invalid_value")
        assert client.get(f"{PATH}/{own.pk}").json()["texts"] is None


def test_the_closed_lists_are_those_of_the_rows() -> None:
    assert set(get_args(review_api._State)) == set(Review.State.values)
    assert set(get_args(review_api._Reason)) == set(Review.Reason.values)
