"""Usage is the sum of the calls, whoever asks and however it is grouped."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from llm import usage
from orgs.keys import create_key
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.test_budgets import PRICE, simulated


@pytest.fixture
def asked(web_server: str, cast: Cast) -> list[dict[str, Any]]:
    """Three answers: two by Max, one by a program of Olivia's."""
    simulated(cast, price=PRICE)
    _key, text = create_key(cast.olivia, name="script", scopes=[Permission.CHAT])
    answers = []
    with (
        signed_in(web_server, cast.max, timeout=30) as person,
        with_key(web_server, text, timeout=30) as program,
    ):
        for client in (person, person, program):
            body = {"message": "Hello there", "stream": False}
            answers.append(client.post("/api/v1/chat", json=body).json())
    return answers


def today(cast: Cast, *groups: str) -> list[usage.UsageRow]:
    day = timezone.localdate()
    since, until = day - timedelta(days=1), day + timedelta(days=1)
    return usage.usage_table(cast.alice, since=since, until=until, group_by=groups)


def test_the_table_adds_up_to_the_answers(asked: list[dict[str, Any]], cast: Cast) -> None:
    (row,) = today(cast, "model")
    assert row.calls == row.completed == 3
    assert row.input_tokens == sum(answer["usage"]["input_tokens"] for answer in asked)
    assert row.output_tokens == sum(answer["usage"]["output_tokens"] for answer in asked)
    assert row.cost == sum(Decimal(answer["cost"]["amount"]) for answer in asked)
    assert (row.currency, row.unpriced_calls, row.estimated_calls) == ("USD", 0, 0)


def test_people_and_programs_are_told_apart(asked: list[dict[str, Any]], cast: Cast) -> None:
    by_user = {row.groups["user"]: row.calls for row in today(cast, "user")}
    assert by_user == {str(cast.max.user.pk): 2, str(cast.olivia.user.pk): 1}
    by_key = {bool(row.groups["api_key"]): row.calls for row in today(cast, "api_key")}
    assert by_key == {False: 2, True: 1}


def test_another_organisation_has_used_nothing(asked: list[dict[str, Any]], cast: Cast) -> None:
    day = timezone.localdate()
    since, until = day - timedelta(days=1), day + timedelta(days=1)
    assert usage.usage_table(cast.charlie, since=since, until=until) == []


def test_members_do_not_see_what_others_use(cast: Cast) -> None:
    with pytest.raises(PermissionRefused):
        usage.usage_table(cast.max, since=date(2026, 1, 1), until=date(2026, 1, 2))


@pytest.mark.parametrize("groups", [[], ["organisation_id"], ["user__password"]])
def test_only_known_groups_are_taken(cast: Cast, groups: list[str]) -> None:
    with pytest.raises(ValidationError):
        usage.usage_table(
            cast.alice, since=date(2026, 1, 1), until=date(2026, 1, 2), group_by=groups
        )


def test_a_period_that_ends_before_it_begins_is_refused(cast: Cast) -> None:
    with pytest.raises(ValidationError):
        usage.usage_table(cast.alice, since=date(2026, 1, 2), until=date(2026, 1, 1))


def test_a_spreadsheet_runs_nothing_of_it(cast: Cast) -> None:
    row = usage.UsageRow({"model": "=1+1"}, 1, 1, 2, 3, 0, 0, Decimal("0.5"), "USD")
    (line,) = list(csv.DictReader(io.StringIO(usage.as_csv([row], ["model"]))))
    assert line["model"] == "'=1+1"
    assert line["cost"] == "0.5"


def test_prices_and_estimates_say_where_they_come_from(
    web_server: str, asked: list[dict[str, Any]], cast: Cast
) -> None:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        (price,) = client.get("/api/v1/pricing").json()
        assert price["source"] == "agreed price"
        assert Decimal(price["output_per_million"]) == 1_000_000
        body = {"message": "x" * 400, "max_tokens": 50}
        estimate = client.post("/api/v1/estimate", json=body).json()
        assert (estimate["input_tokens"], estimate["output_tokens"]) == (100, 50)
        assert Decimal(estimate["cost"]) == 50
        table = client.get("/api/v1/usage", params={"group_by": "day,provider"}).json()
        assert sum(row["calls"] for row in table["rows"]) == 3
        answer: httpx2.Response = client.get("/api/v1/usage.csv", params={"group_by": "user"})
        assert answer.headers["content-type"].startswith("text/csv")
        assert len(answer.text.strip().splitlines()) == 3


def test_budgets_by_api(web_server: str, cast: Cast) -> None:
    simulated(cast)
    with signed_in(web_server, cast.alice, timeout=30) as client:
        made = client.post("/api/v1/budgets", json={"limit": "5", "unit": "EUR"})
        assert made.status_code == 201, made.text
        identifier = made.json()["id"]
        (standing,) = client.get("/api/v1/budgets").json()
        assert (Decimal(standing["used"]), Decimal(standing["left"])) == (0, 5)
        changed = client.put(f"/api/v1/budgets/{identifier}", json={"limit": "6"})
        assert Decimal(changed.json()["limit"]) == 6
        with signed_in(web_server, cast.charlie, timeout=30) as stranger:
            assert stranger.delete(f"/api/v1/budgets/{identifier}").status_code == 404
        assert client.delete(f"/api/v1/budgets/{identifier}").status_code == 204
        assert client.get("/api/v1/budgets").json() == []
