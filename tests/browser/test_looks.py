"""Pages that everybody can use: axe-core finds nothing, phones and zoom lose nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.cast import Cast

pytestmark = pytest.mark.browser
Visits = Callable[..., Visit]
SCHEMES = ("light", "dark")
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_in_signing_in_and_chatting(
    cast: Cast, visit: Visits, scheme: str
) -> None:
    window = visit(color_scheme=scheme)
    page = window.page
    page.goto(f"{window.url}/accounts/login/")
    assert window.violations() == []
    window.sign_in(cast.max.user.email)
    assert window.violations() == []
    window.ask("Compare two things in a table, with code")
    window.wait_for_answer()
    assert window.violations() == []
    page.get_by_role("button", name="Edit and send again").click()
    assert window.violations() == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keyboard help").click()
    assert window.violations() == []
    page.keyboard.press("Escape")
    page.locator(".account summary").click()
    assert window.violations() == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing_in_the_account_pages(cast: Cast, visit: Visits, scheme: str) -> None:
    window = visit(color_scheme=scheme)
    window.sign_in(cast.max.user.email)
    page = window.page
    for path in ("account/data/", "accounts/password/change/", "accounts/2fa/", "account/keys/"):
        page.goto(f"{window.url}/{path}")
        assert window.violations() == [], path
    page.get_by_label("Name").fill("invoice bot")
    page.get_by_role("button", name="Make the key").click()
    assert page.get_by_label("Key", exact=True).input_value().startswith("lxc_")
    assert window.violations() == []


def test_axe_finds_nothing_where_something_went_wrong(cast: Cast, visit: Visits) -> None:
    window = visit()
    window.sign_in(cast.max.user.email)
    window.ask("[[fail]]")
    expect(window.page.get_by_role("alert")).to_be_visible()
    assert window.violations() == []
    window.page.goto(f"{window.url}/nowhere/")
    assert window.violations() == []
    window.complaints.clear()  # the failed requests, asked for


@pytest.mark.parametrize(("width", "height"), [(360, 740), (640, 400)])
def test_a_phone_and_200_percent_zoom_lose_nothing(
    cast: Cast, visit: Visits, width: int, height: int
) -> None:
    """1280 by 800 at 200 % is 640 by 400."""
    window = visit(width=width, height=height)
    page = window.page
    page.goto(f"{window.url}/accounts/login/")
    assert page.evaluate(OVERFLOW) <= 0
    window.sign_in(cast.max.user.email)
    assert page.evaluate(OVERFLOW) <= 0
    window.ask("Compare two things in a table, with code")
    window.wait_for_answer()
    assert page.evaluate(OVERFLOW) <= 0
    expect(page.get_by_label("Message", exact=True)).to_be_in_viewport()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_in_viewport()
    expect(page.locator("#sidebar")).not_to_be_in_viewport()
    page.get_by_role("button", name="Conversations", exact=True).click()
    expect(page.locator(".list [aria-current=page]")).to_be_in_viewport()
    assert window.violations() == []
    page.keyboard.press("Escape")
    expect(page.locator("#sidebar")).to_be_hidden()
    for path in ("account/data/", "account/keys/", "accounts/2fa/"):
        page.goto(f"{window.url}/{path}")
        assert page.evaluate(OVERFLOW) <= 0, path
    page.goto(f"{window.url}/account/keys/")
    page.get_by_label("Name").fill("invoice bot")
    page.get_by_role("button", name="Make the key").click()
    page.get_by_role("button", name="Copy the command").wait_for()
    assert page.evaluate(OVERFLOW) <= 0


def test_targets_are_large_enough_to_touch(cast: Cast, visit: Visits) -> None:
    """WCAG 2.2, 2.5.8: 24 by 24 pixels."""
    window = visit(width=360, height=740, has_touch=True)
    window.sign_in(cast.max.user.email)
    window.ask("Hello")
    window.wait_for_answer()
    small = window.page.evaluate(
        """() => [...document.querySelectorAll("button, select, summary, .versions a, .list a")]
            .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
            .filter(([, box]) => box.width && (box.width < 24 || box.height < 24))
            .map(([html]) => html)"""
    )
    assert small == []


def test_the_theme_is_chosen_once_and_stays(cast: Cast, visit: Visits) -> None:
    window = visit()
    window.sign_in(cast.max.user.email)
    page = window.page
    page.locator(".account summary").click()
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.locator(".account summary").click()
    page.get_by_role("button", name="System", exact=True).click()
    assert page.locator("html").get_attribute("data-theme") is None


def test_still_readers_get_no_motion(cast: Cast, visit: Visits) -> None:
    window = visit(reduced_motion="reduce")
    window.sign_in(cast.max.user.email)
    window.ask("[[slow]] Hello")
    dot = window.page.locator("[data-waiting] > span").first
    dot.wait_for()
    assert dot.evaluate("e => getComputedStyle(e).animationIterationCount") == "1"
    window.page.keyboard.press("Escape")
