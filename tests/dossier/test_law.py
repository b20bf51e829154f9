"""Law is data, and only what was read is printed as fact."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dossier import law
from dossier.leaves import State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "name", ["annex_xii", "incident_clocks", "obligations", "sources", "upstream", "wording"]
)
def test_every_file_of_facts_says_when_it_was_checked_and_against_which_law(name) -> None:
    facts = law.facts(name)
    assert facts.rows
    assert facts.content["law_version"] == law.LAW_VERSION
    assert facts.content["format"].startswith("lex-custis/facts-")


def test_there_are_64_obligations_and_11_items_of_annex_xii_and_4_clocks() -> None:
    assert len(law.facts("obligations").rows) == 64
    assert len(law.facts("annex_xii").rows) == 11
    days = {row["case"]: row["max_days"] for row in law.facts("incident_clocks").rows}
    assert days["death_of_a_person"] == 10
    assert days["widespread_infringement"] == days["3(49)(b)_critical_infrastructure"] == 2
    assert days["other_3(49)"] == 15


def test_high_risk_duties_are_never_said_to_apply_already() -> None:
    for row in law.facts("obligations").rows:
        if row["high_risk_only"]:
            assert row["now"] in ("later", "disputed"), row["id"]


@pytest.mark.parametrize(
    ("model", "maker"),
    [
        ("mistral-large-latest", "mistral"),
        ("mistralai/Mixtral-8x7B", "mistral"),
        ("gpt-5.5", "openai"),
        ("anthropic.claude-opus-5", "anthropic"),
        ("eu.anthropic.claude-opus-5", "anthropic"),
        ("models/gemini-3-pro", "google"),
        ("llama3.3:70b", "meta"),
        ("Qwen/Qwen3-8B", "alibaba"),
        ("something-else", None),
    ],
)
def test_the_maker_is_told_from_the_models_name_or_not_at_all(model: str, maker: str) -> None:
    row = law.maker_of(model)
    assert (row["key"] if row else None) == maker


def test_an_unread_value_becomes_unknown_with_its_reason() -> None:
    openai = law.maker_of("gpt-5.5")
    assert openai is not None
    leaf = law.upstream_leaf(openai, "headquarters", as_of=NOW)
    assert (leaf.state, leaf.value) == (State.UNKNOWN, None)
    assert "grade K" in str(leaf.reason)
    entity = law.upstream_leaf(openai, "gpai_provider_entity", as_of=NOW)
    assert (entity.state, entity.value) == (State.UPSTREAM_PUBLISHED, "OpenAI Ireland Ltd")
    assert entity.evidence[0]["grade"] == "P"


def test_an_old_row_says_that_it_is_old() -> None:
    openai = law.maker_of("gpt-5.5")
    assert openai is not None
    later = datetime(2028, 1, 1, tzinfo=UTC)
    assert "overdue" in str(law.upstream_leaf(openai, "gpai_provider_entity", as_of=later).reason)


def test_every_fact_that_claims_to_have_been_read_names_its_source() -> None:
    for row in law.facts("upstream").rows:
        for field, entry in row["fields"].items():
            if entry["grade"] in law.PRINTABLE_GRADES:
                assert entry["source"], (row["key"], field)
