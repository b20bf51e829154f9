"""A person chats: in a real browser, with the real application and the simulated model."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from llm.models import Inference
from llm.provider_settings import create
from orgs.organisations import pause
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]


@pytest.fixture
def chatting(cast: Cast, visit: Visits) -> Visit:
    """Max, signed in, at the empty chat."""
    window = visit()
    window.sign_in(cast.max.user.email)
    return window


def states(cast: Cast) -> list[str]:
    """How the organisation's inferences ended, in order."""
    rows = Inference.objects.for_organisation(cast.organisation.pk).order_by("started_at")
    return in_thread(lambda: list(rows.values_list("state", flat=True)))


def test_the_answer_arrives_word_by_word_and_is_there_after_a_reload(chatting: Visit) -> None:
    page = chatting.page
    expect(page).to_have_url(re.compile(r"/chat/$"))
    chatting.ask("What is a deployer?")
    expect(page.locator("#transcript")).to_have_attribute("aria-busy", "true")
    page.locator(".answer [data-content]").filter(has_text=re.compile(r"\w")).wait_for()
    lengths = []
    for _ in range(4):
        lengths.append(len(page.locator(".answer [data-content]").inner_text()))
        page.wait_for_timeout(150)
    assert len(set(lengths)) >= 3, "the text stood still"
    assert lengths == sorted(lengths)
    chatting.wait_for_answer()
    expect(page.locator("#transcript")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#status")).to_have_text(re.compile(r"Answer complete, \d+ words"))
    whole = page.locator(".answer [data-content]").inner_text()
    assert len(whole) > lengths[-1]
    expect(page).to_have_url(re.compile(r"/chat/[0-9a-f-]{36}/$"))

    page.reload()
    assert page.locator(".answer [data-content]").inner_text() == whole
    expect(page.locator(".list [aria-current=page]")).to_have_text("What is a deployer?")


def test_every_answer_is_marked_and_says_where_it_comes_from(chatting: Visit) -> None:
    page = chatting.page
    expect(page.locator(".notice")).to_contain_text("You are talking to an AI system")
    expect(page.locator("#route-region")).to_contain_text("Our own servers")
    chatting.ask("Hello")
    chatting.wait_for_answer()
    answer = page.locator(".answer")
    expect(answer.locator(".ai-mark")).to_have_text("AI-generated")
    expect(answer).to_have_attribute("data-ai-generated", "true")
    expect(answer).to_have_attribute("data-ai-record", re.compile(r"[0-9a-f-]{36}"))
    expect(answer.locator(".region")).to_have_text("Our own servers")
    expect(answer.locator("[data-provider]")).to_have_text("Simulated model")
    expect(answer.locator(".figures")).to_contain_text("tokens")
    answer.get_by_role("button", name="Copy the answer").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.search(r"\[AI-generated: .*sim-large.* Record [0-9a-f-]{36}\.\]\s*$", copied)


def test_escape_stops_and_what_came_before_is_kept(chatting: Visit, cast: Cast) -> None:
    page = chatting.page
    chatting.ask("[[long]] Tell me everything")
    page.locator(".answer [data-content]").filter(has_text=re.compile(r"\w{3}")).wait_for()
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    chatting.wait_for_answer(state="stopped")
    expect(page.locator(".answer .ending")).to_contain_text("Stopped here by you")
    kept = page.locator(".answer [data-content]").inner_text()
    assert kept
    page.reload()
    assert page.locator(".answer [data-content]").inner_text() == kept
    assert states(cast) == ["stopped"]


def test_a_retry_is_another_version_beside_the_first(chatting: Visit) -> None:
    page = chatting.page
    chatting.ask("Hello")
    chatting.wait_for_answer()
    first = page.locator(".answer").get_attribute("id")
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(".versions")).to_contain_text("2/2")
    second = page.locator(".answer").get_attribute("id")
    assert second != first
    page.get_by_role("link", name="Earlier version").click()
    expect(page.locator(".versions")).to_contain_text("1/2")
    assert page.locator(".answer").get_attribute("id") == first
    page.reload()
    expect(page.locator(".versions")).to_contain_text("1/2")


def test_an_edited_question_begins_a_branch(chatting: Visit) -> None:
    page = chatting.page
    chatting.ask("First question")
    chatting.wait_for_answer()
    page.get_by_role("button", name="Edit and send again").click()
    area = page.get_by_label("Your message, changed")
    expect(area).to_be_focused()
    expect(area).to_have_value("First question")
    area.fill("Second question")
    page.keyboard.press("Enter")
    expect(page.locator(".prompt .versions")).to_contain_text("2/2")
    expect(page.locator(".prompt .said")).to_have_text("Second question")
    chatting.wait_for_answer()
    page.get_by_role("link", name="Earlier version").click()
    expect(page.locator(".prompt .said")).to_have_text("First question")
    chatting.ask("Go on from the first")
    chatting.wait_for_answer(2)
    expect(page.locator(".said")).to_have_text(["First question", "Go on from the first"])


def test_a_failure_says_what_to_do_and_keeps_the_text(cast: Cast, visit: Visits) -> None:
    window = visit()
    window.sign_in(cast.max.user.email)
    page = window.page
    window.ask("[[fail]] please")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The simulated model fails")
    expect(alert.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_have_value("[[fail]] please")
    page.get_by_label("Message", exact=True).fill("now without")
    alert.get_by_role("button", name="Try again").click()
    window.wait_for_answer()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert window.complaints, "the refused request is in the console"
    window.complaints.clear()


def test_a_rate_limit_counts_down(cast: Cast, visit: Visits) -> None:
    window = visit()
    window.sign_in(cast.max.user.email)
    window.ask("[[limit]]")
    again = window.page.get_by_role("alert").get_by_role("button", name="Try again")
    expect(again).to_be_disabled()
    expect(again).to_have_text(re.compile(r"Try again \(\d s\)"))
    expect(again).to_be_enabled(timeout=20_000)
    window.complaints.clear()


def test_a_broken_answer_keeps_what_came(chatting: Visit) -> None:
    page = chatting.page
    chatting.ask("[[break]] Tell me something")
    expect(page.get_by_role("alert")).to_contain_text("broke off in the middle")
    expect(page.locator(".answer .ending")).to_contain_text("failed before it was complete")
    assert page.locator(".answer [data-content]").inner_text()


def test_a_connection_that_breaks_off_says_so_and_keeps_what_came(chatting: Visit) -> None:
    page = chatting.page
    names = ("conversation_id", "user_message_id", "message_id", "record_id")
    start = {**{name: str(uuid4()) for name in names}, "provider": "", "model": "m", "region": "EU"}
    came = (
        f'event: start\ndata: {json.dumps(start)}\n\nevent: text\ndata: {{"text": "Half of"}}\n\n'
    )
    page.route("**/chat/*/**", lambda route: route.abort())
    page.route(
        "**/api/v1/chat",
        lambda route: route.fulfill(body=came, content_type="text/event-stream"),
        times=1,
    )
    chatting.ask("Tell me something")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The connection broke off.")
    expect(page.locator(".answer [data-content]")).to_have_text("Half of")
    page.route("**/api/v1/chat", lambda route: route.abort())
    chatting.ask("And then?")
    expect(alert).to_contain_text("The server cannot be reached.")
    expect(page.locator(".answer [data-content]")).to_have_text("Half of")
    expect(page.locator("#welcome")).to_be_hidden()
    assert not [found for found in chatting.complaints if found.startswith("uncaught")]
    chatting.complaints.clear()


def test_an_ended_session_keeps_the_draft(cast: Cast, visit: Visits) -> None:
    window = visit()
    window.sign_in(cast.max.user.email)
    page = window.page
    page.context.clear_cookies(name="session")
    window.ask("My long thought")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("Your session has ended")
    expect(alert.get_by_role("link", name="Sign in in a new tab")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_have_value("My long thought")
    window.sign_in(cast.max.user.email)
    expect(page.get_by_label("Message", exact=True)).to_have_value("My long thought")
    window.complaints.clear()


def test_a_forbidden_region_cannot_be_sent_to(cast: Cast, visit: Visits) -> None:
    def add() -> None:
        create(
            tenant=cast.alice,
            name="Ours",
            vendor="simulated",
            default_model="sim-large",
            priority=1,
        )
        create(
            tenant=cast.alice, name="Far away", vendor="openai_compatible",
            default_model="far-1", base_url="https://far.example/v1", data_region="US",
            priority=2,
        )  # fmt: skip

    in_thread(add)
    window = visit()
    window.sign_in(cast.max.user.email)
    page = window.page
    page.get_by_label("Message", exact=True).fill("Hello")
    send = page.get_by_role("button", name="Send", exact=True)
    expect(send).to_be_enabled()
    page.get_by_label("Provider and model").select_option(label="Far away · far-1")
    expect(page.locator("#route-region")).to_contain_text("United States")
    expect(send).to_be_disabled()
    expect(page.locator("#refusal")).not_to_be_empty()
    page.get_by_label("Message", exact=True).press("Enter")
    expect(page.locator(".message")).to_have_count(0)
    assert states(cast) == []


def test_a_paused_organisation_says_so_before_anything_is_written(
    cast: Cast, visit: Visits
) -> None:
    in_thread(lambda: pause(cast.olivia, reason="An incident is looked into."))
    window = visit()
    window.sign_in(cast.max.user.email)
    expect(window.page.locator("#refusal")).to_contain_text("paused in your organisation")
    window.page.get_by_label("Message", exact=True).fill("Hello")
    expect(window.page.get_by_role("button", name="Send", exact=True)).to_be_disabled()


def test_everything_can_be_done_with_the_keyboard(chatting: Visit) -> None:
    page = chatting.page
    question = page.get_by_label("Message", exact=True)
    expect(question).to_be_focused()
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(question).to_have_value("one\ntwo")
    page.keyboard.press("Enter")
    chatting.wait_for_answer()
    expect(page.locator(".said")).to_have_text("one\ntwo")
    page.keyboard.press("Control+k")
    expect(page.get_by_label("Search conversations")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_focused()
    page.locator("#scroller").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.locator("#scroller").focus()
    page.keyboard.press("/")
    expect(question).to_be_focused()
    expect(question).to_have_value("")
    page.get_by_role("button", name="Copy the answer").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Answer again")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".versions")).to_contain_text("2/2")
    page.keyboard.press("Control+Shift+o")
    expect(page).to_have_url(re.compile(r"/chat/$"))


def test_conversations_are_found_renamed_and_archived(chatting: Visit) -> None:
    page = chatting.page
    for title in ("Apples in autumn", "Bridges in spring"):
        chatting.ask(title)
        chatting.wait_for_answer()
        page.get_by_role("link", name="New conversation").click()
    rows = page.locator(".list li:visible a")
    expect(rows).to_have_text(["Bridges in spring", "Apples in autumn"])
    page.get_by_label("Search conversations").fill("apples")
    expect(rows).to_have_text(["Apples in autumn"])
    page.locator(".list li").hover()
    page.get_by_role("button", name="Rename “Apples in autumn”").click()
    page.get_by_label("Title").fill("Pears")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(rows).to_have_text(["Pears"])
    page.get_by_label("Search conversations").fill("")
    expect(rows).to_have_text(["Bridges in spring", "Pears"])
    page.locator(".list li").nth(1).hover()
    page.locator(".list li").nth(1).get_by_role("button", name="Archive").click()
    expect(rows).to_have_text(["Bridges in spring"])
    page.get_by_role("button", name="Undo").click()
    expect(rows).to_have_text(["Bridges in spring", "Pears"])


def test_the_page_follows_until_the_reader_scrolls_up(cast: Cast, visit: Visits) -> None:
    chatting = visit(height=560)
    chatting.sign_in(cast.max.user.email)
    page = chatting.page
    chatting.ask("[[long]] Tell me everything")
    scroller = page.locator("#scroller")
    expect(page.locator(".answer [data-content] > *").nth(4)).to_be_attached(timeout=15_000)
    rest = "s => s.scrollHeight - s.scrollTop - s.clientHeight"
    assert scroller.evaluate(rest) < 100
    scroller.hover()
    page.mouse.wheel(0, -300)
    expect(page.get_by_role("button", name="To the newest message")).to_be_visible()
    top = scroller.evaluate("s => s.scrollTop")
    page.wait_for_timeout(600)
    assert scroller.evaluate("s => s.scrollTop") == top, "the page moved under the reader"
    page.get_by_role("button", name="To the newest message").click()
    assert scroller.evaluate(rest) < 100
    page.keyboard.press("Escape")
    chatting.wait_for_answer(state="stopped")


def test_an_answer_under_way_is_found_from_another_window(chatting: Visit) -> None:
    page = chatting.page
    chatting.ask("[[long]] Tell me everything")
    expect(page).to_have_url(re.compile(r"/chat/[0-9a-f-]{36}/$"))
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator("[data-waiting]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(other.locator(".answer .ending")).to_contain_text("Stopped here by you")
    assert other.locator(".answer [data-content]").inner_text()


def test_what_a_model_writes_loads_nothing_and_runs_nothing(chatting: Visit) -> None:
    page = chatting.page
    chatting.ask("![x](https://evil.example/?q=1) <img src=x onerror=alert(1)> [a](javascript:b)")
    chatting.wait_for_answer()
    assert page.locator(".answer img, .answer script").count() == 0
    assert page.locator(".answer a[href^=javascript]").count() == 0
    # Whatever the page asked for, and any violation of the policy, fails the test at its end.


def test_a_message_that_is_too_long_says_so_and_is_not_cut(chatting: Visit) -> None:
    page = chatting.page
    question = page.get_by_label("Message", exact=True)
    question.fill("x" * 300_000)
    refusal = page.locator("#refusal")
    expect(refusal).to_contain_text("at most 200,000 characters, and this one has 300,000")
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    page.keyboard.press("Enter")
    assert len(question.input_value()) == 300_000
    question.fill("Hello")
    expect(refusal).to_have_text("")
    page.keyboard.press("Enter")
    chatting.wait_for_answer()
    page.get_by_role("button", name="Edit").click()
    changed = page.locator("form.edit textarea")
    changed.fill("y" * 200_001)
    page.keyboard.press("Enter")
    assert "this one has 200,001" in changed.evaluate("area => area.validationMessage")
    assert len(changed.input_value()) == 200_001


def test_the_keyboard_stays_in_the_conversation_when_an_answer_is_asked_for_again(
    chatting: Visit,
) -> None:
    page = chatting.page
    chatting.ask("Hello")
    chatting.wait_for_answer()
    page.get_by_role("button", name="Answer again").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".versions")).to_contain_text("2/2")
    expect(page.locator("#scroller")).to_be_focused()
