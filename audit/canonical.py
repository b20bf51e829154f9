"""Canonical JSON: the restricted profile of RFC 8785 (JCS) in which records are written.

Keys are 1 to 100 characters of ``A-Z a-z 0-9 . _ : / -``; values are strings, integers within
±(2^53 - 1), booleans, null, arrays and objects, at most 12 levels deep; a record has at most
16 KB. There are no floating-point numbers: decimals are strings. Within this profile
``json.dumps`` with sorted keys gives the bytes of RFC 8785; outside it libraries disagree, so
everything outside is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

MAX_BYTES = 16 * 1024
MAX_DEPTH = 12
MAX_INTEGER = 2**53 - 1

_PLAIN, _ARRAYS = (str, bool), (list, tuple)
_KEY = re.compile(r"[A-Za-z0-9._:/-]{1,100}")


class NotCanonical(ValueError):
    """The value cannot be written in, or was not written in, the canonical form."""


class _Refused(Exception):
    """Why a value cannot be written; where it is, is put together on the way out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = ""


def encode(value: Mapping[str, Any]) -> bytes:
    """The canonical bytes of an object. Raises :class:`NotCanonical` with the place and reason."""
    try:
        _check(value, 0)
    except _Refused as refused:
        raise NotCanonical(f"${refused.place}: {refused.reason}") from None
    try:
        data = _write(value).encode()
    except UnicodeEncodeError as error:
        raise NotCanonical("a string holds a lone surrogate") from error
    if len(data) > MAX_BYTES:
        raise NotCanonical(f"{len(data)} bytes, more than {MAX_BYTES}")
    return data


def decode(data: bytes) -> dict[str, Any]:
    """Parse canonical bytes; raises :class:`NotCanonical` unless they are exactly canonical."""
    if len(data) > MAX_BYTES:
        raise NotCanonical(f"{len(data)} bytes, more than {MAX_BYTES}")
    try:
        value = _read(data.decode())
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from error
    if not isinstance(value, dict):
        raise NotCanonical("not an object")
    if encode(value) != data:
        raise NotCanonical("the bytes are not the canonical form of what they say")
    return value


def _check(value: object, depth: int) -> None:
    """Raise :class:`_Refused` unless the value is within the profile. Every record passes here."""
    if depth > MAX_DEPTH:
        raise _Refused(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, dict):
        _check_object(value, depth)
    elif isinstance(value, _ARRAYS):
        for index, item in enumerate(value):
            _check_within(item, depth, "[]", index)
    elif value is None or isinstance(value, _PLAIN):
        return
    elif not isinstance(value, int):
        kind = type(value).__name__
        raise _Refused(f"{kind} is not allowed; decimals and the like are strings")
    elif abs(value) > MAX_INTEGER:
        raise _Refused("the integer is beyond 2^53 - 1; write it as a string")


def _check_object(value: dict[object, object], depth: int) -> None:
    for key, item in value.items():
        if not isinstance(key, str) or not _is_key(key):
            raise _Refused(f"the key {key!r} is not allowed")
        if type(item) is not str or depth == MAX_DEPTH:  # nearly all are, and may be anything
            _check_within(item, depth, ".", key)


def _check_within(item: object, depth: int, signs: str, name: str | int) -> None:
    try:
        _check(item, depth + 1)
    except _Refused as refused:
        refused.place = f"{signs[0]}{name}{signs[1:]}{refused.place}"
        raise


@lru_cache(maxsize=1024)
def _is_key(key: str) -> bool:
    return _KEY.fullmatch(key) is not None


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotCanonical("a key occurs twice")
    return value


_write = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_read = json.JSONDecoder(object_pairs_hook=_object_without_duplicates).decode
