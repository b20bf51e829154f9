"""Provider settings by API: the admin's rules, for programs."""

from __future__ import annotations

from typing import Any

import pytest

from audit.models import RecordIndex
from llm.models import ProviderSettings
from orgs import vault
from tests.cast import Cast
from tests.live import signed_in

KEY = "sk-live-0123456789abcdefWXYZ"
PATH = "/api/v1/provider-settings"
SIMULATED = {"name": "Practice", "vendor": "simulated", "default_model": "sim-large"}
ABROAD = {
    "name": "Abroad",
    "vendor": "openai_compatible",
    "base_url": "http://127.0.0.1:9/v1",
    "default_model": "small",
    "data_region": "US",
}


def kinds(cast: Cast) -> list[str]:
    rows = RecordIndex.objects.for_tenant(cast.alice).filter(kind__startswith="provider.")
    return [row.kind for row in rows.order_by("record_id")]


def test_a_provider_is_added_changed_and_switched_on_record(web_server: str, cast: Cast) -> None:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        made = client.post(PATH, json=SIMULATED)
        assert made.status_code == 201, made.text
        one = f"{PATH}/{made.json()['id']}"
        assert client.get(PATH).json() == [client.get(one).json()] == [made.json()]
        body = {"priority": 7, "transfer_checked_on": "2026-03-01", "name": None}
        changed = client.patch(one, json=body).json()
        assert (changed["priority"], changed["name"]) == (7, "Practice")
        cleared = client.patch(one, json={"transfer_checked_on": None}).json()
        assert (cleared["transfer_checked_on"], cleared["priority"]) == (None, 7)
        assert client.post(f"{one}/disable").json()["is_enabled"] is False
        offered = client.get("/api/v1/providers").json()
        assert made.json()["id"] not in [choice["id"] for choice in offered]
        assert client.post(f"{one}/enable").json()["is_enabled"] is True
    assert kinds(cast) == [
        "provider.created",
        "provider.changed",
        "provider.changed",
        "provider.disabled",
        "provider.changed",
    ]


def test_a_key_goes_in_and_never_out(web_server: str, cast: Cast) -> None:
    """P7."""
    with signed_in(web_server, cast.alice, timeout=30) as client:
        made = client.post(PATH, json={**SIMULATED, "key": KEY})
        one = f"{PATH}/{made.json()['id']}"
        bad = client.put(f"{one}/key", json={"key": f"{KEY} {KEY}"})
        assert bad.status_code == 422
        assert bad.json()["error"]["details"][0]["field"] == "key"
        answers = [made, bad, client.get(one), client.get(PATH), client.post(f"{one}/test")]
        row: ProviderSettings = ProviderSettings.objects.for_tenant(cast.alice).get()
        for answer in answers:
            assert KEY[:12] not in answer.text
            assert bytes(row.key).hex() not in answer.text
        assert made.json()["has_key"] is True
        assert made.json()["key_hint"] == "WXYZ"
        client.put(f"{one}/key", json={"key": "another-key-0123456789"})
        row.refresh_from_db()
        opened = vault.unseal(row.organisation_id, bytes(row.key), place=f"provider/{row.pk}")
        assert opened == b"another-key-0123456789"
        assert client.put(f"{one}/key", json={"key": ""}).json()["has_key"] is False


def test_the_test_says_what_answered(web_server: str, cast: Cast) -> None:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        one = client.post(PATH, json=SIMULATED).json()["id"]
        found = client.post(f"{PATH}/{one}/test").json()
        assert found["passed"] is found["was_called"] is True
        assert (found["region"], "sim-large" in found["models"]) == ("self-hosted", True)


def test_nothing_is_sent_to_a_region_that_the_policy_forbids(web_server: str, cast: Cast) -> None:
    """P8."""
    with signed_in(web_server, cast.alice, timeout=30) as client:
        one = client.post(PATH, json=ABROAD).json()["id"]
        found = client.post(f"{PATH}/{one}/test").json()
        assert found["passed"] is found["was_called"] is False
        assert "Nothing was sent" in found["message"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
        ({"vendor": "mistral", "base_url": "https://api.eu.mistral.ai/v1"}, "data_region"),
        ({"vendor": "nobody"}, "vendor"),
    ],
)
def test_what_the_domain_refuses_names_its_field(
    web_server: str, cast: Cast, values: dict[str, Any], field: str
) -> None:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        refused = client.post(PATH, json={**ABROAD, **values})
        assert refused.status_code == 422
        assert [detail["field"] for detail in refused.json()["error"]["details"]] == [field]
    assert not ProviderSettings.objects.for_tenant(cast.alice).exists()


def test_nobody_reaches_the_providers_of_others(web_server: str, cast: Cast) -> None:
    """P4, and the rights of the roles."""
    with signed_in(web_server, cast.alice, timeout=30) as client:
        one = f"{PATH}/{client.post(PATH, json=SIMULATED).json()['id']}"
    acts: list[tuple[str, str, Any]] = [
        ("PATCH", one, {"name": "Mine"}),
        ("PUT", f"{one}/key", {"key": KEY}),
        *(("POST", f"{one}/{act}", None) for act in ("enable", "disable", "test")),
    ]
    for tenant, reading, writing in (
        (cast.charlie, 404, 404),
        (cast.olivia, 200, 403),
        (cast.max, 403, 403),
    ):
        with signed_in(web_server, tenant, timeout=30) as client:
            assert client.get(one).status_code == reading
            for method, path, body in acts:
                assert client.request(method, path, json=body).status_code == writing, path
    with signed_in(web_server, cast.charlie, timeout=30) as client:
        assert client.get(PATH).json() == []
    assert ProviderSettings.objects.for_tenant(cast.alice).get().name == "Practice"
    assert kinds(cast) == ["provider.created"]
