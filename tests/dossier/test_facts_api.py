"""The facts of law over HTTP: read with what they rest on, confirmed and changed by name."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from dossier.fact_models import FactReview
from dossier.lawbook import FILES
from tests.cast import Cast
from tests.dossier.test_upstream_api import client_of

BASE = "/api/v1/facts"
EUR_LEX = "https://eur-lex.europa.eu/eli/reg/2024/1689/oj"
LOOK = {"file": "obligations", "key": "AIA-26-2", "grade": "P", "source": EUR_LEX}


def looked(client: Client, **changes: Any) -> Any:
    return client.post(f"{BASE}/reviews", {**LOOK, **changes}, "application/json")


def fact(client: Client, key: str = "AIA-26-2", file: str = "obligations") -> dict[str, Any]:
    rows = client.get(BASE, {"file": file}).json()["items"]
    (row,) = [row for row in rows if row["key"] == key]
    return dict(row)


def test_every_row_stands_with_grade_source_day_and_state(cast: Cast) -> None:
    audrey = client_of(cast.audrey)
    rows = audrey.get(BASE).json()["items"]
    assert {row["file"] for row in rows} == set(FILES)
    for row in rows:
        assert row["grade"] in "PSKU"
        assert row["is_printed"] == (row["grade"] in "PS")
        assert row["checked_on"] < row["review_by"]
        assert row["review"] is None
    assert audrey.get(BASE, {"file": "rumours"}).status_code == 422


def test_a_row_is_confirmed_by_name(cast: Cast) -> None:
    olivia = client_of(cast.olivia)
    made = looked(olivia, grade="S")
    assert made.status_code == 201
    row = made.json()
    assert (row["act"], row["changes"], row["reviewed_name"]) == ("confirmed", {}, "Olivia")
    assert fact(olivia)["review"] == row
    assert fact(olivia)["grade"] == "S"
    assert fact(client_of(cast.charlie))["review"] is None


def test_a_row_is_changed_with_a_ground_and_back_again(cast: Cast) -> None:
    olivia = client_of(cast.olivia)
    before = fact(olivia)["says"]["from"]
    assert looked(olivia, changes={"from": "2028-01-01"}).status_code == 422
    made = looked(olivia, changes={"from": "2028-01-01"}, ground="Corrigendum").json()
    assert (made["act"], made["changes"]) == ("overridden", {"from": "2028-01-01"})
    assert fact(olivia)["says"]["from"] == "2028-01-01"
    back = looked(olivia, changes={"from": before}, ground="It was withdrawn").json()
    assert (back["act"], back["changes"]) == ("confirmed", {})
    assert fact(olivia)["says"]["from"] == before
    acts = [row["act"] for row in olivia.get(f"{BASE}/reviews").json()["items"]]
    assert acts == ["confirmed", "overridden"]
    assert olivia.get(f"{BASE}/reviews", {"key": "AIA-4-1"}).json()["items"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"changes": {"from": "20280101"}},
        {"changes": {"id": "AIA-1"}},
        {"changes": {"duty": "Be compliant"}},
        {"changes": {"now": "perhaps"}},
        {"file": "sources", "key": "ai_act", "changes": {"url": "javascript:alert(1)"}},
        {"file": "incident_clocks", "key": "death_of_a_person", "changes": {"max_days": 0}},
        {"key": "AIA-0"},
        {"source": "I know it"},
        {"source": ""},
        {"grade": "U"},
        {"file": "wording_languages"},
    ],
)
def test_what_does_not_fit_is_refused(cast: Cast, change: dict[str, Any]) -> None:
    answer = looked(client_of(cast.olivia), ground="Because", **change)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"]
    assert not FactReview.objects.for_tenant(cast.olivia).exists()


def test_who_declares_nothing_checks_nothing(cast: Cast) -> None:
    for tenant in (cast.audrey, cast.alice):
        assert looked(client_of(tenant)).status_code == 403
    assert looked(Client()).status_code == 401


def test_what_no_source_was_read_for_can_be_confirmed_as_not_known(cast: Cast) -> None:
    olivia = client_of(cast.olivia)
    rows = olivia.get(BASE, {"file": "upstream"}).json()["items"]
    row = next(row for row in rows if row["says"]["value"] is None)
    made = looked(olivia, file="upstream", key=row["key"], changes={"value": ""})
    assert made.status_code == 201
    assert made.json()["act"] == "confirmed"
