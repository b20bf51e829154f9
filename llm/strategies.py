"""In which order providers are tried, once the region policy has said which may be at all."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from llm.prices import price
from llm.providers.base import Usage
from llm.providers.configuration import SELF_HOSTED

# A call of the usual size, to compare prices by.
_USUAL = Usage(1000, 500)


class Strategy(enum.StrEnum):
    """How an organisation wants its providers chosen."""

    PRIORITY = "priority"
    LOCAL_FIRST = "local_first"
    COST_OPTIMIZED = "cost_optimized"
    QUALITY = "quality"
    SPEED = "speed"
    ROUND_ROBIN = "round_robin"


class Hint(enum.StrEnum):
    """What a caller would like for one call, inside the organisation's rules."""

    LOCAL_PREFERRED = "local_preferred"
    CLOUD_PREFERRED = "cloud_preferred"
    BEST_QUALITY = "best_quality"
    CHEAPEST = "cheapest"


@dataclass(frozen=True, slots=True)
class Contender:
    """A provider and model that may answer.

    ``first_token_ms`` is what was measured lately. ``options`` are the provider setting's:
    ``quality`` (0 to 100) is the organisation's own judgement, ``price`` the agreed price.
    """

    settings_id: UUID | None
    provider_name: str
    model: str
    region: str
    priority: int = 100
    first_token_ms: float | None = None
    options: Mapping[str, Any] | None = None

    @property
    def cost(self) -> Decimal | None:
        """What a call of the usual size costs, where a price is known."""
        found = price(
            _USUAL, provider_name=self.provider_name, models=[self.model], options=self.options
        )
        return found.amount if found else None

    @property
    def quality(self) -> float:
        """The organisation's own judgement, 0 where it has none."""
        judged = (self.options or {}).get("quality", 0)
        return float(judged) if isinstance(judged, int | float) else 0.0


def ranked(
    contenders: Sequence[Contender],
    *,
    strategy: Strategy = Strategy.PRIORITY,
    hint: Hint | None = None,
    turn: int = 0,
) -> list[Contender]:
    """*contenders* in the order to try them. A hint goes before the strategy.

    Equal ones keep the order of their priority. *turn* counts the calls, for round robin.
    """
    ordered = sorted(contenders, key=lambda c: c.priority)
    match strategy:
        case Strategy.LOCAL_FIRST:
            ordered.sort(key=lambda c: c.region != SELF_HOSTED)
        case Strategy.COST_OPTIMIZED:
            ordered.sort(key=_by_cost)
        case Strategy.QUALITY:
            ordered.sort(key=lambda c: -c.quality)
        case Strategy.SPEED:
            # Unmeasured ones go last, and are measured when the others are away.
            ordered.sort(key=lambda c: (c.first_token_ms is None, c.first_token_ms or 0.0))
        case Strategy.ROUND_ROBIN if ordered:
            start = turn % len(ordered)
            ordered = ordered[start:] + ordered[:start]
    match hint:
        case Hint.LOCAL_PREFERRED:
            ordered.sort(key=lambda c: c.region != SELF_HOSTED)
        case Hint.CLOUD_PREFERRED:
            ordered.sort(key=lambda c: c.region == SELF_HOSTED)
        case Hint.BEST_QUALITY:
            ordered.sort(key=lambda c: -c.quality)
        case Hint.CHEAPEST:
            ordered.sort(key=_by_cost)
    return ordered


def _by_cost(contender: Contender) -> tuple[bool, Decimal]:
    """Cheapest first; one without a known price is not cheap but last."""
    cost = contender.cost
    return cost is None, cost or Decimal(0)
