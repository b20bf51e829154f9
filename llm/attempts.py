"""What follows an attempt that failed before its first token: the same again, or another provider.

A provider that fails by accident is asked once more after a short pause; one that asks to slow
down gets the time it asks for; then comes whatever the organisation's rules on fallback allow
(:func:`llm.policy.next_route`). Everything is bounded: somebody is waiting.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db import connections

from llm import budgets, policy
from llm.breaker import Breaker, last_seen
from llm.calls import Call, Outcome, State
from llm.providers.errors import (
    BadResponse,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from llm.routing import breaker_of
from orgs.auth import as_of_now
from orgs.roles import Permission

MOST_ATTEMPTS = 5
# Attempts at one place: one, and these pauses (seconds, drawn at random between the two) after it.
PAUSES = ((0.1, 0.4), (0.5, 1.5))
# A provider that asks for more time than this is not waited for.
LONGEST_WAIT = 5.0
# After so long nobody waits for the same provider once more.
LONGEST_TURN = 30.0
# What a provider that asks to slow down gets where it does not say how long.
DEFAULT_WAIT = 1.0

# Errors after which another provider may well answer; the others are about the request itself.
_WORTH_ANOTHER = (Unavailable, BadResponse, RateLimited, QuotaExhausted, Unauthorised)


@dataclass(slots=True)
class Attempts:
    """What has been tried for one question."""

    began: float  # on the event loop's clock
    tried: dict[tuple[UUID | None, str], int] = field(default_factory=dict)

    def note(self, call: Call) -> None:
        """*call* is about to be made."""
        if call.route is not None:
            key = (call.route.settings_id, call.route.model)
            self.tried[key] = self.tried.get(key, 0) + 1

    def ways(self, call: Call, error: Exception | None, *, now: float) -> Iterator[float | None]:
        """What to try next, best first: the same place after so many seconds, or another (None)."""
        if not isinstance(error, _WORTH_ANOTHER) or call.attempt >= MOST_ATTEMPTS:
            return
        assert call.route is not None
        times = self.tried.get((call.route.settings_id, call.route.model), 1)
        pause = _pause(error, times) if now - self.began < LONGEST_TURN else None
        # An accident is best met by asking again; a limit by asking somebody else.
        same_first = times == 1 and not isinstance(error, RateLimited)
        if pause is not None and same_first:
            yield pause
        if call.operation == "chat":
            yield None
        if pause is not None and not same_first:
            yield pause


def _pause(error: ProviderError, times: int) -> float | None:
    """The seconds before the same place is asked again; None where it is not."""
    if not error.retryable or times > len(PAUSES):
        return None
    drawn = random.uniform(*PAUSES[times - 1])  # noqa: S311 - not a secret, only apart
    asked = error.retry_after
    if asked is None and isinstance(error, RateLimited):
        asked = DEFAULT_WAIT
    wait = drawn if asked is None else asked + drawn / 2
    return wait if (asked or 0.0) <= LONGEST_WAIT else None


def following(call: Call, attempts: Attempts, *, is_again: bool, failed_with: str) -> Call | None:
    """The next attempt, admitted by every budget and limit; None where there is none.

    Reads the database and gives the connection back.
    """
    try:
        tenant = as_of_now(call.tenant)
        if tenant is None or not tenant.may(Permission.CHAT):
            return None
        call = replace(call, tenant=tenant)
        found = policy.next_route(call, is_again=is_again, tried=attempts.tried)
        if found is None:
            return None
        admitted = budgets.admitted(call.again(found, failed_with=failed_with))
        return admitted if admitted.refusal is None else None
    finally:
        connections.close_all()


def must_tell_breaker(call: Call, outcome: Outcome) -> bool:
    """Whether the outcome changes what the circuit breaker knows. Asks nothing of anybody."""
    if call.route is None:
        return False
    if isinstance(outcome.error, RateLimited | Unavailable | BadResponse):
        return True
    breaker = breaker_of(call.tenant.organisation, call.route)
    seen = last_seen(breaker.identity)
    return outcome.state == State.COMPLETED and (seen is None or seen.has_failed)


def tell_breaker(call: Call, outcome: Outcome) -> None:
    """Tell the provider's circuit breaker how the call went."""
    assert call.route is not None
    breaker: Breaker = breaker_of(call.tenant.organisation, call.route)
    if isinstance(outcome.error, ProviderError):
        breaker.failed(outcome.error)
    elif outcome.state == State.COMPLETED:
        breaker.succeeded()
