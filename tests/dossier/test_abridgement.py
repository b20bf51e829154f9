"""However large an organisation is, paper stays short and says what it leaves out."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from dossier.abridgement import MOST_ROWS, OF_A_LONG_BLOCK, abridge
from dossier.document import Block, Document, Row, Section
from dossier.languages import Language, speaking
from dossier.leaves import Leaf, computed, unknown
from dossier.printing import MOST_GAPS, print_document, print_gaps

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)


def leaf(number: int) -> Leaf:
    if number % 2:
        return unknown(f"nobody said {number % 20}", as_of=AS_OF)
    return computed(number, method="count/v1", over="records", as_of=AS_OF)


def block(key: str, rows: int) -> Block:
    return Block(
        key, f"Title of {key}", tuple(Row(f"row_{n}", f"Row {n}", leaf(n)) for n in range(rows))
    )


def document(systems: int) -> Document:
    return Document(
        "Dossier",
        (
            Section("1", "role", "Roles", "law", (), (block("role", 6), *(
                block(f"role_{n}", 6) for n in range(2, systems + 1)))),
            Section("2", "usage", "Use", "law", (), tuple(
                block(f"{stem}_{n}", 10) for n in range(1, 2 * systems) for stem in ("use", "more")
            )),
            Section("3", "inputs", "Inputs", "law", (), (block("inputs", 5 * systems),)),
        ),
    )  # fmt: skip


def test_what_fits_on_paper_is_printed_completely() -> None:
    small = document(5)
    assert [item.section for item in abridge(small)] == list(small.sections)
    assert [section.left_out for section in print_document(small)] == ["", "", ""]


@pytest.mark.parametrize("systems", [20, 50, 400])
def test_paper_stays_short_and_counts_everything_that_it_leaves_out(systems: int) -> None:
    large = document(systems)
    shorter = abridge(large)
    printed = sum(len(b.rows) for item in shorter for b in item.section.blocks)
    assert printed <= MOST_ROWS
    for item, section in zip(shorter, large.sections, strict=True):
        rows = sum(len(b.rows) for b in section.blocks)
        kept = sum(len(b.rows) for b in item.section.blocks)
        assert kept + item.fields == rows
        assert sum(count for _state, count in item.states) == item.fields
        assert len(item.section.blocks) + item.blocks == len(section.blocks)
        assert item.section.blocks == section.blocks[: len(item.section.blocks)] or kept < rows
    assert all(item.section.blocks for item in shorter)
    if systems > 15:
        assert len(shorter[2].section.blocks[0].rows) == OF_A_LONG_BLOCK


def test_the_sorts_of_blocks_that_belong_together_stay_together() -> None:
    keys = [b.key for b in abridge(document(100))[1].section.blocks]
    assert len(keys) > 1
    assert keys == [
        f"{stem}_{n // 2 + 1}" for n, stem in enumerate(["use", "more"] * (len(keys) // 2))
    ]


@pytest.mark.parametrize("language", list(Language))
def test_paper_says_what_it_leaves_out_in_its_language(language: Language) -> None:
    with speaking(language):
        sections = print_document(document(400))
    said = {section.left_out for section in sections}
    assert "" not in said
    assert len(said) == 3
    states = {"en": "computed", "de": "berechnet", "fr": "calculé", "it": "calcolato"}
    assert all(states[language] in text.lower() for text in said)


def test_a_long_list_of_gaps_names_what_is_the_same_once() -> None:
    large = document(400)
    assert sum(len(section.blocks) for section in large.sections) > 10 * MOST_GAPS
    lines = print_gaps(large)
    assert len(lines) <= MOST_GAPS + 1
    of_roles = [line for line in lines if line.section == "1"]
    assert len(of_roles) == 3
    assert all("399 others" in line.block for line in of_roles)
    assert "further lines" in lines[-1].text
    assert Decimal(lines[-1].text.split()[0].replace(",", "")) > 0
