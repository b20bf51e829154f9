"""What came of a call: text, usage and cost, also where it was cut off in the middle."""

from __future__ import annotations

from datetime import datetime

import structlog

from llm.calls import Call, Outcome, State
from llm.prices import Price, WrongPrice, list_date, list_source, price
from llm.providers.base import ChatStream, Usage, estimate_sent, estimate_tokens
from llm.routing import Route

logger = structlog.get_logger(__name__)


def outcome_of(
    call: Call,
    state: State,
    stream: ChatStream | None,
    *,
    error: Exception | None = None,
    is_open: bool = True,
    first_token_ms: int | None = None,
    duration_ms: int = 0,
) -> Outcome:
    """The outcome of *call* as far as *stream* got; ``is_open`` once the provider had begun."""
    code = getattr(error, "code", "") if error else ""
    if stream is None:
        return Outcome(state, error=error, error_code=code, duration_ms=duration_ms)
    usage = usage_of(call, state, stream, is_open=is_open)
    cost = price_of(call, usage, stream.model) if usage else None
    return Outcome(
        state,
        text=stream.text,
        tool_calls=stream.tool_calls,
        usage=usage,
        cost=cost.amount if cost else None,
        currency=cost.currency if cost else "",
        price_source=cost.origin if cost else "",
        finish_reason=stream.finish_reason.value if stream.finish_reason else "",
        raw_finish_reason=stream.raw_finish_reason,
        model=stream.model or (call.model if is_open else ""),
        upstream_id=stream.upstream_id,
        location=stream.location,
        error=error,
        error_code=code,
        first_token_ms=first_token_ms,
        duration_ms=duration_ms,
    )


def price_of(call: Call, usage: Usage, answered: str) -> Price | None:
    """What the call cost at the price of the model that answered, where one is known."""
    assert call.route is not None
    return price_on(call.route, usage, answered, at=call.at)


def price_on(
    route: Route, usage: Usage, answered: str = "", *, at: datetime | None = None
) -> Price | None:
    """What *usage* costs on *route*, at the price of the model that *answered* if known."""
    provider = route.provider
    options = getattr(getattr(provider, "configuration", None), "options", None)
    try:
        return price(
            usage,
            provider_name=provider.provider_name,
            models=(answered, route.model),
            options=options,
            at=at,
        )
    except WrongPrice:
        logger.warning("inference.not_priced", provider=route.name, exc_info=True)
        return None


def load_prices() -> None:
    """Read the list of prices into memory, which takes long enough to be done beside the call."""
    list_source()
    list_date()
    price(Usage(1, 1), provider_name="openai", models=("gpt-4o",))


def usage_of(call: Call, state: State, stream: ChatStream, *, is_open: bool) -> Usage | None:
    """The tokens that were used: the provider's own count of a whole answer, else an estimate.

    A call that was cut off is paid for as far as it got, and the provider never says how far.
    None where the provider refused the call before it began.
    """
    if state == State.COMPLETED and stream.usage is not None:
        return stream.usage
    if not is_open and state != State.STOPPED:
        return None
    said = stream.usage or Usage(0, 0)
    answer = stream.text + stream.reasoning + "".join(c.arguments for c in stream.tool_calls)
    return Usage(
        input_tokens=said.input_tokens or estimate_sent(call.asked.messages, call.asked.options),
        output_tokens=max(said.output_tokens, estimate_tokens(answer)),
        cached_input_tokens=said.cached_input_tokens,
        reasoning_tokens=max(said.reasoning_tokens, estimate_tokens(stream.reasoning)),
        source="estimated",
    )
