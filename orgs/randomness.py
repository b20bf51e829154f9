"""Random bytes of the operating system, fetched some thousand at a time.

Each time a thread asks the system itself, Python lets another thread go first and this one waits
for its turn again: forty microseconds under load, and a call to a model needs fourteen such
strings (ids, salts, keys of single texts, nonces). What is asked seldom, such as an organisation's
key, comes from ``os.urandom`` as ever.
"""

from __future__ import annotations

import os
import threading
from uuid import UUID

_AT_ONCE = 4096


class _Stock:
    """Bytes that nobody has got yet; none is given twice."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._given = 0

    def take(self, count: int) -> bytes:
        with self._lock:
            if len(self._bytes) - self._given < count:
                self._bytes, self._given = os.urandom(max(_AT_ONCE, count)), 0
            first, self._given = self._given, self._given + count
            return self._bytes[first : self._given]


_stock = _Stock()


def random_bytes(count: int) -> bytes:
    """*count* random bytes, fit for keys and nonces."""
    return _stock.take(count)


def random_uuid() -> UUID:
    """A version 4 UUID (RFC 9562, 5.4)."""
    return UUID(bytes=random_bytes(16), version=4)


def _forget() -> None:
    """A child process has its parent's bytes, which it must not give again."""
    global _stock  # noqa: PLW0603 - of this process
    _stock = _Stock()


os.register_at_fork(after_in_child=_forget)
