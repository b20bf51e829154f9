"""Incidents: the clock of Art. 73, who may do what, and a record of every step."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.http import Http404
from django.utils import timezone

from audit.models import RecordIndex
from audit.reading import read_record
from audit.verification import verify_log
from llm import provider_settings
from llm.models import ProviderSettings
from llm.provider_settings import UnknownProviderSettings
from orgs.systems import choices
from orgs.tenancy import PermissionRefused
from oversight.clocks import clock_of, windows
from oversight.incidents import (
    as_recorded,
    assess,
    attach,
    descriptions_of,
    find_incident,
    freeze,
    frozen_by,
    incidents_of,
    inform_provider,
    move,
    open_incident,
    report,
    texts_of,
)
from oversight.models import Incident, Task
from tests.cast import Cast
from tests.oversight.scene import answered
from tests.sealing import seal

WHAT = "The answer named a wrong dose, and somebody followed it."
WHY = "Said so by the ward after its review."
DAYS = {"death_of_a_person": 10, "widespread_infringement": 2, "other_3(49)": 15}


@pytest.fixture
def incident(cast: Cast) -> Incident:
    return open_incident(cast.rita, description=WHAT)


def hours(incident: Incident) -> float | None:
    clock = clock_of(incident)
    return (clock.ends_at - clock.started_at) / timedelta(hours=1) if clock else None


def state(incident: Incident, now: datetime) -> str | None:
    clock = clock_of(incident, now)
    return clock.state if clock else None


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, 48),  # nobody has assessed it: it may be any case
        ({"category": "health"}, 360),
        ({"category": "health", "is_death": True}, 240),
        ({"category": "infrastructure"}, 48),
        ({"category": "rights"}, 360),
        ({"category": "rights", "is_widespread": True}, 48),
        ({"category": "property"}, 360),
        ({"category": "health", "is_death": True, "is_widespread": True}, 48),
        ({"category": "none"}, None),
    ],
)
def test_the_shortest_window_that_fits_counts(
    cast: Cast, incident: Incident, values: dict[str, Any], wanted: float | None
) -> None:
    if values:
        incident = assess(cast.rita, incident, reason=WHY, **values)
    assert hours(incident) == wanted


def test_the_windows_are_those_of_the_file() -> None:
    assert {case: windows()[case].longest.days for case in DAYS} == DAYS


def test_the_clock_runs_from_awareness_and_says_when_it_is_near(cast: Cast) -> None:
    now = timezone.now()
    aware = now - timedelta(hours=10)
    incident = open_incident(cast.olivia, description=WHAT, aware_at=aware, category="health")
    assert hours(incident) == 360
    assert state(incident, now) == "running"
    assert state(incident, aware + timedelta(days=7, hours=11)) == "running"
    assert state(incident, aware + timedelta(days=7, hours=12)) == "near"
    assert state(incident, aware + timedelta(days=15)) == "over"


def test_a_longer_window_never_follows_from_what_is_not_known(cast: Cast) -> None:
    aware = timezone.now() - timedelta(hours=47)
    incident = open_incident(cast.olivia, description=WHAT, aware_at=aware)
    assert state(incident, timezone.now()) == "near"
    assert state(incident, timezone.now() + timedelta(hours=1)) == "over"


def test_each_step_is_a_record_and_the_whole_way_can_be_read(
    cast: Cast, incident: Incident
) -> None:
    assess(cast.rita, incident, reason=WHY, category="health", causal_link="suspected")
    inform_provider(
        cast.rita, incident, informed_at=timezone.now(), statement="By mail to their hotline."
    )
    sent = timezone.now()
    values = {"sent_at": sent, "authority": "BNetzA", "statement": "By their web form."}
    report(cast.rita, incident, is_complete=False, **values)
    report(cast.rita, incident, is_complete=True, reference="4711", **values)
    move(cast.rita, incident, status="resolved", reason="The model is no longer used.")
    done = move(cast.rita, incident, status="closed", reason="Nothing is left to be done.")
    events = list(done.events.all())
    assert [event.kind for event in events] == [
        "incident.opened",
        "incident.updated",
        "incident.updated",
        "incident.reported",
        "incident.reported",
        "incident.updated",
        "incident.closed",
    ]
    assert texts_of(cast.rita, events)[done.pk] == WHAT
    assert texts_of(cast.rita, events)[events[1].record_id] == WHY
    assert descriptions_of(cast.rita, [done]) == {done.pk: WHAT}
    record = read_record(cast.organisation.pk, events[-1].record_id)
    assert record is not None
    assert record["body"].items() >= as_recorded(done).items()
    assert record["body"]["lexcustis.incident.status"] == "closed"
    assert WHAT not in str(record)
    clock = clock_of(done)
    assert clock is not None
    assert (clock.state, clock.stopped_at, clock.is_late) == ("stopped", sent, False)
    seal()
    assert verify_log(cast.organisation.pk).valid


def test_a_report_after_its_time_is_called_late(cast: Cast) -> None:
    aware = timezone.now() - timedelta(days=3)
    incident = open_incident(cast.olivia, description=WHAT, aware_at=aware)
    incident = report(
        cast.olivia,
        incident,
        is_complete=True,
        sent_at=timezone.now(),
        authority="BNetzA",
        statement="By their web form.",
    )
    clock = clock_of(incident)
    assert clock is not None
    assert (clock.state, clock.is_late) == ("stopped", True)


def test_what_is_not_serious_is_kept_with_its_reason(cast: Cast, incident: Incident) -> None:
    found = move(cast.rita, incident, status="triaged_not_serious", reason="A typing error only.")
    assert found.ended_at is not None
    assert clock_of(found) is None
    again = move(cast.rita, incident, status="under_review", reason="There was more to it.")
    assert (again.ended_at, hours(again)) == (None, 48)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("open", "resolved"),
        ("open", "closed"),
        ("under_review", "reported_to_authority"),
        ("under_review", "closed"),
        ("open", "nonsense"),
    ],
)
def test_no_step_is_jumped_over(cast: Cast, incident: Incident, now: str, then: str) -> None:
    if now == "under_review":
        assess(cast.rita, incident, reason=WHY)
    with pytest.raises(ValidationError, match="cannot become"):
        move(cast.rita, incident, status=then, reason=WHY)


@pytest.mark.parametrize(
    "values",
    [
        {"aware_at": timezone.now() + timedelta(days=1)},
        {"occurred_at": timezone.now() + timedelta(days=1)},
        {"occurred_at": timezone.now(), "aware_at": timezone.now() - timedelta(days=1)},
        {"category": "rights", "is_death": True},
        {"category": "nonsense"},
        {"severity": "dreadful"},
        {"country": "de"},
        {"persons_affected": -1},
    ],
)
def test_what_cannot_be_is_refused(cast: Cast, incident: Incident, values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        assess(cast.rita, incident, reason=WHY, **values)
    assert find_incident(cast.rita, incident.pk).status == "open"


def test_nothing_is_entered_or_changed_without_a_word(cast: Cast, incident: Incident) -> None:
    with pytest.raises(ValidationError, match="sentence"):
        open_incident(cast.rita, description=" short ")
    with pytest.raises(ValidationError, match="sentence"):
        assess(cast.rita, incident, reason="", category="health")
    with pytest.raises(ValidationError, match="which authority"):
        report(
            cast.rita,
            incident,
            is_complete=True,
            sent_at=timezone.now(),
            authority=" ",
            statement=WHY,
        )


def test_who_chats_reports_their_own_answers_and_no_more(cast: Cast) -> None:
    mine, hers = answered(cast.max), answered(cast.olivia)
    incident = open_incident(
        cast.max, description=WHAT, severity="high", record_ids=[mine.pk, mine.end_record_id]
    )
    assert (incident.status, incident.severity) == ("open", "high")
    with pytest.raises(ValidationError, match="no such record"):
        open_incident(cast.max, description=WHAT, record_ids=[hers.pk])
    with pytest.raises(PermissionRefused):
        open_incident(cast.max, description=WHAT, category="health")
    with pytest.raises(PermissionRefused):
        assess(cast.max, incident, reason=WHY, category="none")
    with pytest.raises(PermissionRefused):
        incidents_of(cast.max)


def test_records_are_named_as_evidence(cast: Cast, incident: Incident) -> None:
    inference = answered(cast.max)
    attach(cast.rita, incident, record_ids=[inference.pk], reason="The answer in question.")
    event = incident.events.last()
    assert event is not None
    record = read_record(cast.organisation.pk, event.record_id)
    assert record is not None
    assert {"id": str(inference.pk), "rel": "about"} in record["links"]
    with pytest.raises(ValidationError, match="at most 50"):
        attach(cast.rita, incident, record_ids=[uuid4() for _ in range(51)], reason=WHY)


def test_a_stranger_finds_nothing(cast: Cast, incident: Incident) -> None:
    for tenant in (cast.alice, cast.audrey):
        with pytest.raises(PermissionRefused):
            find_incident(tenant, incident.pk)
    theirs = open_incident_of_others(cast)
    with pytest.raises(Http404):
        find_incident(cast.rita, theirs.pk)
    assert list(incidents_of(cast.rita)) == [incident]
    system = choices(cast.charlie)[0]
    with pytest.raises(ValidationError, match="no such AI system"):
        assess(cast.rita, incident, reason=WHY, system=system)


def open_incident_of_others(cast: Cast) -> Incident:
    from dataclasses import replace

    return open_incident(replace(cast.charlie, permissions=cast.rita.permissions), description=WHAT)


# -- The freeze ------------------------------------------------------------------------------------


@pytest.fixture
def provider(cast: Cast) -> ProviderSettings:
    return provider_settings.create(
        tenant=cast.alice, name="House model", vendor="simulated", default_model="sim-large"
    )


def test_frozen_settings_cannot_be_changed_until_the_freeze_is_lifted(
    cast: Cast, incident: Incident, provider: ProviderSettings
) -> None:
    freeze(cast.rita, incident, provider_ids=[provider.pk], reason=WHY)
    assert frozen_by(cast.rita, incident) == [provider.pk]
    with pytest.raises(ValidationError, match=r"73\(6\)"):
        provider_settings.change(
            tenant=cast.alice, settings_id=provider.pk, default_model="sim-small"
        )
    # What stops use, or only lets the same go on, is not in the way.
    provider_settings.set_key(tenant=cast.alice, settings_id=provider.pk, key="k" * 20)
    provider_settings.disable(tenant=cast.alice, settings_id=provider.pk)
    provider_settings.change(tenant=cast.alice, settings_id=provider.pk, name=provider.name)
    freeze(cast.rita, incident, provider_ids=[], reason="The authority knows.")
    changed = provider_settings.change(
        tenant=cast.alice, settings_id=provider.pk, default_model="sim-small"
    )
    assert changed.default_model == "sim-small"


def test_one_incident_does_not_lift_the_freeze_of_another(
    cast: Cast, incident: Incident, provider: ProviderSettings
) -> None:
    other = open_incident(cast.rita, description=WHAT)
    freeze(cast.rita, incident, provider_ids=[provider.pk], reason=WHY)
    freeze(cast.rita, other, provider_ids=[provider.pk], reason=WHY)
    freeze(cast.rita, other, provider_ids=[], reason=WHY)
    assert frozen_by(cast.rita, incident) == [provider.pk]
    move(cast.rita, incident, status="triaged_not_serious", reason=WHY)
    with pytest.raises(ValidationError, match="Lift the freeze"):
        move(cast.rita, incident, status="closed", reason=WHY)


def test_a_provider_of_others_is_not_frozen(
    cast: Cast, incident: Incident, provider: ProviderSettings
) -> None:
    theirs = provider_settings.create(
        tenant=cast.charlie, name="Theirs", vendor="simulated", default_model="sim-large"
    )
    with pytest.raises(UnknownProviderSettings):
        freeze(cast.rita, incident, provider_ids=[provider.pk, theirs.pk], reason=WHY)
    assert frozen_by(cast.rita, incident) == []
    with pytest.raises(PermissionRefused):
        provider_settings.freeze(tenant=cast.alice, settings_ids=[provider.pk], cause=incident.pk)


# -- Its task --------------------------------------------------------------------------------------


def task_of(incident: Incident) -> Task:
    return Task.objects.for_organisation(incident.organisation_id).get(incident_id=incident.pk)


def test_its_task_is_due_with_its_clock_and_done_with_its_report(
    cast: Cast, incident: Incident
) -> None:
    assert task_of(incident).due_at == incident.aware_at + timedelta(days=2)
    assess(cast.rita, incident, reason=WHY, category="property")
    assert task_of(incident).due_at == incident.aware_at + timedelta(days=15)
    values = {"sent_at": timezone.now(), "authority": "BNetzA", "statement": WHY}
    report(cast.rita, incident, is_complete=False, **values)
    assert task_of(incident).done_at is None
    report(cast.rita, incident, is_complete=True, **values)
    assert task_of(incident).done_by == cast.rita.user
    move(cast.rita, incident, status="resolved", reason=WHY)
    move(cast.rita, incident, status="under_review", reason="It came back once more.")
    kinds = RecordIndex.objects.for_organisation(cast.organisation.pk).filter(
        kind__startswith="task."
    )
    assert sorted(kinds.values_list("kind", flat=True)) == ["task.done", "task.opened"]
