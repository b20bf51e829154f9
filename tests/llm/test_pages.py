"""The chat page and “My data”, as the server renders them: whole, private, without scripts."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from audit.break_glass import decide, read_disclosed, request_disclosure
from audit.ledger import commit_blocking
from llm.models import Conversation
from llm.titles import seal_title
from orgs.identifiers import uuid7
from orgs.models import Organisation
from orgs.tenancy import Tenant
from tests.admin_pages import call, request_draft
from tests.cast import Cast
from tests.live import signed_in

BACKEND = "django.contrib.auth.backends.ModelBackend"


def browser_of(tenant: Tenant) -> Client:
    client = Client()
    client.force_login(tenant.user, backend=BACKEND)
    return client


def ask(url: str, tenant: Tenant, message: str, **fields: Any) -> dict[str, Any]:
    """One turn by API, to its end."""
    with signed_in(url, tenant, timeout=30) as client:
        answer = client.post("/api/v1/chat", json={"message": message, "stream": False, **fields})
    assert answer.status_code == 200, answer.text
    value: dict[str, Any] = answer.json()
    return value


def test_the_empty_chat_shows_the_notice_the_route_and_three_suggestions(cast: Cast) -> None:
    page = browser_of(cast.max).get("/chat/").content.decode()
    assert cast.organisation.notice in page
    assert page.count("data-suggestion=") == 3
    assert "Our own servers" in page
    assert 'name="search"' in page


def test_a_conversation_is_readable_without_any_script(cast: Cast, web_server: str) -> None:
    turn = ask(web_server, cast.max, "Compare a <b>deployer</b> with a provider in a table")
    client = browser_of(cast.max)
    page = client.get(f"/chat/{turn['conversation_id']}/").content.decode()
    assert turn["html"] in page
    assert "Compare a &lt;b&gt;deployer&lt;/b&gt; with a provider" in page
    answer = re.search(r'<article class="message answer"[^>]*>', page)
    assert answer is not None
    assert 'data-ai-generated="true"' in answer[0]
    assert f'data-ai-record="{turn["record_id"]}"' in answer[0]
    assert 'data-state="completed"' in answer[0]
    assert f"/conversations/{turn['conversation_id']}/export?format=markdown" in page


def test_a_page_holds_nothing_inline(cast: Cast, web_server: str) -> None:
    """The Content-Security-Policy would refuse it; it must not be there to be refused."""
    turn = ask(web_server, cast.max, "Write some code")
    client = browser_of(cast.max)
    addresses = ["/chat/", f"/chat/{turn['conversation_id']}/", "/account/data/", "/account/keys/"]
    for address in addresses:
        response = client.get(address)
        page = response.content.decode()
        assert not re.search(r"<[^>]+\s(style|on\w+)=", page), address
        assert "<style" not in page
        for script in re.findall(r"<script[^>]*>", page):
            assert "src=" in script or 'type="application/json"' in script
        policy = response["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy


def test_only_the_person_themself_sees_a_conversation(cast: Cast, web_server: str) -> None:
    """P4, and more: not even a colleague learns that it exists."""
    turn = ask(web_server, cast.max, "My quiet question")
    address = f"/chat/{turn['conversation_id']}/"
    for stranger in (cast.alice, cast.olivia, cast.charlie):
        client = browser_of(stranger)
        missing = client.get(f"/chat/{uuid4()}/")
        found = client.get(address)
        assert found.status_code == missing.status_code == 404
        assert found.content == missing.content
        assert "My quiet question" not in client.get("/chat/").content.decode()
    assert "My quiet question" in browser_of(cast.max).get("/chat/").content.decode()


def test_nobody_chats_without_the_permission(cast: Cast) -> None:
    refused = browser_of(cast.audrey).get("/chat/")
    assert refused.status_code == 403
    assert "Ask your administrator" in refused.content.decode()
    sent_away = Client().get("/chat/")
    assert sent_away.status_code == 302
    assert sent_away["Location"].startswith("/accounts/login/?next=/chat/")


def test_versions_are_links_that_work_without_scripts(cast: Cast, web_server: str) -> None:
    first = ask(web_server, cast.max, "Hello")
    with signed_in(web_server, cast.max, timeout=30) as client:
        again = client.post(
            "/api/v1/chat", json={"retry_of": first["message_id"], "stream": False}
        ).json()
    client = browser_of(cast.max)
    address = f"/chat/{first['conversation_id']}/"
    newest = client.get(address).content.decode()
    assert f'id="m-{again["message_id"]}"' in newest
    assert f'href="?at={first["message_id"]}"' in newest
    earlier = client.get(address, {"at": first["message_id"]}).content.decode()
    assert f'id="m-{first["message_id"]}"' in earlier
    assert f'id="m-{again["message_id"]}"' not in earlier
    assert client.get(address, {"at": "nonsense"}).content.decode().count("message answer") == 2


def test_whoever_may_read_the_log_is_led_to_the_record(cast: Cast, web_server: str) -> None:
    turn = ask(web_server, cast.olivia, "Hello")
    client = browser_of(cast.olivia)
    page = client.get(f"/chat/{turn['conversation_id']}/").content.decode()
    link = re.search(r'in the audit log as <a href="([^"]+)">', page)
    assert link is not None
    record = client.get(link[1])
    assert record.status_code == 200
    assert turn["record_id"] in record.content.decode()
    ordinary = ask(web_server, cast.max, "Hello")
    page = browser_of(cast.max).get(f"/chat/{ordinary['conversation_id']}/").content.decode()
    assert "in the audit log as <code" in page


def test_the_list_pages_through_everything_once(cast: Cast) -> None:
    for number in range(35):
        identifier = uuid7()
        Conversation.objects.create(
            id=identifier,
            organisation=cast.organisation,
            user=cast.max.user,
            sealed_title=seal_title(cast.organisation.pk, identifier, f"Number {number:02}"),
        )
    client = browser_of(cast.max)
    first = client.get("/chat/").content.decode()
    older = re.search(r'href="\?before=([^"]+)"', first)
    assert older is not None
    second = client.get(f"/chat/?before={older[1]}").content.decode()
    titles = re.findall(r">Number (\d\d)</a>", first + second)
    assert sorted(titles) == [f"{number:02}" for number in range(35)]
    assert client.get("/chat/", {"before": "nonsense"}).status_code == 404
    found = client.get("/chat/", {"search": "number 17"}).content.decode()
    assert re.findall(r">Number (\d\d)</a>", found) == ["17"]


def test_a_pause_is_said_before_anything_is_sent(cast: Cast) -> None:
    Organisation.objects.filter(pk=cast.organisation.pk).update(paused_at="2026-01-01T00:00:00Z")
    page = browser_of(cast.max).get("/chat/").content.decode()
    assert 'data-refusal="The use of AI is paused in your organisation.' in page
    assert re.search(r'id="send"[^>]* disabled', page)


def test_my_data_counts_and_exports_what_is_mine_alone(cast: Cast, web_server: str) -> None:
    ask(web_server, cast.max, "Mine")
    ask(web_server, cast.rita, "Hers")
    client = browser_of(cast.max)
    page = client.get("/account/data/").content.decode()
    assert re.search(r"<dt>Conversations</dt><dd>1</dd>", page)
    assert re.search(r"<dt>Messages</dt><dd>2</dd>", page)
    assert "Our own servers" in page
    response = client.get("/account/data/export/")
    assert response["Content-Disposition"] == 'attachment; filename="my-data.json"'
    exported = json.loads(response.content)
    assert exported["about"]["email"] == cast.max.user.email
    questions = [one["messages"][0]["text"] for one in exported["conversations"]]
    assert questions == ["Mine"]
    assert exported["conversations"][0]["contains_ai_generated_text"] is True


def test_my_data_says_who_asked_to_read_it_and_when_it_was_opened(cast: Cast) -> None:
    mine, hers = (
        commit_blocking(request_draft(tenant, "a secret")).record_id
        for tenant in (cast.max, cast.rita)
    )
    client = browser_of(cast.max)
    assert "Nobody has asked to read yours." in client.get("/account/data/").content.decode()
    asked = request_disclosure(cast.olivia, [mine, hers], "Ticket 4711: an odd answer.")
    decide(cast.alice, asked, release=True)
    read_disclosed(cast.olivia, asked, hers, "prompt")
    page = client.get("/account/data/").content.decode()
    assert f"<td>{cast.olivia.user.name}</td>" in page
    assert f"released, {cast.alice.user.name}" in page
    assert "not opened" in page
    read_disclosed(cast.olivia, asked, mine, "prompt")
    assert "not opened" not in client.get("/account/data/").content.decode()
    assert "4711" not in page
    auditor = browser_of(cast.audrey).get("/account/data/").content.decode()
    assert "Nobody has asked to read yours." in auditor


def test_my_data_does_not_say_that_a_blocked_text_went_somewhere(cast: Cast) -> None:
    call(cast.max, state="blocked")
    page = browser_of(cast.max).get("/account/data/").content.decode()
    assert "Nowhere yet" in page


@pytest.mark.parametrize("address", ["/chat/", "/account/data/", "/account/keys/"])
def test_pages_are_never_kept_by_a_cache(cast: Cast, address: str) -> None:
    assert "no-store" in browser_of(cast.max).get(address)["Cache-Control"]
