"""From leaves to sentences: how each state is said on paper, in the language that is spoken.

The same leaf is data in the manifest and a sentence here; what the two say is one thing. What
people declared and what documents state is quoted as it was said, in whatever language that was.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dossier.abridgement import Abridged, abridge
from dossier.catalogue import CATALOGUE
from dossier.document import Block, Document, Row
from dossier.languages import Language, spoken, write_country, write_dates, write_day, write_number
from dossier.leaves import Leaf, State, Value
from dossier.phrases import say

STATE_LABELS = {
    State.RECORDED: gettext_lazy("recorded"),
    State.COMPUTED: gettext_lazy("computed"),
    State.DECLARED: gettext_lazy("declared"),
    State.UPSTREAM_PUBLISHED: gettext_lazy("published upstream"),
    State.UPSTREAM_SUPPLIED: gettext_lazy("supplied upstream"),
    State.REQUESTED: gettext_lazy("requested"),
    State.REFUSED: gettext_lazy("refused"),
    State.NOT_FOUND: gettext_lazy("not found"),
    State.NOT_APPLICABLE: gettext_lazy("not applicable"),
    State.NOT_YET_APPLICABLE: gettext_lazy("not yet applicable"),
    State.UNKNOWN: gettext_lazy("unknown"),
    State.EXPIRED: gettext_lazy("expired"),
    State.ERASED: gettext_lazy("erased"),
    State.WITHHELD: gettext_lazy("withheld"),
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
_NO_COPY = "no copy held"
MOST_GAPS = 110  # lines of the list of gaps


@dataclass(frozen=True, slots=True)
class Printed:
    """One statement: the sentence, a smaller line under it, an address, and its state."""

    text: str
    detail: str
    url: str
    state: str
    tone: str
    origin: str

    @property
    def is_long(self) -> bool:
        """Whether it may break across pages: about a third of one, or more."""
        return len(self.text) + len(self.detail) > _KEPT_TOGETHER


_KEPT_TOGETHER = 1000  # characters


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
    """A section with its blocks. ``left_out`` says what of it stands in the manifest only."""

    number: str
    key: str
    title: str
    law: str
    notes: tuple[str, ...]
    blocks: tuple[PrintedBlock, ...]
    left_out: str


def print_document(document: Document) -> list[PrintedSection]:
    """Every section of *document*, ready for the template, abridged to what paper can hold."""
    return [_section(abridged) for abridged in abridge(document)]


def _section(abridged: Abridged) -> PrintedSection:
    section = abridged.section
    return PrintedSection(
        number=section.number,
        key=section.key,
        title=say(section.title),
        law=say(section.law),
        notes=tuple(say(note) for note in section.notes),
        blocks=tuple(_block(block) for block in section.blocks),
        left_out=_left_out(abridged),
    )


def _left_out(abridged: Abridged) -> str:
    if not abridged.fields:
        return ""
    states = ", ".join(
        f"{STATE_LABELS[state]} {write_number(count)}" for state, count in abridged.states
    )
    return _(
        "Not on paper, as there are too many: %(fields)s further fields of this section, "
        "%(blocks)s whole tables among them. By state: %(states)s. The manifest attached to this "
        "file has all of them."
    ) % {
        "fields": write_number(abridged.fields),
        "blocks": write_number(abridged.blocks),
        "states": states,
    }


def _block(block: Block) -> PrintedBlock:
    rows = tuple(PrintedRow(say(row.label), _print_row(row)) for row in block.rows)
    return PrintedBlock(block.key, say(block.title), say(block.note), block.layout, rows)


def _print_row(row: Row) -> Printed:
    printed = print_leaf(row.leaf)
    if row.key == "country" and row.leaf.state is State.RECORDED:
        return dataclasses.replace(printed, text=write_country(str(row.leaf.value)))
    return printed


@dataclass(frozen=True, slots=True)
class PrintedGap:
    """Fields of one block that lack an answer for the same reason."""

    section: str
    block: str
    fields: str
    text: str


def print_gaps(document: Document) -> list[PrintedGap]:
    """The list of gaps; neighbours of one block with the same reason share a line.

    Where there are too many lines for paper, blocks that lack the same for the same reason do.
    """
    lines = []
    with_text = ((gap, print_leaf(gap.leaf).text) for gap in document.gaps())
    for (section, block, text), gaps in itertools.groupby(
        with_text, key=lambda pair: (pair[0].section, pair[0].block, pair[1])
    ):
        fields = "; ".join(say(gap.field) for gap, _text in gaps)
        lines.append(PrintedGap(section, say(block), fields, text))
    return lines if len(lines) <= MOST_GAPS else _together(lines)


def _together(lines: list[PrintedGap]) -> list[PrintedGap]:
    """One line for what is the same in several blocks of a section, at most ``MOST_GAPS``."""
    same: dict[tuple[str, str, str], list[PrintedGap]] = {}
    for line in lines:
        same.setdefault((line.section, line.fields, line.text), []).append(line)
    shorter = [_named(alike) for alike in same.values()]
    if len(shorter) <= MOST_GAPS:
        return shorter
    left_out = len(shorter) - MOST_GAPS
    note = _("%(number)s further lines are in the manifest attached to this file.") % {
        "number": write_number(left_out)
    }
    return [*shorter[:MOST_GAPS], PrintedGap("…", "", "", note)]


def _named(alike: list[PrintedGap]) -> PrintedGap:
    if len(alike) == 1:
        return alike[0]
    block = _("%(first)s, and in %(more)s others") % {
        "first": alike[0].block,
        "more": write_number(len(alike) - 1),
    }
    return dataclasses.replace(alike[0], block=block)


def print_leaf(leaf: Leaf) -> Printed:
    """The sentence of one leaf."""
    text, detail, url = _sentence(leaf)
    return Printed(
        text=text,
        detail=detail,
        url=url,
        state=str(STATE_LABELS[leaf.state]),
        tone=STATE_TONES.get(leaf.state, "gap"),
        origin=leaf.origin.value,
    )


def _sentence(leaf: Leaf) -> tuple[str, str, str]:
    match leaf.state:
        case State.RECORDED | State.COMPUTED:
            return print_value(leaf.value), _observed(leaf), ""
        case State.DECLARED | State.EXPIRED:
            return _declared(leaf), _dates(leaf), ""
        case State.UPSTREAM_PUBLISHED | State.UPSTREAM_SUPPLIED:
            return _quoted(leaf)
        case State.NOT_APPLICABLE:
            rule, who = leaf.evidence[0].get("rule", ""), leaf.evidence[0].get("decided_by", "")
            said = {"rule": print_article(str(rule)), "who": say(who)}
            detail = _("%(rule)s; decided by %(who)s") % said
            return _for_a_reason(leaf), detail, ""
        case _:
            return _for_a_reason(leaf), "", ""


def print_article(name: str) -> str:
    """An article as manifests name it, such as ``AI Act 26(6)``, with the act's name of here."""
    act, _space, article = name.rpartition(" ")
    match act:
        case "AI Act":
            return _("AI Act %(article)s") % {"article": article}
        case "GDPR":
            return _("GDPR %(article)s") % {"article": article}
    return say(name)


def _for_a_reason(leaf: Leaf) -> str:
    label = capitalised(str(STATE_LABELS[leaf.state]))
    return _("%(state)s: %(reason)s.") % {"state": label, "reason": say(leaf.reason or "")}


def capitalised(text: str) -> str:
    """*text* with a capital at its beginning; what follows stays as it is, nouns above all."""
    return text[:1].upper() + text[1:]


def _observed(leaf: Leaf) -> str:
    parts = [say(leaf.reason)] if leaf.reason else []
    records = [str(item["id"]) for item in leaf.evidence if item.get("type") == "record"]
    if len(records) > 2:
        more = write_number(len(records) - 2)
        parts.append(
            _("records %(first)s … %(second)s and %(more)s more")
            % {"first": records[0], "second": records[1], "more": more}
        )
    elif records:
        parts.append(_("record %(records)s") % {"records": " … ".join(records)})
    return "; ".join(parts)


# What a person can choose from: our own words, said in every language. All else is a quotation.
_CHOICES = frozenset(choice for item in CATALOGUE.values() for choice in item.choices)


def _declared(leaf: Leaf) -> str:
    who = leaf.declared_by or {}
    text = str(leaf.value)
    said = {
        "name": who.get("name", ""),
        "role": in_sentence(say(who.get("role", ""))),
        "text": say(text) if text in _CHOICES else text,
    }
    if leaf.state is State.DECLARED:
        return _("%(name)s (%(role)s) declares: “%(text)s”") % said
    return _("%(name)s (%(role)s) had declared, now expired: “%(text)s”") % said


def in_sentence(name: str) -> str:
    """A title as it stands in the middle of a sentence; German writes nouns with a capital."""
    return name if spoken() is Language.GERMAN else name[:1].lower() + name[1:]


def _dates(leaf: Leaf) -> str:
    who = leaf.declared_by or {}
    dates = {"declared": write_day(who["at"]), "expires": write_day(who["expires_at"])}
    return _("declared on %(declared)s, valid until %(expires)s") % dates


def _quoted(leaf: Leaf) -> tuple[str, str, str]:
    document: Mapping[str, Any] = leaf.evidence[0]
    said = {"publisher": say(document["publisher"]), "value": print_value(leaf.value)}
    url = str(document["url"])
    if leaf.value == url:
        text = _("Published")
    elif document["grade"] == "P":
        text = _("%(publisher)s states: %(value)s") % said
    else:
        text = _("%(publisher)s, as reported by a secondary source: %(value)s") % said
    checked = _("checked on %(day)s, grade %(grade)s; %(copy)s") % {
        "day": write_day(document["retrieved_at"]),
        "grade": document["grade"],
        "copy": _copy(str(document["sha256"])),
    }
    return text, f"{say(leaf.reason)}; {checked}" if leaf.reason else checked, url


def _copy(sha256: str) -> str:
    if sha256 == _NO_COPY:
        return _("no copy held")
    return _("copy held, SHA-256 %(sha256)s") % {"sha256": sha256}


def print_value(value: Value) -> str:
    """A value in words: numbers, dates and our own terms as the language writes them."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int):
        return write_number(value)
    if isinstance(value, list):
        items = [print_value(item) for item in value]
        return (" " if all(item.endswith(".") for item in items) else ", ").join(items)
    if isinstance(value, dict):
        return _print_dictionary(value)
    return write_dates(say(str(value) if value is None else value))


def _print_dictionary(value: dict[str, Any]) -> str:
    if set(value) == {"first_day", "last_day", "time_zone"}:
        return _("%(first)s to %(last)s, whole days in %(zone)s") % {
            "first": write_day(value["first_day"]),
            "last": write_day(value["last_day"]),
            "zone": value["time_zone"],
        }
    return ", ".join(
        _("%(key)s: %(value)s") % {"key": say(str(key)), "value": print_value(item)}
        for key, item in value.items()
    )
