"""Whether the product is ready, in words that tell an outsider nothing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.test import Client
from django.utils import timezone

from audit.models import SealState
from audit.sealing import seal_once
from lexcustis import health


def test_a_living_process_says_so(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")


def test_ready_names_each_part_with_one_word(database: None, client: Client) -> None:
    seal_once()
    response = client.get("/readyz")
    assert response.status_code == 200, response.content
    parts = response.json()["parts"]
    assert set(parts) == set(health._CHECKS)
    assert set(parts.values()) == {"ok"}


def test_a_stopped_sealer_is_told_and_takes_no_web_process_away(
    database: None, client: Client
) -> None:
    """Records are committed without it and get their places when it is back."""
    seal_once()
    SealState.objects.update(looked_at=timezone.now() - timedelta(minutes=5))
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["parts"]["sealer"] == "stopped"
    seal_once()


def test_a_lost_redis_makes_it_not_ready_and_shows_no_address(
    database: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caches["default"], "_servers", ["redis://user:secret@127.0.0.1:1/0"])
    caches["default"].__dict__.pop("_cache", None)
    try:
        response = client.get("/readyz")
    finally:
        caches["default"].__dict__.pop("_cache", None)
    assert response.status_code == 503
    assert response.json()["parts"]["redis"] == "unreachable"
    assert b"secret" not in response.content


def test_a_pending_migration_makes_it_not_ready(
    database: None, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "django.db.migrations.recorder.MigrationRecorder.applied_migrations", lambda _self: {}
    )
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["migrations"] == "pending"


def test_probes_are_not_sent_to_https(client: Client, settings: object) -> None:
    """A load balancer inside the network asks in plain HTTP and follows no redirect."""
    settings.SECURE_SSL_REDIRECT = True  # type: ignore[attr-defined]
    assert Client().get("/healthz").status_code == 200
    assert Client().get("/accounts/login/").status_code == 301
