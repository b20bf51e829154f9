"""The upstream register: what was seen, found, asked for and received; and what came of asking."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.http import Http404
from django.utils import timezone

from audit.models import RecordIndex
from dossier.models import Kind
from dossier.upstream_documents import add_document, find_document, read_document
from dossier.upstream_models import UpstreamDocument, UpstreamRequest
from dossier.upstream_register import complaint_draft, register, seen
from dossier.upstream_requests import ask, note_answer, remind_due
from lexcustis.celery import app as celery
from orgs.tenancy import PermissionRefused
from orgs.vault import VaultError
from tests.cast import Cast
from tests.dossier.scene import call
from tests.dossier.test_manifests import NOON, members, section

MODEL = "gpt-5.5"
PDF = b"%PDF-1.7 a summary"


def summary(cast: Cast, **fields):
    values = {
        "model": MODEL,
        "kind": "training_content_summary",
        "title": "Public summary of training content",
        "publisher": "OpenAI Ireland Ltd",
        "url": "https://openai.example/summary.pdf",
        "retrieved_on": date(2026, 10, 5),
        "file_name": "summary.pdf",
        "data": PDF,
    }
    return add_document(cast.olivia, **values | fields)


def question(cast: Cast, **fields) -> UpstreamRequest:
    values = {
        "model": MODEL,
        "addressee": "OpenAI Ireland Ltd",
        "channel": "web form for downstream providers",
        "asked_on": date(2026, 10, 6),
        "items": ["1f", "2c"],
    }
    return ask(cast.olivia, **values | fields)


def use(cast: Cast) -> None:
    call(cast.max, NOON, provider="azure.ai.openai", model=MODEL, answered_by="gpt-5.5-2026-06")
    call(
        cast.max,
        NOON + timedelta(days=2),
        provider="azure.ai.openai",
        model=MODEL,
        answered_by="gpt-5.5-2026-10",
    )


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
def test_what_is_still_to_come_is_told_by_the_organisation_s_calendar(
    cast: Cast, zone: str
) -> None:
    """One of the two is on another day than UTC at any hour."""
    cast.olivia.organisation.time_zone = zone
    today = timezone.localdate(timezone=ZoneInfo(zone))
    tomorrow = today + timedelta(days=1)
    for enter, name in ((question, "asked_on"), (summary, "retrieved_on")):
        enter(cast, **{name: today})
        with pytest.raises(ValidationError, match="still to come"):
            enter(cast, **{name: tomorrow})


def test_every_model_in_the_log_is_listed_with_maker_and_host(cast: Cast) -> None:
    use(cast)
    (row,) = register(cast.olivia)
    assert (row.model, row.calls, row.hosts) == (MODEL, 2, ("Microsoft Azure",))
    assert row.maker is not None
    assert row.maker["key"] == "openai"
    assert row.changes == 1
    assert {item.state for item in row.checklist} == {"unknown"}
    with pytest.raises(Http404):
        seen(cast.charlie, MODEL)


def test_a_document_is_kept_sealed_with_its_hash_and_on_record(cast: Cast) -> None:
    document = summary(cast, answers=["1a"])
    assert document.sha256 == hashlib.sha256(PDF).hexdigest()
    assert read_document(find_document(cast.audrey, document.pk)) == PDF
    with document.file.open("rb") as stored:
        assert PDF not in stored.read()
    record = RecordIndex.objects.for_tenant(cast.olivia).get(record_id=document.record_id)
    assert record.kind == "upstream.documented"
    with pytest.raises(Http404):
        find_document(cast.charlie, document.pk)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"data": b""}, "file"),
        ({"url": ""}, "url"),
        ({"answers": ["9z"]}, "answers"),
        ({"retrieved_on": date(2999, 1, 1)}, "retrieved_on"),
        ({"retrieved_on": date(2050, 1, 1)}, "retrieved_on"),
        ({"retrieved_on": date(1, 1, 1)}, "retrieved_on"),
        ({"kind": "rumour"}, "kind"),
    ],
)
def test_a_document_that_says_too_little_is_refused(cast: Cast, fields, field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        summary(cast, **fields)
    assert field in refusal.value.message_dict
    assert not UpstreamDocument.objects.for_tenant(cast.olivia).exists()
    assert not default_storage.exists(f"upstream/{cast.organisation.pk}")


def test_a_request_of_a_mistyped_year_is_refused(cast: Cast) -> None:
    with pytest.raises(ValidationError, match="The year is mistyped"):
        question(cast, asked_on=date(1, 1, 1))


def test_a_copy_put_in_the_place_of_another_does_not_open(cast: Cast) -> None:
    one, other = summary(cast), summary(cast, data=b"another")
    one.file = other.file
    with pytest.raises(VaultError):
        read_document(one)


@pytest.mark.parametrize(
    "change", [{"outcome": "supplied"}, {"answered_on": date(2026, 10, 7)}, {"outcome": "refused"}]
)
def test_the_database_keeps_an_outcome_and_its_day_and_record_together(cast: Cast, change) -> None:
    request = question(cast)
    with pytest.raises(IntegrityError), transaction.atomic():
        UpstreamRequest.objects.for_tenant(cast.olivia).filter(pk=request.pk).update(**change)


def test_only_who_may_declare_brings_and_asks(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        ask(
            cast.audrey,
            model=MODEL,
            addressee="OpenAI",
            channel="mail",
            asked_on=date(2026, 10, 1),
            items=["1a"],
        )


def test_a_signatory_is_reminded_of_once_after_fourteen_days(cast: Cast) -> None:
    request = question(cast)
    assert request.is_signatory
    assert request.remind_on == date(2026, 10, 20)
    assert question(cast, model="llama3.3:70b").remind_on is None
    mail.outbox = []
    hourly = settings.CELERY_BEAT_SCHEDULE["remind-of-requests"]
    celery.loader.import_default_modules()
    task = celery.tasks[hourly["task"]]
    task()
    task()
    mine = [letter for letter in mail.outbox if cast.olivia.user.email in letter.to]
    assert len(mine) == 1
    assert MODEL in mine[0].subject
    assert "proves no breach" in mine[0].body
    kinds = RecordIndex.objects.for_tenant(cast.olivia).filter(kind="upstream.reminded")
    assert kinds.count() == 1


def test_an_answer_is_noted_once(cast: Cast) -> None:
    request = question(cast)
    day = timezone.now().date()
    note_answer(cast.olivia, request, outcome="refused", answered_on=day, answer="Trade secret")
    with pytest.raises(ValidationError, match="noted already"):
        note_answer(cast.olivia, request, outcome="supplied", answered_on=day, answer="Sent")
    remind_due()
    request.refresh_from_db()
    assert request.reminded_at is None


def test_the_dossier_prints_each_item_as_it_stands(cast: Cast, tmp_path: Path) -> None:
    use(cast)
    summary(cast, answers=["1a"])
    open_request = question(cast, items=["1f"])
    declined = question(cast, items=["2c"])
    note_answer(
        cast.olivia,
        declined,
        outcome="refused",
        answered_on=timezone.now().date(),
        answer="Trade secret",
    )
    answered = question(cast, items=["1h"], asked_on=date(2026, 10, 2))
    note_answer(
        cast.olivia,
        answered,
        outcome="supplied",
        answered_on=timezone.now().date(),
        answer="Licence sent",
    )
    summary(
        cast, kind="terms", title="Licence", url="", request=answered, answers=["1h"],
        is_confidential=True, data=b"licence",
    )  # fmt: skip
    manifest = members(cast, Kind.ART53, tmp_path)["art53_manifest.json"]
    found = {block["key"]: block["fields"] for block in section(manifest, "5")["blocks"]}
    items = found["annex_xii_1"]
    assert items["1a"]["state"] == "UPSTREAM_PUBLISHED"
    assert items["1a"]["evidence"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert items["1f"]["state"] == "REQUESTED"
    assert items["1f"]["evidence"][0]["id"] == str(open_request.record_id)
    assert (items["2c"]["state"], "Trade secret" in items["2c"]["reason"]) == ("REFUSED", True)
    assert items["1h"]["state"] == "UPSTREAM_SUPPLIED"
    assert items["2a"]["state"] == "UNKNOWN"
    model = found["model_1"]
    assert model["level"]["value"] == "Microsoft Azure"
    assert model["version_changes"]["value"] == ["gpt-5.5-2026-10 since 2026-10-12 12:00:00 UTC"]
    log = section(manifest, "6")["blocks"][0]["fields"]
    assert log["sent"]["value"] == 3
    assert "after" in log["request_3"]["value"]


def test_the_draft_of_a_complaint_says_what_is_on_file_and_what_is_not(cast: Cast) -> None:
    use(cast)
    summary(cast, answers=["1a"])
    question(cast)
    text = complaint_draft(cast.olivia, MODEL)
    assert text.startswith("DRAFT, not sent")
    assert "OpenAI Ireland Ltd" in text
    assert "Annex XII 1(f)" in text
    assert "Annex XII 1(a)" not in text
    assert "2 August 2027" in text
