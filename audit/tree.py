"""Proofs over a stored tree (RFC 6962 section 2.1, RFC 9162 section 2.1.3 and 2.1.4).

Ranges are half-open pairs of leaf indexes. Every hash that a proof needs is folded from roots of
perfect subtrees, and those from at most two tiles at each level: a few short queries for any size.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from django.db import connection

from audit.hashing import TILE_HEIGHT, TILE_WIDTH, Frontier, fold, root_of, split
from audit.models import Position, Tile

Range = tuple[int, int]


class TreeIncomplete(Exception):
    """The stored tree lacks hashes that it must have: rows were taken away."""


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The subtrees whose roots prove leaf *index* in a tree of *size*, from the leaf upwards."""
    if not 0 <= index < size:
        raise ValueError("The index lies outside the tree.")
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split_at(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The subtrees whose roots prove that a tree of *new* leaves begins with that of *old*."""
    if not 0 <= old <= new:
        raise ValueError("A tree is consistent only with a larger one.")
    ranges: list[Range] = []
    if old in {0, new}:
        return ranges
    start, end = 0, new
    from_the_left = True
    while end != old:
        middle = start + _split_at(end - start)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
            from_the_left = False
    if not from_the_left:
        ranges.append((start, end))
    return ranges[::-1]


def perfect_subtrees(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees of a range as (height, index), left to right."""
    while start < end:
        fits = (end - start).bit_length() - 1
        height = min(fits, (start & -start).bit_length() - 1) if start else fits
        yield height, start >> height
        start += 1 << height


# Many tiles of many logs at once: a sealer that signs a hundred logs a round asks two questions,
# not some hundreds.
_LEAVES = """
SELECT wanted.log_number, wanted.index, position.hashes
FROM unnest(%s::integer[], %s::bigint[]) AS wanted(log_number, index)
JOIN audit_position AS position ON position.log_number = wanted.log_number
 AND position.first >= wanted.index * 256 AND position.first < (wanted.index + 1) * 256
ORDER BY wanted.log_number, position.first
"""
_ROOTS = """
SELECT wanted.log_number, wanted.level, wanted.index, tile.root
FROM unnest(%s::integer[], %s::smallint[], %s::bigint[]) AS wanted(log_number, level, index)
JOIN audit_tile AS tile ON tile.log_number = wanted.log_number AND tile.level = wanted.level - 1
 AND tile.index >= wanted.index * 256 AND tile.index < (wanted.index + 1) * 256
ORDER BY wanted.log_number, tile.index
"""

Place = tuple[int, int, int]  # log number, tile level, tile index


def consistency_proofs(wanted: Iterable[tuple[int, int, int]]) -> Iterator[list[bytes] | None]:
    """The consistency proofs of many logs, each given as (log number, old size, new size).

    None in the place of one whose stored tree lacks hashes.
    """
    asked = list(wanted)
    places = [
        (number, level, index)
        for number, old, new in asked
        for range_ in consistency_ranges(old, new)
        for level, index in _tiles_of(*range_)
    ]
    tiles = _read_tiles(places)
    for number, old, new in asked:
        tree = StoredTree(number, tiles.get(number))
        try:
            yield tree.consistency_proof(old, new)
        except TreeIncomplete:
            yield None


def growth_proof(before: Frontier, after: Frontier) -> list[bytes]:
    """The consistency proof from a frontier to what one extension made of it; reads nothing.

    Every subtree of such a proof was in the frontier, was put beside it, or ends the new tree.
    """
    subtrees = dict(zip(perfect_subtrees(0, before.size), before.hashes, strict=True))
    subtrees |= after.beside
    proof = []
    for start, end in consistency_ranges(before.size, after.size):
        size = end - start
        height = size.bit_length() - 1
        place = height, start >> height
        if end == after.size and place not in subtrees:
            proof.append(fold(after.hashes[-size.bit_count() :]))
        else:
            proof.append(subtrees[place])
    return proof


def _tiles_of(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The tiles (level, index) that the root over a range is folded from."""
    for height, index in perfect_subtrees(start, end):
        level, within = divmod(height, TILE_HEIGHT)
        yield level, (index << within) // TILE_WIDTH


def _read_tiles(places: Iterable[Place]) -> dict[int, dict[tuple[int, int], list[bytes]]]:
    """The tiles at these places, by log number; two queries."""
    tiles: dict[int, dict[tuple[int, int], list[bytes]]] = defaultdict(dict)
    leaves: set[Place] = set()
    roots: set[Place] = set()
    for number, level, index in places:
        tiles[number][level, index] = []
        (roots if level else leaves).add((number, level, index))
    with connection.cursor() as cursor:
        if leaves:
            numbers, _levels, indexes = map(list, zip(*leaves, strict=True))
            cursor.execute(_LEAVES, [numbers, indexes])
            for number, index, hashes in cursor.fetchall():
                tiles[number][0, index] += split(hashes)
        if roots:
            cursor.execute(_ROOTS, [list(column) for column in zip(*roots, strict=True)])
            for number, level, index, root in cursor.fetchall():
                tiles[number][level, index].append(bytes(root))
    return tiles


class StoredTree:
    """One log's tree as the sealer stored it. Remembers the tiles it has read."""

    def __init__(
        self, log_number: int, tiles: dict[tuple[int, int], list[bytes]] | None = None
    ) -> None:
        self.log_number = log_number
        self._tiles = tiles or {}

    def inclusion_proof(self, index: int, size: int) -> list[bytes]:
        """The audit path of leaf *index* in the tree of *size*."""
        return [self.range_root(*range_) for range_ in inclusion_ranges(index, size)]

    def consistency_proof(self, old: int, new: int) -> list[bytes]:
        """The proof that the tree of *new* leaves extends that of *old*."""
        return [self.range_root(*range_) for range_ in consistency_ranges(old, new)]

    def root(self, size: int) -> bytes:
        """The root hash of the tree's first *size* leaves."""
        return self.range_root(0, size)

    def frontier(self, size: int) -> Frontier:
        """The frontier of the tree's first *size* leaves."""
        return Frontier(size, [self._subtree(*place) for place in perfect_subtrees(0, size)])

    def range_root(self, start: int, end: int) -> bytes:
        """The root over a range that is a subtree of some proof."""
        return fold([self._subtree(*place) for place in perfect_subtrees(start, end)])

    def tile(self, level: int, index: int) -> list[bytes]:
        """The hashes of one tile that exist: 256, or fewer at the right edge."""
        key = (level, index)
        if key not in self._tiles:
            self._tiles[key] = self._read_tile(level, index)
        return self._tiles[key]

    def _subtree(self, height: int, index: int) -> bytes:
        level, within = divmod(height, TILE_HEIGHT)
        first = index << within
        hashes = self.tile(level, first // TILE_WIDTH)
        chosen = hashes[first % TILE_WIDTH : first % TILE_WIDTH + (1 << within)]
        if len(chosen) != 1 << within:
            raise TreeIncomplete(f"Tile {level}/{first // TILE_WIDTH} is not complete.")
        return root_of(chosen)

    def _read_tile(self, level: int, index: int) -> list[bytes]:
        first, end = index * TILE_WIDTH, (index + 1) * TILE_WIDTH
        if level == 0:
            rows = Position.objects.filter(
                log_number=self.log_number, first__gte=first, first__lt=end
            ).order_by("first")
            return split(b"".join(bytes(row.hashes) for row in rows))
        roots = (
            Tile.objects.filter(
                log_number=self.log_number, level=level - 1, index__gte=first, index__lt=end
            )
            .order_by("index")
            .values_list("root", flat=True)
        )
        return [bytes(root) for root in roots]


def _split_at(size: int) -> int:
    """The largest power of two smaller than *size*."""
    return 1 << (size - 1).bit_length() - 1
