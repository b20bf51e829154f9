"""Usage for billing and who may use a provider: fit the window, and are readable for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from llm import billing, provider_settings
from llm.billing_delivery import deliver_now
from llm.models import BillingWebhook
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast
from tests.llm.receiver import Receiver


@pytest.fixture
def pages(cast: Cast, settings: Any) -> list[str]:
    """Their addresses, with a report that was taken and one that was not."""
    settings.PROVIDER_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with Receiver([204, 503]) as receiver:
        row, _secret = billing.save_webhook(cast.alice, url=receiver.url)
        for _ in range(2):
            report = deliver_now(billing.report_test(cast.alice))
    provider = provider_settings.create(
        tenant=cast.alice,
        name="Reserved",
        vendor="simulated",
        default_model="sim-large",
        open_to_roles=["reviewer"],
        open_to_people=[cast.max.user.pk],
    )
    return [
        reverse("admin:llm_billingdelivery_changelist"),
        reverse("admin:llm_billingdelivery_change", args=[report.pk]),
        reverse("admin:llm_billingwebhook_change", args=[row.pk]),
        reverse("admin:llm_providersettings_change", args=[provider.pk]),
        reverse("admin:llm_usage"),
    ]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_pages_fit_and_are_readable(
    pages: list[str], cast: Cast, visit: Callable[..., Visit], width: int, scheme: str
) -> None:
    window = visit(width=width, color_scheme=scheme)
    window.sign_in(cast.alice.user.email)
    for address in pages:
        window.page.goto(window.url + address)
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, address
        assert window.violations() == [], address


def test_the_secret_is_copied_from_the_page_that_shows_it_once(
    cast: Cast, visit: Callable[..., Visit], settings: Any
) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    window = visit(width=390)
    window.sign_in(cast.alice.user.email)
    window.page.goto(window.url + reverse("admin:llm_billingdelivery_changelist"))
    window.page.get_by_role("link", name="Set an address").click()
    window.page.get_by_label("Address").fill("http://127.0.0.1:9/hooks")
    window.page.get_by_role("button", name="Save").click()
    window.page.get_by_role("button", name="Copy").click()
    copied = window.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("whsec_")
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 390
    window.page.get_by_role("link", name="I have copied it").click()
    assert copied not in window.page.content()
    window.page.get_by_role("button", name="Send a test now").click()
    window.page.get_by_text("It was not taken").wait_for()
    in_thread(lambda: BillingWebhook.objects.for_tenant(cast.alice).update(is_enabled=False))
