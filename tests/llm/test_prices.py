"""What a call costs, where the price comes from, and that nothing is fetched to know it."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm.prices import WrongPrice, list_date, list_source, price, require_price
from llm.providers.base import Usage
from llm.providers.registry import BUILT_IN

MILLION = Usage(1_000_000, 1_000_000)
AT = datetime(2026, 11, 1, tzinfo=UTC)
AGREED = {"input": "2", "output": "6.5", "cached_input": "0.2", "as_of": "2026-10-01"}


def test_a_list_price_is_in_decimals_with_its_source_and_date() -> None:
    found = price(
        Usage(1000, 500), provider_name="mistral_ai", models=["mistral-large-latest"], at=AT
    )
    assert found is not None
    assert isinstance(found.amount, Decimal)
    assert found.amount > 0
    assert found.currency == "USD"
    assert found.source == list_source()
    assert found.source.startswith("genai-prices ")
    assert found.as_of == list_date()
    assert date(2026, 1, 1) < found.as_of <= datetime.now(UTC).date()
    assert found.origin == f"{found.source} ({found.as_of})"


@pytest.mark.parametrize(
    ("provider_name", "model"),
    [
        ("openai", "gpt-5.2"),
        ("anthropic", "claude-sonnet-4-5"),
        ("gcp.gemini", "gemini-2.5-pro"),
        ("gcp.vertex_ai", "gemini-2.5-pro"),
        ("groq", "llama-3.3-70b-versatile"),
        ("azure.ai.openai", "gpt-4o"),
        ("mistral_ai", "mistral-small-latest"),
    ],
)
def test_the_vendors_list_prices_are_known(provider_name: str, model: str) -> None:
    found = price(MILLION, provider_name=provider_name, models=[model], at=AT)
    assert found is not None
    assert Decimal("0.1") < found.amount < Decimal(300)


def test_the_snapshot_that_answered_is_priced_before_the_model_that_was_asked_for() -> None:
    both = price(MILLION, provider_name="openai", models=["gpt-4o-mini", "gpt-4o"], at=AT)
    answered = price(MILLION, provider_name="openai", models=["gpt-4o-mini"], at=AT)
    assert both == answered
    dated = price(MILLION, provider_name="openai", models=["gpt-5.2-2026-08-01"], at=AT)
    assert dated == price(MILLION, provider_name="openai", models=["gpt-5.2"], at=AT)
    unknown = price(MILLION, provider_name="openai", models=["", "who-knows", "gpt-4o"], at=AT)
    assert unknown == price(MILLION, provider_name="openai", models=["gpt-4o"], at=AT)


def test_cached_input_is_cheaper() -> None:
    models = ["gpt-5.2"]
    cached = price(Usage(1000, 0, 900), provider_name="openai", models=models, at=AT)
    fresh = price(Usage(1000, 0), provider_name="openai", models=models, at=AT)
    assert cached is not None
    assert fresh is not None
    assert cached.amount < fresh.amount


def test_an_unknown_price_is_none_and_never_zero() -> None:
    assert price(MILLION, provider_name="openai", models=["who-knows"], at=AT) is None
    assert price(MILLION, provider_name="openai_compatible", models=["gpt-4o"], at=AT) is None
    assert price(MILLION, provider_name="openai", models=[], at=AT) is None


def test_a_model_on_an_own_server_has_no_bill() -> None:
    found = price(MILLION, provider_name="ollama", models=["llama3.2"])
    assert found is not None
    assert (found.amount, found.origin) == (Decimal(0), "own server")


def test_an_agreed_price_wins() -> None:
    usage = Usage(2_000_000, 1_000_000, cached_input_tokens=1_000_000)
    for provider_name in ("mistral_ai", "ollama", "openai_compatible"):
        found = price(usage, provider_name=provider_name, models=["m"], options={"price": AGREED})
        assert found is not None
        assert found.amount == Decimal("8.7")
        assert (found.currency, found.origin) == ("EUR", "agreed price (2026-10-01)")


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_amounts_are_exact(tokens_in: int, tokens_out: int) -> None:
    options = {"price": {"input": "0.1", "output": "0.2"}}
    found = price(
        Usage(tokens_in, tokens_out), provider_name="openai", models=["m"], options=options
    )
    assert found is not None
    assert found.amount * 10_000_000 == tokens_in + 2 * tokens_out


@pytest.mark.parametrize(
    "wrong",
    [
        "1",
        {},
        {"input": "1"},
        {"input": "x", "output": "1"},
        {"input": "-1", "output": "1"},
        {"input": "NaN", "output": "1"},
        {"input": "1", "output": "Infinity"},
        {"input": "1", "output": "1", "currency": "euro"},
        {"input": "1", "output": "1", "as_of": "yesterday"},
        {"input": [1], "output": "1"},
    ],
)
def test_a_wrong_price_is_refused(wrong: object) -> None:
    with pytest.raises(WrongPrice):
        require_price(wrong)


def test_every_vendor_that_sends_a_bill_is_priced_or_named_here() -> None:
    """A new vendor must be given a price list, be an own server, or be added to this list."""
    from llm import prices

    unpriced = {"openai_compatible"}
    names = {vendor.provider_name for vendor in BUILT_IN}
    assert names <= set(prices._PROVIDERS) | prices._OWN_SERVERS | unpriced


def test_nothing_is_fetched() -> None:
    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('it tried to connect')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse\n"
        "from llm.prices import price\n"
        "from llm.providers.base import Usage\n"
        "found = price(Usage(1000, 500), provider_name='openai', models=['gpt-4o'])\n"
        "assert found and found.amount > 0\n"
        "import threading; assert threading.active_count() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
