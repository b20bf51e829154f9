"""Provider settings in the admin: a key goes in and never out, and a test calls the real thing."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from audit.models import RecordIndex
from llm import provider_settings
from llm.models import ProviderSettings
from llm.provider_settings import create
from llm.providers import registry
from orgs import vault
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.llm.gateway import CLOSE, Gateway, answering, refusing
from tests.llm.providers.loopback import Reply

KEY = "sk-live-0123456789abcdefWXYZ"
FIELDS = {
    "name": "Our own server",
    "vendor": "openai_compatible",
    "base_url": "http://127.0.0.1:9/v1",
    "default_model": "small",
    "allowed_models": "small, large",
    "data_region": "self-hosted",
    "training_use": "no",
    "priority": "10",
    "timeout_seconds": "5",
    "options": "{}",
}


def add(client: Client, **values: Any) -> Any:
    return client.post(reverse("admin:llm_providersettings_add"), {**FIELDS, **values})


def row_of(cast: Cast) -> ProviderSettings:
    row: ProviderSettings = ProviderSettings.objects.for_tenant(cast.alice).get()
    return row


def opened(row: ProviderSettings) -> str:
    return vault.unseal(row.organisation_id, row.key, place=f"provider/{row.pk}").decode()


def test_a_key_goes_in_and_never_out(cast: Cast, alice: Client) -> None:
    """P7."""
    assert add(alice, new_key=KEY).status_code == 302
    row = row_of(cast)
    assert opened(row) == KEY
    assert row.models_offered == ["small", "large"]
    change = reverse("admin:llm_providersettings_change", args=[row.pk])
    for client in (alice, signed_in(cast.olivia.user)):
        for place in (change, reverse("admin:llm_providersettings_changelist")):
            text = client.get(place).content.decode()
            assert KEY not in text
            assert "WXYZ" in text
            assert KEY[:10] not in text
            assert bytes(row.key).hex() not in text


def test_an_empty_key_keeps_the_old_one_and_a_new_one_replaces_it(
    cast: Cast, alice: Client
) -> None:
    add(alice, new_key=KEY)
    change = reverse("admin:llm_providersettings_change", args=[row_of(cast).pk])
    assert alice.post(change, {**FIELDS, "new_key": "", "priority": "20"}).status_code == 302
    assert (opened(row_of(cast)), row_of(cast).priority) == (KEY, 20)
    alice.post(change, {**FIELDS, "new_key": "another-key-0123456789"})
    assert opened(row_of(cast)) == "another-key-0123456789"


def test_what_the_domain_refuses_stands_beside_its_field(cast: Cast, alice: Client) -> None:
    for values, field in (
        ({"base_url": "http://169.254.169.254/v1"}, "base_url"),
        ({"data_region": "Europe"}, "data_region"),
        ({"timeout_seconds": "0"}, "timeout_seconds"),
        ({"transfer_checked_on": "0001-01-01"}, "transfer_checked_on"),
        ({"vendor": "mistral", "base_url": "https://api.eu.mistral.ai/v1"}, "data_region"),
        ({"options": "[1]"}, "options"),
    ):
        response = add(alice, **values, new_key=KEY)
        assert response.status_code == 200, values
        assert field in response.context["adminform"].form.errors, values
        assert KEY not in response.content.decode()
    assert not ProviderSettings.objects.for_tenant(cast.alice).exists()


def test_switching_off_and_on_is_on_record(cast: Cast, alice: Client) -> None:
    add(alice)
    row = row_of(cast)
    alice.post(reverse("admin:llm_providersettings_disable", args=[row.pk]))
    assert not row_of(cast).is_enabled
    alice.post(reverse("admin:llm_providersettings_enable", args=[row.pk]))
    assert row_of(cast).is_enabled
    kinds = RecordIndex.objects.for_tenant(cast.alice).filter(kind__startswith="provider.")
    assert [row.kind for row in kinds] == [
        "provider.changed",
        "provider.disabled",
        "provider.created",
    ]


def test_the_test_says_what_answered_or_what_went_wrong(cast: Cast, alice: Client) -> None:
    simulated = create(
        tenant=cast.alice, name="Simulated", vendor="simulated", default_model="sim-large"
    )
    words = tried(alice, simulated)
    assert "It answers in" in words
    assert "sim-large” said: " in words
    add(alice)
    silent = ProviderSettings.objects.for_tenant(cast.alice).get(name=FIELDS["name"])
    assert "No good answer" in tried(alice, silent)


def test_the_word_of_a_test_is_a_call_on_record(
    cast: Cast, gateway: Gateway, alice: Client
) -> None:
    """P1."""
    models = Reply.json({"data": [{"id": "m"}]}, headers=CLOSE)
    server = gateway.add("Ours", models)
    server.answer = lambda request: models if request.method == "GET" else answering("Yes here")
    row = gateway.rows["Ours"]
    assert "Models (1): m. “m” said: Yes here" in tried(alice, row)
    (call,) = gateway.attempts()
    assert (call.state, call.provider_settings_id) == ("completed", row.pk)
    assert gateway.record(call.pk)["body"]["lexcustis.interface"] == "test"
    server.answer = lambda request: models if request.method == "GET" else refusing(401)
    assert "failed" in tried(alice, row)
    provider_settings.disable(tenant=cast.alice, settings_id=row.pk)
    before = gateway.calls("Ours")
    assert "was not asked for a word" in tried(alice, row)
    assert gateway.calls("Ours") == before


def test_the_list_names_vendors_as_people_do(alice: Client) -> None:
    add(alice)
    listed = alice.get(reverse("admin:llm_providersettings_changelist")).content.decode()
    assert "openai_compatible" not in listed
    assert registry.vendor("openai_compatible").name in listed


def test_a_name_is_given_once_and_the_list_shows_its_order(alice: Client) -> None:
    add(alice)
    assert "There is a provider of this name." in add(alice).content.decode()
    listed = alice.get(reverse("admin:llm_providersettings_changelist"))
    columns = listed.context["cl"].get_ordering_field_columns()
    assert [listed.context["cl"].list_display[place] for place in columns] == ["priority", "name"]


def test_nothing_is_sent_to_a_region_that_the_policy_forbids(cast: Cast, alice: Client) -> None:
    """P8, for the test button too."""
    add(alice, data_region="US")
    assert "Nothing was sent" in tried(alice, row_of(cast))


def tried(client: Client, row: ProviderSettings) -> str:
    place = reverse("admin:llm_providersettings_test", args=[row.pk])
    text: str = client.post(place, follow=True).content.decode()
    return text
