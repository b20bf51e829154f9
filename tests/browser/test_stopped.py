"""Who reads an answer while the organisation is paused sees it end, and why."""

from __future__ import annotations

import re
from collections.abc import Callable

from llm.models import Inference
from orgs.organisations import pause
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast
from tests.llm.test_chat import simulated


def test_an_answer_that_is_paused_ends_before_the_eyes_of_who_reads_it(
    cast: Cast, visit: Callable[..., Visit]
) -> None:
    in_thread(lambda: simulated(cast, options={"first_word_ms": 0, "word_ms": 100}))
    window = visit(width=390)
    window.sign_in(cast.max.user.email)
    window.page.goto(f"{window.url}/")
    window.ask("[[long]]")
    # Words of the model: before its first one stands a place for them.
    window.page.locator(".answer [data-content]").filter(has_text=re.compile(r"\w")).wait_for()
    in_thread(lambda: pause(cast.alice, reason="An incident"))
    window.page.get_by_text("Your organisation has paused the use of AI").first.wait_for()
    window.page.locator("#send").wait_for()
    window.page.get_by_text("Stopped here by your organisation").wait_for()
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 390
    (row,) = in_thread(lambda: list(Inference.objects.for_tenant(cast.max)))
    assert (row.state, row.error_code) == ("stopped", "organisation_paused")
