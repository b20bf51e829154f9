"""Who may read the figures, and that they name no organisation."""

from __future__ import annotations

from typing import Any

from django.test import Client

from tests.cast import Cast


def test_this_machine_may_read_the_figures_where_there_is_no_token(
    cast: Cast, client: Client
) -> None:
    response = client.get("/metrics")
    assert response.status_code == 200
    text = response.content.decode()
    assert "lexcustis_build_info" in text
    assert "lexcustis_inferences_running" in text


def test_another_machine_may_not(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", REMOTE_ADDR="not an address").status_code == 403


def test_a_call_through_a_proxy_on_this_machine_may_not(client: Client) -> None:
    """Everybody who comes through it would look like this machine."""
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403
    assert client.get("/metrics", headers={"Forwarded": "for=127.0.0.1"}).status_code == 403


def test_with_a_token_only_its_holder_may(database: None, client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = "figures-please"
    assert client.get("/metrics").status_code == 403
    wrong = client.get("/metrics", headers={"Authorization": "Bearer figures"})
    assert wrong.status_code == 403
    right = client.get(
        "/metrics", headers={"Authorization": "Bearer figures-please"}, REMOTE_ADDR="192.0.2.7"
    )
    assert right.status_code == 200


def test_no_figure_names_an_organisation(cast: Cast, client: Client) -> None:
    """P4: who reads the figures is no tenant."""
    text = client.get("/metrics").content.decode()
    for organisation in (cast.organisation, cast.other_organisation):
        assert organisation.slug not in text
        assert str(organisation.pk) not in text
