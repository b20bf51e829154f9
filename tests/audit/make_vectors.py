"""Makes ``audit/vectors/vectors.json``: run ``python -m tests.audit.make_vectors`` to renew it.

Others can write a second verifier against it. Records have random ids, so a new run gives other
vectors; the test checks those that are kept.
"""

from __future__ import annotations

import base64
import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIZES = [0, 1, 2, 3, 7, 8, 255, 256, 257, 70_000]
PROOF_SIZES = [1, 2, 3, 7, 8, 257]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def trees() -> list[dict[str, Any]]:
    from audit.hashing import leaf_hash, root_of
    from audit.tree import consistency_ranges, inclusion_ranges

    leaves = [leaf_hash(str(index).encode()) for index in range(max(SIZES))]

    def roots(ranges: list[tuple[int, int]]) -> list[str]:
        return [encoded(root_of(leaves[start:end])) for start, end in ranges]

    result = []
    for size in SIZES:
        tree: dict[str, Any] = {"size": size, "root": encoded(root_of(leaves[:size]))}
        if size in PROOF_SIZES:
            tree["inclusion"] = [
                {"index": index, "path": roots(inclusion_ranges(index, size))}
                for index in sorted({0, size // 2, size - 1})
            ]
            tree["consistency"] = [
                {"old_size": old, "path": roots(consistency_ranges(old, size))}
                for old in sorted({1, size // 2, size} - {0})
            ]
        result.append(tree)
    return result


def commitments() -> list[dict[str, Any]]:
    from audit.commitments import commitment

    record_id = UUID("01936c1e-7b2a-7c11-9a3e-5d2b6f0a0001")
    origin = "ledger.example/o/" + "5f" * 16 + "/1"
    cases = [(b"", "text/plain"), ("Grüße €".encode(), "text/plain"), (b"\x00\n\xff", "image/png")]
    return [
        {
            "salt": encoded(bytes([number] * 32)),
            "log": origin,
            "id": str(record_id),
            "slot": "prompt",
            "media": media,
            "content": encoded(content),
            "commitment": commitment(
                salt=bytes([number] * 32),
                origin=origin,
                record_id=record_id,
                slot="prompt",
                media=media,
                content=content,
            ),
        }
        for number, (content, media) in enumerate(cases)
    ]


def bundles() -> list[dict[str, Any]]:
    from tests.audit.bundles import MUTATIONS, make_forge

    result = []
    for mutation in [None, *MUTATIONS]:
        name = mutation.__name__ if mutation else "honest"
        chance = random.Random(name)
        forge = make_forge(chance, size=9)
        forge.key, forge.first, forge.end = KEY, 3, 8
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "bundle")
            forge.write(path)
            if mutation:
                mutation(chance, path, forge)
            files = {
                item.relative_to(path).as_posix(): encoded(item.read_bytes())
                for item in sorted(path.rglob("*"))
                if item.is_file()
            }
        result.append({"name": name, "valid": mutation is None, "key": forge.vkey, "files": files})
    return result


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")
    django.setup()
    vectors = {
        "format": "lex-custis/vectors/v1",
        "about": "Leaf i of every tree is SHA-256(0x00 || decimal i). Signing seed: 00 01 … 1f.",
        "trees": trees(),
        "commitments": commitments(),
        "bundles": bundles(),
    }
    path = Path(__file__).parents[2] / "audit" / "vectors" / "vectors.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
