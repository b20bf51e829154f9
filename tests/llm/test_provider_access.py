"""Who may use which provider and model: kept before a byte is sent, recorded, and set."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from audit.models import RecordIndex
from llm import provider_settings
from llm.call_rules import change_rules
from llm.models import Inference, ProviderSettings
from orgs.keys import create_key
from orgs.members import remove_member
from orgs.models import Membership
from orgs.roles import Permission, Role
from tests.admin_pages import signed_in as in_admin
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.gateway import Gateway, answering, ask, refusing
from tests.llm.test_admin_providers import FIELDS

PATH = "/api/v1/provider-settings"


@pytest.fixture
def rita(web_server: str, cast: Cast) -> Iterator[httpx2.Client]:
    with signed_in(web_server, cast.rita, timeout=30) as client:
        yield client


def blocked(cast: Cast) -> list[Inference]:
    rows = Inference.objects.for_organisation(cast.organisation.pk)
    return list(rows.filter(state="blocked"))


def test_who_is_not_named_sends_no_byte_and_the_refusal_is_recorded(
    gateway: Gateway, max_: httpx2.Client, rita: httpx2.Client, cast: Cast
) -> None:
    server = gateway.add("Reserved", answering(), open_to_roles=[Role.REVIEWER])
    refused = ask(max_)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "not_open_to_you"
    assert server.connections == 0
    (row,) = blocked(cast)
    assert (row.error_code, row.user_id) == ("not_open_to_you", cast.max.user.pk)
    ending = gateway.record(row.end_record_id)
    assert ending["kind"] == "inference.blocked"
    assert "not_open_to_you" in str(ending["body"])
    assert gateway.kinds() == ["inference.requested", "inference.blocked"]
    assert ask(rita).status_code == 200
    assert server.connections == 1


def test_a_person_is_let_in_by_name(gateway: Gateway, max_: httpx2.Client, cast: Cast) -> None:
    gateway.add(
        "Reserved",
        answering(),
        open_to_roles=[Role.ADMINISTRATOR],
        open_to_people=[cast.max.user.pk],
    )
    assert ask(max_).status_code == 200


def test_a_program_may_no_more_than_its_owner(
    gateway: Gateway, web_server: str, cast: Cast
) -> None:
    server = gateway.add("Reserved", answering(), open_to_roles=[Role.REVIEWER])
    codes = []
    for owner in (cast.max, cast.rita):
        _key, text = create_key(owner, name="program", scopes=[Permission.CHAT])
        with with_key(web_server, text, timeout=30) as program:
            body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
            codes.append(program.post("/v1/chat/completions", json=body).status_code)
            vectors = {"model": "m", "input": "Hello"}
            if owner is cast.max:
                codes.append(program.post("/v1/embeddings", json=vectors).status_code)
                listed = program.get("/v1/models").json()["data"]
                assert "m" not in [one["id"] for one in listed]
    assert codes == [403, 403, 200]
    assert gateway.calls("Reserved") == 1
    assert len(server.requests) == 1


def test_one_model_is_reserved_and_the_others_are_not(
    gateway: Gateway, max_: httpx2.Client, rita: httpx2.Client
) -> None:
    gateway.add(
        "Mixed",
        answering(),
        default_model="small",
        allowed_models=["small", "large"],
        open_to_roles=[Role.REVIEWER],
        restricted_models=["large"],
    )
    assert ask(max_, model="large").status_code == 403
    assert gateway.calls("Mixed") == 0
    assert ask(max_).status_code == 200
    assert ask(rita, model="large").status_code == 200
    assert [request.json["model"] for request in gateway.servers["Mixed"].requests] == [
        "small",
        "large",
    ]
    (choice,) = max_.get("/api/v1/providers").json()
    assert choice["models"] == ["small"]


def test_fallback_does_not_lead_where_one_may_not_go(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Down", refusing(503))
    reserved = gateway.add("Reserved", answering(), open_to_roles=[Role.REVIEWER])
    chain = [gateway.rows[name].pk for name in ("Reserved", "Down")]
    change_rules(cast.alice, chain=chain, fallback="any")
    assert ask(max_).status_code == 503
    assert reserved.connections == 0


def test_a_rule_that_changes_holds_from_the_next_call(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Ours", answering())
    settings_id = gateway.rows["Ours"].pk
    codes = [ask(max_).status_code]
    for people in ([cast.olivia.user.pk], []):
        provider_settings.change(tenant=cast.alice, settings_id=settings_id, open_to_people=people)
        codes.append(ask(max_).status_code)
    assert codes == [200, 403, 200]


# -- Setting it ---------------------------------------------------------------------------------


def simulated(cast: Cast, **values: Any) -> ProviderSettings:
    return provider_settings.create(
        tenant=cast.alice, name="Quick", vendor="simulated", default_model="sim-large", **values
    )


def test_people_of_others_and_people_who_are_not_are_refused_alike(cast: Cast) -> None:
    """P4."""
    words = []
    for stranger in (cast.charlie.user.pk, uuid.uuid4()):
        with pytest.raises(ValidationError) as refused:
            simulated(cast, open_to_people=[stranger])
        words.append(refused.value.message_dict)
    assert words[0] == words[1]
    assert list(words[0]) == ["open_to_people"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"open_to_roles": ["emperor"]}, "open_to_roles"),
        ({"open_to_roles": ["member"], "restricted_models": ["other"]}, "restricted_models"),
        ({"restricted_models": ["sim-large"]}, "restricted_models"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(
    cast: Cast, values: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        simulated(cast, **values)
    assert list(refused.value.message_dict) == [field]


def test_somebody_who_left_does_not_stand_in_the_way_of_other_changes(
    cast: Cast, alice: Client
) -> None:
    row = simulated(cast, open_to_people=[cast.max.user.pk])
    member = Membership.objects.for_tenant(cast.alice).get(user=cast.max.user)
    remove_member(member, actor=cast.alice.actor)
    provider_settings.change(tenant=cast.alice, settings_id=row.pk, priority=7)
    page = alice.get(reverse("admin:llm_providersettings_change", args=[row.pk]))
    assert "somebody who has left" in page.content.decode()


def test_the_page_sets_it_and_says_it(cast: Cast, alice: Client) -> None:
    add = reverse("admin:llm_providersettings_add")
    form = alice.get(add).content.decode()
    assert cast.max.user.email in form
    assert cast.charlie.user.email not in form
    rule = {
        "open_to_roles": ["reviewer", "auditor"],
        "open_to_people": [str(cast.max.user.pk)],
        "restricted_models": "large",
        "requests_per_minute": "30",
    }
    assert alice.post(add, {**FIELDS, **rule}).status_code == 302
    row = ProviderSettings.objects.for_tenant(cast.alice).get()
    assert row.open_to_roles == ["reviewer", "auditor"]
    assert row.open_to_people == [cast.max.user.pk]
    assert (row.restricted_models, row.requests_per_minute) == (["large"], 30)
    change = reverse("admin:llm_providersettings_change", args=[row.pk])
    seen = in_admin(cast.olivia.user).get(change).content.decode()
    assert f"large only: Reviewer, Auditor, Max ({cast.max.user.email})" in seen
    refused = alice.post(change, {**FIELDS, "open_to_people": [str(cast.charlie.user.pk)]})
    assert list(refused.context["adminform"].form.errors) == ["open_to_people"]
    assert alice.post(change, FIELDS).status_code == 302
    row.refresh_from_db()
    assert (row.open_to_roles, row.open_to_people, row.restricted_models) == ([], [], [])
    assert row.requests_per_minute is None


def test_the_api_sets_it_and_the_log_has_it(gateway: Gateway, web_server: str, cast: Cast) -> None:
    body = {
        "name": "Quick",
        "vendor": "simulated",
        "default_model": "sim-large",
        "open_to_roles": ["reviewer"],
        "requests_per_minute": 60,
    }
    with signed_in(web_server, cast.alice, timeout=30) as client:
        made = client.post(PATH, json=body).json()
        assert (made["open_to_roles"], made["requests_per_minute"]) == (["reviewer"], 60)
        one = f"{PATH}/{made['id']}"
        person = str(cast.max.user.pk)
        change = {"open_to_roles": [], "open_to_people": [person], "requests_per_minute": None}
        changed = client.patch(one, json=change).json()
        assert changed["open_to_people"] == [person]
        assert (changed["open_to_roles"], changed["requests_per_minute"]) == ([], None)
        assert client.patch(one, json={"open_to_roles": ["emperor"]}).status_code == 422
        stranger = client.patch(one, json={"open_to_people": [str(cast.charlie.user.pk)]})
        assert stranger.json()["error"]["details"][0]["field"] == "open_to_people"
    newest = RecordIndex.objects.for_tenant(cast.alice).filter(kind="provider.changed").first()
    assert newest is not None
    recorded = gateway.record(newest.pk)["body"]
    assert recorded["lexcustis.provider.open_to_people"] == [person]
    assert "open_to_people" in recorded["lexcustis.changed_fields"]
