"""The vault: envelope encryption of everything secret or personal that rests in the database.

Each item has a key of its own, wrapped by its organisation's key, which is wrapped by the instance
key from the environment. All three steps are AES-256-GCM. The associated data binds an item to
its organisation and its place, so that a sealed value moved elsewhere does not open.

A sealed value is: version (1 byte, 0x01), organisation key number (4 bytes, big endian), wrapped
item key (12 nonce + 32 + 16 tag), nonce (12), ciphertext, tag (16).
"""

from __future__ import annotations

import base64
import os
import threading
import time
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from orgs.models import OrganisationKey
from orgs.randomness import random_bytes

_VERSION = b"\x01"
_NONCE = 12
_WRAPPED = _NONCE + 32 + 16
_HEADER = 1 + 4 + _WRAPPED


class VaultError(Exception):
    """A sealed value cannot be opened: wrong place, wrong key, or changed bytes."""


# A process notices within this time that an organisation has a newer key.
NEWEST_FOR_SECONDS = 60.0

_cache: dict[tuple[UUID, int], bytes] = {}
_newest: dict[UUID, tuple[int, float]] = {}  # number, and when to ask again
_lock = threading.Lock()


def instance_keys() -> dict[str, bytes]:
    """The instance keys by id, newest first, from the setting ``VAULT_KEYS``."""
    keys: dict[str, bytes] = {}
    for entry in settings.VAULT_KEYS:
        identifier, _, encoded = entry.strip().partition(":")
        key = base64.b64decode(encoded)
        if not identifier or len(key) != 32:
            raise ImproperlyConfigured(
                "VAULT_KEYS must be 'id:base64 of 32 bytes', several separated by commas. "
                "Make one with: python manage.py vaultkey"
            )
        keys[identifier] = key
    return keys


def seal(organisation_id: UUID, plaintext: bytes, *, place: str) -> bytes:
    """Encrypt *plaintext* for an organisation; *place* names where the result will stand."""
    number, organisation_key = _newest_key(organisation_id)
    item_key = random_bytes(32)
    associated = _associated(organisation_id, place)
    return b"".join(
        (
            _VERSION,
            number.to_bytes(4, "big"),
            _encrypt(organisation_key, item_key, associated),
            _encrypt(item_key, plaintext, associated),
        )
    )


def unseal(organisation_id: UUID, sealed: bytes, *, place: str) -> bytes:
    """Decrypt what :func:`seal` made for the same organisation and place.

    Raises :class:`VaultError`.
    """
    sealed = bytes(sealed)
    if len(sealed) < _HEADER + _NONCE + 16 or sealed[:1] != _VERSION:
        raise VaultError("This is not a sealed value.")
    associated = _associated(organisation_id, place)
    organisation_key = _key(organisation_id, number_of(sealed))
    item_key = _decrypt(organisation_key, sealed[5:_HEADER], associated)
    return _decrypt(item_key, sealed[_HEADER:], associated)


def create_organisation_key(organisation_id: UUID) -> int:
    """Make the organisation's next key, the one that seals from now on; return its number.

    Belongs into the transaction that makes the organisation, or into one of its own.
    """
    newest = OrganisationKey.objects.for_organisation(organisation_id).order_by("-number").first()
    number = newest.number + 1 if newest else 1
    key_id, instance_key = next(iter(instance_keys().items()))
    OrganisationKey.objects.create(
        organisation_id=organisation_id,
        number=number,
        wrapped=_encrypt(
            instance_key, os.urandom(32), _associated(organisation_id, f"key/{number}")
        ),
        instance_key_id=key_id,
    )
    transaction.on_commit(forget_keys)
    return number


def rewrap(organisation_id: UUID, sealed: bytes, *, place: str) -> bytes:
    """The same sealed value with its item key wrapped by the newest organisation key."""
    sealed = bytes(sealed)
    associated = _associated(organisation_id, place)
    old_key = _key(organisation_id, number_of(sealed))
    item_key = _decrypt(old_key, sealed[5:_HEADER], associated)
    number, new_key = _newest_key(organisation_id)
    wrapped = _encrypt(new_key, item_key, associated)
    return b"".join((_VERSION, number.to_bytes(4, "big"), wrapped, sealed[_HEADER:]))


def rewrapped_organisation_key(row: OrganisationKey) -> tuple[bytes, str]:
    """The organisation's key wrapped by the newest instance key, and that key's id."""
    key_id, instance_key = next(iter(instance_keys().items()))
    associated = _associated(row.organisation_id, f"key/{row.number}")
    return _encrypt(instance_key, _unwrapped(row), associated), key_id


def newest_number(organisation_id: UUID) -> int:
    """The number of the key that seals the organisation's texts. Reads the database."""
    keys = OrganisationKey.objects.for_organisation(organisation_id).order_by("-number")
    number: int | None = keys.values_list("number", flat=True).first()
    if number is None:
        raise VaultError("The organisation has no key: make it with create_organisation().")
    return number


def number_of(sealed: bytes) -> int:
    """The number of the organisation's key that wraps a sealed value's own."""
    return int.from_bytes(sealed[1:5], "big")


def forget_keys() -> None:
    """Empty this process's memory of organisation keys."""
    with _lock:
        _cache.clear()
        _newest.clear()


def _associated(organisation_id: UUID, place: str) -> bytes:
    return f"lexcustis/vault/1\n{organisation_id}\n{place}".encode()


def _encrypt(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    nonce = random_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def _decrypt(key: bytes, sealed: bytes, associated: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], associated)
    except InvalidTag as error:
        raise VaultError("The sealed value does not open here: it was moved or changed.") from error


def _newest_key(organisation_id: UUID) -> tuple[int, bytes]:
    number, ask_again = _newest.get(organisation_id, (0, 0.0))
    if time.monotonic() >= ask_again:
        number = newest_number(organisation_id)
        with _lock:
            _newest[organisation_id] = number, time.monotonic() + NEWEST_FOR_SECONDS
    return number, _key(organisation_id, number)


def _key(organisation_id: UUID, number: int) -> bytes:
    cached = _cache.get((organisation_id, number))
    if cached is not None:
        return cached
    row = OrganisationKey.objects.for_organisation(organisation_id).filter(number=number).first()
    if row is None:
        raise VaultError("The organisation's key is gone: what it sealed cannot be read again.")
    key = _unwrapped(row)
    with _lock:
        _cache[organisation_id, number] = key
    return key


def _unwrapped(row: OrganisationKey) -> bytes:
    instance_key = instance_keys().get(row.instance_key_id)
    if instance_key is None:
        raise VaultError(f"The instance key “{row.instance_key_id}” is not in VAULT_KEYS.")
    associated = _associated(row.organisation_id, f"key/{row.number}")
    return _decrypt(instance_key, bytes(row.wrapped), associated)
