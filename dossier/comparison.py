"""The period before, in the same numbers: what grew, what fell, and what nobody can know.

Both periods are counted by the same rules over the log's index of calls and of records. Where the
log began only later, the earlier period is unknown, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet, Sum

from audit.kinds import Kind
from audit.models import RecordIndex
from dossier.collect import ENDINGS, Collected
from dossier.document import Block, Row
from dossier.leaves import Leaf, Origin, unknown
from dossier.periods import Period, period_before
from dossier.phrases import Phrase, phrase
from dossier.review_figures import DECISIONS
from llm.models import Inference

if TYPE_CHECKING:
    from dossier.material import Material

LABELS = {
    "calls": "Calls",
    "completed": "Completed",
    "stopped": "Stopped by the user",
    "failed": "Failed",
    "blocked": "Blocked before sending",
    "interrupted": "Interrupted (process or connection lost)",
    "input_tokens": "Tokens in",
    "output_tokens": "Tokens out",
    "reviews": "Reviews finished",
    "incidents": "Incidents opened",
    "records": "Records",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What is compared. ``cost`` is by currency, of the calls whose price was known."""

    numbers: Mapping[str, int]
    cost: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two periods, the later one the dossier's. ``earlier`` is None: the log began too late."""

    first: date
    last: date
    log_began: datetime | None
    now: Figures
    earlier: Figures | None


def compare(organisation_id: UUID, collected: Collected) -> Comparison:
    """Count the period before what was *collected*, inside the same snapshot."""
    period, as_of = collected.period, collected.as_of
    first, last = period_before(period.first, period.last)
    before = Period(first, last, period.zone)
    records = RecordIndex.objects.for_organisation(organisation_id)
    began: datetime | None = records.aggregate(at=Min("at"))["at"]
    is_known = began is not None and began <= before.opens
    return Comparison(
        first=first,
        last=last,
        log_began=began,
        now=_figures_of(organisation_id, collected),
        earlier=_figures(organisation_id, before, as_of) if is_known else None,
    )


def _figures_of(organisation_id: UUID, collected: Collected) -> Figures:
    """What was collected, in the figures that are compared; what it cost is added up here."""
    numbers = {
        "calls": collected.calls,
        **collected.totals(),
        "input_tokens": sum(use.input_tokens for use in collected.uses),
        "output_tokens": sum(use.output_tokens for use in collected.uses),
    }
    calls = _calls(organisation_id, collected.period, collected.as_of)
    return _with_records(numbers, collected.kinds, _costs(calls, collected.as_of))


def _figures(organisation_id: UUID, period: Period, as_of: datetime) -> Figures:
    calls = _calls(organisation_id, period, as_of)
    ended = Q(ended_at__lte=as_of)
    numbers = calls.aggregate(
        calls=Count("id"),
        **{state: Count("id", filter=ended & Q(state=state)) for state in ENDINGS},
        input_tokens=Sum("input_tokens", filter=ended, default=0),
        output_tokens=Sum("output_tokens", filter=ended, default=0),
    )
    records = RecordIndex.objects.for_organisation(organisation_id).filter(
        at__gte=period.opens, at__lt=period.until(as_of)
    )
    kinds = dict(records.order_by().values_list("kind").annotate(n=Count("record_id")))
    return _with_records(numbers, kinds, _costs(calls, as_of))


def _with_records(
    numbers: Mapping[str, int], kinds: Mapping[str, int], cost: Mapping[str, Decimal]
) -> Figures:
    found = {
        **numbers,
        "reviews": sum(kinds.get(kind, 0) for kind in DECISIONS),
        "incidents": kinds.get(Kind.INCIDENT_OPENED.value, 0),
        "records": sum(kinds.values()),
    }
    return Figures({name: found[name] for name in LABELS}, cost)


def _calls(organisation_id: UUID, period: Period, as_of: datetime) -> QuerySet[Inference]:
    return Inference.objects.for_organisation(organisation_id).filter(
        started_at__gte=period.opens, started_at__lt=period.until(as_of)
    )


def _costs(calls: QuerySet[Inference], as_of: datetime) -> dict[str, Decimal]:
    """By currency, of the calls whose price was known."""
    known = calls.filter(ended_at__lte=as_of, cost__isnull=False).order_by()
    return dict(
        known.values_list("currency").annotate(total=Sum("cost")).order_by("currency").iterator()
    )


# -- On paper and in the manifest ------------------------------------------------------------------


def comparison_block(material: Material) -> Block:
    """The earlier period's numbers as leaves, each with what became of it."""
    compared = material.comparison
    if compared is None or compared.earlier is None:
        rows: tuple[Row, ...] = (Row("earlier", "Period before", _not_known(material)),)
    else:
        rows = (*_number_rows(material, compared, compared.earlier), *_cost_rows(material))
    title: str = "The period before"
    if compared is not None:
        title = phrase(
            "The period before: %(first)s to %(last)s", first=compared.first, last=compared.last
        )
    return Block("comparison", title, rows, layout="checklist")


def _not_known(material: Material) -> Leaf:
    compared = material.comparison
    reason: str = "no record was made before this statement"
    if compared is not None and compared.log_began is not None:
        reason = phrase(
            "the log begins at %(began)s: there is no whole earlier period to compare with",
            began=compared.log_began,
        )
    return unknown(reason, as_of=material.as_of, origin=Origin.RECORDED)


def _number_rows(material: Material, compared: Comparison, earlier: Figures) -> list[Row]:
    return [
        Row(
            name,
            label,
            material.counted(
                earlier.numbers[name],
                "count-before",
                over=_range(material, compared),
                reason=_change(compared.now.numbers[name], earlier.numbers[name]),
            ),
        )
        for name, label in LABELS.items()
    ]


def _cost_rows(material: Material) -> list[Row]:
    compared = material.comparison
    assert compared is not None
    assert compared.earlier is not None
    return [
        Row(
            f"cost_{currency.lower()}",
            phrase("Cost of calls whose price was known, %(currency)s", currency=currency),
            material.counted(
                _money(compared.earlier.cost.get(currency, Decimal(0))),
                "sum-cost-before",
                over=_range(material, compared),
                reason=phrase(
                    "this period: %(now)s", now=_money(compared.now.cost.get(currency, Decimal(0)))
                ),
            ),
        )
        for currency in sorted({*compared.now.cost, *compared.earlier.cost})
        if currency
    ]


def _range(material: Material, compared: Comparison) -> str:
    before = Period(compared.first, compared.last, material.period.zone)
    return (
        f"records from {before.opens:%Y-%m-%dT%H:%M:%SZ} to before "
        f"{before.closes:%Y-%m-%dT%H:%M:%SZ}"
    )


def _change(now: int, before: int) -> Phrase:
    if now == before:
        return phrase("this period: the same")
    if not before:
        return phrase("this period: %(now)s", now=now)
    if now > before:
        return phrase(
            "this period: %(now)s, %(percent)s %% more", now=now, percent=100 * (now / before - 1)
        )
    return phrase(
        "this period: %(now)s, %(percent)s %% less", now=now, percent=100 * (1 - now / before)
    )


def _money(amount: Decimal) -> str:
    return f"{amount:.4f}"
