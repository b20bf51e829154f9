"""What paper leaves out where an organisation is large: the manifest inside of it holds it all.

A dossier has at most sixty pages, however many systems, models and people there are. Sections
repeat blocks, one for each system, model or provider; where all of them would not fit, paper has
the first few of each, and says what it leaves out and where that stands.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dossier.document import Block, Document, Section
from dossier.leaves import State

# Pages hold about 16 rows; covers, charts, notes and the list of gaps need their own.
MOST_ROWS = 640
# Where blocks are left out anyway, a few of each sort show what the others look like.
MOST_ROWS_ABRIDGED = 450
LONG_BLOCK, OF_A_LONG_BLOCK = 70, 20
_REPEATS = (50, 30, 20, 15, 12, 10, 8, 6, 5, 4, 3, 2, 1)
_NUMBERED = re.compile(r"_(\d+)$")


@dataclass(frozen=True, slots=True)
class Abridged:
    """A section as paper has it, and what is left out: whole blocks, fields, and their states."""

    section: Section
    blocks: int = 0
    fields: int = 0
    states: tuple[tuple[State, int], ...] = ()


def abridge(document: Document) -> list[Abridged]:
    """Every section, complete where all of them together fit on paper."""
    if _rows(document.sections) <= MOST_ROWS:
        return [Abridged(section) for section in document.sections]
    for most in _REPEATS:
        shorter = [_shortened(section, most) for section in document.sections]
        if _rows(item.section for item in shorter) <= MOST_ROWS_ABRIDGED:
            break
    return shorter


def _rows(sections: Iterable[Section]) -> int:
    return sum(len(block.rows) for section in sections for block in section.blocks)


def _shortened(section: Section, most: int) -> Abridged:
    """The section with the first *most* blocks of each sort, and the beginnings of long ones."""
    kept = [block for block in section.blocks if _number(block) <= most]
    blocks = tuple(
        replace(block, rows=block.rows[:OF_A_LONG_BLOCK]) if len(block.rows) > LONG_BLOCK else block
        for block in kept
    )
    printed = {(block.key, row.key) for block in blocks for row in block.rows}
    left_out = Counter(
        row.leaf.state
        for block in section.blocks
        for row in block.rows
        if (block.key, row.key) not in printed
    )
    return Abridged(
        replace(section, blocks=blocks),
        blocks=len(section.blocks) - len(kept),
        fields=left_out.total(),
        states=tuple((state, left_out[state]) for state in State if left_out[state]),
    )


def _number(block: Block) -> int:
    """Which of its sort a block is: keys are like ``role``, ``role_2``, or ``use_1``, ``use_2``."""
    found = _NUMBERED.search(block.key)
    return int(found[1]) if found else 1
