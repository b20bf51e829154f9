"""Commitments to content: what a record says about text that is kept beside the log.

The commitment is SHA-256 over a fresh 32-byte salt and the content, bound to the log, the record,
the slot, the media type and the length. While salt and content exist anyone who is shown both can
check it; when both are erased, nothing can be guessed from it.
"""

from __future__ import annotations

import base64
import hashlib
from uuid import UUID

from orgs.randomness import random_bytes

SALT_BYTES = 32
_TAG = "aal/1/commit"


def fresh_salt() -> bytes:
    """32 random bytes, one draw for each slot of each record."""
    return random_bytes(SALT_BYTES)


def commitment(
    *, salt: bytes, origin: str, record_id: UUID, slot: str, media: str, content: bytes
) -> str:
    """The commitment as 43 characters of base64url without padding."""
    fields = (_TAG, origin, str(record_id), slot, media, str(len(content)))
    head = "".join(f"{field}\n" for field in fields).encode()
    digest = hashlib.sha256(salt + head + content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
