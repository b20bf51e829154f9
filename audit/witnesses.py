"""Witnesses (C2SP ``tlog-witness``, ``tlog-cosignature``): others who remember our heads.

A witness signs a checkpoint only if the proof shows that it extends the last one it signed. So a
log that was rewound, or that shows different histories to different people, finds no signature,
unless the witness is in it too. Keys are of type 0x04 (Ed25519, ``cosignature/v1``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.notes import InvalidNote, parse_head, split_note
from audit.posting import TIMEOUT_SECONDS, AnchorFailed, Answer, post

CLOCK_TOLERANCE = timedelta(minutes=5)
_COSIGNATURE = b"\x04"
_SIZE_MEDIA = "text/x.tlog.size"
_REFUSALS = {
    400: "it says that the request is malformed",
    403: "it does not know the key of this log",
    404: "it does not know this log",
    409: "it remembers another head of the same size",
    422: "it does not accept the consistency proof: it remembers another history",
}


class WitnessRemembers(AnchorFailed):
    """The witness last signed another size than we thought."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"It remembers a tree of {size} records.")


@dataclass(frozen=True)
class Witness:
    """A witness: where it is asked, and its verification key (``name+id+key``)."""

    url: str
    vkey: str

    @property
    def name(self) -> str:
        """The name under which it signs."""
        return self._key[0]

    @property
    def public_key(self) -> bytes:
        """The Ed25519 key, 32 bytes."""
        return self._key[1]

    def check_key(self) -> None:
        """Raise :class:`AnchorFailed` where the verification key is no use."""
        _ = self._key

    @cached_property
    def _key(self) -> tuple[str, bytes]:
        name, _, rest = self.vkey.strip().partition("+")
        identifier, _, encoded = rest.partition("+")
        try:
            data = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise AnchorFailed("Its verification key is malformed.") from error
        if data[:1] != _COSIGNATURE or len(data) != 33:
            raise AnchorFailed("Its verification key is not of type 0x04 (cosignature/v1).")
        if cosigner_id(name, data[1:]).hex() != identifier:
            raise AnchorFailed("Its verification key contradicts itself.")
        return name, data[1:]


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A verified signature line of a witness, ended by a line feed, and the time it states."""

    line: str
    at: datetime


def request_cosignature(
    note: str,
    witness: Witness,
    *,
    old_size: int,
    consistency_proof: Callable[[int, int], Sequence[bytes]],
    timeout: float = TIMEOUT_SECONDS,
) -> Cosignature:
    """Ask a witness that last signed *old_size* records to cosign a checkpoint.

    ``consistency_proof(old, new)`` gives the hashes for whatever size the witness turns out to
    remember. Raises :class:`AnchorFailed`.
    """
    size = parse_head(split_note(note)[0]).size
    try:
        return _ask(note, witness, old_size, consistency_proof(old_size, size), timeout)
    except WitnessRemembers as memory:
        if memory.size == old_size:
            raise AnchorFailed(f"The witness refused: {_REFUSALS[409]}.") from memory
        if memory.size > size:
            raise AnchorFailed(
                f"The witness has already signed {memory.size} records, we show {size}."
            ) from memory
        return _ask(note, witness, memory.size, consistency_proof(memory.size, size), timeout)


def add_checkpoint_body(note: str, old_size: int, proof: Sequence[bytes]) -> bytes:
    """The body of ``add-checkpoint``: old size, proof, an empty line, the checkpoint."""
    lines = [f"old {old_size}", *(base64.b64encode(node).decode() for node in proof), "", note]
    return "\n".join(lines).encode()


def verify_cosignature(line: str, note: str, witness: Witness) -> Cosignature:
    """Check one signature line over a checkpoint. Raises :class:`AnchorFailed`."""
    try:
        text, _ = split_note(note)
        [(name, signature)] = split_note(f"{text}\n{line}")[1]
    except (InvalidNote, ValueError) as error:
        raise AnchorFailed("This is not a line with a signature.") from error
    if name != witness.name or signature[:4] != cosigner_id(name, witness.public_key):
        raise AnchorFailed(f"This is not a signature of {witness.name}.")
    if len(signature) != 4 + 8 + 64:
        raise AnchorFailed("The cosignature does not have 76 bytes.")
    (seconds,) = struct.unpack(">Q", signature[4:12])
    message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
    try:
        Ed25519PublicKey.from_public_bytes(witness.public_key).verify(signature[12:], message)
        at = datetime.fromtimestamp(seconds, UTC)
    except InvalidSignature as error:
        raise AnchorFailed("The cosignature does not fit the checkpoint.") from error
    except (ValueError, OverflowError, OSError) as error:
        raise AnchorFailed("The cosignature states an impossible time.") from error
    return Cosignature(line, at)


def cosigner_id(name: str, public_key: bytes) -> bytes:
    """The four bytes that name a cosigner's key in signature lines."""
    return hashlib.sha256(name.encode() + b"\n" + _COSIGNATURE + public_key).digest()[:4]


def _ask(
    note: str, witness: Witness, old_size: int, proof: Sequence[bytes], timeout: float
) -> Cosignature:
    address = witness.url.rstrip("/") + "/add-checkpoint"
    body = add_checkpoint_body(note, old_size, proof)
    answer = post(address, body, media="text/plain; charset=utf-8", timeout=timeout)
    if answer.status != 200:
        raise _refusal(answer)
    for line in answer.body.decode(errors="replace").splitlines(keepends=True):
        if line.split(" ")[1:2] == [witness.name]:
            cosignature = verify_cosignature(line, note, witness)
            if abs(cosignature.at - datetime.now(UTC)) > CLOCK_TOLERANCE:
                raise AnchorFailed(f"Its time {cosignature.at:%Y-%m-%d %H:%M} UTC is wrong.")
            return cosignature
    raise AnchorFailed(f"The answer holds no signature of {witness.name}.")


def _refusal(answer: Answer) -> AnchorFailed:
    if answer.status == 409 and answer.media == _SIZE_MEDIA:
        text = answer.body.decode(errors="replace").strip()
        if text.isascii() and text.isdecimal() and len(text) < 19:
            return WitnessRemembers(int(text))
    reason = _REFUSALS.get(answer.status, f"HTTP status {answer.status}")
    return AnchorFailed(f"The witness refused: {reason}.")
