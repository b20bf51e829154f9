"""Who asks, and whom: fixtures of the tests that call models."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import httpx2
import openai
import pytest
from django.test import Client

from llm import provider_settings
from llm.billing_models import BillingWebhook
from orgs.keys import create_key
from orgs.roles import Permission
from tests import admin_pages
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.gateway import Gateway, gateway_of
from tests.llm.receiver import Receiver


@pytest.fixture
def on_loopback(settings: Any) -> None:
    """Providers and receivers may stand on this machine."""
    settings.PROVIDER_ALLOWED_NETWORKS = ["127.0.0.0/8"]


@pytest.fixture
def names_resolve_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine may have no resolver, and waiting for one proves nothing."""

    def resolve(host: str, port: int) -> list[Any]:
        return [ip_address("127.0.0.1" if host == "localhost" else "93.184.216.34")]

    monkeypatch.setattr(provider_settings, "_resolve", resolve)


@pytest.fixture
def gateway(web_server: str, on_loopback: None, cast: Cast) -> Iterator[Gateway]:
    """Its servers close before the application's loop does."""
    with gateway_of(cast) as made:
        yield made


@pytest.fixture
def max_(web_server: str, cast: Cast) -> Iterator[httpx2.Client]:
    """Max, signed in, over HTTP."""
    with signed_in(web_server, cast.max, timeout=30) as client:
        yield client


@pytest.fixture
def alice(cast: Cast) -> Client:
    """Alice, signed in, by Django's client."""
    return admin_pages.signed_in(cast.alice.user)


@pytest.fixture
def key(cast: Cast) -> str:
    """A key of Max's, for programs."""
    _, text = create_key(cast.max, name="program", scopes=[Permission.CHAT])
    return text


@pytest.fixture
def program(web_server: str, key: str) -> Iterator[httpx2.Client]:
    """A program that has the key."""
    with with_key(web_server, key, timeout=30) as client:
        yield client


@pytest.fixture
def client(web_server: str, key: str) -> Iterator[openai.OpenAI]:
    """The official client with the key."""
    with openai.OpenAI(base_url=f"{web_server}/v1", api_key=key, max_retries=0) as made:
        yield made


@pytest.fixture
def receiver(cast: Cast) -> Iterator[Receiver]:
    """Where usage for billing is sent to."""
    with Receiver() as server:
        yield server
    # Nothing is rolled back: other tests' clocks shall not call a server that has gone.
    for tenant in (cast.alice, cast.charlie):
        BillingWebhook.objects.for_tenant(tenant).update(is_enabled=False)
