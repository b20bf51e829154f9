"""Keys of the vault are replaced while everything runs, and nothing becomes unreadable."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction

from audit.kinds import Kind
from audit.ledger import Draft, Text, commit_blocking
from audit.reading import read_content, record_bytes, records
from lexcustis.fresh_env import new_vault_key
from llm import provider_settings
from llm.models import Conversation, ProviderSettings
from llm.titles import seal_title, unseal_title
from orgs import vault
from orgs.identifiers import uuid7
from orgs.models import Organisation, OrganisationKey
from orgs.prepared_queries import insertion
from orgs.trips import change_together
from tests.cast import Cast


@pytest.fixture
def fresh_instance_key(settings: Any) -> Iterator[str]:
    """A newer instance key; afterwards the keys of everybody are wrapped as they were."""
    before = list(settings.VAULT_KEYS)
    entry = new_vault_key("fresh")
    settings.VAULT_KEYS = [entry, *before]
    yield entry
    settings.VAULT_KEYS = [*before, entry]
    call_command("rotate_keys", stdout=StringIO())
    settings.VAULT_KEYS = before
    vault.forget_keys()


def _said(*arguments: str) -> str:
    words = StringIO()
    call_command("rotate_keys", *arguments, stdout=words)
    return words.getvalue()


def _record(cast: Cast, text: str) -> UUID:
    draft = Draft(
        cast.organisation.pk,
        Kind.INFERENCE_REQUESTED,
        cast.alice.actor,
        {"gen_ai.operation.name": "chat"},
        content={"prompt": Text(text)},
    )
    return commit_blocking(draft).record_id


def test_an_instance_key_may_go_once_nothing_is_wrapped_by_it(
    cast: Cast, settings: Any, fresh_instance_key: str
) -> None:
    record_id = _record(cast, "written before")
    old = settings.VAULT_KEYS[1].partition(":")[0]
    assert f"Nothing needs “{old}” of VAULT_KEYS any more." in _said()
    assert "0 organisations' keys were wrapped" in _said()
    settings.VAULT_KEYS = [fresh_instance_key]
    vault.forget_keys()
    assert read_content(cast.organisation.pk, record_id, "prompt") == b"written before"


def test_without_the_old_instance_key_it_says_what_is_missing(
    cast: Cast, settings: Any, fresh_instance_key: str
) -> None:
    before = settings.VAULT_KEYS
    settings.VAULT_KEYS = [fresh_instance_key]
    with pytest.raises(CommandError, match="Add it behind the newest"):
        _said()
    settings.VAULT_KEYS = before


def test_what_does_not_open_is_named_and_holds_nothing_up(cast: Cast) -> None:
    rows = [
        Conversation(
            pk=uuid7(),
            organisation=cast.organisation,
            user=cast.max.user,
            sealed_title=b"not what was sealed",
        )
        for _ in range(2)
    ]
    for row in rows:
        row.save()
    whole, damaged = rows
    whole.sealed_title = seal_title(cast.organisation.pk, whole.pk, "a title")
    whole.save()
    named, said = StringIO(), StringIO()
    call_command("rotate_keys", "--renew", cast.organisation.slug, stdout=said, stderr=named)
    assert f"sealed_title of llm.Conversation {damaged.pk} does not open" in named.getvalue()
    assert "1 sealed values were moved" in said.getvalue()
    whole.refresh_from_db()
    assert unseal_title(whole) == "a title"


def test_an_organisation_without_a_key_is_named_and_holds_nothing_up(cast: Cast) -> None:
    """As after a backup that was not restored whole."""
    slug = f"0-{cast.organisation.slug}"  # the first in order
    named, said = StringIO(), StringIO()
    with transaction.atomic():
        change_together([insertion(Organisation, name="Keyless", slug=slug)])
        call_command("rotate_keys", stdout=said, stderr=named)
        transaction.set_rollback(True)
    assert f"{slug}: The organisation has no key" in named.getvalue()
    assert "sealed values were moved" in said.getvalue()


def test_a_renewed_key_opens_what_was_sealed_and_seals_what_comes(cast: Cast) -> None:
    provider = provider_settings.create(
        tenant=cast.alice,
        name="Ours",
        vendor="mistral",
        default_model="mistral-large-latest",
        key="secret-key-of-the-vendor",
    )
    conversation_id = uuid7()
    Conversation.objects.create(
        id=conversation_id,
        organisation_id=cast.organisation.pk,
        user_id=cast.max.user.pk,
        sealed_title=seal_title(cast.organisation.pk, conversation_id, "Contracts"),
    )
    record_id = _record(cast, "written before")
    said = _said("--renew", cast.organisation.slug)
    assert f"{cast.organisation.slug}: key 2 seals from now on." in said

    row = ProviderSettings.objects.for_tenant(cast.alice).get(pk=provider.pk)
    assert vault.number_of(bytes(row.key)) == 2
    conversation = Conversation.objects.for_tenant(cast.alice).get(pk=conversation_id)
    assert vault.number_of(bytes(conversation.sealed_title)) == 2
    assert unseal_title(conversation) == "Contracts"
    assert provider_settings.configuration_of(row).key == "secret-key-of-the-vendor"
    assert read_content(cast.organisation.pk, record_id, "prompt") == b"written before"
    assert vault.number_of(vault.seal(cast.organisation.pk, b"new", place="x")) == 2
    newest = records(cast.olivia).filter(kind="organisation.changed").first()
    assert newest is not None
    recorded = json.loads(record_bytes(cast.organisation.pk, newest.record_id))
    assert recorded["body"]["lexcustis.vault.key"] == 2


def test_nobody_notices_a_rotation(
    cast: Cast, fresh_instance_key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four threads write and read back while both kinds of keys are replaced ten times."""
    monkeypatch.setattr(vault, "NEWEST_FOR_SECONDS", 0.01)
    over, failures, written = threading.Event(), [], []

    def work(number: int) -> None:
        try:
            count = 0
            while not over.is_set():
                text = f"{number} {count}"
                record_id = _record(cast, text)
                assert read_content(cast.organisation.pk, record_id, "prompt") == text.encode()
                written.append((record_id, text))
                count += 1
        except BaseException as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        _said("--renew", cast.organisation.slug)
    over.set()
    for thread in threads:
        thread.join()
    assert not failures
    vault.forget_keys()
    for record_id, text in written:
        assert read_content(cast.organisation.pk, record_id, "prompt") == text.encode()
    keys = OrganisationKey.objects.for_organisation(cast.organisation.pk)
    assert keys.count() == 11
    assert {key.instance_key_id for key in keys} == {"fresh"}
