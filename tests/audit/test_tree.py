"""Trees and proofs against the definitions of RFC 6962, written down recursively."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from functools import partial

import pytest

from audit.hashing import Frontier, leaf_hash, root_of
from audit.proofs import verify_consistency, verify_inclusion
from audit.tree import consistency_ranges, growth_proof, inclusion_ranges, perfect_subtrees

SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 65, 255, 256, 257, 300]
LEAVES = [leaf_hash(str(number).encode()) for number in range(300)]


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    left, right = defined_root(leaves[:k]), defined_root(leaves[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", SIZES)
def test_frontier_and_root_follow_the_definition(size: int) -> None:
    expected = defined_root(LEAVES[:size])
    frontier = Frontier()
    tiles = frontier.extend(LEAVES[: size // 2]) + frontier.extend(LEAVES[size // 2 : size])
    assert frontier.root == root_of(LEAVES[:size]) == expected
    assert Frontier.from_bytes(size, frontier.to_bytes()).root == expected
    assert tiles == ([(0, 0, defined_root(LEAVES[:256]))] if size >= 256 else [])


def test_tiles_become_full_at_every_level() -> None:
    frontier = Frontier()
    leaves = [index.to_bytes(32, "big") for index in range(70_000)]
    tiles = frontier.extend(leaves)
    assert [tile[:2] for tile in tiles if tile[0] == 1] == [(1, 0)]
    assert [tile[1] for tile in tiles if tile[0] == 0] == list(range(273))
    assert tiles[0][2] == root_of(leaves[:256])
    assert next(tile[2] for tile in tiles if tile[0] == 1) == root_of(leaves[:65536])


@pytest.mark.parametrize("size", SIZES[1:])
def test_every_inclusion_proof_verifies_and_no_changed_one(size: int) -> None:
    root = defined_root(LEAVES[:size])
    for index in {0, size // 3, size // 2, size - 1}:
        proof = [defined_root(LEAVES[a:b]) for a, b in inclusion_ranges(index, size)]

        case = {"index": index, "size": size, "proof": proof, "root": root}
        holds = partial(verify_inclusion, LEAVES[index], **case)

        assert holds()
        assert not holds(root=bytes(32))
        assert not holds(index=size)
        assert not holds(proof=[*proof, bytes(32)])
        if proof:
            assert not holds(proof=proof[:-1])
            assert not holds(proof=[bytes(32), *proof[1:]])
            assert not holds(index=index ^ 1)


@pytest.mark.parametrize("new", SIZES)
def test_every_consistency_proof_verifies_and_no_changed_one(new: int) -> None:
    new_root = defined_root(LEAVES[:new])
    for old in sorted(
        {0, 1, new // 3, new // 2, max(new - 1, 0), new} - ({1} if not new else set())
    ):
        old_root = defined_root(LEAVES[:old])
        proof = [defined_root(LEAVES[a:b]) for a, b in consistency_ranges(old, new)]

        holds = partial(
            verify_consistency,
            old_size=old,
            new_size=new,
            old_root=old_root,
            new_root=new_root,
            proof=proof,
        )
        assert holds()
        assert not holds(new_root=bytes(32)) or old == 0
        assert not holds(old_root=bytes(32))
        assert not holds(proof=[*proof, bytes(32)])
        if proof:
            assert not holds(proof=proof[:-1])


@pytest.mark.parametrize("new", SIZES)
def test_a_frontier_before_and_after_is_enough_for_a_consistency_proof(new: int) -> None:
    for old in range(new + 1):
        frontier = Frontier()
        frontier.extend(LEAVES[:old])
        before = Frontier(old, frontier.hashes)
        frontier.extend(LEAVES[old:new])
        proof = growth_proof(before, frontier)
        assert proof == [root_of(LEAVES[a:b]) for a, b in consistency_ranges(old, new)]
        assert (before.size, frontier.size) == (old, new)


def test_perfect_subtrees_cover_a_range_once() -> None:
    chance = random.Random(1)
    for _ in range(200):
        end = chance.randrange(1, 5000)
        start = chance.choice([0, 1 << chance.randrange(12)])
        if start >= end or start % (1 << (end - start - 1).bit_length()):
            start = 0
        covered = start
        for height, index in perfect_subtrees(start, end):
            assert index << height == covered
            covered += 1 << height
        assert covered == end
