"""What is sealed opens only where it was put."""

from __future__ import annotations

import pytest

from orgs import vault
from tests.cast import Cast


def test_a_sealed_value_opens_in_its_place(cast: Cast) -> None:
    sealed = vault.seal(cast.organisation.pk, b"secret", place="x/1")
    assert b"secret" not in sealed
    assert vault.unseal(cast.organisation.pk, sealed, place="x/1") == b"secret"


def test_a_sealed_value_does_not_open_elsewhere(cast: Cast) -> None:
    sealed = vault.seal(cast.organisation.pk, b"secret", place="x/1")
    with pytest.raises(vault.VaultError):
        vault.unseal(cast.organisation.pk, sealed, place="x/2")
    with pytest.raises(vault.VaultError):
        vault.unseal(cast.other_organisation.pk, sealed, place="x/1")


def test_every_changed_byte_is_noticed(cast: Cast) -> None:
    sealed = vault.seal(cast.organisation.pk, b"secret", place="x/1")
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(vault.VaultError):
            vault.unseal(cast.organisation.pk, bytes(changed), place="x/1")


def test_after_rotation_old_values_open_and_can_be_rewrapped(cast: Cast) -> None:
    organisation_id = cast.organisation.pk
    old = vault.seal(organisation_id, b"secret", place="x/1")
    number = vault.create_organisation_key(organisation_id)
    new = vault.rewrap(organisation_id, old, place="x/1")
    assert int.from_bytes(new[1:5], "big") == number == 2
    assert vault.unseal(organisation_id, old, place="x/1") == b"secret"
    assert vault.unseal(organisation_id, new, place="x/1") == b"secret"
