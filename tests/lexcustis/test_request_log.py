"""Each request has an id and one line, and the line holds nothing that a person wrote (P7)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client

PATH = "/api/v1/providers"


def test_every_answer_carries_an_id_also_an_error(client: Client) -> None:
    response = client.get(PATH)
    assert response.status_code == 401
    assert uuid.UUID(response["X-Request-ID"])
    assert response.json()["error"]["request_id"] == response["X-Request-ID"]


def test_a_proxys_id_is_taken_over(client: Client) -> None:
    given = "edge-7f3a.2026_11"
    assert client.get(PATH, headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["short", "x" * 65, 'a" "level":"error', "line\u2028break-id"])
def test_an_id_that_could_forge_a_line_is_replaced(client: Client, given: str) -> None:
    answered = client.get(PATH, headers={"X-Request-ID": given})["X-Request-ID"]
    assert answered != given
    assert uuid.UUID(answered)


def test_two_requests_have_two_ids(client: Client) -> None:
    assert client.get(PATH)["X-Request-ID"] != client.get(PATH)["X-Request-ID"]


def lines_of(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of requests, as they are handed to the formatter."""
    entries = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [entry for entry in entries if entry["event"] == "request"]


def test_the_line_holds_path_and_status_and_no_query(
    database: None, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        client.get(f"{PATH}?search=my+illness", headers={"Authorization": "Bearer lxc_secret"})
    (line,) = lines_of(caplog)
    assert (line["method"], line["path"], line["status"]) == ("GET", PATH, 401)
    assert line["ms"] >= 0
    assert "illness" not in caplog.text
    assert "secret" not in caplog.text


def test_probes_leave_no_line(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        client.get("/healthz")
    assert lines_of(caplog) == []
