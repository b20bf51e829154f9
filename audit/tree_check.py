"""Whether a log's records are those of a signed head: every leaf hashed, the tree made anew.

What :mod:`audit.verification` checks beyond that (each record's form, the texts beside the log,
every older head) costs a hundred times as much, and is the log's own business. This is what can
be done for a million records while they are written into a bundle.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from audit import notes
from audit.hashing import EMPTY_ROOT, HASH_BYTES, TILE_WIDTH, Frontier
from audit.models import Checkpoint, Log
from audit.record_stream import Piece, pieces
from audit.signer import SignerUnavailable, signer
from audit.verification import CHANGED, REMOVED

REMOVED_OR_CUT = f"{REMOVED}, or no line"


@dataclass(slots=True)
class _Numbers:
    """Which numbers of one writer were seen; only those out of turn are remembered."""

    next: int = 1
    early: set[int] = field(default_factory=set)

    def take(self, number: int) -> bool:
        """Note a number. False where it was seen before."""
        if number != self.next:
            if number < self.next or number in self.early:
                return False
            self.early.add(number)
            return True
        self.next += 1
        while self.early and self.next in self.early:
            self.early.remove(self.next)
            self.next += 1
        return True


class TreeCheck:
    """Walks the first *size* records of a log, in order, whoever reads them.

    What the reader leaves out before a piece that it shows, and after the last one, is read here.
    ``first_bad`` is the position of the first record that is wrong and ``problem`` what is wrong.
    """

    def __init__(
        self, log: Log, size: int, progress: Callable[[int, int], None] | None = None
    ) -> None:
        self.size = size
        self.first_bad: int | None = None
        self.problem = ""
        self.signature_checked = True
        self._log = log
        self._progress = progress
        self._frontier = Frontier()
        self._leaves: list[bytes] = []  # not in the frontier yet: whole tiles are hashed fastest
        self._writers: dict[bytes, _Numbers] = defaultdict(_Numbers)
        self._names_writer = f',"log":"{log.origin}","v":1,"writer":["'.encode()

    @property
    def checked(self) -> int:
        """How many records were hashed and placed."""
        return self._frontier.size + len(self._leaves)

    def take(self, piece: Piece) -> None:
        """Hash and place the records of *piece*, and those before it that nobody showed."""
        if self.checked < piece.first:
            self._read(piece.first)
        self._take(piece)

    def finish(self) -> None:
        """Read what is left, and compare the tree with the signed head."""
        self._read(self.size)
        self._place(len(self._leaves))
        for writer, numbers in self._writers.items():
            if numbers.early:
                missing = f"{numbers.next} of writer {writer.decode(errors='replace')}"
                self._say(f"The record {missing} is missing.")
        checkpoint = (
            Checkpoint.objects.filter(log_number=self._log.number, size=self.size)
            .order_by("id")
            .first()
        )
        root = self._frontier.root if self._frontier.size == self.size else EMPTY_ROOT
        if checkpoint is None or self._frontier.size != self.size:
            self._say(f"The records end at {self._frontier.size}, before a head of {self.size}.")
        elif bytes(checkpoint.root) != root or not self._is_signed(checkpoint):
            self._say(f"The signed head of size {self.size} does not fit the records.")

    def _read(self, end: int) -> None:
        for piece in pieces(self._log.number, self.checked, end):
            self._take(piece)

    def _take(self, piece: Piece) -> None:
        if piece.first != self.checked:
            self._say(
                f"The positions from {self.checked} to {piece.first - 1} are missing.",
                self.checked,
            )
            return
        sha256 = hashlib.sha256
        leaves = [sha256(b"\0" + record).digest() for record in piece.records]
        if b"".join(leaves) != piece.hashes:
            self._blame(piece, leaves)
        self._leaves += leaves
        if len(self._leaves) >= 2 * TILE_WIDTH:
            self._place(len(self._leaves) - self.checked % TILE_WIDTH)
        self._count(piece)
        if self._progress is not None:
            self._progress(self.checked, self.size)

    def _place(self, count: int) -> None:
        """Put so many of the leaves that wait into the tree."""
        self._frontier.extend(self._leaves[:count])
        del self._leaves[:count]

    def _blame(self, piece: Piece, leaves: list[bytes]) -> None:
        stored = piece.hashes
        for offset, leaf in enumerate(leaves):
            if stored[offset * HASH_BYTES : (offset + 1) * HASH_BYTES] != leaf:
                problem = CHANGED if piece.records[offset] else REMOVED_OR_CUT
                self._say(problem, piece.first + offset)
                return

    def _count(self, piece: Piece) -> None:
        """Each record names this log and a number of its writer that was not used before."""
        marker, writers = self._names_writer, self._writers
        for offset, record in enumerate(piece.records):
            _, found, tail = record.rpartition(marker)
            writer, _, rest = tail.rpartition(b'",')
            numbers = writers[writer]
            if rest == b"%d]}" % numbers.next and found and not numbers.early:
                numbers.next += 1  # in turn, as nearly all are
            elif not found or not rest[:-2].isdigit():
                self._say("it names another log, or no writer", piece.first + offset)
            elif not numbers.take(int(rest[:-2])):
                self._say("its writer used the number before", piece.first + offset)

    def _is_signed(self, checkpoint: Checkpoint) -> bool:
        """Whether the signer's key signed this very head; where it cannot be asked, says so."""
        try:
            keys = signer().verification_keys()
        except SignerUnavailable:
            self.signature_checked = False
            return True
        said = (self._log.origin, self.size, bytes(checkpoint.root))
        for key in keys:
            try:
                head = notes.verify(checkpoint.note, key)
            except notes.InvalidNote:
                continue
            return (head.origin, head.size, head.root) == said
        return False

    def _say(self, problem: str, position: int | None = None) -> None:
        """Keep the first problem; a record that is wrong goes before what follows from it."""
        if not self.problem:
            self.problem, self.first_bad = problem, position
