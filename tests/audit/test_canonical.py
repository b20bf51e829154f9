"""The canonical form is RFC 8785 inside its profile, and refuses everything outside of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.canonical import MAX_BYTES, MAX_DEPTH, MAX_INTEGER, NotCanonical, decode, encode
from audit.verifier import _check_value

KEYS = st.from_regex(r"[A-Za-z0-9._:/-]{1,20}", fullmatch=True)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)


@pytest.mark.timeout(600)
@settings(max_examples=2000, deadline=None)
@given(OBJECTS)
def test_it_gives_the_bytes_of_rfc_8785(value: dict[str, Any]) -> None:
    data = encode(value)
    assert data == rfc8785.dumps(value)
    assert decode(data) == value
    _check_value(json.loads(data))


@pytest.mark.parametrize(
    "value",
    [
        {"a": 0.5},
        {"a": 1.0},
        {"a": float("nan")},
        {"a": -0.0},
        {"a": 2**53},
        {"a": -(2**53)},
        {"a": "\ud800"},
        {"é": 1},
        {"": 1},
        {"a b": 1},
        {"a" * 101: 1},
        {1: 1},
        {"a": {1, 2}},
        {"a": b"bytes"},
        {"a": object()},
        {"a": "x" * MAX_BYTES},
    ],
)
def test_what_lies_outside_the_profile_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(NotCanonical):
        encode(value)


def test_what_is_refused_is_named_with_its_place() -> None:
    with pytest.raises(NotCanonical, match=re.escape("$.a[1].b.c: float is not allowed")):
        encode({"a": ["x", {"b": {"c": 1.5}}]})
    with pytest.raises(NotCanonical, match=re.escape("$.a: the key 'é' is not allowed")):
        encode({"a": {"é": "x"}})


@pytest.mark.parametrize("innermost", ["text", 1, {}, []])
@pytest.mark.parametrize("wrap", [lambda value: {"a": value}, lambda value: [value]])
def test_twelve_levels_are_allowed_whatever_the_last_holds(
    wrap: Callable[[Any], Any], innermost: object
) -> None:
    value: Any = innermost
    for _ in range(MAX_DEPTH - 1):
        value = wrap(value)
    assert decode(encode({"a": value})) == {"a": value}
    with pytest.raises(NotCanonical, match="deeper"):
        encode({"a": wrap(value)})


def test_too_deep_is_refused() -> None:
    value: dict[str, Any] = {}
    for _ in range(20):
        value = {"a": value}
    with pytest.raises(NotCanonical, match="deeper"):
        encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a": 1}',
        b'{"b":1,"a":2}',
        b'{"a":1.0}',
        b'{"a":1e2}',
        b'{"a":"\\u0061"}',
        b'{"a":"\\ud800"}',
        b'{"a":1}\n',
        b"[1]",
        b"\xff",
        b"",
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(NotCanonical):
        decode(data)


def test_the_examples_of_rfc_8785_that_lie_inside_the_profile() -> None:
    """Section 3.2.2's strings and section 3.2.3's order, without its numbers and wide keys."""
    value = {
        "string": "€$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
        "literals": [None, True, False],
    }
    assert encode(value) == (
        b'{"literals":[null,true,false],"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
