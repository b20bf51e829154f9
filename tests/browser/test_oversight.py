"""Oversight in a real browser: a reviewer decides, an officer handles an incident."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from oversight.incidents import assess, freeze, inform_provider, move, open_incident, report
from oversight.models import Incident, Review
from oversight.reviews import decide, request_review, take_up
from tests.admin_pages import Things, furnish
from tests.browser.conftest import Visit, in_thread
from tests.browser.test_admin import OVERFLOW
from tests.cast import Cast
from tests.oversight.scene import ANSWER, answered, hours_ago

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]
LONG = "https://intranet.example/" + "accounts-fireworks-models-meta-llama-" * 9


@pytest.fixture
def scene(cast: Cast, browser: object) -> tuple[Things, list[Review], list[Incident]]:
    """Reviews in every state, and incidents in several."""

    def make() -> tuple[Things, list[Review], list[Incident]]:
        things = furnish(cast)
        asked = [
            request_review(cast.max, answered(cast.max, f"Question {number} {LONG}").pk, LONG)
            for number in range(3)
        ]
        for review in asked[:2]:
            take_up(cast.rita, review)
        asked[1] = decide(
            cast.rita,
            asked[1],
            decision="modified",
            reason="facts",
            comment=f"It is four weeks here: {LONG}",
            correction=f"The notice period is four weeks.\n\nSee {LONG}",
        )
        late = open_incident(cast.olivia, description=f"It said so. {LONG}", aware_at=hours_ago(60))
        near = open_incident(
            cast.olivia, description="A wrong dose was named.", aware_at=hours_ago(30)
        )
        ids = [things.record.record_id]
        told = open_incident(cast.olivia, description="Names were shown to all.", record_ids=ids)
        told = assess(
            cast.olivia, told, reason="The ward said so.", category="health", is_death=True
        )
        told = inform_provider(
            cast.olivia, told, informed_at=told.aware_at, statement="By e-mail, case 4711."
        )
        told = freeze(
            cast.olivia, told, provider_ids=[things.provider.pk], reason="Until they have looked."
        )
        told = report(
            cast.olivia,
            told,
            is_complete=False,
            sent_at=told.aware_at,
            authority="Bundesnetzagentur",
            statement="The first facts.",
        )
        over = open_incident(cast.olivia, description="Somebody was rude to it.")
        over = move(
            cast.olivia, over, status="triaged_not_serious", reason="Nobody came to any harm."
        )
        return things, asked, [late, near, told, over]

    return in_thread(make)


def paths(things: Things, reviews: list[Review], incidents: list[Incident]) -> list[str]:
    return [
        "",
        "oversight/review/",
        f"oversight/review/{things.review.pk}/change/",
        *(f"oversight/review/{review.pk}/change/" for review in reviews),
        "oversight/incident/",
        f"oversight/incident/add/?record={things.record.record_id}",
        *(f"oversight/incident/{incident.pk}/change/" for incident in incidents),
        "oversight/task/",
        "oversight/task/add/",
        f"oversight/task/{things.task.pk}/change/",
        f"audit/recordindex/{things.record.record_id}/change/",
        f"llm/providersettings/{things.provider.pk}/change/",
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
@pytest.mark.parametrize("who", ["olivia", "rita"])
def test_axe_finds_nothing_and_nothing_overflows(
    cast: Cast, scene: tuple, visit: Visits, scheme: str, width: int, who: str
) -> None:
    window = visit(color_scheme=scheme, width=width)
    window.sign_in(getattr(cast, who).user.email)
    for number, path in enumerate(paths(*scene)):
        if who == "rita" and path.startswith("llm/"):
            continue  # reviewers do not see providers
        answer = window.page.goto(f"{window.url}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        if folder := os.environ.get("SHOTS"):
            name = f"{number:02}-{who}-{width}-{scheme}.png"
            window.page.screenshot(path=f"{folder}/{name}", full_page=True)
        assert window.violations() == [], path
        assert window.page.evaluate(OVERFLOW) <= 0, path
        if "oversight/incident/" in path and "/change/" in path:
            closed = window.page.locator("details.step:not([open]) > summary")
            while closed.count():
                closed.first.click()
            if folder := os.environ.get("SHOTS"):
                window.page.screenshot(path=f"{folder}/open-{name}", full_page=True)
            assert window.violations() == [], path
            assert window.page.evaluate(OVERFLOW) <= 0, path


def test_a_reviewer_takes_up_decides_and_goes_on(cast: Cast, scene: tuple, visit: Visits) -> None:
    window = visit()
    page = window.page
    window.sign_in(cast.rita.user.email)
    page.goto(f"{window.url}/admin/")
    page.get_by_role("link", name="Reviews").first.click()
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text(ANSWER)).to_have_count(0)
    page.get_by_role("button", name="Take it up").click()
    expect(page.get_by_text(ANSWER).first).to_be_visible()
    choices = page.get_by_role("radio")
    assert [box.is_checked() for box in choices.all()] == [False, False, False]
    assert page.evaluate("document.activeElement === document.body")
    page.get_by_label("Modify:").check()
    page.get_by_label("Reason").select_option("facts")
    page.get_by_role("button", name="Put the decision on record").click()
    expect(page.get_by_text("Write what it should say instead.")).to_be_visible()
    assert window.violations() == []
    page.get_by_label("Corrected answer").fill("The notice period is four weeks.")
    page.get_by_role("button", name="Put the decision on record").click()
    expect(page.get_by_text("This is the next review.")).to_be_visible()
    page.get_by_role("button", name="Take it up").click()
    page.get_by_label("Accept:").check()
    page.get_by_label("Reason").select_option("adequate")
    page.get_by_role("button", name="Put the decision on record").click()
    expect(page.get_by_text("No other review waits.")).to_be_visible()


def test_an_officer_enters_assesses_and_reports_an_incident(
    cast: Cast, scene: tuple, visit: Visits
) -> None:
    things = scene[0]
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/audit/recordindex/{things.record.record_id}/change/")
    page.get_by_role("link", name="Enter an incident").click()
    expect(page.get_by_label("Records of the audit log")).to_have_value(
        str(things.record.record_id)
    )
    page.get_by_label("What happened").fill("A patient was told a wrong dose, and took it.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="47 h left")).to_be_visible()
    page.locator("#id_assess_category").select_option("health")
    page.locator("#id_assess_reason").fill("No")
    page.get_by_role("button", name="Note the assessment").click()
    expect(page.get_by_text("Say it in a sentence.")).to_be_visible()
    page.get_by_role("link", name="To the step").click()
    expect(page.locator("#step-assess summary")).to_be_in_viewport()
    assert window.violations() == []
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/refused.png", full_page=True)
    page.locator("#id_assess_reason").fill("The ward confirmed the harm to the patient.")
    page.get_by_role("button", name="Note the assessment").click()
    expect(page.get_by_role("heading", name="14 days left")).to_be_visible()
    page.locator("#id_inform_statement").fill("The vendor's security contact, by e-mail.")
    page.get_by_role("button", name="Note that it was informed").click()
    page.get_by_label("Complete", exact=True).check()
    page.get_by_label("Authority", exact=True).fill("Bundesnetzagentur")
    page.locator("#id_report_statement").fill("All that is known, on the Commission's form.")
    page.get_by_role("button", name="Note the report").click()
    expect(page.get_by_role("heading", name="Reported in time")).to_be_visible()
    expect(page.get_by_role("button", name="Note the report")).to_have_count(0)
    assert window.violations() == []
    page.get_by_role("link", name="Tasks").click()
    page.get_by_role("link", name=re.compile("^Assess incident")).last.click()
    expect(page.get_by_text("not yet")).to_have_count(0)
