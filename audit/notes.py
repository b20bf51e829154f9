"""Signed notes and checkpoints (C2SP ``signed-note``, ``tlog-checkpoint``), with Ed25519.

A verification key ("vkey") is ``<name>+<key id in hexadecimal>+<base64 of 0x01 and public key>``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_DASH = "\N{EM DASH}"


class InvalidNote(ValueError):
    """The note is malformed, or lacks a valid signature of the key asked for."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a tree: its size and root hash."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The note's text: three lines, each ended."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that name a key in signature lines."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verification_key(name: str, public_key: bytes) -> str:
    """The vkey of a public key of 32 bytes."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def parse_verification_key(vkey: str) -> tuple[str, bytes]:
    """Name and public key of a vkey. Raises :class:`InvalidNote`."""
    parts = vkey.strip().split("+", 2)
    try:
        name, identifier, encoded = parts
        data = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidNote("This is not a verification key.") from error
    if data[:1] != _ED25519 or len(data) != 33 or key_id(name, data[1:]).hex() != identifier:
        raise InvalidNote("The verification key contradicts itself.")
    return name, data[1:]


def sign(text: str, *, name: str, private_key: Ed25519PrivateKey) -> str:
    """The signature line of *name* under *text*, ended."""
    public = private_key.public_key().public_bytes_raw()
    signature = key_id(name, public) + private_key.sign(text.encode())
    return f"{_DASH} {name} {base64.b64encode(signature).decode()}\n"


def verify(note: str, vkey: str) -> Head:
    """The head of a checkpoint that *vkey* signed. Raises :class:`InvalidNote`."""
    name, public = parse_verification_key(vkey)
    text, lines = split_note(note)
    wanted = key_id(name, public)
    for line in lines:
        if line[0] == name and line[1][:4] == wanted:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(line[1][4:], text.encode())
            except InvalidSignature as error:
                raise InvalidNote("The signature does not fit the text.") from error
            return parse_head(text)
    raise InvalidNote(f"There is no signature of {name}.")


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note and its signatures as (name, key id and signature)."""
    text, found, rest = note.rpartition("\n\n")
    if not found or not rest.endswith("\n"):
        raise InvalidNote("This is not a signed note.")
    lines = []
    for line in rest[:-1].split("\n"):
        dash, _, signature = line.partition(" ")
        name, _, encoded = signature.partition(" ")
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise InvalidNote("A signature line is malformed.") from error
        if dash != _DASH or not name or len(data) < 5:
            raise InvalidNote("A signature line is malformed.")
        lines.append((name, data))
    return text + "\n", lines


def parse_head(text: str) -> Head:
    """The head that a checkpoint's text names."""
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], int(lines[1]), base64.b64decode(lines[2], validate=True)
    except (IndexError, ValueError, binascii.Error) as error:
        raise InvalidNote("This is not a checkpoint.") from error
    if not origin or str(size) != lines[1] or size < 0 or len(root) != 32:
        raise InvalidNote("This is not a checkpoint.")
    return Head(origin, size, root)
