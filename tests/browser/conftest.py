"""A real Chromium against the real application, watched for everything it complains about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cast import PASSWORD, Cast

_Value = TypeVar("_Value")
_SERIOUS = {"moderate", "serious", "critical"}
# Five seconds, as is usual, is not enough where two processes of tests share two cores.
expect.set_options(timeout=15_000)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The system's Chromium: CHROMIUM, or the first one on the path."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for path in map(shutil.which, _NAMES) if path), None)


def in_thread(function: Callable[[], _Value]) -> _Value:
    """Call *function*, which reads the database, beside Playwright's event loop."""
    from django.db import connection

    def call() -> _Value:
        try:
            return function()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()


@pytest.fixture
def browser(cast: Cast) -> Iterator[Browser]:
    """Chromium, after the cast is made: once Playwright runs, this thread has an event loop."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: install one, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield running
        running.close()


@dataclass
class Visit:
    """One person at one window; ``complaints`` is everything the browser found wrong."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, email: str, password: str = PASSWORD) -> None:
        self.page.goto(f"{self.url}/accounts/login/")
        self.page.get_by_label("Email").fill(email)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url(lambda address: "/accounts/login/" not in address)

    def ask(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def wait_for_answer(self, number: int = 1, state: str = "completed") -> None:
        """Wait until *number* answers stand there, the last one in *state* as the server says."""
        answer = f".answer:nth-of-type({2 * number})[data-state={state}]"
        self.page.locator(f"{answer} .receipt code").wait_for()
        self.page.locator("#send").wait_for()

    def violations(self) -> list[str]:
        """What axe-core finds, moderate or worse."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:200]}"
            for rule in found
            if rule["impact"] in _SERIOUS
            for node in rule["nodes"]
        ]


@pytest.fixture
def visit(browser: Browser, web_server: str) -> Iterator[Callable[..., Visit]]:
    """Open windows: ``visit()``, ``visit(width=360)``, ``visit(color_scheme="dark")``.

    At the end no window may have seen a violation of the Content-Security-Policy, an error in the
    console, an uncaught exception, or a request to another host.
    """
    visits: list[Visit] = []

    def open_window(*, width: int = 1280, height: int = 800, **options: object) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            permissions=["clipboard-read", "clipboard-write"],
            **options,  # type: ignore[arg-type]
        )
        page = context.new_page()
        made = Visit(page, web_server)
        page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('policy', event.violatedDirective, event.blockedURI))"
        )
        page.on("console", lambda message: _note(made, message.type, message.text))
        page.on("pageerror", lambda error: made.complaints.append(f"uncaught: {error}"))
        page.on("request", lambda request: _note_host(made, request.url))
        visits.append(made)
        return made

    yield open_window
    for made in visits:
        made.page.context.close()
        assert made.complaints == []


def _note(made: Visit, kind: str, text: str) -> None:
    if kind == "error":
        made.complaints.append(f"console: {text}")


def _note_host(made: Visit, address: str) -> None:
    if not address.startswith((made.url, "data:", "blob:")):
        made.complaints.append(f"request to another host: {address}")
