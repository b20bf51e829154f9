"""A leaf says where it comes from, or it is not made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dossier import leaves
from dossier.leaves import LeafIncomplete, Origin, State

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
EIGHT = {"value", "state", "origin", "reason", "as_of", "evidence", "declared_by", "law"}


def test_every_leaf_has_exactly_the_eight_fields() -> None:
    leaf = leaves.recorded(3, evidence=[{"type": "record", "id": "x"}], as_of=NOW)
    assert set(leaf.as_json()) == EIGHT
    assert leaf.as_json()["state"] == "RECORDED"


@pytest.mark.parametrize(
    "make",
    [
        lambda: leaves.recorded(3, evidence=[], as_of=NOW),
        lambda: leaves.recorded("", evidence=[{"type": "record"}], as_of=NOW),
        lambda: leaves.computed(3, method="", over="x", as_of=NOW),
        lambda: leaves.declared(
            "x", name="", role="Officer", at=NOW, expires_at=NOW + timedelta(days=1), as_of=NOW
        ),
        lambda: leaves.published_upstream(
            "x", by="Mistral", url="", checked_on="2026-11-21", grade="P"
        ),
        lambda: leaves.not_found(searched="", on="2026-11-21"),
        lambda: leaves.not_applicable(rule="AI Act 10", reason="", decided_by="x", as_of=NOW),
        lambda: leaves.not_yet_applicable(provision="AI Act 10", applies_from="", as_of=NOW),
        lambda: leaves.unknown("", as_of=NOW),
        lambda: leaves.erased(ground="", on=NOW, commitment="ab", as_of=NOW),
        lambda: leaves.withheld(ground="trade secret", visible_to="", as_of=NOW),
    ],
)
def test_a_state_without_its_companion_is_not_made(make) -> None:
    with pytest.raises(LeafIncomplete):
        make()


@pytest.mark.parametrize("grade", ["K", "U", "", "K + S"])
def test_only_what_was_read_is_stated_as_published(grade: str) -> None:
    with pytest.raises(LeafIncomplete):
        leaves.published_upstream(
            "IE", by="X", url="https://x.example", checked_on="2026-11-21", grade=grade
        )


def test_a_declaration_expires_and_then_counts_as_a_gap() -> None:
    made = NOW - timedelta(days=400)
    leaf = leaves.declared(
        "deployer",
        name="Olivia",
        role="Compliance officer",
        at=made,
        expires_at=made + timedelta(days=365),
        as_of=NOW,
    )
    assert leaf.state is State.EXPIRED
    assert leaf.is_gap
    assert leaf.value == "deployer"
    assert leaf.declared_by is not None
    assert leaf.declared_by["name"] == "Olivia"


def test_the_lists_are_closed() -> None:
    assert {origin.value for origin in Origin} == {"A", "C", "D", "U", "X"}
    assert len(State) == 14
    assert "COMPLIANT" not in State.__members__


def test_times_are_written_in_utc_whatever_the_zone() -> None:
    there = datetime(2026, 11, 21, 14, tzinfo=timezone(timedelta(hours=2)))
    assert leaves.moment(there) == leaves.moment(NOW) == "2026-11-21T12:00:00Z"
