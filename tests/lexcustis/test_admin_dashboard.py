"""The start page says whether all is right, from what is there and from nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audit.models import SealState, Verification
from audit.verification import verify_and_keep
from dossier.declarations import declare
from lexcustis.dashboard import DAYS, collect
from llm import provider_settings
from llm.models import ProviderSettings
from orgs.organisations import pause
from orgs.roles import Permission
from orgs.tenancy import Tenant
from oversight.incidents import open_incident
from oversight.models import Review, Task
from oversight.reviews import request_review
from tests.admin_pages import call, furnish, signed_in
from tests.cast import Cast
from tests.oversight.scene import answered, hours_ago
from tests.sealing import seal

# Everything the frame and the page of an officer ask for; the page itself asks 21.
MOST_QUERIES = 33


def findings(tenant: Tenant) -> dict[str, str]:
    tenant.organisation.refresh_from_db()
    return {finding.text: finding.level for finding in collect(tenant).verdict.findings}


@pytest.fixture
def healthy(cast: Cast) -> Cast:
    furnish(cast)
    seal()
    verify_and_keep(cast.olivia)
    return cast


def test_all_is_well_where_all_is_well(healthy: Cast) -> None:
    assert findings(healthy.olivia) == {}
    page = signed_in(healthy.olivia.user).get(reverse("admin:index")).content.decode()
    assert "All is well" in page
    assert "not anchored externally" in page


def test_each_trouble_has_its_line(healthy: Cast) -> None:
    olivia = healthy.olivia
    pause(olivia, reason="Odd answers since noon")
    assert any("Odd answers since noon" in text for text in findings(olivia))
    row = ProviderSettings.objects.for_tenant(olivia).get()
    for number in range(4):
        call(healthy.max, row, state="failed", days_ago=number / 100)
    assert any("4 of 5 calls" in text for text in findings(olivia))
    provider_settings.disable(tenant=healthy.alice, settings_id=row.pk)
    provider_settings.create(
        tenant=healthy.alice,
        name="Far away",
        vendor="openai_compatible",
        base_url="http://127.0.0.1:9/v1",
        default_model="m",
        data_region="US",
    )
    assert findings(olivia)["No provider can be used: none is enabled in a region that you allow."]
    last = Verification.objects.for_tenant(olivia).first()
    assert last is not None
    Verification.unscoped.filter(pk=last.pk).update(checked_at=timezone.now() - timedelta(days=8))
    assert "The log was last verified more than a week ago." in findings(olivia)
    Verification.unscoped.filter(pk=last.pk).update(valid=False)
    assert "bad" in findings(olivia).values()
    assert collect(olivia).verdict.level == "bad"


def test_what_waits_too_long_in_oversight_has_its_line(healthy: Cast) -> None:
    olivia, what = healthy.olivia, "The answer named a wrong dose."
    near = open_incident(olivia, description=what, aware_at=hours_ago(30))
    assert findings(olivia) == {"Half of the time to report an incident is over.": "warn"}
    open_incident(olivia, description=what, aware_at=hours_ago(60))
    assert findings(olivia) == {
        "Half of the time to report an incident is over.": "warn",
        "The time to report an incident is over.": "bad",  # and its task is not said beside it
    }
    addresses = {finding.address for finding in collect(olivia).verdict.findings}
    assert reverse("admin:oversight_incident_change", args=[near.pk]) in addresses
    open_incident(olivia, description=what, aware_at=hours_ago(70))
    assert findings(olivia)["The time to report 2 incidents is over."] == "bad"
    tasks = Task.objects.for_tenant(olivia).filter(incident=None)
    tasks.update(due_at=hours_ago(1), opened_at=hours_ago(2))
    assert findings(olivia)["A task is late."] == "warn"
    reviews = Review.objects.for_tenant(olivia)
    reviews.update(requested_at=hours_ago(24 * 5))
    assert findings(olivia)["A review has waited longer than two working days."] == "warn"
    assert "A task is late." not in findings(healthy.alice)
    assert collect(healthy.alice).verdict.level == "good"


def test_the_card_of_oversight_says_what_waits(healthy: Cast) -> None:
    page = signed_in(healthy.olivia.user).get(reverse("admin:index")).content.decode()
    card = page.partition('aria-labelledby="card-oversight"')[2].partition("</section>")[0]
    for words in ("1 waits", "oldest asked just now", "1 open", "47 h left", "2 to do"):
        assert words in card, words
    page = signed_in(healthy.audrey.user).get(reverse("admin:index")).content.decode()
    assert "card-oversight" not in page


def test_a_sealer_that_stands_still_is_seen(healthy: Cast) -> None:
    before = SealState.objects.order_by("looked_at").first()
    assert before is not None
    SealState.objects.update(looked_at=timezone.now() - timedelta(minutes=5))
    try:
        assert any("sealer stands still" in text for text in findings(healthy.olivia))
    finally:
        seal()


def test_a_person_sees_only_what_their_role_may_see(healthy: Cast) -> None:
    parts: dict[str, tuple[str, Permission]] = {
        "log": ("log", Permission.AUDIT_READ),
        "use": ("use", Permission.AUDIT_READ),
        "providers": ("providers", Permission.PROVIDER_READ),
        "dossiers": ("dossiers", Permission.DOSSIER_READ),
        "members": ("members", Permission.MEMBER_READ),
    }
    for tenant in (healthy.alice, healthy.olivia, healthy.rita, healthy.audrey):
        dashboard = collect(tenant)
        assert (dashboard.oversight is not None) == tenant.may(Permission.REVIEW)
        for name, permission in parts.values():
            assert (getattr(dashboard, name) is not None) == tenant.may(permission), name
        assert dashboard.may_pause == tenant.may(Permission.ORGANISATION_MANAGE)


def test_the_last_thirty_days_are_counted_by_day_state_and_region(cast: Cast) -> None:
    for days_ago in (0, 0, 3, DAYS + 2):
        call(cast.max, days_ago=days_ago)
    call(cast.max, days_ago=3, state="failed", data_region="EU")
    call(cast.max, days_ago=3, state="blocked", data_region="US")  # it went nowhere
    call(cast.charlie, days_ago=1)
    use = collect(cast.olivia).use
    assert use is not None
    assert (use.calls, use.states) == (5, {"completed": 3, "failed": 1, "blocked": 1})
    assert len(use.days) == DAYS
    assert sum(day.total for day in use.days) == 5
    assert sum(day.not_completed for day in use.days) == 2
    upstreams = {
        (upstream.region.code, upstream.calls, upstream.failed) for upstream in use.upstreams
    }
    assert upstreams == {("self-hosted", 3, 0), ("EU", 1, 1)}


def test_the_chart_is_drawn_with_shapes_alone(cast: Cast) -> None:
    for number in range(7):
        call(cast.max, days_ago=number)
    text = signed_in(cast.olivia.user).get(reverse("admin:index")).content.decode()
    assert re.search(r'<rect class="bar" x="[\d.]+" y="[\d.]+" width="[\d.]+"', text)
    assert not re.search(r'<rect[^>]*="[^"]*,', text)
    assert "style=" not in text
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)


def test_a_page_speaks_one_language_whatever_the_browser_asks_for(cast: Cast) -> None:
    client = signed_in(cast.olivia.user)
    german = {"Accept-Language": "de-DE,de;q=0.9"}
    form = client.post(reverse("admin:audit_hold_add"), {"name": ""}, headers=german)
    text = form.content.decode()
    assert '<html lang="en' in text
    assert "This field is required." in text


def test_days_are_written_alike_on_every_page(cast: Cast) -> None:
    declare(cast.olivia, key="literacy.measures", value="A course of 45 minutes.")
    client = signed_in(cast.olivia.user)
    text = client.get(reverse("admin:dossier_declaration_changelist")).content.decode()
    assert re.search(r">20\d\d-\d\d-\d\d \d\d:\d\d<", text)
    assert not re.search(r"[ap]\.m\.", text)


def test_every_link_of_the_start_page_leads_somewhere(cast: Cast) -> None:
    call(cast.max, state="failed")
    for tenant in (cast.alice, cast.olivia, cast.rita, cast.audrey, cast.charlie):
        client = signed_in(tenant.user)
        page = client.get(reverse("admin:index")).content.decode()
        links = set(re.findall(r'<a [^>]*href="(/admin/[^"]*)"', page))
        assert len(links) >= 4
        for link in links:
            assert client.get(link.replace("&amp;", "&")).status_code in (200, 302), link


def test_a_search_keeps_the_filters(cast: Cast) -> None:
    client = signed_in(cast.olivia.user)
    place = reverse("admin:audit_recordindex_changelist")
    page = client.get(f"{place}?kind=inference&from=2026-01-01&q=x").content.decode()
    search = page.partition('role="search"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="kind" value="inference">' in search
    assert '<input type="hidden" name="from" value="2026-01-01">' in search
    assert search.count('name="q"') == 1
    period = page.partition('class="date-range"')[2].partition("</form>")[0]
    assert '<input type="hidden" name="kind" value="inference">' in period
    assert period.count('name="from"') == 1


def queries_of(page: str, tenant: Tenant) -> int:
    client = signed_in(tenant.user)
    client.get(page)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert client.get(page).status_code == 200
    return len(asked)


@pytest.mark.parametrize(
    "name",
    [
        "index",
        "audit_recordindex_changelist",
        "llm_inference_changelist",
        "orgs_membership_changelist",
        "oversight_review_changelist",
        "oversight_incident_changelist",
        "oversight_task_changelist",
    ],
)
def test_more_rows_ask_no_more_queries(cast: Cast, name: str) -> None:
    page = reverse(f"admin:{name}")
    things = furnish(cast)
    before = queries_of(page, cast.olivia)
    for number in range(12):
        tenant: Any = (cast.max, cast.rita, cast.olivia)[number % 3]
        call(tenant, things.provider, days_ago=number, state=("completed", "failed")[number % 2])
        pause(cast.olivia, reason="again")
    for _number in range(4):
        request_review(cast.max, answered(cast.max).pk)
        open_incident(cast.olivia, description="The answer named a wrong dose.")
    assert queries_of(page, cast.olivia) <= before
    assert before <= MOST_QUERIES
