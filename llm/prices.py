"""What a call costs: offline, in decimals, and always with where the price comes from.

List prices come from the data inside the pinned package ``genai-prices``; nothing is fetched. A
provider setting may hold the contract's own price, per million tokens, which wins; its
``options["price"]`` is ``{"input": "1.80", "output": "5.40", "cached_input": "0.18", "currency":
"EUR", "as_of": "2026-10-01"}``, the last three where they are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from llm.providers.base import Usage

# Nine places, as many as the column of an inference keeps: a token can cost a ten-millionth.
_PLACES = Decimal("0.000000001")
_MILLION = Decimal(1_000_000)
_DATE = re.compile(r"20\d\d-[01]\d-[0-3]\d")

# The names that go into our records, and the package's own.
_PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "aws.bedrock": "aws",
    "azure.ai.openai": "azure",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "groq": "groq",
    "mistral_ai": "mistral",
    "openai": "openai",
    "together": "together",
}
# Nobody sends a bill for these.
_OWN_SERVERS = frozenset({"llama.cpp", "lmstudio", "localai", "ollama", "simulated", "vllm"})


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one call. ``as_of`` is how recent the price is, as far as its source says."""

    amount: Decimal
    currency: str
    source: str
    as_of: date | None

    @property
    def origin(self) -> str:
        """Source and date in one string, as a record keeps it."""
        return f"{self.source} ({self.as_of.isoformat()})" if self.as_of else self.source


class WrongPrice(ValueError):
    """A price in a provider's options is not one. The message says why and may be shown."""


def price(
    usage: Usage,
    *,
    provider_name: str,
    models: Sequence[str],
    options: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Price | None:
    """What *usage* costs at *provider_name*, or None where no price is known.

    *models* are tried in order: the snapshot that answered, then the model that was asked for.
    *at* is the time of the call, since prices change; by default now.
    """
    agreed = (options or {}).get("price")
    if agreed is not None:
        return _agreed(usage, agreed)
    if provider_name in _OWN_SERVERS:
        return Price(Decimal(0), "USD", "own server", None)
    listed = _PROVIDERS.get(provider_name)
    if listed is None:
        return None
    for model in _names(models):
        amount = _listed(usage, listed, model, at or datetime.now(UTC))
        if amount is not None:
            return Price(amount, "USD", list_source(), list_date())
    return None


@cache
def list_source() -> str:
    """The list of prices and its version."""
    return f"genai-prices {version('genai-prices')}"


@cache
def list_date() -> date | None:
    """The most recent day, up to today, that the list itself mentions: it is at least so recent."""
    today = datetime.now(UTC).date().isoformat()
    days = [day for day in _days() if day <= today]
    return date.fromisoformat(max(days)) if days else None


def require_price(agreed: Any) -> None:
    """Raise :class:`WrongPrice` unless *agreed* is a price as options hold it."""
    _agreed(Usage(0, 0), agreed)


def _agreed(usage: Usage, agreed: Any) -> Price:
    if not isinstance(agreed, Mapping) or not {"input", "output"} <= set(agreed):
        raise WrongPrice("A price has “input” and “output”, per million tokens.")
    rates = _rates(
        str(agreed["input"]),
        str(agreed.get("cached_input", agreed["input"])),
        str(agreed["output"]),
        str(agreed.get("currency", "EUR")),
        str(agreed.get("as_of") or ""),
    )
    fresh = usage.input_tokens - usage.cached_input_tokens
    amount = (
        fresh * rates.input
        + usage.cached_input_tokens * rates.cached_input
        + usage.output_tokens * rates.output
    ) / _MILLION
    whole = amount.quantize(_PLACES, ROUND_HALF_UP)
    return Price(whole, rates.currency, "agreed price", rates.as_of)


class _Rates(NamedTuple):
    """What a million tokens cost."""

    input: Decimal
    cached_input: Decimal
    output: Decimal
    currency: str
    as_of: date | None


@lru_cache(maxsize=1000)
def _rates(read: str, cached: str, written: str, currency: str, as_of: str) -> _Rates:
    """What an agreed price says; every call with its provider asks. Raises :class:`WrongPrice`."""
    try:
        rates = Decimal(read), Decimal(cached), Decimal(written)
        day = date.fromisoformat(as_of) if as_of else None
    except (InvalidOperation, ValueError) as error:
        raise WrongPrice("A price is a decimal number, and its date like 2026-10-01.") from error
    if not all(rate.is_finite() and rate >= 0 for rate in rates):
        raise WrongPrice("A price is not negative.")
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise WrongPrice("A currency is three capital letters, such as EUR.")
    return _Rates(*rates, currency, day)


def _listed(usage: Usage, provider: str, model: str, at: datetime) -> Decimal | None:
    import genai_prices

    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_input_tokens or None,
    )
    try:
        found = genai_prices.calc_price(
            counted, model, provider_id=provider, genai_request_timestamp=at
        )
    except (LookupError, ValueError):
        return None
    return Decimal(found.total_price).quantize(_PLACES, ROUND_HALF_UP)


def _names(models: Sequence[str]) -> Iterator[str]:
    """Each model, and each dated snapshot also without its date."""
    for model in dict.fromkeys(filter(None, models)):
        yield model
        undated = re.sub(r"-(20\d\d-?\d\d-?\d\d)$", "", model)
        if undated != model:
            yield undated


def _days() -> Iterator[str]:
    from genai_prices.data_snapshot import get_snapshot

    for provider in get_snapshot().providers:
        yield from _DATE.findall(provider.price_comments or "")
        for model in provider.models:
            yield from _DATE.findall(model.price_comments or "")
            for conditional in model.prices if isinstance(model.prices, list) else ():
                start = getattr(conditional.constraint, "start_date", None)
                if start is not None:
                    yield str(start)[:10]
