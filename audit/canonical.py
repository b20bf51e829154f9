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
from typing import Any

MAX_BYTES = 16 * 1024
MAX_DEPTH = 12
MAX_INTEGER = 2**53 - 1

_KEY = re.compile(r"[A-Za-z0-9._:/-]{1,100}")


class NotCanonical(ValueError):
    """The value cannot be written in, or was not written in, the canonical form."""


def encode(value: Mapping[str, Any]) -> bytes:
    """The canonical bytes of an object. Raises :class:`NotCanonical` with the place and reason."""
    _check(value, "$", 0)
    try:
        data = json.dumps(
            value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
        ).encode()
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
        value = json.loads(data.decode(), object_pairs_hook=_object_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise NotCanonical(str(error)) from error
    if not isinstance(value, dict):
        raise NotCanonical("not an object")
    if encode(value) != data:
        raise NotCanonical("the bytes are not the canonical form of what they say")
    return value


def _check(value: object, place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical(f"{place}: nested deeper than {MAX_DEPTH}")
    if value is None or isinstance(value, str | bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonical(f"{place}: the integer is beyond 2^53 - 1; write it as a string")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise NotCanonical(f"{place}: the key {key!r} is not allowed")
            _check(item, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{place}[{index}]", depth + 1)
    else:
        kind = type(value).__name__
        raise NotCanonical(f"{place}: {kind} is not allowed; decimals and the like are strings")


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotCanonical("a key occurs twice")
    return value
