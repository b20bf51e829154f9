"""The upstream register and the facts of law in a real browser, at a desk and on a phone."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from playwright.sync_api import expect

from dossier.declarations import declare
from dossier.fact_reviews import review
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from tests.browser.conftest import Visit, in_thread
from tests.browser.test_admin import OVERFLOW
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_facts import EUR_LEX
from tests.dossier.test_manifests import NOON
from tests.dossier.test_upstream import MODEL, question, summary, use

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]
LONG = "accounts/fireworks/models/meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8"


@pytest.fixture
def furnished(cast: Cast, browser: object) -> tuple[UpstreamDocument, UpstreamRequest]:
    def make() -> tuple[UpstreamDocument, UpstreamRequest]:
        use(cast)
        call(cast.max, NOON, provider="groq", model=LONG, answered_by=LONG)
        call(cast.max, NOON, provider="simulated", model="sim-large", answered_by="sim-large")
        asked = question(cast)
        review(cast.olivia, file="obligations", key="AIA-4-1", grade="P", source=EUR_LEX)
        declare(cast.olivia, key="literacy.measures", value=f"https://intranet.example/{LONG * 9}")
        return summary(cast, answers=["1a", "2b"]), asked

    return in_thread(make)


def paths(document: UpstreamDocument, request: UpstreamRequest) -> list[str]:
    return [
        "upstreamdocument/register/",
        f"upstreamdocument/register/model/?model={MODEL}",
        f"upstreamdocument/register/model/?model={LONG}",
        "upstreamdocument/",
        f"upstreamdocument/add/?model={MODEL}",
        f"upstreamdocument/{document.pk}/change/",
        "upstreamrequest/",
        f"upstreamrequest/add/?model={MODEL}",
        f"upstreamrequest/{request.pk}/change/",
        "factreview/facts/",
        "factreview/facts/?file=upstream",
        "factreview/facts/?file=wording",
        "factreview/facts/look/?file=obligations&key=AIA-4-1",
        "factreview/",
        "declaration/overview/",
        "declaration/",
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_finds_nothing_and_nothing_overflows(
    cast: Cast, furnished: tuple, visit: Visits, scheme: str, width: int
) -> None:
    window = visit(color_scheme=scheme, width=width)
    window.sign_in(cast.olivia.user.email)
    for number, path in enumerate(paths(*furnished)):
        answer = window.page.goto(f"{window.url}/admin/dossier/{path}")
        assert answer is not None
        assert answer.status == 200, path
        if folder := os.environ.get("SHOTS"):
            window.page.screenshot(
                path=f"{folder}/{number:02}-{width}-{scheme}.png", full_page=True
            )
        assert window.violations() == [], path
        assert window.page.evaluate(OVERFLOW) <= 0, path


def test_an_officer_brings_a_document_asks_and_notes_the_answer(
    cast: Cast, furnished: tuple, visit: Visits, tmp_path: Path
) -> None:
    file = tmp_path / "copyright policy.pdf"
    file.write_bytes(b"%PDF-1.7 a policy")
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/")
    page.get_by_role("link", name="Upstream register").click()
    page.get_by_role("link", name=MODEL, exact=True).click()
    page.get_by_role("link", name="Add a document").click()
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_label("Kind").select_option("copyright_policy")
    page.get_by_label("Title").fill("Copyright policy")
    page.get_by_label("Publisher").fill("OpenAI Ireland Ltd")
    page.get_by_label("Address").fill("openai.example/copyright.pdf")
    page.get_by_label("Retrieved on").fill(date(2026, 10, 5).isoformat())
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Copyright policy", exact=True).click()
    expect(page.get_by_role("link", name="https://openai.example/copyright.pdf")).to_be_visible()
    with page.expect_download() as copy:
        page.get_by_role("link", name="Download the copy").click()
    assert Path(copy.value.path()).read_bytes() == file.read_bytes()
    request = furnished[1]
    page.goto(f"{window.url}/admin/dossier/upstreamrequest/{request.pk}/change/")
    page.get_by_role("button", name="Note the answer").click()
    page.get_by_label("They declined").check()
    page.get_by_label("In a few words").fill("Trade secret")
    page.get_by_role("button", name="Note the answer").click()
    expect(page.get_by_text("The answer is noted.")).to_be_visible()
    expect(page.get_by_role("button", name="Note the answer")).to_have_count(0)
    page.goto(f"{window.url}/admin/dossier/upstreamdocument/register/model/?model={MODEL}")
    with page.expect_download() as draft:
        page.get_by_role("link", name="Draft of a complaint").click()
    text = Path(draft.value.path()).read_text()
    assert text.startswith("DRAFT, not sent")
    assert "Trade secret" in text


def test_an_officer_changes_a_fact_and_must_say_why(
    cast: Cast, furnished: tuple, visit: Visits
) -> None:
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/dossier/factreview/facts/look/?file=obligations&key=AIA-26-2")
    page.get_by_label("The text itself").check()
    page.get_by_label("From (days").fill("2028-01-01")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Say why the row is changed.")).to_be_visible()
    page.get_by_label("Why it is changed").fill("Corrigendum")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("The row stands as you changed it.")).to_be_visible()
    expect(page.get_by_text("2028-01-01").first).to_be_visible()
