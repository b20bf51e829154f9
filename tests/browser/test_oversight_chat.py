"""Who chats asks for a review and reports a problem, and sees beside the answer what came of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from llm.models import Inference
from oversight.incidents import descriptions_of, incidents_of
from oversight.models import Incident, Review
from oversight.reviews import decide, exchange_of, own_reviews, request_review, take_up
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]

PICTURES = os.environ.get("PICTURES", "")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HOSTILE = "Four weeks, not <img src=x onerror=alert(1)> three months.\n\nSee **clause 4**."
WHAT = "It named a notice period that is wrong, and I sent it on."


def answered(cast: Cast, visit: Visits, **options: Any) -> Visit:
    window: Visit = visit(**options)
    window.sign_in(cast.max.user.email)
    window.ask("How long is the notice period?")
    window.wait_for_answer()
    return window


def the_review(cast: Cast) -> Review:
    return in_thread(lambda: own_reviews(cast.max).get())


def taken_up(cast: Cast) -> Review:
    review = the_review(cast)
    return in_thread(lambda: take_up(cast.rita, review))


def decided(cast: Cast, decision: str, reason: str, **said: str) -> Review:
    review = taken_up(cast)
    return in_thread(lambda: decide(cast.rita, review, decision=decision, reason=reason, **said))


def ask_for_review(page: Page, concern: str = "") -> None:
    page.get_by_role("button", name="Ask for a review").click()
    dialog = page.get_by_role("dialog", name="Ask for a review")
    dialog.get_by_label("What should they look at?").fill(concern)
    dialog.get_by_role("button", name="Ask for a review").click()
    expect(dialog).to_be_hidden()


def picture(window: Visit, name: str) -> None:
    if PICTURES:
        window.page.screenshot(path=f"{PICTURES}/{name}.png")


def refused(window: Visit) -> None:
    """A refusal is no fault of the page, though the browser notes its status."""
    window.complaints[:] = [one for one in window.complaints if "status of 4" not in one]


def test_one_asks_for_a_review_and_sees_the_correction_beside_the_answer(
    cast: Cast, visit: Visits
) -> None:
    window = answered(cast, visit)
    page = window.page
    before = page.locator(".answer [data-content]").inner_html()
    picture(window, "answer-wide")
    page.get_by_role("button", name="Ask for a review").click()
    dialog = page.get_by_role("dialog", name="Ask for a review")
    expect(dialog).to_contain_text("Whoever reviews it reads your question and the answer.")
    assert window.violations() == []
    picture(window, "review-dialog")
    page.keyboard.press("Escape")
    button = page.get_by_role("button", name="Ask for a review")
    expect(button).to_be_focused()

    ask_for_review(page, "Also for apprentices?")
    standing = page.locator(".answer .standing")
    expect(standing).to_contain_text("Review asked for")
    expect(page.locator("#status")).to_have_text("Review asked for")
    expect(button).to_be_focused()
    expect(button).to_have_attribute("aria-disabled", "true")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert window.violations() == []
    picture(window, "review-asked")
    review = taken_up(cast)
    said = in_thread(lambda: exchange_of(cast.rita, review))
    assert (said.question, said.concern) == (
        "How long is the notice period?",
        "Also for apprentices?",
    )

    # Whoever comes back to the tab sees how it stands now.
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(standing).to_contain_text("Being reviewed Rita")
    decided(cast, "modified", "facts", comment="Clause 4 says so.", correction=HOSTILE)
    page.reload()
    outcome = page.get_by_role("group", name="Corrected by a person")
    expect(outcome).to_contain_text("Rita")
    expect(outcome).to_contain_text("Facts are wrong")
    expect(outcome).to_contain_text("Clause 4 says so.")
    assert outcome.locator("[data-correction]").inner_text() == HOSTILE
    assert outcome.locator("img, a, strong + strong").count() == 0
    assert page.locator(".answer [data-content]").inner_html() == before
    expect(button).not_to_have_attribute("aria-disabled", "true")
    assert window.violations() == []
    picture(window, "review-corrected")
    window.ask("Thank you")
    window.wait_for_answer(2)
    expect(outcome).to_be_visible()
    expect(page.get_by_role("button", name="Ask for a review")).to_have_count(2)


@pytest.mark.parametrize(
    ("decision", "reason", "name"),
    [
        ("accepted", "correct", "Accepted by a person"),
        ("rejected", "harmful", "Rejected by a person"),
    ],
)
def test_what_is_accepted_or_rejected_is_said_on_a_phone(
    cast: Cast, visit: Visits, decision: str, reason: str, name: str
) -> None:
    window = answered(cast, visit, width=390, height=844, color_scheme="dark")
    page = window.page
    picture(window, "answer-narrow-dark")
    ask_for_review(page)
    expect(page.locator(".answer .standing")).to_contain_text("Review asked for")
    decided(cast, decision, reason, comment="Somebody could follow it. " + "x" * 80)
    page.reload()
    outcome = page.get_by_role("group", name=name)
    expect(outcome).to_contain_text("Somebody could follow it.")
    expect(outcome.locator("[data-correction]")).to_be_hidden()
    outcome.scroll_into_view_if_needed()
    assert page.evaluate(OVERFLOW) <= 0
    assert window.violations() == []
    picture(window, f"review-{decision}-narrow-dark")


def test_one_reports_a_problem_with_its_records_and_gets_a_receipt(
    cast: Cast, visit: Visits
) -> None:
    window = answered(cast, visit, width=390, height=844, color_scheme="dark")
    page = window.page
    page.get_by_role("button", name="Report a problem").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Report a problem")
    expect(dialog).to_contain_text("names the records of this question and answer")
    happened = dialog.get_by_label("What happened?")
    expect(happened).to_be_focused()
    happened.fill("short")
    dialog.get_by_role("button", name="Report").click()
    expect(dialog).to_be_visible()
    happened.fill(f"{WHAT}\f")
    dialog.get_by_label("How bad is it?").select_option("high")
    assert page.evaluate(OVERFLOW) <= 0
    assert window.violations() == []
    picture(window, "report-dialog-narrow-dark")
    dialog.get_by_role("button", name="Report").click()
    reported = page.locator(".answer [data-reported]")
    expect(reported).to_contain_text("Reported")
    expect(page.get_by_role("button", name="Report a problem")).to_be_focused()

    def entered() -> tuple[Incident, Inference, str | None]:
        incident = incidents_of(cast.rita).get()
        inference = Inference.objects.for_tenant(cast.max).get()
        return incident, inference, descriptions_of(cast.rita, [incident])[incident.pk]

    incident, inference, text = in_thread(entered)
    assert (incident.severity, text) == ("high", WHAT)
    assert incident.record_ids == [inference.pk, inference.end_record_id]
    expect(reported.locator("code")).to_have_attribute("title", str(incident.pk))
    expect(page.locator("#status")).to_contain_text("Reported")
    picture(window, "reported-narrow-dark")
    page.reload()
    expect(reported).to_contain_text(str(incident.pk)[-12:])


def test_a_refusal_is_said_and_what_was_written_stays(cast: Cast, visit: Visits) -> None:
    window = answered(cast, visit)
    page = window.page
    inference = in_thread(lambda: Inference.objects.for_tenant(cast.max).get())
    in_thread(lambda: request_review(cast.max, inference.pk))  # in another window
    page.get_by_role("button", name="Ask for a review").click()
    dialog = page.get_by_role("dialog", name="Ask for a review")
    dialog.get_by_label("What should they look at?").fill("Is it so?")
    dialog.get_by_role("button", name="Ask for a review").click()
    expect(dialog.get_by_role("alert")).to_have_text(
        "A review of this answer is asked for already."
    )
    expect(dialog.get_by_label("What should they look at?")).to_have_value("Is it so?")
    assert window.violations() == []
    picture(window, "review-refused")
    refused(window)


@pytest.mark.parametrize("status", [403, 500])
def test_the_chat_goes_on_where_reviews_cannot_be_had(
    cast: Cast, visit: Visits, status: int
) -> None:
    window: Visit = visit()
    page = window.page
    page.route(re.compile(r"/api/v1/reviews"), lambda route: route.fulfill(status=status, body=""))
    window.sign_in(cast.max.user.email)
    window.ask("Hello")
    window.wait_for_answer()
    window.ask("And again")
    window.wait_for_answer(2)
    expect(page.get_by_role("button", name="Report a problem")).to_have_count(2)
    offered = page.get_by_role("button", name="Ask for a review")
    expect(offered).to_have_count(0 if status == 403 else 2)
    window.complaints[:] = [one for one in window.complaints if f"status of {status}" not in one]
