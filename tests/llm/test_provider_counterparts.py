"""Default, deletion, health and models of providers by API, and names that two want at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx2
import pytest
from django.db import connections

from llm import routing
from llm.models import Inference, ProviderSettings
from llm.provider_removal import StillNamed, remove
from tests.cast import Cast
from tests.live import signed_in
from tests.llm.test_chat import FAST
from tests.llm.test_provider_api import ABROAD, PATH, SIMULATED, kinds


@pytest.fixture
def alice(web_server: str, cast: Cast) -> Iterator[httpx2.Client]:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        yield client


def add(client: httpx2.Client, name: str, **values: Any) -> str:
    made = client.post(PATH, json={**SIMULATED, "name": name, "options": FAST, **values})
    assert made.status_code == 201, made.text
    identifier: str = made.json()["id"]
    return identifier


def default_of(cast: Cast) -> str:
    cast.max.organisation.refresh_from_db()
    return next(choice.name for choice in routing.choices(cast.max) if choice.is_default)


def test_the_default_is_whoever_was_put_first_last(alice: httpx2.Client, cast: Cast) -> None:
    ids = {name: add(alice, name, priority=0) for name in ("First", "Second", "Third")}
    for name in ("Third", "Second", "First", "Third"):
        answer = alice.post(f"{PATH}/{ids[name]}/default")
        assert answer.status_code == 200, answer.text
        assert default_of(cast) == name
    priorities = ProviderSettings.objects.for_tenant(cast.alice).values_list("priority", flat=True)
    assert len(set(priorities)) == 3
    before = len(kinds(cast))
    alice.post(f"{PATH}/{ids['Third']}/default")  # it is already
    assert len(kinds(cast)) == before
    alice.post(f"{PATH}/{ids['First']}/disable")
    refused = alice.post(f"{PATH}/{ids['First']}/default")
    assert refused.status_code == 422
    assert default_of(cast) == "Third"


def test_only_a_provider_that_got_nothing_is_deleted(alice: httpx2.Client, cast: Cast) -> None:
    used, unused = add(alice, "Used"), add(alice, "Unused")
    asked = alice.post("/api/v1/chat", json={"message": "x", "provider_id": used, "stream": False})
    assert asked.status_code == 200
    refused = alice.delete(f"{PATH}/{used}")
    assert refused.status_code == 409
    assert "dossiers" in refused.json()["error"]["message"]
    assert alice.delete(f"{PATH}/{unused}").status_code == 204
    assert alice.get(f"{PATH}/{unused}").status_code == 404
    assert kinds(cast)[-1] == "provider.deleted"
    assert Inference.objects.for_tenant(cast.max).get().provider_settings_id is not None
    with pytest.raises(StillNamed):
        remove(tenant=cast.alice, settings_id=ProviderSettings.objects.for_tenant(cast.alice)[0].pk)


def test_health_and_models_of_all_and_of_one(alice: httpx2.Client, cast: Cast) -> None:
    """P8: what is abroad or switched off is not asked."""
    well, off = add(alice, "Well", allowed_models=["sim-small"]), add(alice, "Off")
    alice.post(f"{PATH}/{off}/disable")
    alice.post(PATH, json=ABROAD)
    nobody = {"base_url": "http://127.0.0.1:9/v1", "data_region": "self-hosted"}
    dead = add(alice, "Dead", vendor="openai_compatible", **nobody)
    found = {one["name"]: one for one in alice.get(f"{PATH}/health").json()}
    conditions = {name: one["condition"] for name, one in found.items()}
    assert conditions == {
        "Well": "well",
        "Off": "not_asked",
        "Abroad": "not_asked",
        "Dead": "failed",
    }
    assert found["Well"]["latency_ms"] is not None
    assert "nothing was sent" in found["Abroad"]["detail"]
    assert "cannot be reached" in found["Dead"]["detail"]
    assert alice.get(f"{PATH}/{dead}/health").json()["condition"] == "failed"
    listed = {one["name"]: one["models"] for one in alice.get(f"{PATH}/models").json()}
    assert [model["id"] for model in listed["Well"]][:2] == ["sim-large", "sim-small"]
    assert [model["is_offered"] for model in listed["Well"]] == [True, True, False]
    assert listed["Well"][0]["snapshot"] == "sim-large-2026-11"
    assert listed["Abroad"] == listed["Off"] == listed["Dead"] == []
    assert alice.get(f"{PATH}/{well}/models").json()["models"] == listed["Well"]


def test_others_and_members_get_nothing(web_server: str, alice: httpx2.Client, cast: Cast) -> None:
    """P4."""
    one = f"{PATH}/{add(alice, 'Ours')}"
    with signed_in(web_server, cast.charlie, timeout=30) as charlie:
        assert charlie.get(f"{PATH}/health").json() == charlie.get(f"{PATH}/models").json() == []
        for answer in (
            charlie.get(f"{one}/health"),
            charlie.get(f"{one}/models"),
            charlie.post(f"{one}/default"),
            charlie.delete(one),
        ):
            assert answer.status_code == 404
    with signed_in(web_server, cast.max, timeout=30) as member:
        for answer in (
            member.get(f"{PATH}/health"),
            member.get(f"{one}/models"),
            member.post(f"{one}/default"),
            member.delete(one),
        ):
            assert answer.status_code == 403
    with signed_in(web_server, cast.olivia, timeout=30) as officer:
        assert officer.get(f"{PATH}/health").status_code == 200
        assert officer.delete(one).status_code == 403


def test_of_many_who_want_one_name_at_once_one_gets_it(web_server: str, cast: Cast) -> None:
    at_once = 6
    barrier = Barrier(at_once)

    def create(_number: int) -> int:
        client = signed_in(web_server, cast.alice, timeout=60)
        connections.close_all()  # this thread's, which nobody else gives back
        with client:
            barrier.wait(60)
            return client.post(PATH, json=SIMULATED).status_code

    with ThreadPoolExecutor(at_once) as executor:
        statuses = sorted(executor.map(create, range(at_once)))
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 422}
    assert ProviderSettings.objects.for_tenant(cast.alice).count() == 1
    assert kinds(cast) == ["provider.created"]


def test_a_name_taken_meanwhile_is_a_conflict(
    web_server: str, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loser of a race, made certain: the name is taken after it was found free."""
    from llm import provider_settings

    with signed_in(web_server, cast.alice, timeout=30) as client:
        add(client, "Practice")
        monkeypatch.setattr(provider_settings, "validate", lambda row: None)
        late = client.post(PATH, json=SIMULATED)
    assert late.status_code == 409
    assert late.json()["error"]["code"] == "conflict"
