"""The upstream register over HTTP: the same rights as in its pages, and nothing of others (P4)."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from dossier import upstream_documents
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from orgs.keys import create_key
from orgs.roles import Permission
from orgs.tenancy import Tenant
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_manifests import NOON

BASE = "/api/v1/upstream"
MODEL = "meta-llama/Llama-3.3-70B"
COPY = b"%PDF-1.7 a licence"
FIELDS = {
    "model": MODEL,
    "kind": "terms",
    "title": "Llama 3.3 licence",
    "publisher": "Meta Platforms Ireland Ltd",
    "url": "https://meta.example/licence.pdf",
    "retrieved_on": "2026-10-05",
    "answers": ["1h", "1a"],
}
ASKED = {
    "model": MODEL,
    "addressee": "Meta Platforms Ireland Ltd",
    "channel": "e-mail",
    "asked_on": "2026-10-06",
    "items": ["1f", "training_content_summary"],
    "text": "Please send us what Annex XII asks for.",
}


def client_of(tenant: Tenant, *scopes: Permission) -> Client:
    """A program with a key of that person."""
    _, text = create_key(tenant, name="test", scopes=scopes or list(Permission))
    return Client(headers={"Authorization": f"Bearer {text}"})


def brought(client: Client, data: bytes = COPY, **changes: Any) -> Any:
    file = SimpleUploadedFile("licence.pdf", data)
    return client.post(f"{BASE}/documents", {**FIELDS, "file": file, **changes})


def asked(client: Client, **changes: Any) -> Any:
    return client.post(f"{BASE}/requests", {**ASKED, **changes}, "application/json")


@pytest.fixture
def olivia(cast: Cast) -> Client:
    """The compliance officer's program; the model was called twice."""
    call(cast.max, NOON, provider="groq", model=MODEL, answered_by="llama-3.3-1")
    later = NOON + timedelta(days=1)
    call(cast.max, later, provider="groq", model=MODEL, answered_by="llama-3.3-2")
    return client_of(cast.olivia)


def test_it_lists_what_was_seen_found_asked_for_and_not_known(cast: Cast, olivia: Client) -> None:
    document = brought(olivia).json()
    request = asked(olivia).json()
    (row,) = client_of(cast.audrey).get(f"{BASE}/models").json()["items"]
    assert (row["model"], row["hosts"], row["calls"]) == (MODEL, ["Groq"], 2)
    assert row["maker"].startswith("Meta")
    assert [version["answered_by"] for version in row["versions"]] == ["llama-3.3-1", "llama-3.3-2"]
    assert row["version_changes"] == 1
    items = {item["key"]: item for item in row["checklist"]}
    assert len(items) == 11
    assert (items["1a"]["state"], items["1a"]["document_id"]) == ("published", document["id"])
    assert (items["1f"]["state"], items["1f"]["request_id"]) == ("requested", request["id"])
    assert items["2c"]["state"] == "unknown"
    assert row["answered"] == 2
    assert olivia.get(f"{BASE}/model", {"model": MODEL}).json() == row
    assert olivia.get(f"{BASE}/model", {"model": "never called"}).status_code == 404


def test_a_document_comes_back_as_it_was_brought(olivia: Client) -> None:
    answer = brought(olivia)
    assert answer.status_code == 201
    row = answer.json()
    assert row["answers"] == ["1a", "1h"]
    assert row["sha256"] == hashlib.sha256(COPY).hexdigest()
    assert olivia.get(f"{BASE}/documents/{row['id']}").json() == row
    assert olivia.get(f"{BASE}/documents", {"model": MODEL}).json()["items"] == [row]
    assert olivia.get(f"{BASE}/documents", {"model": "another"}).json()["items"] == []
    copy = olivia.get(f"{BASE}/documents/{row['id']}/copy")
    assert copy.content == COPY
    assert copy["Content-Disposition"] == 'attachment; filename="licence.pdf"'
    assert copy["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"data": b""}, "file"),
        ({"url": ""}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"answers": ["9z"]}, "answers"),
        ({"retrieved_on": "2999-01-01"}, "retrieved_on"),
        ({"kind": "rumour"}, "kind"),
    ],
)
def test_a_document_that_says_too_little_is_refused(cast, olivia, change, field: str) -> None:
    answer = brought(olivia, **change)
    assert answer.status_code == 422
    assert field in str(answer.json()["error"]["details"])
    assert not UpstreamDocument.objects.for_tenant(cast.olivia).exists()


def test_a_file_that_is_too_large_is_refused_unread(olivia, monkeypatch) -> None:
    monkeypatch.setattr(upstream_documents, "MOST_BYTES", len(COPY) - 1)
    answer = brought(olivia)
    assert answer.status_code == 422
    assert "larger" in str(answer.json()["error"]["details"])


@pytest.mark.parametrize("media", ["multipart/form-data", "multipart/form-data; boundary=\xe4"])
def test_a_form_that_cannot_be_read_is_said_to_be_so(olivia: Client, media: str) -> None:
    answer = olivia.post(f"{BASE}/documents", b"--no boundary", content_type=media)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad_request"


def test_a_request_is_entered_and_its_answer_noted_once(cast: Cast, olivia: Client) -> None:
    answer = asked(olivia)
    assert answer.status_code == 201
    row = answer.json()
    assert (row["outcome"], row["answered_on"]) == ("open", None)
    address = f"{BASE}/requests/{row['id']}"
    today = timezone.now().date().isoformat()
    noted = {"outcome": "refused", "answered_on": today, "answer": "Trade secret"}
    once = olivia.post(f"{address}/answer", noted, "application/json")
    assert once.status_code == 200
    assert once.json()["answer_record_id"]
    again = olivia.post(f"{address}/answer", {**noted, "outcome": "supplied"}, "application/json")
    assert again.status_code == 422
    assert "noted already" in str(again.json()["error"]["details"])
    assert olivia.get(address).json() == once.json()
    assert olivia.get(f"{BASE}/requests").json()["items"] == [once.json()]
    assert UpstreamRequest.objects.for_tenant(cast.olivia).get().outcome == "refused"


def test_a_document_that_came_names_the_request_it_answers(cast: Cast, olivia: Client) -> None:
    request = asked(olivia).json()
    row = brought(olivia, url="", request_id=request["id"], is_confidential="true").json()
    assert (row["request_id"], row["is_confidential"]) == (request["id"], True)
    theirs = asked(client_of(cast.charlie))  # an administrator declares nothing
    assert theirs.status_code == 403


def test_the_draft_of_a_complaint_is_a_text_to_save(cast: Cast, olivia: Client) -> None:
    answer = olivia.get(f"{BASE}/complaint", {"model": MODEL})
    assert answer.content.decode().startswith("DRAFT, not sent")
    assert "attachment" in answer["Content-Disposition"]
    assert "/" not in answer["Content-Disposition"]
    assert client_of(cast.audrey).get(f"{BASE}/complaint", {"model": MODEL}).status_code == 403


def test_an_auditor_reads_and_brings_nothing(cast: Cast, olivia: Client) -> None:
    audrey = client_of(cast.audrey)
    assert brought(audrey).status_code == 403
    assert asked(audrey).status_code == 403
    row = asked(olivia).json()
    noted = {"outcome": "refused", "answered_on": "2026-10-07", "answer": "No"}
    address = f"{BASE}/requests/{row['id']}/answer"
    assert audrey.post(address, noted, "application/json").status_code == 403
    assert audrey.get(f"{BASE}/requests/{row['id']}").status_code == 200


def test_a_key_without_the_scope_reads_nothing(cast: Cast, olivia: Client) -> None:
    narrow = client_of(cast.olivia, Permission.CHAT)
    for path in ("models", f"model?model={MODEL}", "documents", "requests"):
        assert narrow.get(f"{BASE}/{path}").status_code == 403
    assert Client().get(f"{BASE}/models").status_code == 401


def test_another_organisation_learns_of_nothing(cast: Cast, olivia: Client) -> None:
    document, request = brought(olivia).json(), asked(olivia).json()
    charlie = client_of(cast.charlie)
    for path in ("models", "documents", "requests"):
        assert charlie.get(f"{BASE}/{path}").json()["items"] == []
    never = "0193a000-0000-7000-8000-000000000000"
    for path in ("documents/{}", "documents/{}/copy", "requests/{}"):
        theirs = "requests" if path.startswith("requests") else "documents"
        own = request["id"] if theirs == "requests" else document["id"]
        found = charlie.get(f"{BASE}/{path.format(own)}")
        unknown = charlie.get(f"{BASE}/{path.format(never)}")
        assert found.status_code == unknown.status_code == 404
        assert found.json()["error"]["message"] == unknown.json()["error"]["message"]
    assert charlie.get(f"{BASE}/model", {"model": MODEL}).status_code == 404
