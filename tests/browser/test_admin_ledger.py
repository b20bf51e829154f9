"""The ledger's pages in a browser: nothing for axe, nothing overflows, the whole way works."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from audit.break_glass import decide, request_disclosure
from audit.content_models import Disclosure
from audit.erasure import Ground, erase, place_hold
from audit.erasure_requests import demand_two_people, request_erasure
from audit.ledger import commit_blocking
from orgs.members import add_member
from orgs.models import User
from orgs.roles import Role
from orgs.tenancy import tenant_of
from tests.admin_pages import request_draft
from tests.browser.conftest import Visit, in_thread
from tests.cast import Cast
from tests.sealing import seal

pytestmark = pytest.mark.browser
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def pages(cast: Cast, browser: object) -> dict[str, str]:
    """The paths of the pages, by a name for each."""

    def make() -> dict[str, str]:
        drafts = [request_draft(person, "Hello") for person in (cast.max, cast.max, cast.olivia)]
        free, erased, own = (commit_blocking(draft).record_id for draft in drafts)
        released = request_disclosure(cast.olivia, [free], "Max reported an odd answer")
        decide(cast.alice, released, release=True)
        erase(cast.olivia, [(erased, "prompt")], Ground.REQUEST)
        hold = place_hold(cast.olivia, name="File 7", actor_id=str(cast.max.user.pk))
        demand_two_people(cast.alice, True)
        user = User.objects.create_user(f"otto-{cast.organisation.slug}@example.org", name="Otto")
        otto = tenant_of(add_member(cast.organisation, user, Role.COMPLIANCE_OFFICER))
        asked = request_erasure(otto, [(own, "prompt")], Ground.REQUEST)
        seal()
        return {
            "log": "recordindex/log/",
            "released": f"recordindex/{free}/change/",
            "erased": f"recordindex/{erased}/change/",
            "own": f"recordindex/{own}/change/",
            "erase": f"recordindex/{free}/erase/",
            "requests": "disclosure/",
            "request": f"disclosure/{released.pk}/change/",
            "erasures": "erasurerequest/",
            "erasure": f"erasurerequest/{asked.pk}/change/",
            "holds": "hold/",
            "hold": f"hold/{hold.pk}/change/",
            "new-hold": "hold/add/",
        }

    found: dict[str, str] = in_thread(make)
    return found


@pytest.mark.parametrize("width", [1360, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_overflows(
    cast: Cast, pages: dict[str, str], visit: Callable[..., Visit], scheme: str, width: int
) -> None:
    window = visit(color_scheme=scheme, width=width)
    page = window.page
    window.sign_in(cast.olivia.user.email)

    def look(name: str) -> None:
        assert window.violations() == [], name
        assert page.evaluate(OVERFLOW) <= 0, name
        if "LEDGER_PICTURES" in os.environ:
            folder = os.environ["LEDGER_PICTURES"]
            page.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)

    for name, path in pages.items():
        answer = page.goto(f"{window.url}/admin/audit/{path}")
        assert answer is not None
        assert answer.status == 200, name
        look(name)
    page.goto(f"{window.url}/admin/audit/{pages['released']}")
    page.get_by_role("button", name="Read “prompt”").click()
    expect(page.get_by_text("Hello", exact=True)).to_be_visible()
    look("text")
    page.goto(f"{window.url}/admin/audit/{pages['log']}")
    page.get_by_role("button", name="Tamper with a copy").click()
    expect(page.get_by_role("heading", name="After one byte: tampered")).to_be_visible()
    look("tampering")


def test_two_people_open_a_text(
    cast: Cast, pages: dict[str, str], visit: Callable[..., Visit]
) -> None:
    record_id = in_thread(lambda: commit_blocking(request_draft(cast.max, "Odd")).record_id)
    officer, administrator = visit(), visit()
    officer.sign_in(cast.olivia.user.email)
    officer.page.goto(f"{officer.url}/admin/audit/recordindex/{record_id}/change/")
    officer.page.get_by_text("Ask to read this text").click()
    officer.page.get_by_label("Reason").fill("Max reported an odd answer")
    officer.page.get_by_role("button", name="Ask", exact=True).click()
    expect(officer.page.get_by_text("a second person decides").first).to_be_visible()
    asked = in_thread(
        lambda: Disclosure.objects.for_tenant(cast.alice).get(state=Disclosure.State.REQUESTED).pk
    )
    administrator.sign_in(cast.alice.user.email)
    administrator.page.goto(f"{administrator.url}/admin/audit/disclosure/{asked}/change/")
    expect(administrator.page.get_by_text("Max reported an odd answer")).to_be_visible()
    administrator.page.get_by_role("button", name="Release for 24 hours").click()
    officer.page.reload()
    officer.page.get_by_role("button", name="Read “prompt”").click()
    expect(officer.page.get_by_text("Odd", exact=True)).to_be_visible()
