"""Signed notes and checkpoints (C2SP ``signed-note``, ``tlog-checkpoint``), with Ed25519.

A verification key ("vkey") is ``<name>+<key id in hexadecimal>+<base64 of 0x01 and public key>``.

A checkpoint may bear a second signature, for the day on which Ed25519 falls to a quantum computer:
ML-DSA-44 (FIPS 204) in the form of C2SP ``tlog-cosignature``, signature type 0x06. It covers the
log's name, size and root and the moment of signing; Ed25519 stays, and is always there.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

_ED25519 = b"\x01"
_ML_DSA_44 = b"\x06"
_PUBLIC_BYTES = {_ED25519: 32, _ML_DSA_44: 1312}
_SECOND_BYTES = 4 + 8 + 2420  # key id, seconds since 1970, signature
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
    """The four bytes that name a key in signature lines; its type follows from its length."""
    kind = next(kind for kind, length in _PUBLIC_BYTES.items() if length == len(public_key))
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:4]


def verification_key(name: str, public_key: bytes) -> str:
    """The vkey of a public key: 32 bytes of Ed25519, or 1,312 of ML-DSA-44."""
    kind = next(kind for kind, length in _PUBLIC_BYTES.items() if length == len(public_key))
    encoded = base64.b64encode(kind + public_key).decode()
    return f"{name}+{key_id(name, public_key).hex()}+{encoded}"


def parse_verification_key(vkey: str) -> tuple[str, bytes]:
    """Name and public key of a vkey. Raises :class:`InvalidNote`."""
    parts = vkey.strip().split("+", 2)
    try:
        name, identifier, encoded = parts
        data = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InvalidNote("This is not a verification key.") from error
    if len(data) - 1 != _PUBLIC_BYTES.get(data[:1]) or key_id(name, data[1:]).hex() != identifier:
        raise InvalidNote("The verification key contradicts itself.")
    return name, data[1:]


def is_second_key(public_key: bytes) -> bool:
    """Whether a public key is one of ML-DSA-44."""
    return len(public_key) == _PUBLIC_BYTES[_ML_DSA_44]


def is_second_signature(data: bytes) -> bool:
    """Whether a signature line's bytes, key id included, are a second signature's."""
    return len(data) == _SECOND_BYTES


def sign(text: str, *, name: str, private_key: Ed25519PrivateKey) -> str:
    """The signature line of *name* under *text*, ended."""
    public = private_key.public_key().public_bytes_raw()
    signature = key_id(name, public) + private_key.sign(text.encode())
    return f"{_DASH} {name} {base64.b64encode(signature).decode()}\n"


def sign_again(head: Head, *, name: str, private_key: MLDSA44PrivateKey, moment: int) -> str:
    """The second signature line under a checkpoint, ended; *moment* in seconds since 1970."""
    public = private_key.public_key().public_bytes_raw()
    signature = private_key.sign(_cosigned(head, name, moment))
    line = key_id(name, public) + moment.to_bytes(8, "big") + signature
    return f"{_DASH} {name} {base64.b64encode(line).decode()}\n"


def _cosigned(head: Head, name: str, moment: int) -> bytes:
    """The ``cosigned_message`` of C2SP ``tlog-cosignature``, in the form of TLS structures."""
    cosigner, origin = name.encode(), head.origin.encode()
    return b"".join(
        (
            b"subtree/v1\n\0",
            len(cosigner).to_bytes(1, "big") + cosigner,
            moment.to_bytes(8, "big"),
            len(origin).to_bytes(1, "big") + origin,
            (0).to_bytes(8, "big"),
            head.size.to_bytes(8, "big"),
            head.root,
        )
    )


def verify(note: str, vkey: str) -> Head:
    """The head of a checkpoint that *vkey* signed, of either kind. Raises :class:`InvalidNote`."""
    name, public = parse_verification_key(vkey)
    text, lines = split_note(note)
    wanted = key_id(name, public)
    for line in lines:
        if line[0] == name and line[1][:4] == wanted:
            head = parse_head(text)
            try:
                _verify_line(text, head, name, public, line[1][4:])
            except (InvalidSignature, ValueError) as error:
                raise InvalidNote("The signature does not fit the text.") from error
            return head
    raise InvalidNote(f"There is no signature of {name}.")


def _verify_line(text: str, head: Head, name: str, public: bytes, signed: bytes) -> None:
    if len(public) == _PUBLIC_BYTES[_ED25519]:
        Ed25519PublicKey.from_public_bytes(public).verify(signed, text.encode())
        return
    moment = int.from_bytes(signed[:8], "big")
    message = _cosigned(head, name, moment)
    MLDSA44PublicKey.from_public_bytes(public).verify(signed[8:], message)


def short(note: str) -> str:
    """The note with Ed25519 alone: the second signature is too long for paper and QR codes.

    What somebody made no note of stays as it is, for whoever reads it to see.
    """
    text, _, rest = note.rpartition("\n\n")
    try:
        lines = split_note(note)[1]
    except InvalidNote:
        return note
    kept = [
        written
        for written, (_name, data) in zip(rest.splitlines(keepends=True), lines, strict=True)
        if not is_second_signature(data)
    ]
    return f"{text}\n\n{''.join(kept)}"


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
