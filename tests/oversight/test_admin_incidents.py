"""The admin of incidents: entering, the clock in words, each step, and who may take it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from llm import provider_settings
from llm.models import ProviderSettings
from orgs.members import add_member
from orgs.models import Organisation
from orgs.roles import Role
from oversight.incidents import assess, freeze, frozen_by, move, open_incident, report
from oversight.models import Incident
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.oversight.scene import answered, hours_ago

LIST = "/admin/oversight/incident/"
WHAT = "The answer named a wrong dose, and somebody took it."
WHY = "Said so by the ward after its review."
HOSTILE = "</pre></textarea><script>alert(1)</script><img src=x onerror=alert(1)>"
ACTS = ("assess", "inform", "report", "freeze", "attach", "move")


@pytest.fixture
def olivia(cast: Cast) -> Client:
    return signed_in(cast.olivia.user)


@pytest.fixture
def incident(cast: Cast) -> Incident:
    return open_incident(cast.olivia, description=WHAT)


@pytest.fixture
def provider(cast: Cast) -> ProviderSettings:
    return provider_settings.create(
        tenant=cast.alice, name="Simulated", vendor="simulated", default_model="sim-large"
    )


def page_of(incident: Incident) -> str:
    return reverse("admin:oversight_incident_change", args=[incident.pk])


def test_it_is_taken_along_as_a_file_by_who_handles_it(
    cast: Cast, incident: Incident, olivia: Client
) -> None:
    address = reverse("admin:oversight_incident_file", args=[incident.pk])
    assert address in shown(olivia, incident)
    file = olivia.get(address)
    assert file.json()["history"][0]["text"] == WHAT
    assert file["Content-Disposition"].startswith("attachment")
    assert signed_in(cast.alice.user).get(address).status_code == 403
    assert signed_in(cast.charlie.user).get(address).status_code in (403, 404)


def shown(client: Client, incident: Incident) -> str:
    return client.get(page_of(incident)).content.decode()


def act(client: Client, incident: Incident, name: str, **values: Any) -> str:
    """The page after a step was sent."""
    place = reverse("admin:oversight_incident_act", args=[incident.pk, name])
    return client.post(place, values, follow=True).content.decode()


def again(cast: Cast, incident: Incident) -> Incident:
    found: Incident = Incident.objects.for_tenant(cast.olivia).get(pk=incident.pk)
    return found


def offered(page: str) -> list[str]:
    return re.findall(r'<details class="step" id="step-(\w+)"', page)


def minute(moment: datetime) -> str:
    """As a browser sends it, in the time zone that organisations have from the start."""
    zone = ZoneInfo(Organisation._meta.get_field("time_zone").default)
    return f"{timezone.localtime(moment, zone):%Y-%m-%dT%H:%M}"


def known(incident: Incident, **values: Any) -> dict[str, Any]:
    """The form of an assessment as the page offers it, with some values changed."""
    return {
        "category": incident.category,
        "severity": incident.severity,
        "causal_link": incident.causal_link,
        "aware_at": minute(incident.aware_at),
        "reason": WHY,
        **values,
    }


# -- Entering --------------------------------------------------------------------------------------


def test_an_incident_is_entered_with_what_is_known(cast: Cast, olivia: Client) -> None:
    record = answered(cast.max).pk
    form = olivia.get(f"{LIST}add/?record={record}").content.decode()
    assert str(record) in form
    sent = {
        "description": WHAT,
        "severity": "high",
        "aware_at": minute(timezone.now()),
        "category": "health",
        "is_death": "on",
        "country": "de",
        "record_ids": f"https://lex.example/admin/audit/recordindex/{record}/change/",
    }
    page = olivia.post(f"{LIST}add/", sent, follow=True).content.decode()
    assert "The incident is on record. Assess it next." in page
    row = Incident.objects.for_tenant(cast.olivia).get()
    assert (row.category, row.is_death, row.severity, row.country) == (
        "health", True, "high", "DE",
    )  # fmt: skip
    assert row.record_ids == [record]
    assert WHAT in page


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"description": "Bad."}, "Say it in a sentence."),
        ({"aware_at": ""}, "This field is required."),
        ({"aware_at": "2099-01-01T00:00"}, "This moment is still to come."),
        ({"occurred_at": "2099-01-01T00:00"}, "This moment is still to come."),
        ({"category": "rights", "is_death": "on"}, "The death of a person is harm to health."),
        ({"record_ids": "4711"}, "“4711” is no identifier of a record"),
        ({"record_ids": str(uuid4())}, "There is no such record in the audit log."),
        ({"country": "Germany"}, "Ensure this value has at most 2 characters"),
        ({"country": "1!"}, "Enter a valid value."),
        ({"persons_affected": "-1"}, "Ensure this value is greater than or equal to 0."),
    ],
)
def test_what_does_not_fit_is_said_and_what_was_typed_stays(
    cast: Cast, olivia: Client, values: dict[str, str], words: str
) -> None:
    sent = {"description": WHAT, "severity": "low", "aware_at": minute(timezone.now())}
    page = olivia.post(f"{LIST}add/", sent | values).content.decode()
    assert words in page
    assert values.get("description", WHAT) in page
    assert "death_is_harm_to_health" not in page
    assert not Incident.objects.for_tenant(cast.olivia).exists()


def test_an_incident_of_another_organisations_system_is_refused(cast: Cast, olivia: Client) -> None:
    foreign = cast.other_organisation.default_system_id
    sent = {
        "description": WHAT,
        "severity": "low",
        "aware_at": minute(timezone.now()),
        "system": str(foreign),
    }
    assert "Select a valid choice." in olivia.post(f"{LIST}add/", sent).content.decode()


# -- The list --------------------------------------------------------------------------------------


def test_those_whose_time_ends_first_stand_on_top(cast: Cast, olivia: Client) -> None:
    calm = open_incident(cast.olivia, description=WHAT, category="rights")
    over = move(
        cast.olivia,
        open_incident(cast.olivia, description=WHAT),
        status="triaged_not_serious",
        reason=WHY,
    )
    urgent = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(50))
    soon = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(30))
    told = open_incident(cast.olivia, description=WHAT, aware_at=hours_ago(60))
    report(
        cast.olivia,
        told,
        is_complete=True,
        sent_at=timezone.now(),
        authority="BNetzA",
        statement=WHY,
    )
    page = olivia.get(LIST)
    rows = [row.pk for row in page.context["cl"].result_list]
    assert rows == [row.pk for row in (urgent, soon, calm, told, over)]
    text = page.content.decode()
    for words in ("over since 2 h", "17 h left", "14 days left", "reported late", WHAT[:40]):
        assert words in text
    only = olivia.get(f"{LIST}?status__exact=triaged_not_serious").context["cl"].result_list
    assert [row.pk for row in only] == [over.pk]


def test_more_incidents_ask_no_more_queries(cast: Cast, olivia: Client, incident: Incident) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert olivia.get(LIST).status_code == 200
        return len(asked)

    queries()
    before = queries()
    for _number in range(5):
        open_incident(cast.olivia, description=WHAT)
    assert queries() <= before


# -- One incident ----------------------------------------------------------------------------------


def test_the_page_says_what_remains_and_under_which_reading(
    olivia: Client, incident: Incident
) -> None:
    page = shown(olivia, incident)
    for words in (
        "47 h left",
        "Art. 73(3): report immediately, at the latest 2 days after becoming aware",
        "the shorter reading",
        "Nobody has assessed it yet, so the shortest case counts.",
        "Art. 73 binds where the AI system is high-risk. For any other it does not apply",
        WHAT,
        "Entered by Olivia",
    ):
        assert words in page, words
    assert "no-store" in olivia.get(page_of(incident)).headers["Cache-Control"]


def test_each_status_offers_the_steps_that_fit_it(
    cast: Cast, olivia: Client, incident: Incident, provider: ProviderSettings
) -> None:
    sent: dict[str, Any] = {
        "sent_at": timezone.now(), "authority": "BNetzA", "statement": WHY,
    }  # fmt: skip
    assert offered(shown(olivia, incident)) == list(ACTS)
    report(cast.olivia, incident, is_complete=False, **sent)
    assert offered(shown(olivia, incident)) == ["assess", "inform", "report", "freeze", "attach"]
    report(cast.olivia, incident, is_complete=True, **sent)
    assert offered(shown(olivia, incident)) == ["assess", "inform", "freeze", "attach", "move"]
    freeze(cast.olivia, incident, provider_ids=[provider.pk], reason=WHY)
    move(cast.olivia, incident, status="resolved", reason=WHY)
    assert offered(shown(olivia, incident)) == ["freeze", "attach", "move"]
    freeze(cast.olivia, incident, provider_ids=[], reason=WHY)
    move(cast.olivia, incident, status="closed", reason=WHY)
    assert offered(shown(olivia, incident)) == ["move"]


def test_an_assessment_moves_the_clock(cast: Cast, olivia: Client, incident: Incident) -> None:
    page = act(olivia, incident, "assess", **known(incident, category="health", severity="high"))
    assert "The step is on record." in page
    assert "14 days left" in page
    row = again(cast, incident)
    assert (row.category, row.severity, row.status) == ("health", "high", "under_review")


def test_what_nobody_touched_stays_as_exact_as_it_is(
    cast: Cast, olivia: Client, incident: Incident
) -> None:
    """A browser's picker knows minutes: the clock must not move because of it."""
    act(olivia, incident, "assess", **known(incident, category="rights"))
    assert again(cast, incident).aware_at == incident.aware_at
    earlier = incident.aware_at - timedelta(hours=3)
    act(olivia, incident, "assess", **known(again(cast, incident), aware_at=minute(earlier)))
    moved = again(cast, incident).aware_at
    assert abs(moved - earlier) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("assess", {"reason": "No"}, "Say it in a sentence."),
        ("assess", {"category": "rights", "is_death": "on"}, "The death of a person is harm"),
        ("assess", {"aware_at": "soon"}, "Enter a valid date/time."),
        ("inform", {"informed_at": "2099-01-01T00:00"}, "This moment is still to come."),
        ("report", {"authority": ""}, "This field is required."),
        ("report", {"is_complete": ""}, "This field is required."),
        ("attach", {"record_ids": "x y"}, "“x” is no identifier of a record"),
        ("attach", {"record_ids": str(uuid4())}, "There is no such record in the audit log."),
        ("freeze", {"providers": str(uuid4())}, "is not one of the available choices"),
        ("move", {"status": "closed"}, "Select a valid choice."),
    ],
)
def test_a_refused_step_keeps_what_was_typed(
    cast: Cast, olivia: Client, incident: Incident, name: str, values: dict[str, str], words: str
) -> None:
    now = minute(timezone.now())
    provider_settings.create(
        tenant=cast.alice, name="Simulated", vendor="simulated", default_model="sim-large"
    )
    good: dict[str, dict[str, Any]] = {
        "assess": known(incident),
        "inform": {"informed_at": now, "statement": WHY},
        "report": {"is_complete": "yes", "sent_at": now, "authority": "BNetzA", "statement": WHY},
        "freeze": {"reason": WHY},
        "attach": {"reason": WHY},
        "move": {"reason": WHY},
    }
    page = act(olivia, incident, name, **(good[name] | values))
    assert words in page
    assert values.get("reason", WHY) in page
    assert re.search(rf'id="step-{name}" open', page)
    assert f'<a href="#step-{name}">' in page
    row = again(cast, incident)
    assert (row.status, row.category, row.is_death) == ("open", "", False)
    assert incident.events.count() == 1


def test_the_way_from_open_to_closed(
    cast: Cast, olivia: Client, incident: Incident, provider: ProviderSettings
) -> None:
    now = minute(timezone.now())
    record = answered(cast.max).pk
    act(olivia, incident, "attach", record_ids=f"{record}", reason=WHY)
    act(olivia, incident, "freeze", providers=[str(provider.pk)], reason=WHY)
    assert frozen_by(cast.olivia, incident) == [provider.pk]
    act(olivia, incident, "inform", informed_at=now, statement="By e-mail, case 4711.")
    sent = {"sent_at": now, "authority": "BNetzA", "reference": "K 1", "statement": WHY}
    act(olivia, incident, "report", is_complete="no", **sent)
    page = act(olivia, incident, "report", is_complete="yes", **sent)
    for words in ("Reported in time", "BNetzA, K 1", "By e-mail, case 4711.", "Simulated"):
        assert words in page
    act(olivia, incident, "move", status="resolved", reason=WHY)
    page = act(olivia, incident, "move", status="closed", reason=WHY)
    assert "Lift the freeze of its providers first." in page
    act(olivia, incident, "freeze", reason=WHY)
    act(olivia, incident, "move", status="closed", reason=WHY)
    row = again(cast, incident)
    assert (row.status, row.record_ids) == ("closed", [record])
    page = shown(olivia, incident)
    for event in incident.events.all():
        assert reverse("admin:audit_recordindex_change", args=[event.record_id]) in page
    assert reverse("admin:audit_recordindex_change", args=[record]) in page


def test_a_step_that_came_too_late_is_explained(
    cast: Cast, olivia: Client, incident: Incident
) -> None:
    move(cast.rita, incident, status="triaged_not_serious", reason=WHY)
    page = act(olivia, incident, "assess", **known(incident, category="rights"))
    assert "That step does not fit any more: the incident is “triaged: not serious” now." in page
    assert again(cast, incident).category == ""
    place = reverse("admin:oversight_incident_act", args=[incident.pk, "erase"])
    assert olivia.post(place).status_code == 404
    assert olivia.post(page_of(incident), {"status": "closed"}).status_code == 403


def test_what_is_none_of_the_cases_has_no_clock(
    cast: Cast, olivia: Client, incident: Incident
) -> None:
    assess(cast.olivia, incident, reason=WHY, category="none")
    page = shown(olivia, incident)
    assert "Nothing to report" in page
    assert "report" not in offered(page)


def test_hostile_texts_are_shown_as_text(cast: Cast, olivia: Client) -> None:
    incident = open_incident(cast.olivia, description=HOSTILE)
    act(olivia, incident, "inform", informed_at=minute(timezone.now()), statement=HOSTILE)
    pages = [
        shown(olivia, incident),
        olivia.get(LIST).content.decode(),
        act(olivia, incident, "move", status="closed", reason=HOSTILE),
        olivia.post(f"{LIST}add/", {"description": HOSTILE}).content.decode(),
    ]
    for page in pages:
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;/pre&gt;" in page


# -- Who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["alice", "audrey", "max"])
def test_who_does_not_handle_incidents_reaches_nothing(
    cast: Cast, incident: Incident, who: str
) -> None:
    client = signed_in(getattr(cast, who).user)
    places = (LIST, f"{LIST}add/", page_of(incident))
    refused = {client.get(place).status_code for place in places}
    for name in ACTS:
        place = reverse("admin:oversight_incident_act", args=[incident.pk, name])
        refused.add(client.post(place, {"reason": WHY}).status_code)
    assert refused <= {302, 403}
    assert incident.events.count() == 1


def test_an_officer_of_another_organisation_finds_nothing(
    cast: Cast, incident: Incident, provider: ProviderSettings
) -> None:
    """P4: not even that it exists."""
    add_member(cast.other_organisation, cast.audrey.user, Role.COMPLIANCE_OFFICER)
    stranger = signed_in(cast.audrey.user, at=cast.other_organisation)
    assert stranger.get(LIST).context["cl"].result_count == 0
    for pk in (incident.pk, uuid4()):
        place = reverse("admin:oversight_incident_change", args=[pk])
        assert stranger.get(place).status_code == 404
        for name in ACTS:
            place = reverse("admin:oversight_incident_act", args=[pk, name])
            assert stranger.post(place, {"reason": WHY}).status_code == 404
    assert incident.events.count() == 1
    tenant = cast.charlie
    own = Incident.objects.for_tenant(tenant)
    sent = {"description": WHAT, "severity": "low", "aware_at": minute(timezone.now())}
    stranger.post(f"{LIST}add/", sent)
    page = act(stranger, own.get(), "freeze", providers=[str(provider.pk)], reason=WHY)
    assert provider.name not in page
    provider.refresh_from_db()
    assert provider.frozen_because_of is None


# -- Where it is linked from -----------------------------------------------------------------------


def test_a_records_page_leads_to_the_form_for_those_who_may(cast: Cast) -> None:
    record = answered(cast.max).pk
    place = reverse("admin:audit_recordindex_change", args=[record])
    link = f"{LIST}add/?record={record}"
    for tenant, is_offered in ((cast.olivia, True), (cast.rita, True), (cast.audrey, False)):
        page = signed_in(tenant.user).get(place).content.decode()
        assert (link in page) == is_offered


def test_a_frozen_providers_page_says_why(
    cast: Cast, incident: Incident, provider: ProviderSettings
) -> None:
    place = reverse("admin:llm_providersettings_change", args=[provider.pk])
    assert "frozen" not in signed_in(cast.alice.user).get(place).content.decode()
    freeze(cast.olivia, incident, provider_ids=[provider.pk], reason=WHY)
    for tenant, is_linked in ((cast.olivia, True), (cast.alice, False)):
        page = signed_in(tenant.user).get(place).content.decode()
        assert "until who handles it lifts the freeze" in page
        assert (page_of(incident) in page) == is_linked
