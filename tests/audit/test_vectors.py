"""The published vectors hold for both implementations."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import audit
from audit import verifier
from audit.commitments import commitment
from audit.hashing import Frontier, leaf_hash
from audit.proofs import verify_consistency, verify_inclusion
from tests.audit.test_verifier import run

VECTORS: dict[str, Any] = json.loads(
    Path(audit.__file__).with_name("vectors").joinpath("vectors.json").read_text(encoding="utf-8")
)
ROOTS = {tree["size"]: base64.b64decode(tree["root"]) for tree in VECTORS["trees"]}


def decoded(items: list[str]) -> list[bytes]:
    return [base64.b64decode(item) for item in items]


@pytest.mark.parametrize("size", sorted(ROOTS))
def test_roots(size: int) -> None:
    leaves = [leaf_hash(str(index).encode()) for index in range(size)]
    frontier, tree = Frontier(), verifier.Tree()
    frontier.extend(leaves)
    tree.extend(leaves)
    assert frontier.root == tree.root() == ROOTS[size]


def test_proofs() -> None:
    count = 0
    for tree in VECTORS["trees"]:
        size, root = tree["size"], base64.b64decode(tree["root"])
        for proof in tree.get("inclusion", []):
            leaf, path = leaf_hash(str(proof["index"]).encode()), decoded(proof["path"])
            index = proof["index"]
            assert verify_inclusion(leaf, index=index, size=size, proof=path, root=root)
            assert verifier.inclusion_root(leaf, index, size, path) == root
            count += 1
        for proof in tree.get("consistency", []):
            old, path = proof["old_size"], decoded(proof["path"])
            frontier = Frontier()
            frontier.extend([leaf_hash(str(index).encode()) for index in range(old)])
            assert verify_consistency(
                old_size=old,
                new_size=size,
                old_root=frontier.root,
                new_root=root,
                proof=path,
            )
            assert verifier.is_consistent(old, size, frontier.root, root, path)
            count += 1
    assert count > 25


@pytest.mark.parametrize("case", VECTORS["commitments"], ids=lambda case: case["media"])
def test_commitments(case: dict[str, str]) -> None:
    found = commitment(
        salt=base64.b64decode(case["salt"]),
        origin=case["log"],
        record_id=UUID(case["id"]),
        slot=case["slot"],
        media=case["media"],
        content=base64.b64decode(case["content"]),
    )
    assert found == case["commitment"]
    record = {"log": case["log"], "id": case["id"]}
    assert verifier.commitment(record, case["slot"], {"media": case["media"]}, case) == found


@pytest.mark.parametrize("case", VECTORS["bundles"], ids=lambda case: case["name"])
def test_bundles(case: dict[str, Any], tmp_path: Path) -> None:
    for name, data in case["files"].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(base64.b64decode(data))
    status, result = run(tmp_path, "--key", case["key"])
    assert (status == 0) is case["valid"], result
