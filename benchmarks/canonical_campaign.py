"""The canonical form against an independent implementation of RFC 8785, on generated objects."""

from __future__ import annotations

import json
from typing import Any

import rfc8785
from hypothesis import HealthCheck, Phase, given, seed, settings

from audit.canonical import decode, encode
from benchmarks.ledger_instance import is_full, tell, tell_machine
from tests.audit.test_canonical import OBJECTS

OBJECTS_FULL, OBJECTS_CI = 60_000, 2_000


def main(scale: str | None = None) -> None:
    """Compare the bytes of both, object by object."""
    count = OBJECTS_FULL if is_full(scale) else OBJECTS_CI
    compared, different = set[bytes](), list[bytes]()

    @seed(1)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(OBJECTS)
    def compare(value: dict[str, Any]) -> None:
        data = encode(value)
        compared.add(data)
        if data != rfc8785.dumps(value) or decode(data) != value or json.loads(data) != value:
            different.append(data)

    tell_machine()
    compare()
    tell(
        "generated objects whose bytes differ from those of RFC 8785",
        len(different),
        "objects",
        goal="<= 0",
        reference=f"{count} generated, {len(compared)} different ones; package rfc8785",
    )


if __name__ == "__main__":
    main()
