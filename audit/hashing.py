"""Merkle tree hashing (RFC 6962 section 2.1, RFC 9162 section 2.1), with SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

HASH_BYTES = 32
TILE_HEIGHT = 8
TILE_WIDTH = 2**TILE_HEIGHT
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(record: bytes) -> bytes:
    """The hash of a leaf: ``SHA-256(0x00 || record)``."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node: ``SHA-256(0x01 || left || right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the perfect subtrees that a tree of some size is made of, largest first.

    It is all that is needed to append: O(log n) hashes for any number of leaves. ``beside`` holds,
    by (height, index), the roots that the last extension put to the right of older leaves: what a
    proof that the tree has only grown is made of.
    """

    __slots__ = ("beside", "hashes", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if len(hashes) != size.bit_count():
            raise ValueError("A frontier has one hash for each bit of the tree's size.")
        self.size = size
        self.hashes = list(hashes)
        self.beside: dict[tuple[int, int], bytes] = {}

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Frontier:
        """The frontier from its hashes in one string."""
        return cls(size, split(data))

    def to_bytes(self) -> bytes:
        """The hashes in one string."""
        return b"".join(self.hashes)

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        """Append leaf hashes; return (level, index, root) of each tile of 256 that became full.

        Whole tiles are hashed level by level, which is fastest.
        """
        tiles: list[tuple[int, int, bytes]] = []
        self.beside.clear()
        start, old = 0, self.size
        while start < len(leaves):
            end = start + TILE_WIDTH - self.size % TILE_WIDTH
            if end - start == TILE_WIDTH and end <= len(leaves):
                root = root_of(leaves[start:end])
                tiles.append((0, self.size // TILE_WIDTH, root))
                self._add([root], TILE_HEIGHT, old, tiles)
            else:
                self._add(leaves[start:end], 0, old, tiles)
            start = end
        return tiles

    def _add(
        self, nodes: Sequence[bytes], height: int, old: int, tiles: list[tuple[int, int, bytes]]
    ) -> None:
        """Append the roots of perfect subtrees of that height to a tree that had *old* leaves."""
        hashes, sha256, index = self.hashes, hashlib.sha256, self.size >> height
        for appended in nodes:
            node, above, level = appended, index, height
            while above & 1:
                if above - 1 << level < old:
                    self.beside[level, above] = node
                node = sha256(b"\x01" + hashes.pop() + node).digest()
                above >>= 1
                level += 1
                if level % TILE_HEIGHT == 0:
                    tiles.append((level // TILE_HEIGHT - 1, above, node))
            hashes.append(node)
            index += 1
        self.size = index << height

    @property
    def root(self) -> bytes:
        """The tree's root hash."""
        return fold(self.hashes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over the roots of perfect subtrees, largest first."""
    if not hashes:
        return EMPTY_ROOT
    root, sha256 = hashes[-1], hashlib.sha256
    for left in hashes[-2::-1]:
        root = sha256(b"\x01" + left + root).digest()
    return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root hash over leaf hashes."""
    level, sha256 = list(leaves), hashlib.sha256
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        paired = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def split(data: bytes) -> list[bytes]:
    """Hashes out of one string of 32 bytes each."""
    data = bytes(data)
    return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]
