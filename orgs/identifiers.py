"""Identifiers: random to an outsider, ordered by time for the database."""

from __future__ import annotations

import time
from datetime import datetime
from uuid import UUID

from orgs.randomness import random_bytes


def uuid7(at: datetime | None = None) -> UUID:
    """A version 7 UUID (RFC 9562, 5.7) of the time *at*, by default now.

    48 bits of milliseconds since 1970, then 74 random bits.
    """
    milliseconds = int(at.timestamp() * 1000) if at else time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(random_bytes(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
