"""Who may ask, read, declare and download; and that nobody else learns anything (promise P4)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import UTC, date, datetime

import pytest
from django.core.exceptions import ValidationError
from django.test import AsyncClient, Client
from django.utils import timezone

from audit.models import RecordIndex
from dossier.declarations import VALID_FOR, declarations_at, declare
from dossier.models import Declaration, Dossier, Kind
from dossier.production import render
from dossier.scheduling import request_dossier
from orgs.tenancy import PermissionRefused, Tenant
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_production import QuickPaper
from tests.sealing import seal

URL = "/api/v1/dossiers"
OCTOBER = {"kind": "art53", "period_start": "2026-10-01", "period_end": "2026-10-31"}


def browser(tenant: Tenant) -> Client:
    client = Client()
    client.force_login(tenant.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def published(cast: Cast) -> Dossier:
    call(cast.max, datetime(2026, 10, 10, 12, tzinfo=UTC))
    made = request_dossier(
        cast.olivia, kind=Kind.ART53, first=date(2026, 10, 1), last=date(2026, 10, 31)
    )
    seal()
    assert render(made.pk, QuickPaper())
    made.refresh_from_db()
    return made


def test_the_officer_asks_by_api_and_sees_how_far_it_is(cast: Cast) -> None:
    client = browser(cast.olivia)
    answer = client.post(URL, OCTOBER, content_type="application/json")
    assert answer.status_code == 202, answer.content
    made = answer.json()
    assert (made["state"], made["percent"]) == ("waiting", 0)
    again = client.post(URL, OCTOBER, content_type="application/json").json()
    assert again["id"] == made["id"]
    assert client.get(f"{URL}/{made['id']}").json()["state"] == "waiting"
    assert [row["id"] for row in client.get(URL).json()["items"]] == [made["id"]]
    assert client.post(f"{URL}/{made['id']}/cancel").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    "period",
    [
        {"period_start": "2026-10-31", "period_end": "2026-10-01"},
        {"period_start": "2099-01-01", "period_end": "2099-01-31"},
        {"period_start": "2020-01-01", "period_end": "2026-10-31"},
    ],
)
def test_a_period_that_makes_no_sense_is_refused(cast: Cast, period: dict[str, str]) -> None:
    wrong = OCTOBER | period
    answer = browser(cast.olivia).post(URL, wrong, content_type="application/json")
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "period_end"


@pytest.mark.parametrize("name", ["alice", "rita", "max", "audrey"])
def test_only_the_officer_asks(cast: Cast, name: str) -> None:
    client = browser(getattr(cast, name))
    assert client.post(URL, OCTOBER, content_type="application/json").status_code == 403
    assert Dossier.objects.for_tenant(cast.olivia).count() == 0


def test_a_stranger_gets_the_answer_of_something_that_never_was(cast: Cast) -> None:
    made = published(cast)
    stranger = browser(cast.charlie)
    missing = "0193a000-0000-7000-8000-000000000000"
    for path in ("", "/download"):
        theirs = stranger.get(f"{URL}/{made.pk}{path}")
        nothing = stranger.get(f"{URL}/{missing}{path}")
        assert theirs.status_code == nothing.status_code == 404
        assert theirs.json()["error"]["message"] == nothing.json()["error"]["message"]
    assert stranger.get(URL).json() == {"items": []}
    for page in ("change", "download"):
        answer = stranger.get(f"/admin/dossier/dossier/{made.pk}/{page}/")
        assert answer.status_code == 404
    assert str(made.pk) not in stranger.get("/admin/dossier/dossier/").content.decode()


async def _bytes(client: AsyncClient, path: str) -> tuple[int, bytes]:
    answer = await client.get(path)
    if not answer.streaming:
        return answer.status_code, answer.content
    return answer.status_code, b"".join([piece async for piece in answer.streaming_content])


@pytest.mark.parametrize(
    "path", ["/api/v1/dossiers/{}/download", "/admin/dossier/dossier/{}/download/"]
)
async def test_a_download_is_streamed_and_recorded(database: None, path: str) -> None:
    from asgiref.sync import sync_to_async

    from tests.cast import make_cast

    cast = await sync_to_async(make_cast)()
    made = await sync_to_async(published)(cast)
    client = AsyncClient()
    await sync_to_async(client.force_login)(
        cast.audrey.user, backend="django.contrib.auth.backends.ModelBackend"
    )
    status, data = await _bytes(client, path.format(made.pk))
    assert status == 200
    assert len(data) == made.file_bytes
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None

    def recorded() -> int:
        rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
        return rows.filter(kind="dossier.downloaded", actor_id=str(cast.audrey.user.pk)).count()

    assert await sync_to_async(recorded)() == 1


def test_members_have_no_part_in_it(cast: Cast) -> None:
    made = published(cast)
    client = browser(cast.max)
    assert client.get(URL).status_code == 403
    assert client.get(f"{URL}/{made.pk}/download").status_code == 403
    assert browser(cast.rita).get(f"/admin/dossier/dossier/{made.pk}/change/").status_code == 403


# -- Declarations ----------------------------------------------------------------------------------


def test_a_declaration_is_recorded_and_never_overwritten(cast: Cast) -> None:
    first = declare(cast.olivia, key="system.purpose", value="Drafts")
    second = declare(cast.olivia, key="system.purpose", value="Drafts and summaries")
    rows = Declaration.objects.for_tenant(cast.olivia)
    assert rows.count() == 2
    assert second.expires_at - second.declared_at == VALID_FOR
    now = declarations_at(cast.organisation.pk)
    assert now.value("system.purpose") == "Drafts and summaries"
    before = declarations_at(cast.organisation.pk, first.declared_at)
    assert before.value("system.purpose") == "Drafts"
    kinds = RecordIndex.objects.for_organisation(cast.organisation.pk)
    assert kinds.filter(kind="declaration.made").count() == 2


def test_what_was_declared_is_not_in_the_log_in_clear(cast: Cast) -> None:
    from audit.reading import record_bytes

    row = declare(cast.olivia, key="system.users", value="Only Herr Schmidt")
    assert b"Schmidt" not in record_bytes(cast.organisation.pk, row.record_id)


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "no.such", "value": "x"},
        {"key": "system.purpose", "value": "   "},
        {"key": "role.role", "value": "hero"},
        {"key": "flow.dpa", "value": "x"},
        {"key": "system.purpose", "value": "x", "subject": "mistral_ai"},
    ],
)
def test_a_statement_that_fits_nothing_is_refused(cast: Cast, wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        declare(cast.olivia, **wrong)
    answer = browser(cast.olivia).post(
        f"{URL}/declarations", json.dumps(wrong), content_type="application/json"
    )
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["alice", "audrey", "rita", "max"])
def test_only_the_officer_declares(cast: Cast, name: str) -> None:
    with pytest.raises(PermissionRefused):
        declare(getattr(cast, name), key="system.purpose", value="x")


def test_declarations_of_others_are_not_seen(cast: Cast) -> None:
    declare(cast.olivia, key="system.purpose", value="Secret drafts")
    assert declarations_at(cast.other_organisation.pk).current() == []


# -- Admin pages -----------------------------------------------------------------------------------


def test_the_officer_asks_in_the_admin_with_the_last_month_filled_in(cast: Cast) -> None:
    client = browser(cast.olivia)
    page = client.get("/admin/dossier/dossier/add/").content.decode()
    assert 'type="date"' in page
    assert "style=" not in page
    form = {"kind": "art10", "period_start": "2026-10-01", "period_end": "2026-10-31"}
    form["language"] = "en"
    answer = client.post("/admin/dossier/dossier/add/", form)
    made = Dossier.objects.for_tenant(cast.olivia).get()
    assert answer.headers["Location"].endswith(f"/{made.pk}/change/")
    again = client.post("/admin/dossier/dossier/add/", form)
    assert again.headers["Location"].endswith(f"/{made.pk}/change/")
    shown = client.get(f"/admin/dossier/dossier/{made.pk}/change/")
    assert shown.headers["Refresh"] == "3"


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("2026-10-31", "2026-10-01", "last day lies before the first"),
        ("0001-01-01", "0001-01-02", "This day lies before any log"),
    ],
)
def test_a_wrong_period_is_said_on_the_form(cast: Cast, first: str, last: str, said: str) -> None:
    form = {"kind": "art10", "period_start": first, "period_end": last, "language": "en"}
    page = browser(cast.olivia).post("/admin/dossier/dossier/add/", form)
    assert page.status_code == 200
    assert said in page.content.decode()


def test_statements_are_made_one_by_one_from_the_overview(cast: Cast) -> None:
    call(cast.max, timezone.now())
    client = browser(cast.olivia)
    page = client.get("/admin/dossier/declaration/overview/").content.decode()
    assert "Data flow: mistral_ai" in page
    assert "Annex XII: mistral-large-latest" in page
    address = "/admin/dossier/declaration/add/?key=flow.dpa&subject=mistral_ai"
    form = client.get(address).content.decode()
    assert "GDPR 28(3)" in form
    assert "Example:" in form
    answer = client.post(
        address, {"key": "flow.dpa", "subject": "mistral_ai", "value": "DPA version 3.1"}
    )
    assert answer.status_code == 302
    assert "DPA version 3.1" in client.get("/admin/dossier/declaration/overview/").content.decode()
    assert browser(cast.audrey).get(address).status_code == 403


def test_who_declares_comes_back_to_the_row_and_finds_it_filled_in_next_year(cast: Cast) -> None:
    client = browser(cast.olivia)
    page = client.get("/admin/dossier/declaration/overview/").content.decode()
    address = re.search(r'href="([^"]*key=system\.users[^"]*)"', page)[1].replace("&amp;", "&")
    subject = str(cast.olivia.organisation.default_system_id)
    form = {"key": "system.users", "subject": subject, "value": "About 120 employees."}
    answer = client.post(address, form, follow=True)
    row = answer.redirect_chain[-1][0].partition("#")[2]
    text = answer.content.decode()
    assert f'id="{row}"' in text
    assert "“Users” is declared." in text
    assert "About 120 employees.</textarea>" in client.get(address).content.decode()


def test_a_long_statement_is_cut_in_the_list_and_a_longer_one_refused(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="At most 4000 characters"):
        declare(cast.olivia, key="literacy.measures", value="y" * 4001)
    declare(cast.olivia, key="literacy.measures", value="y" * 4000)
    page = browser(cast.olivia).get("/admin/dossier/declaration/").content.decode()
    assert "y" * 199 + "…" in page
    assert "y" * 200 not in page


def test_a_call_without_a_model_makes_no_statement_about_nothing(cast: Cast) -> None:
    call(cast.max, timezone.now(), state="blocked", model="")
    page = browser(cast.olivia).get("/admin/dossier/declaration/overview/").content.decode()
    assert "Annex XII" not in page


def test_what_is_wrong_with_a_field_that_nobody_sees_is_said_above_the_form(cast: Cast) -> None:
    address = "/admin/dossier/declaration/add/?key=modification.compute_flop"
    form = {"key": "modification.compute_flop", "subject": "", "value": "0"}
    page = browser(cast.olivia).post(address, form).content.decode()
    assert "Name the provider or model as it stands in the log." in page


@pytest.mark.parametrize("value", ["-1", "many", "Infinity", "NaN"])
def test_a_number_is_a_number(cast: Cast, value: str) -> None:
    with pytest.raises(ValidationError, match="Write a number"):
        declare(cast.olivia, key="modification.compute_flop", subject="m", value=value)


def test_a_schedule_is_set_up_changed_and_removed_in_the_admin(cast: Cast) -> None:
    client = browser(cast.olivia)
    base = "/admin/dossier/dossierschedule/"
    form = {"kind": "art53", "is_enabled": "on", "catch_up_months": "2"}
    assert client.post(f"{base}add/", form).status_code == 302
    twice = client.post(f"{base}add/", form)
    assert "There is such a schedule for this kind" in twice.content.decode()
    from dossier.models import DossierSchedule

    row = DossierSchedule.objects.for_tenant(cast.olivia).get()
    client.post(f"{base}{row.pk}/change/", {"catch_up_months": "5"})
    row.refresh_from_db()
    assert (row.is_enabled, row.catch_up_months) == (False, 5)
    client.post(f"{base}{row.pk}/delete/", {"post": "yes"})
    assert DossierSchedule.objects.for_tenant(cast.olivia).count() == 0
