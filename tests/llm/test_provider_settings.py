"""An organisation's providers: made, changed, keyed and switched off, each time on record."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from audit.models import RecordIndex
from audit.reading import record_bytes
from llm import provider_settings
from llm.models import ProviderSettings
from llm.provider_settings import UnknownProviderSettings, adapter_of
from orgs import vault
from orgs.organisations import Organisation
from orgs.tenancy import PermissionRefused, Tenant
from tests.cast import Cast
from tests.llm.providers.test_addresses import MALFORMED, NOT_PUBLIC

pytestmark = pytest.mark.usefixtures("names_resolve_at_once")

KEY = "sk-live-0123456789abcdefWXYZ"


def mistral(tenant: Tenant, **values: Any) -> ProviderSettings:
    values = {
        "name": "Mistral in the EU",
        "vendor": "mistral",
        "default_model": "mistral-large-latest",
        "base_url": "https://api.eu.mistral.ai/v1",
        "key": KEY,
        **values,
    }
    return provider_settings.create(tenant=tenant, **values)


def records(organisation: Organisation, prefix: str = "provider.") -> list[dict[str, Any]]:
    rows = RecordIndex.objects.for_organisation(organisation.pk).filter(kind__startswith=prefix)
    ids = rows.order_by("at").values_list("record_id", flat=True)
    return [json.loads(record_bytes(organisation.pk, record_id)) for record_id in ids]


def test_a_provider_is_made_with_a_sealed_key_and_a_record(cast: Cast) -> None:
    row = mistral(cast.alice)
    row.refresh_from_db()
    assert KEY.encode() not in bytes(row.key)
    assert row.key_hint == "WXYZ"
    assert row.key_changed_at is not None
    opened = vault.unseal(cast.organisation.pk, row.key, place=f"provider/{row.pk}")
    assert opened == KEY.encode()
    assert adapter_of(row).upstream.headers == {"authorization": f"Bearer {KEY}"}
    (record,) = records(cast.organisation)
    assert record["kind"] == "provider.created"
    assert record["actor"] == cast.alice.actor
    assert record["body"] == {
        "lexcustis.provider.settings_id": str(row.pk),
        "lexcustis.provider.vendor": "mistral",
        "lexcustis.provider.enabled": True,
        "lexcustis.provider.frozen": False,
        "lexcustis.data_region": "EU",
        "gen_ai.request.model": "mistral-large-latest",
        "lexcustis.changed_fields": ["key"],
    }


def test_a_key_moved_to_another_row_does_not_open(cast: Cast) -> None:
    row, other = mistral(cast.alice), mistral(cast.alice, name="Second", key="")
    other.key = row.key
    with pytest.raises(vault.VaultError):
        adapter_of(other)


def test_the_key_is_in_no_record_and_no_text(cast: Cast) -> None:
    row = mistral(cast.alice)
    provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key=KEY + "2")
    provider_settings.change(tenant=cast.alice, settings_id=row.pk, priority=5)
    row.refresh_from_db()
    texts = [str(row), repr(row), repr(adapter_of(row)), json.dumps(records(cast.organisation))]
    assert not any(KEY in text for text in texts)


def test_a_change_is_recorded_by_the_names_of_its_fields(cast: Cast) -> None:
    row = mistral(cast.alice)
    changed = provider_settings.change(
        tenant=cast.alice,
        settings_id=row.pk,
        priority=1,
        allowed_models=["mistral-small-latest"],
        legal_entity="Mistral AI SAS",
        vendor="mistral",
    )
    assert changed.models_offered == ["mistral-large-latest", "mistral-small-latest"]
    last = records(cast.organisation)[-1]
    assert last["kind"] == "provider.changed"
    assert last["body"]["lexcustis.changed_fields"] == [
        "allowed_models",
        "legal_entity",
        "priority",
    ]
    assert "Mistral AI SAS" not in json.dumps(last)


def test_nothing_changed_is_nothing_recorded(cast: Cast) -> None:
    row = mistral(cast.alice)
    provider_settings.change(tenant=cast.alice, settings_id=row.pk, name=row.name)
    provider_settings.enable(tenant=cast.alice, settings_id=row.pk)
    assert len(records(cast.organisation)) == 1


def test_a_new_address_forgets_the_key(cast: Cast) -> None:
    row = mistral(cast.alice)
    row = provider_settings.change(
        tenant=cast.alice, settings_id=row.pk, base_url="https://api.us.mistral.ai/v1"
    )
    assert (bytes(row.key), row.key_hint, row.key_changed_at) == (b"", "", None)
    assert records(cast.organisation)[-1]["body"]["lexcustis.changed_fields"] == ["base_url", "key"]


def test_a_key_is_replaced_and_forgotten(cast: Cast) -> None:
    row = mistral(cast.alice)
    row = provider_settings.set_key(
        tenant=cast.alice, settings_id=row.pk, key=" new-key-000000000ABCD\n"
    )
    assert row.key_hint == "ABCD"
    assert adapter_of(row).upstream.headers["authorization"] == "Bearer new-key-000000000ABCD"
    row = provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key="short")
    assert row.key_hint == ""
    row = provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key="")
    assert adapter_of(row).upstream.headers == {}
    for wrong in ("two words", "sch\u00fcssel", "a\nb", "x" * 9000):
        with pytest.raises(ValidationError):
            provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key=wrong)


def test_a_key_that_is_a_json_object_is_kept_on_one_line_and_gives_no_hint(cast: Cast) -> None:
    row = mistral(cast.alice)
    key = '{\n  "client_email": "x@y",\n  "private_key": "-----BEGIN KEY-----\\nabc"\n}\n'
    row = provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key=key)
    opened = vault.unseal(row.organisation_id, row.key, place=f"provider/{row.pk}").decode()
    assert json.loads(opened) == json.loads(key)
    assert "\n" not in opened
    assert row.key_hint == ""
    with pytest.raises(ValidationError):
        provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key='{"cut": "off')
    odd = provider_settings.set_key(tenant=cast.alice, settings_id=row.pk, key="{odd-but-a-key}")
    assert adapter_of(odd).upstream.headers["authorization"] == "Bearer {odd-but-a-key}"


def test_the_kill_switch_is_recorded(cast: Cast) -> None:
    row = mistral(cast.alice)
    assert not provider_settings.disable(tenant=cast.alice, settings_id=row.pk).is_enabled
    assert provider_settings.enable(tenant=cast.alice, settings_id=row.pk).is_enabled
    kinds = [record["kind"] for record in records(cast.organisation)]
    assert kinds == ["provider.created", "provider.disabled", "provider.changed"]


def test_only_who_may_manage_providers_changes_them(cast: Cast) -> None:
    row = mistral(cast.alice)
    for tenant in (cast.olivia, cast.rita, cast.max, cast.audrey):
        with pytest.raises(PermissionRefused):
            mistral(tenant, name="Other")
        for act in (provider_settings.disable, provider_settings.enable):
            with pytest.raises(PermissionRefused):
                act(tenant=tenant, settings_id=row.pk)
        with pytest.raises(PermissionRefused):
            provider_settings.set_key(tenant=tenant, settings_id=row.pk, key=KEY)
        with pytest.raises(PermissionRefused):
            provider_settings.change(tenant=tenant, settings_id=row.pk, priority=1)
    assert len(records(cast.organisation)) == 1


def test_a_stranger_learns_nothing(cast: Cast) -> None:
    """Promise P4: a provider of another organisation is as unknown as one that never was."""
    row = mistral(cast.alice)
    messages = set()
    for settings_id in (row.pk, uuid.uuid4()):
        with pytest.raises(UnknownProviderSettings) as caught:
            provider_settings.set_key(tenant=cast.charlie, settings_id=settings_id, key=KEY)
        messages.add(str(caught.value))
        with pytest.raises(UnknownProviderSettings):
            provider_settings.disable(tenant=cast.charlie, settings_id=settings_id)
    assert len(messages) == 1
    assert records(cast.other_organisation) == []


def test_what_fails_is_neither_kept_nor_recorded(cast: Cast) -> None:
    mistral(cast.alice)
    with pytest.raises(ValidationError):
        mistral(cast.alice)  # the name is taken
    with pytest.raises(ValidationError) as caught:
        mistral(cast.alice, name="X", vendor="openia")
    assert "vendor" in caught.value.message_dict
    with pytest.raises(ValidationError):
        mistral(cast.alice, name="X", data_region="Europe")
    with pytest.raises(ValidationError):
        mistral(cast.alice, name="X", options=[1])
    with pytest.raises(ValidationError):
        mistral(cast.alice, name="X", options={"dialect": {"no_such": 1}})
    with pytest.raises(ValidationError):
        mistral(cast.alice, name="X", options={"price": {"input": "-1", "output": "1"}})
    with pytest.raises(ValidationError):
        mistral(cast.alice, name="X", vendor="openai_compatible", base_url="")
    with pytest.raises(TypeError):
        mistral(cast.alice, name="X", key_hint="abcd")
    assert ProviderSettings.objects.for_tenant(cast.alice).count() == 1
    assert len(records(cast.organisation)) == 1


def test_a_region_that_the_address_does_not_support_cannot_be_declared(cast: Cast) -> None:
    with pytest.raises(ValidationError) as caught:
        mistral(cast.alice, base_url="", data_region="EU")
    assert "data_region" in caught.value.message_dict
    assert provider_settings.region_of(mistral(cast.alice, base_url="")) == "unknown"
    eu = mistral(cast.alice, name="EU", data_region="EU")
    with pytest.raises(ValidationError):
        provider_settings.change(tenant=cast.alice, settings_id=eu.pk, base_url="")


def _refused(tenant: Tenant, base_url: str) -> bool:
    try:
        provider_settings.validate(
            ProviderSettings(
                organisation=tenant.organisation,
                name="Guarded",
                vendor="openai_compatible",
                default_model="m",
                base_url=base_url,
            )
        )
    except ValidationError as error:
        return "base_url" in error.message_dict
    return False


def test_every_vector_of_request_forgery_is_refused_when_made_and_when_changed(
    cast: Cast, settings: Any
) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = []
    literal = [f"https://[{a}]/v1" if ":" in a else f"https://{a}/v1" for a in NOT_PUBLIC]
    vectors = [url for url in MALFORMED if url.strip()] + literal + ["http://localhost:11434"]
    assert [url for url in vectors if not _refused(cast.alice, url)] == []
    row = mistral(cast.alice)
    for url in ("https://user@api.mistral.ai/", "https://169.254.169.254/", "http://1.1.1.1/v1"):
        with pytest.raises(ValidationError):
            provider_settings.change(tenant=cast.alice, settings_id=row.pk, base_url=url)
    row.refresh_from_db()
    assert row.base_url == "https://api.eu.mistral.ai/v1"
    assert not _refused(cast.alice, "https://1.1.1.1/v1")


def test_the_operator_opens_networks_for_local_models(cast: Cast, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = ["10.1.0.0/16", "127.0.0.0/8"]
    assert not _refused(cast.alice, "http://10.1.2.3:8000/v1")
    assert not _refused(cast.alice, "http://127.0.0.1:11434")
    assert _refused(cast.alice, "http://10.2.0.1:8000/v1")


async def test_a_provider_is_tried_before_it_is_used() -> None:
    from llm.providers.configuration import Configuration
    from llm.providers.registry import build, vendor
    from tests.llm.providers.golden import OPENAI
    from tests.llm.providers.loopback import Reply, loopback_server

    async with loopback_server() as server:
        models = Reply.json({"data": [{"id": "a-model"}]})
        server.answer = lambda r: models if r.method == "GET" else Reply([OPENAI.stream])
        check = await provider_settings.check(server.provider("openai_compatible"), chat=True)
        assert check.health.ok
        assert check.models == ("a-model",)
        assert check.answered == "gpt-5.2-2026-08-01"
        assert check.region == "self-hosted"
        server.answer = lambda r: models if r.method == "GET" else Reply.json({}, 429)
        check = await provider_settings.check(server.provider("openai_compatible"), chat=True)
        assert "no more requests" in check.problem
    simulated = build(Configuration(vendor("simulated"), "t", "Simulated", "sim-small"))
    assert (await provider_settings.check(simulated)).models == (
        "sim-large",
        "sim-small",
        "sim-embed",
    )
