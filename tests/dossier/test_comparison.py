"""The period before: counted by the same rules, or said not to be known (P9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from audit.kinds import Kind as RecordKind
from audit.ledger import Draft, commit_blocking
from dossier.collect import collect, one_snapshot
from dossier.comparison import Comparison, compare
from dossier.periods import Period, named_period
from llm.models import Inference
from tests.cast import Cast
from tests.dossier.scene import call

OCTOBER = Period(*named_period("2026-10"), "Europe/Brussels")
LATER = datetime(2026, 11, 21, tzinfo=UTC)


def compared(cast: Cast, as_of: datetime = LATER) -> Comparison:
    with one_snapshot():
        return compare(cast.organisation.pk, collect(cast.organisation.pk, OCTOBER, as_of))


def old_log(cast: Cast) -> None:
    """A first record long before both periods."""
    commit_blocking(
        Draft(
            organisation_id=cast.organisation.pk,
            kind=RecordKind.POLICY_CHANGED,
            actor=cast.alice.actor,
            body={},
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )
    )


def test_both_periods_are_counted_alike(cast: Cast) -> None:
    old_log(cast)
    for day, state in ((3, "completed"), (4, "failed"), (5, "blocked")):
        call(cast.max, datetime(2026, 9, day, tzinfo=UTC), state=state)
    call(cast.max, datetime(2026, 10, 3, tzinfo=UTC))
    found = compared(cast)
    assert (found.first, found.last) == (date(2026, 9, 1), date(2026, 9, 30))
    assert found.earlier is not None
    assert found.earlier.numbers["calls"] == 3
    assert found.earlier.numbers["blocked"] == 1
    assert found.now.numbers["calls"] == 1
    assert found.now.numbers["input_tokens"] == 42
    assert found.earlier.numbers["records"] == 6


def test_days_belong_to_the_organisations_own_midnight(cast: Cast) -> None:
    old_log(cast)
    call(cast.max, datetime(2026, 9, 30, 21, 59, tzinfo=UTC))  # 23:59 in Brussels
    call(cast.max, datetime(2026, 9, 30, 22, 1, tzinfo=UTC))  # already October
    found = compared(cast)
    assert found.earlier is not None
    assert (found.earlier.numbers["calls"], found.now.numbers["calls"]) == (1, 1)


def test_a_log_that_began_later_makes_the_earlier_period_unknown_and_not_zero(cast: Cast) -> None:
    call(cast.max, datetime(2026, 9, 2, tzinfo=UTC))
    found = compared(cast)
    assert found.earlier is None
    assert found.log_began is not None


def test_cost_is_summed_by_currency_and_only_where_a_price_was_known(cast: Cast) -> None:
    old_log(cast)
    ids = [call(cast.max, datetime(2026, 9, day, tzinfo=UTC)) for day in (1, 2, 3)]
    for number, currency in enumerate(("EUR", "USD")):
        rows = Inference.objects.for_tenant(cast.max).filter(pk=ids[number])
        rows.update(cost=Decimal("0.25"), currency=currency)
    found = compared(cast)
    assert found.earlier is not None
    assert found.earlier.cost == {"EUR": Decimal("0.25"), "USD": Decimal("0.25")}
    assert found.now.cost == {}


def test_what_ends_after_the_statement_counts_as_running(cast: Cast) -> None:
    old_log(cast)
    at = datetime(2026, 10, 5, 12, tzinfo=UTC)
    call(cast.max, at)
    found = compared(cast, as_of=at + timedelta(seconds=1))
    assert found.now.numbers["calls"] == 1
    assert found.now.numbers["completed"] == 0


def test_another_organisation_is_not_counted(cast: Cast) -> None:
    old_log(cast)
    call(cast.charlie, datetime(2026, 9, 2, tzinfo=UTC))
    found = compared(cast)
    assert found.earlier is not None
    assert found.earlier.numbers["calls"] == 0
