"""The admin in a real browser: nobody complains, everybody can use it, at any width."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.cache import cache
from playwright.sync_api import expect

from audit.running_verification import Progress
from orgs.models import ApiKey
from tests.admin_pages import Things, furnish
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast
from tests.sealing import seal

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def things(cast: Cast, browser: object) -> Things:
    def make() -> Things:
        made = furnish(cast)
        seal()
        return made

    return in_thread(make)


def paths(cast: Cast, things: Things) -> list[str]:
    return [
        "",
        "audit/recordindex/",
        f"audit/recordindex/{things.record.record_id}/change/",
        "audit/recordindex/log/",
        "llm/inference/",
        f"llm/inference/{things.inference.pk}/change/",
        "llm/providersettings/",
        "llm/providersettings/add/",
        f"llm/providersettings/{things.provider.pk}/change/",
        "orgs/membership/",
        "orgs/membership/add/",
        f"orgs/membership/{things.member.pk}/delete/",
        "orgs/apikey/add/",
        f"orgs/organisation/{cast.organisation.pk}/change/",
        "pause/",
    ]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 360)])
def test_axe_finds_nothing_and_nothing_overflows(
    cast: Cast, things: Things, visit: Visits, scheme: str, width: int
) -> None:
    window = visit(color_scheme=scheme, width=width)
    window.sign_in(cast.alice.user.email)
    for path in paths(cast, things):
        answer = window.page.goto(f"{window.url}/admin/{path}")
        assert answer is not None
        assert answer.status == 200, path
        assert window.violations() == [], path
        assert window.page.evaluate(OVERFLOW) <= 0, path


def test_an_officer_verifies_the_log_and_finds_it_well(
    cast: Cast, things: Things, visit: Visits
) -> None:
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/")
    expect(page.get_by_role("heading", name="One thing needs attention")).to_be_visible()
    page.get_by_role("link", name="Verify now").click()
    page.get_by_role("button", name="Verify now").click()
    expect(page.get_by_role("heading", name="Valid: all")).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="Today").first.click()
    expect(page.get_by_role("heading", name="All is well")).to_be_visible()


def test_a_long_verification_shows_how_far_it_is_and_then_ends(
    cast: Cast, things: Things, visit: Visits
) -> None:
    place = f"verification:{cast.organisation.pk}"
    cache.set(place, Progress(50, 200), 60)
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/audit/recordindex/log/")
    expect(page.get_by_role("button", name="Verify now")).to_be_disabled()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "25")
    cache.set(place, Progress(150, 200), 60)
    expect(page.get_by_text("150 / 200 records")).to_be_visible()
    cache.delete(place)
    expect(page.get_by_role("button", name="Verify now")).to_be_enabled()


def test_an_officer_pauses_with_a_reason_and_resumes(
    cast: Cast, things: Things, visit: Visits
) -> None:
    window = visit()
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/")
    page.get_by_role("link", name="Pause all models").click()
    page.get_by_label("Reason").fill("Odd answers since noon")
    page.get_by_role("button", name="Pause now").click()
    expect(page.get_by_text("Reason: Odd answers since noon")).to_be_visible()
    assert window.violations() == []
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("link", name="Pause all models")).to_be_visible()


def test_filters_menus_and_the_column_work_on_a_phone(
    cast: Cast, things: Things, visit: Visits
) -> None:
    window = visit(width=360, height=740)
    page = window.page
    window.sign_in(cast.olivia.user.email)
    page.goto(f"{window.url}/admin/")
    expect(page.get_by_role("link", name="Audit log")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Audit log").click()
    page.locator(".filter summary", has_text="Kind").click()
    page.get_by_role("link", name="inference: all").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    page.get_by_role("link", name="Clear filters").click()
    page.locator(".filter summary", has_text="Period").click()
    page.get_by_label("To", exact=True).fill("2001-01-01")
    page.get_by_role("button", name="Apply").click()
    expect(page.get_by_text("Nothing matches these filters.")).to_be_visible()


def test_a_key_is_copied_from_the_one_page_that_shows_it(cast: Cast, visit: Visits) -> None:
    window = visit()
    page = window.page
    window.sign_in(cast.alice.user.email)
    page.goto(f"{window.url}/admin/orgs/apikey/add/")
    page.get_by_label("Name").fill("nightly import")
    page.get_by_role("button", name="Save").click()
    shown = page.locator("#secret").text_content()
    assert shown is not None
    assert shown.startswith("lxc_")
    page.get_by_role("button", name="Copy").click()
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.reload()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    made = ApiKey.objects.for_tenant(cast.alice).filter(name="nightly import")
    assert in_thread(made.count) == 1
