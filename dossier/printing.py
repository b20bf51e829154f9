"""A leaf as a sentence on paper: who says so comes first, what is not known is said to be so."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dossier.document import Block, Document, Section
from dossier.leaves import Leaf, State, Value

# Three letters beside each statement; the legend on the reading page spells them out.
ORIGIN_LABELS = {
    "A": "recorded by this system",
    "C": "computed from records",
    "D": "declared by a person",
    "U": "upstream document",
    "X": "third party",
}
STATE_LABELS = {
    State.RECORDED: "recorded",
    State.COMPUTED: "computed",
    State.DECLARED: "declared",
    State.UPSTREAM_PUBLISHED: "published upstream",
    State.UPSTREAM_SUPPLIED: "supplied upstream",
    State.REQUESTED: "requested",
    State.REFUSED: "refused",
    State.NOT_FOUND: "not found",
    State.NOT_APPLICABLE: "not applicable",
    State.NOT_YET_APPLICABLE: "not yet applicable",
    State.UNKNOWN: "unknown",
    State.EXPIRED: "expired",
    State.ERASED: "erased",
    State.WITHHELD: "withheld",
}
STATE_TONES = {
    State.RECORDED: "fact",
    State.COMPUTED: "fact",
    State.DECLARED: "said",
    State.UPSTREAM_PUBLISHED: "said",
    State.UPSTREAM_SUPPLIED: "said",
    State.NOT_APPLICABLE: "rule",
    State.NOT_YET_APPLICABLE: "rule",
}


@dataclass(frozen=True, slots=True)
class Printed:
    """One statement: the sentence, a smaller line under it, an address, and its state."""

    text: str
    detail: str
    url: str
    state: str
    tone: str
    origin: str


@dataclass(frozen=True, slots=True)
class PrintedRow:
    """A labelled statement."""

    label: str
    printed: Printed


@dataclass(frozen=True, slots=True)
class PrintedBlock:
    """A block with its statements."""

    key: str
    title: str
    note: str
    layout: str
    rows: tuple[PrintedRow, ...]


@dataclass(frozen=True, slots=True)
class PrintedSection:
    """A section with its blocks."""

    number: str
    key: str
    title: str
    law: str
    notes: tuple[str, ...]
    blocks: tuple[PrintedBlock, ...]


def print_document(document: Document) -> list[PrintedSection]:
    """Every section of *document*, ready for the template."""
    return [_section(section) for section in document.sections]


def _section(section: Section) -> PrintedSection:
    blocks = tuple(_block(block) for block in section.blocks)
    return PrintedSection(
        section.number, section.key, section.title, section.law, section.notes, blocks
    )


def _block(block: Block) -> PrintedBlock:
    rows = tuple(PrintedRow(row.label, print_leaf(row.leaf)) for row in block.rows)
    return PrintedBlock(block.key, block.title, block.note, block.layout, rows)


@dataclass(frozen=True, slots=True)
class PrintedGap:
    """Fields of one block that lack an answer for the same reason."""

    section: str
    block: str
    fields: str
    text: str


def print_gaps(document: Document) -> list[PrintedGap]:
    """The list of gaps; neighbours of one block with the same reason share a line."""
    lines = []
    with_text = ((gap, print_leaf(gap.leaf).text) for gap in document.gaps())
    for (section, block, text), gaps in itertools.groupby(
        with_text, key=lambda pair: (pair[0].section, pair[0].block, pair[1])
    ):
        fields = "; ".join(gap.field for gap, _ in gaps)
        lines.append(PrintedGap(section, block, fields, text))
    return lines


def print_leaf(leaf: Leaf) -> Printed:
    """The sentence of one leaf."""
    text, detail, url = _sentence(leaf)
    return Printed(
        text=text,
        detail=detail,
        url=url,
        state=STATE_LABELS[leaf.state],
        tone=STATE_TONES.get(leaf.state, "gap"),
        origin=leaf.origin.value,
    )


def _sentence(leaf: Leaf) -> tuple[str, str, str]:
    match leaf.state:
        case State.RECORDED | State.COMPUTED:
            return print_value(leaf.value), _observed(leaf), ""
        case State.DECLARED | State.EXPIRED:
            verb = "declares" if leaf.state is State.DECLARED else "had declared, now expired"
            return f"{_speaker(leaf)} {verb}: “{print_value(leaf.value)}”", _dates(leaf), ""
        case State.UPSTREAM_PUBLISHED | State.UPSTREAM_SUPPLIED:
            return _quoted(leaf)
        case State.NOT_APPLICABLE:
            decided = str(leaf.evidence[0].get("decided_by", ""))
            rule = str(leaf.evidence[0].get("rule", ""))
            return f"Not applicable: {leaf.reason}.", f"{rule}; decided by {decided}", ""
        case State.NOT_YET_APPLICABLE:
            return f"Not yet applicable: {leaf.reason}.", "", ""
        case _:
            label = STATE_LABELS[leaf.state].capitalize()
            return f"{label}: {leaf.reason}.", "", ""


def _observed(leaf: Leaf) -> str:
    parts = [leaf.reason] if leaf.reason else []
    records = [item for item in leaf.evidence if item.get("type") == "record"]
    if records:
        names = [str(item["id"]) for item in records[:2]]
        more = f" and {len(records) - 2} more" if len(records) > 2 else ""
        parts.append(f"record {' … '.join(names)}{more}")
    return "; ".join(parts)


def _speaker(leaf: Leaf) -> str:
    who = leaf.declared_by or {}
    return f"{who.get('name')} ({who.get('role', '').lower()})"


def _dates(leaf: Leaf) -> str:
    who = leaf.declared_by or {}
    return f"declared on {print_day(who['at'])}, valid until {print_day(who['expires_at'])}"


def _quoted(leaf: Leaf) -> tuple[str, str, str]:
    document: Mapping[str, Any] = leaf.evidence[0]
    value, by = print_value(leaf.value), document["publisher"]
    url = str(document["url"])
    if value == url:
        text = "Published"
    elif document["grade"] == "P":
        text = f"{by} states: {value}"
    else:
        text = f"{by}, as reported by a secondary source: {value}"
    checked = f"checked on {print_day(document['retrieved_at'])}, grade {document['grade']}"
    detail = f"{checked}; {_copy(str(document['sha256']))}"
    if leaf.reason:
        detail = f"{leaf.reason}; {detail}"
    return text, detail, url


def _copy(sha256: str) -> str:
    return sha256 if sha256 == "no copy held" else f"copy held, SHA-256 {sha256}"


def print_value(value: Value) -> str:
    """A value in words. Numbers get thin groups of three, a dictionary becomes a list."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "\u202f")
    if isinstance(value, list):
        items = [print_value(item) for item in value]
        return (" " if all(item.endswith(".") for item in items) else ", ").join(items)
    if isinstance(value, dict):
        if set(value) == {"first_day", "last_day", "time_zone"}:
            first, last = print_day(value["first_day"]), print_day(value["last_day"])
            return f"{first} to {last}, whole days in {value['time_zone']}"
        return ", ".join(f"{key}: {print_value(item)}" for key, item in value.items())
    return str(value)


def print_day(text: str) -> str:
    """A date of a manifest as people write it, such as 5 October 2026."""
    day = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return f"{day.day} {day:%B %Y}"
