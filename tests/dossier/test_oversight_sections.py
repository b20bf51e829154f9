"""Sections 12 and 14: what people did about it, from the records of it and nothing else."""

from __future__ import annotations

import html
import inspect
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit.models import Record
from dossier import bundle, charts, messages, sections, summary
from dossier.formats import check
from dossier.integrity import choose_checkpoint
from dossier.languages import Language, speaking
from dossier.models import Kind
from dossier.periods import Period
from dossier.phrases import say
from dossier.production import claim_dossier
from dossier.scheduling import Languages, request_dossier
from dossier.sections.incidents import CATEGORIES, CAUSAL_LINKS, SEVERITIES, STATUSES
from dossier.sections.oversight import REASON_LABELS
from oversight.clocks import clock_of
from oversight.incidents import assess, inform_provider, open_incident, report
from oversight.models import Category, Incident, Review
from oversight.reviews import decide, request_review, take_up
from tests.audit.test_verification import tamper
from tests.cast import Cast
from tests.dossier.oversight_scene import asked_for, decided, incident, reviewed, stepped
from tests.dossier.scene import call
from tests.dossier.test_collect import OCTOBER, picture
from tests.dossier.test_manifests import FIRST, LAST, NOON, members
from tests.dossier.test_pdf import member
from tests.dossier.test_production import QuickPaper
from tests.oversight.scene import answered
from tests.sealing import seal

DAY = timedelta(days=1)


def fields(cast: Cast, folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """The leaves of one file by block and key."""
    found = members(cast, Kind.FULL, folder)[name]
    check(found)
    return {block["key"]: block["fields"] for block in found["section"]["blocks"]}


def values(block: dict[str, Any]) -> dict[str, Any]:
    return {key: leaf["value"] for key, leaf in block.items()}


# -- Section 12 ------------------------------------------------------------------------------------


def test_every_figure_of_reviews_is_counted_from_the_records(cast: Cast, tmp_path: Path) -> None:
    for number in range(10):
        call(cast.max, NOON + timedelta(hours=number))
    for seconds in (1, 2, 3, 40):
        reviewed(cast.max, cast.rita, NOON, seconds=seconds)
    reviewed(cast.max, cast.olivia, NOON, seconds=90, reason="adequate")
    reviewed(cast.max, cast.rita, NOON, decision="modified", seconds=200, reason="facts")
    reviewed(cast.max, cast.olivia, NOON, decision="rejected", seconds=300, reason="facts")
    asked_for(cast.max, NOON, call(cast.max, NOON))

    found = fields(cast, tmp_path, "oversight.json")

    assert values(found["acts"]) == {
        "requested": 8,
        "accepted": 5,
        "modified": 1,
        "rejected": 1,
        "open_at_end": 1,
        "review_rate": "7 of 11 (63.6 %)",
        "override_rate": "2 of 7 (28.6 %)",
        "median_seconds": "40 s",
        "within_3_seconds": "3 of 7 (42.9 %)",
        "reviewers": 2,
        "stopped": 0,
        "paused": 0,
    }
    assert values(found["reasons"]) == {"correct": 4, "facts": 2, "adequate": 1}


def test_a_review_is_open_until_it_is_decided_even_if_it_was_asked_for_before(cast: Cast) -> None:
    before, after = OCTOBER.opens - DAY, OCTOBER.closes + DAY
    answer = call(cast.max, before)
    first = asked_for(cast.max, before, answer)
    decided(cast.rita, NOON, answer, first)
    asked_for(cast.max, NOON + DAY, answer)  # a second review of the same answer
    late = call(cast.max, before)
    decided(cast.rita, after, late, asked_for(cast.max, before, late))
    figures = picture(cast).reviews
    assert (figures.waiting, figures.waiting_before) == (2, 1)
    assert figures.timed == 1


def test_the_middle_of_an_even_number_of_times_is_between_two(cast: Cast) -> None:
    for seconds in (1, 4, 7, 100):
        reviewed(cast.max, cast.rita, NOON, seconds=seconds)
    assert picture(cast).reviews.median == 5.5


def test_without_reviews_nothing_is_divided_or_measured(cast: Cast, tmp_path: Path) -> None:
    found = fields(cast, tmp_path, "oversight.json")
    assert found["acts"]["median_seconds"]["value"] == "nothing to measure"
    assert found["acts"]["within_3_seconds"]["value"] == "nothing to divide by"
    assert values(found["reasons"]) == {"none": "no decision was recorded in the period"}


def test_a_decision_whose_record_is_gone_is_counted_and_its_absence_said(
    cast: Cast, tmp_path: Path
) -> None:
    gone = reviewed(cast.max, cast.rita, NOON, seconds=2)
    changed = reviewed(cast.max, cast.rita, NOON, seconds=2)
    reviewed(cast.max, cast.rita, NOON, seconds=50)
    seal()
    data = bytes(Record.objects.get(pk=changed).bytes)
    tamper(
        ("DELETE FROM audit_record WHERE id = %s", [gone]),
        (
            "UPDATE audit_record SET bytes = %s WHERE id = %s",
            [data.replace(b'"at":"', b'"at":"x'), changed],
        ),
    )
    acts = fields(cast, tmp_path, "oversight.json")["acts"]
    assert acts["accepted"]["value"] == 3
    assert acts["median_seconds"]["value"] == "50 s"
    assert acts["within_3_seconds"]["value"] == "0 of 1 (0.0 %)"
    for name in ("median_seconds", "within_3_seconds"):
        assert "without 2 decisions" in acts[name]["reason"]


def test_every_reason_that_can_be_given_has_its_words() -> None:
    assert list(REASON_LABELS) == Review.Reason.values


# -- Section 14 ------------------------------------------------------------------------------------


def test_an_incident_is_told_with_its_clock_and_its_records(cast: Cast, tmp_path: Path) -> None:
    row = incident(cast.rita, NOON)
    steps = [
        stepped(
            cast.rita, row, NOON + timedelta(hours=1), category="health", severity="critical",
            status="under_review", causal_link="suspected", persons_affected=2, is_death=True,
            provider_informed_at=NOON + timedelta(minutes=30),
        ),
        stepped(
            cast.rita, row, NOON + 9 * DAY, "reported", status="initial_report_sent",
            initial_report_at=NOON + 9 * DAY, authority="BNetzA", reference="4711",
        ),
        stepped(
            cast.rita, row, NOON + 12 * DAY, "reported", status="reported_to_authority",
            reported_at=NOON + 12 * DAY,
        ),
    ]  # fmt: skip

    found = fields(cast, tmp_path, "incidents.json")

    assert values(found["register"]) == {
        "opened": 1, "updated": 1, "reported": 2, "closed": 0, "listed": 1, "open_at_end": 1,
    }  # fmt: skip
    told = found["incident_1"]
    assert values(told) == {
        "id": str(row.pk),
        "led_to": "Death of a person, or serious harm to a person's health, Art. 3(49)(a)",
        "system": None,
        "severity": "critical",
        "status": "reported to the authority",
        "occurred_at": None,
        "aware_at": "2026-10-10T12:00:00Z",
        "window": "10 days after awareness, Art. 73(4)",
        "due_at": "2026-10-20T12:00:00Z",
        "initial_report": "2026-10-19T12:00:00Z",
        "complete_report": "2026-10-22T12:00:00Z",
        "authority": "BNetzA, 4711",
        "provider_informed": "2026-10-10T12:30:00Z",
        "causal_link": "suspected",
        "persons_affected": 2,
    }
    assert told["led_to"]["reason"] == "a person died"
    assert told["initial_report"]["reason"] == "before the end of the time"
    assert "names no time" in told["complete_report"]["reason"]
    named = [item["id"] for item in told["id"]["evidence"]]
    assert named == [str(it) for it in (row.pk, *steps)]
    assert told["severity"]["evidence"] == [
        {
            "type": "record_field",
            "id": str(steps[-1]),
            "kind": "incident.reported",
            "field": "lexcustis.incident.severity",
        }
    ]


def test_what_nobody_assessed_runs_the_shortest_time(cast: Cast, tmp_path: Path) -> None:
    incident(cast.rita, NOON)
    told = fields(cast, tmp_path, "incidents.json")["incident_1"]
    assert told["led_to"]["value"] == told["causal_link"]["value"] == "not assessed"
    assert told["window"]["value"] == "2 days after awareness, Art. 73(3)"
    assert told["complete_report"]["value"] == "nothing noted"
    assert told["complete_report"]["reason"] == "at 2026-10-31 23:00:00 UTC the time was over"
    assert told["provider_informed"]["value"] == "nothing noted"
    assert told["persons_affected"]["state"] == "UNKNOWN"


def test_a_late_report_is_said_to_be_late(cast: Cast, tmp_path: Path) -> None:
    row = incident(cast.rita, NOON, category="infrastructure")
    sent = NOON + 3 * DAY
    stepped(
        cast.rita, row, sent, "reported", status="reported_to_authority", reported_at=sent,
        authority="BNetzA",
    )  # fmt: skip
    told = fields(cast, tmp_path, "incidents.json")["incident_1"]
    assert told["complete_report"]["reason"] == "after the end of the time"
    assert told["initial_report"]["value"] == "nothing noted"


def test_the_register_has_all_that_were_open_and_none_of_the_others(cast: Cast) -> None:
    before = OCTOBER.opens - 5 * DAY
    ended = incident(cast.rita, before)
    over = {"status": "triaged_not_serious", "category": "none"}
    stepped(cast.rita, ended, before + DAY, "closed", **over, ended_at=before + DAY)
    carried = incident(cast.rita, before, category="health")
    again = incident(cast.rita, before)
    stepped(cast.rita, again, before + DAY, "closed", **over, ended_at=before + DAY)
    stepped(cast.rita, again, NOON, status="under_review", ended_at=None, category="")
    fresh = incident(cast.rita, NOON)
    incident(cast.rita, OCTOBER.closes)
    stepped(cast.rita, fresh, OCTOBER.closes, "closed", **over, ended_at=OCTOBER.closes)
    incident(cast.charlie, NOON)

    register = picture(cast).incidents

    assert {item.id for item in register.incidents} == {carried.pk, again.pk, fresh.pk}
    assert register.open_at_end == 3
    assert [item.due_at for item in register.incidents] == sorted(
        item.due_at for item in register.incidents
    )
    assert next(it for it in register.incidents if it.id == fresh.pk).status == "open"


def test_what_was_recorded_after_the_moment_is_not_in_it(cast: Cast) -> None:
    row = incident(cast.rita, NOON)
    reviewed(cast.max, cast.rita, NOON)
    moment = NOON + DAY
    first = picture(cast, moment)
    stepped(cast.rita, row, moment, severity="critical")
    incident(cast.rita, moment)
    reviewed(cast.max, cast.rita, moment)
    assert picture(cast, moment) == first


def test_incidents_whose_records_are_gone_keep_no_dossier_from_being_made(
    cast: Cast, tmp_path: Path
) -> None:
    lost = incident(cast.rita, NOON, category="health")
    row = incident(cast.rita, NOON + DAY, category="rights")
    gone = stepped(cast.rita, row, NOON + 2 * DAY, severity="critical")
    seal()
    for victim in (lost.pk, gone):
        tamper(("DELETE FROM audit_record WHERE id = %s", [victim]))
    found = fields(cast, tmp_path, "incidents.json")
    assert found["register"]["unread"]["value"] == 2
    by_id = {found[key]["id"]["value"]: found[key] for key in ("incident_1", "incident_2")}
    assert by_id[str(row.pk)]["severity"]["value"] == "medium"
    untold = by_id[str(lost.pk)]
    assert {leaf["state"] for key, leaf in untold.items() if key != "id"} == {"UNKNOWN"}
    assert "can be read" in untold["status"]["reason"]


def test_no_word_of_what_people_wrote_is_in_it(cast: Cast, tmp_path: Path) -> None:
    incident(cast.rita, NOON)
    text = json.dumps(members(cast, Kind.FULL, tmp_path)["full_manifest.json"])
    assert "wrong dose" not in text


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_no_sentence_of_these_sections_stays_english(
    cast: Cast, tmp_path: Path, language: Language
) -> None:
    row = incident(cast.rita, NOON)
    reported = {"status": "reported_to_authority", "reported_at": NOON + DAY}
    stepped(cast.rita, row, NOON + DAY, "reported", category="health", is_death=True, **reported)
    incident(cast.rita, NOON)
    reviewed(cast.max, cast.rita, NOON, reason="adequate")
    asked = request_dossier(
        cast.olivia, kind=Kind.FULL, first=FIRST, last=LAST, languages=Languages(language.value)
    )
    seal()
    claim = claim_dossier(asked.pk)
    assert claim is not None
    claim.dossier.checkpoint_size = choose_checkpoint(cast.organisation.pk)
    built = bundle.build(claim.dossier, tmp_path, QuickPaper(), lambda stage, percent: None)
    paper = html.unescape(member(built, "dossier.pdf").decode())
    ours = {
        text
        for module in (sections.incidents, sections.oversight, summary, charts)
        for text in messages.texts(inspect.getsource(module), every=True)
        if text.count(" ") > 1
    }
    for text in ours:
        for part in filter(lambda it: len(it) > 12, re.split(r"%\(\w+\)s|%%", text)):
            assert part not in paper
    with speaking(language):
        said = [say(text) for text in (CATEGORIES["health"], "Reviews asked for", "a person died")]
    assert all(text in paper for text in said)


@pytest.mark.parametrize(
    ("words", "choices"),
    [
        (CATEGORIES, ["", *Category.values]),
        (SEVERITIES, Incident.Severity.values),
        (STATUSES, Incident.Status.values),
        (CAUSAL_LINKS, Incident.CausalLink.values),
    ],
)
def test_every_state_that_a_record_can_name_has_its_words(
    words: dict[str, str], choices: list[str]
) -> None:
    assert list(words) == choices


def test_what_people_really_do_is_what_the_dossier_reads(cast: Cast) -> None:
    now = timezone.now()
    review = request_review(cast.max, answered(cast.max).pk)
    request_review(cast.max, answered(cast.max).pk)
    decide(cast.rita, take_up(cast.rita, review), decision="accepted", reason="adequate")
    row = open_incident(cast.rita, description="The answer named a wrong dose.")
    why = "Said so by the ward after its review."
    assess(cast.rita, row, reason=why, category="health", is_death=True, severity="critical")
    inform_provider(cast.rita, row, informed_at=timezone.now(), statement=why)
    done = report(
        cast.rita, row, is_complete=False, sent_at=timezone.now(), authority="BNetzA",
        statement=why,
    )  # fmt: skip

    days = Period(now.date() - DAY, now.date() + DAY, "UTC")
    data = picture(cast, timezone.now(), days)

    assert (data.reviews.waiting, data.reviews.timed, data.reviews.unread) == (1, 1, 0)
    assert data.reviews.reasons == {"adequate": 1}
    (told,) = data.incidents.incidents
    assert len(told.record_ids) == done.events.count() == 4
    names = (
        *("id", "category", "is_death", "severity", "status", "causal_link", "aware_at"),
        *("provider_informed_at", "initial_report_at", "reported_at", "ended_at", "authority"),
    )
    for name in names:
        assert getattr(told, name) == getattr(done, name), name
    clock = clock_of(done)
    assert clock is not None
    assert (told.window, told.due_at, told.days) == (clock.window.law, clock.ends_at, 10)
    assert told.stopped_at == clock.stopped_at
