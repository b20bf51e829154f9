"""An incident in few words: its clock, and the steps of its history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.erasure import Ground, erase
from audit.reading import read_record
from llm import provider_settings
from oversight.clocks import clock_of
from oversight.incident_words import clock_words, duration, history_of
from oversight.incidents import (
    assess,
    attach,
    freeze,
    inform_provider,
    move,
    open_incident,
    report,
)
from oversight.models import Incident, IncidentEvent
from tests.cast import Cast
from tests.oversight.scene import answered, hours_ago

WHAT = "The answer named a wrong dose."
WHY = "Said so by the ward."


def opened(cast: Cast, hours: float = 0, **values: Any) -> Incident:
    return open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(hours), **values)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, "0 min"),
        (59, "59 min"),
        (60, "1 h"),
        (31 * 60 + 59, "31 h"),
        (71 * 60 + 59, "71 h"),
        (72 * 60, "3 days"),
        (15 * 24 * 60 - 1, "14 days"),
    ],
)
def test_a_time_is_said_in_its_largest_useful_unit(minutes: int, words: str) -> None:
    assert duration(timedelta(minutes=minutes)) == words


@pytest.mark.parametrize(
    ("hours", "values", "tone", "words"),
    [
        (1, {}, "", "46 h left"),
        (30, {}, "warn", "17 h left"),
        (48 + 49, {}, "bad", "over since 49 h"),
        (48 + 24 * 4, {}, "bad", "over since 4 days"),
        (1, {"category": "rights"}, "", "14 days left"),
        (1, {"category": "none"}, "", "nothing to report"),
    ],
)
def test_the_clock_in_words(
    cast: Cast, hours: float, values: dict[str, Any], tone: str, words: str
) -> None:
    incident = opened(cast, hours, **values)
    found = clock_words(incident)
    assert (found.tone, found.text) == (tone, words)


def test_a_report_stops_the_clock_in_time_or_late(cast: Cast) -> None:
    sent: dict[str, Any] = {
        "is_complete": True, "sent_at": timezone.now(), "authority": "BNetzA", "statement": WHY,
    }  # fmt: skip
    in_time = report(cast.olivia, opened(cast, 20), **sent)
    late = report(cast.olivia, opened(cast, 50), **sent)
    assert clock_words(in_time).text == "reported in time"
    assert (clock_words(late).tone, clock_words(late).text) == ("bad", "reported late")


def test_one_that_ended_without_a_report_says_so(cast: Cast) -> None:
    incident = move(cast.olivia, opened(cast), status="under_review", reason=WHY)
    incident = move(cast.olivia, incident, status="resolved", reason=WHY)
    assert clock_words(incident).text == "ended without a report"
    other = move(cast.olivia, opened(cast), status="triaged_not_serious", reason=WHY)
    assert clock_words(other).text == "nothing to report"


def test_the_list_sorts_by_what_the_clock_says(cast: Cast) -> None:
    """An incident's task is due when its clock ends: the admin's list relies on it."""
    for values in ({}, {"category": "rights"}, {"category": "health", "is_death": True}):
        incident = opened(cast, 3, **values)
        clock = clock_of(incident)
        assert clock is not None
        assert incident.task.due_at == clock.ends_at


def test_the_history_names_each_step_and_who_took_it(cast: Cast) -> None:
    provider = provider_settings.create(
        tenant=cast.alice, name="Simulated", vendor="simulated", default_model="sim-large"
    )
    incident = opened(cast)
    incident = assess(cast.rita, incident, reason=WHY, category="health", severity="high")
    incident = inform_provider(
        cast.olivia, incident, informed_at=timezone.now(), statement="By e-mail, case 4711."
    )
    incident = freeze(cast.olivia, incident, provider_ids=[provider.pk], reason=WHY)
    incident = attach(cast.olivia, incident, record_ids=[answered(cast.max).pk], reason=WHY)
    sent: dict[str, Any] = {
        "sent_at": timezone.now(), "authority": "BNetzA", "statement": WHY,
    }  # fmt: skip
    incident = report(cast.olivia, incident, is_complete=False, **sent)
    incident = report(cast.olivia, incident, is_complete=True, **sent)
    incident = move(cast.olivia, incident, status="resolved", reason=WHY)
    steps = history_of(cast.rita, incident)
    assert [step.words for step in steps] == [
        "Entered",
        "Assessed: it led to, severity",
        "Provider informed",
        "Freeze of providers changed",
        "Records attached",
        "Initial report sent",
        "Complete report sent",
        "Moved to “resolved”",
    ]
    assert [step.person for step in steps][:3] == ["Olivia", "Rita", "Olivia"]
    events = IncidentEvent.objects.for_tenant(cast.olivia).filter(incident=incident)
    assert [step.record_id for step in steps] == [event.record_id for event in events]
    assert all(read_record(cast.organisation.pk, step.record_id) for step in steps)
    assert steps[0].text == WHAT
    assert steps[2].text == "By e-mail, case 4711."


def test_an_erased_reason_is_missing_and_nothing_else(cast: Cast) -> None:
    incident = assess(cast.olivia, opened(cast), reason=WHY, category="rights")
    step = history_of(cast.olivia, incident)[1]
    erase(cast.olivia, [(step.record_id, "reason")], Ground.MISTAKE)
    first, second = history_of(cast.olivia, incident)
    assert (first.text, second.text) == (WHAT, None)
    assert second.words == "Assessed: it led to"


def test_a_longer_history_asks_no_more_queries(cast: Cast) -> None:
    incident = opened(cast)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            history_of(cast.olivia, incident)
        return len(asked)

    queries()
    before = queries()
    for severity in ("low", "high", "critical", "medium"):
        assess(cast.olivia, incident, reason=WHY, severity=severity)
    assert queries() == before
