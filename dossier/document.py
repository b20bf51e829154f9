"""What a dossier says, before it is paper or JSON: sections, blocks, rows, leaves.

Manifest and PDF are made of the same document, so they cannot differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dossier.leaves import Leaf, State


@dataclass(frozen=True, slots=True)
class Row:
    """One field: its key in the manifest, its label on paper, its leaf."""

    key: str
    label: str
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Block:
    """Fields that belong together. ``speaker`` is who an upstream statement is quoted from."""

    key: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""
    layout: str = "list"  # or "checklist": many short rows; "dense": one of many such blocks
    system: str = ""  # id of the AI system that it is about, where it is about one


@dataclass(frozen=True, slots=True)
class Section:
    """One section of ``facts`` part A.1. ``law`` names the hook and whom it addresses."""

    number: str
    key: str
    title: str
    law: str
    notes: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """One leaf that is not an answer."""

    section: str
    block: str
    field: str
    leaf: Leaf


@dataclass(frozen=True, slots=True)
class Document:
    """A whole dossier, or a file beside it. ``notices`` stand on its cover."""

    title: str
    sections: tuple[Section, ...] = field(default_factory=tuple)
    subtitle: str = ""
    notices: tuple[str, ...] = ()

    def rows(self) -> Iterator[tuple[Section, Block, Row]]:
        """Every field, in the order of the paper."""
        for section in self.sections:
            for block in section.blocks:
                for row in block.rows:
                    yield section, block, row

    def gaps(self) -> list[Gap]:
        """Every field that is not an answer: printed in its section and once more together."""
        return [
            Gap(section.number, block.title, row.label, row.leaf)
            for section, block, row in self.rows()
            if row.leaf.is_gap
        ]

    def state_counts(self) -> dict[State, int]:
        """How many leaves are in each state, all states named."""
        counts = Counter(row.leaf.state for _, _, row in self.rows())
        return {state: counts[state] for state in State}


def section_json(section: Section) -> dict[str, Any]:
    """A section as its manifest has it."""
    return {
        "number": section.number,
        "key": section.key,
        "title": section.title,
        "law": section.law,
        "notes": list(section.notes),
        "blocks": [
            {
                "key": block.key,
                "title": block.title,
                "note": block.note,
                **({"system": block.system} if block.system else {}),
                "fields": {row.key: row.leaf.as_json() for row in block.rows},
            }
            for block in section.blocks
        ],
    }
