"""Auditor links: no account, one scope, an end, a record of each use; nobody else learns (P4)."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.canonical import decode
from audit.models import RecordIndex
from audit.reading import record_bytes
from dossier import links
from dossier.link_models import AuditorLink
from dossier.links import create_link, revoke_link
from dossier.models import Dossier
from orgs.tenancy import PermissionRefused
from tests.cast import Cast
from tests.dossier.test_access import browser, published


def path_of(address: str) -> str:
    return "/" + address.split("/", 3)[3]


def secret_of(address: str) -> str:
    return path_of(address).split("/")[2]


def download_path(address: str, dossier: Dossier) -> str:
    return reverse("dossier_shared_download", args=[secret_of(address), dossier.pk])


def bodies(cast: Cast, kind: str) -> list[dict[str, Any]]:
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk).filter(kind=kind)
    return [
        decode(record_bytes(cast.organisation.pk, record_id))
        for record_id in rows.values_list("record_id", flat=True)
    ]


@pytest.fixture
def dossier(cast: Cast) -> Dossier:
    return published(cast)


@pytest.fixture
def stranger() -> Client:
    return Client()


def test_somebody_without_an_account_sees_what_it_is_and_gets_it(cast, dossier, stranger) -> None:
    link, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    page = stranger.get(path_of(address))
    assert page.status_code == 200
    words = page.content.decode()
    for fact in (dossier.file_sha256, dossier.manifest_sha256, "verifier.py", "sha256sum"):
        assert fact in words
    assert "KPMG" not in words
    assert page["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page["X-Robots-Tag"]
    assert "no-store" in page["Cache-Control"]
    answer = stranger.get(download_path(address, dossier))
    assert answer.status_code == 200
    assert int(answer["Content-Length"]) == dossier.file_bytes
    (record,) = bodies(cast, "dossier.downloaded")
    assert record["actor"] == {"id": str(link.pk), "type": "auditor_link"}
    assert record["body"]["lexcustis.link.id"] == str(link.pk)
    assert record["body"]["lexcustis.dossier.file_sha256"] == dossier.file_sha256
    link.refresh_from_db()
    assert link.downloads == 1


def test_the_secret_is_kept_nowhere(cast, dossier) -> None:
    link, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    secret = secret_of(address)
    row = AuditorLink.objects.for_tenant(cast.olivia).values().get(pk=link.pk)
    assert secret not in str(row)
    assert len(secret) >= 43
    (record,) = bodies(cast, "link.created")
    assert secret not in str(record)
    assert "KPMG" not in str(record)  # a name stands in no record


def test_the_log_of_the_program_does_not_have_it(cast, dossier, stranger, caplog, capfd) -> None:
    _, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    secret = secret_of(address)
    with caplog.at_level(logging.DEBUG):
        stranger.get(path_of(address))
        stranger.get(f"/shared/{secret}/0193a000-0000-7000-8000-000000000000.zip")
    out = capfd.readouterr()
    assert secret not in caplog.text + out.out + out.err


def over(link: AuditorLink) -> None:
    AuditorLink.unscoped.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_a_link_that_is_over_answers_as_one_that_never_was(cast, dossier, stranger, end) -> None:
    link, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    if end == "revoked":
        revoke_link(cast.olivia, link)
    else:
        over(link)
    wrong = stranger.get("/shared/nothing-of-the-kind/")
    for path in (path_of(address), download_path(address, dossier)):
        answer = stranger.get(path)
        assert answer.status_code == 404
        assert answer.content == wrong.content
    assert bodies(cast, "dossier.downloaded") == []


def test_it_opens_nothing_but_its_own_dossier(cast, dossier, stranger) -> None:
    other = Dossier.objects.create(
        organisation=cast.organisation, kind="art10", period_start=date(2026, 9, 1),
        period_end=date(2026, 9, 30), time_zone="UTC",
    )  # fmt: skip
    _, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    assert stranger.get(download_path(address, other)).status_code == 404
    for path in ("/admin/", "/api/v1/dossiers", f"/api/v1/dossiers/{dossier.pk}/download"):
        assert stranger.get(path).status_code in {302, 401, 403}


@pytest.mark.parametrize(
    ("first", "last", "count"),
    [
        (date(2026, 10, 1), date(2026, 10, 31), 1),
        (date(2026, 1, 1), date(2026, 12, 31), 1),
        (date(2026, 10, 2), date(2026, 12, 31), 0),
    ],
)
def test_a_link_to_a_period_opens_what_lies_within_it(
    cast, dossier, stranger, first, last, count
) -> None:
    _, address = create_link(cast.olivia, name="KPMG", period_start=first, period_end=last)
    words = stranger.get(path_of(address)).content.decode()
    assert words.count(dossier.file_sha256) == count
    status = stranger.get(download_path(address, dossier)).status_code
    assert status == (200 if count else 404)


def test_another_organisations_dossier_cannot_be_shared(cast: Cast, dossier: Dossier) -> None:
    with pytest.raises(PermissionRefused):
        create_link(cast.charlie, name="me", dossier=dossier)
    with pytest.raises(PermissionRefused):
        create_link(cast.audrey, name="me", dossier=dossier)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"period_start": date(2026, 10, 2), "period_end": date(2026, 10, 1)},
        {"period_start": date(2026, 10, 2)},
        {"period_start": date(2026, 1, 1), "period_end": date(2026, 1, 2),
         "expires_at": timezone.now() + timedelta(days=200)},
        {"period_start": date(2026, 1, 1), "period_end": date(2026, 1, 2),
         "expires_at": timezone.now() - timedelta(days=1)},
    ],
)  # fmt: skip
def test_a_link_without_scope_or_without_end_is_refused(cast: Cast, wrong) -> None:
    with pytest.raises(ValidationError):
        create_link(cast.olivia, name="KPMG", **wrong)


def test_a_link_that_is_used_without_end_is_slowed_down(
    cast, dossier, stranger, monkeypatch
) -> None:
    monkeypatch.setattr(links, "MOST_USES", 3)
    link, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    statuses = [stranger.get(path_of(address)).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = stranger.get(download_path(address, dossier))
    assert refused.status_code == 429
    assert 0 < int(refused["Retry-After"]) <= links.WINDOW.total_seconds()
    AuditorLink.unscoped.filter(pk=link.pk).update(window_started_at=timezone.now() - links.WINDOW)
    assert stranger.get(path_of(address)).status_code == 200


def test_the_officer_makes_and_revokes_it_by_api(cast, dossier, stranger) -> None:
    client = browser(cast.olivia)
    wanted = {"name": "KPMG", "dossier_id": str(dossier.pk)}
    answer = client.post("/api/v1/dossiers/links", wanted, content_type="application/json")
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert stranger.get(path_of(made["address"])).status_code == 200
    (listed,) = client.get("/api/v1/dossiers/links").json()
    assert listed["id"] == made["id"]
    assert "address" not in listed
    ended = client.post(f"/api/v1/dossiers/links/{made['id']}/revoke").json()
    assert not ended["is_usable"]
    assert stranger.get(path_of(made["address"])).status_code == 404
    assert len(bodies(cast, "link.revoked")) == 1
    client.post(f"/api/v1/dossiers/links/{made['id']}/revoke")
    assert len(bodies(cast, "link.revoked")) == 1


@pytest.mark.parametrize(("name", "status"), [("audrey", 403), ("charlie", 404), ("max", 403)])
def test_nobody_else_makes_or_revokes_it(cast, dossier, name, status) -> None:
    link, _ = create_link(cast.olivia, name="KPMG", dossier=dossier)
    client = browser(getattr(cast, name))
    url = "/api/v1/dossiers/links"
    wanted = {"name": "me", "dossier_id": str(dossier.pk)}
    made = client.post(url, wanted, content_type="application/json")
    assert made.status_code in {403, 404}
    assert client.post(f"{url}/{link.pk}/revoke").status_code in {403, 404}
    assert client.get(f"/admin/dossier/auditorlink/{link.pk}/change/").status_code in {
        200 if name == "audrey" else status,
        302,
    }
    link.refresh_from_db()
    assert link.is_usable


def test_the_officer_makes_it_in_the_admin_and_sees_the_address_once(
    cast, dossier, stranger
) -> None:
    client = browser(cast.olivia)
    page = client.get(f"/admin/dossier/dossier/{dossier.pk}/change/").content.decode()
    assert f"/admin/dossier/auditorlink/add/?dossier={dossier.pk}" in page
    form = client.get(f"/admin/dossier/auditorlink/add/?dossier={dossier.pk}")
    assert f'value="{dossier.pk}" selected' in form.content.decode()
    until = timezone.localtime(timezone.now() + timedelta(days=7))
    answer = client.post(
        "/admin/dossier/auditorlink/add/",
        {"name": "KPMG", "dossier": str(dossier.pk), "expires_at": f"{until:%Y-%m-%dT%H:%M}"},
    )
    assert answer.status_code == 200
    address = answer.context["text"]
    assert address in answer.content.decode()
    assert stranger.get(path_of(address)).status_code == 200
    link = AuditorLink.objects.for_tenant(cast.olivia).get()
    assert (
        secret_of(address)
        not in client.get(f"/admin/dossier/auditorlink/{link.pk}/change/").content.decode()
    )
    client.post(f"/admin/dossier/auditorlink/{link.pk}/revoke/")
    assert stranger.get(path_of(address)).status_code == 404


def test_the_admin_says_what_is_missing(cast: Cast) -> None:
    answer = browser(cast.olivia).post("/admin/dossier/auditorlink/add/", {"name": "KPMG"})
    assert answer.status_code == 200
    assert AuditorLink.objects.for_tenant(cast.olivia).count() == 0


def test_a_period_that_runs_backwards_or_has_a_mistyped_year_is_called_so(cast: Cast) -> None:
    period = {"period_start": "2026-10-02", "period_end": "2026-10-01"}
    values = {"name": "KPMG", **period}
    answer = browser(cast.olivia).post("/admin/dossier/auditorlink/add/", values)
    assert ["The last day lies before the first."] in answer.context["errors"]
    assert "Name one dossier" not in answer.content.decode()
    days = {"period_start": date(1, 1, 1), "period_end": date(2026, 10, 1)}
    with pytest.raises(ValidationError, match="mistyped"):
        create_link(cast.olivia, name="KPMG", **days)


def test_a_moment_that_is_over_is_called_so(cast: Cast, dossier) -> None:
    before = timezone.now() - timedelta(hours=1)
    with pytest.raises(ValidationError, match="This moment is over"):
        create_link(cast.olivia, name="KPMG", dossier=dossier, expires_at=before)


def test_addresses_are_those_of_the_public(cast, dossier, settings) -> None:
    settings.PUBLIC_URL = "https://evidence.example.org"
    _, address = create_link(cast.olivia, name="KPMG", dossier=dossier)
    assert address.startswith("https://evidence.example.org/shared/")
