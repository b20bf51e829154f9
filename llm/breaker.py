"""The circuit breaker of a provider: one that fails again and again is left alone for a while.

Five failures within 30 seconds open it: for 30 seconds nothing is sent. Then one call may try; if
it succeeds the breaker closes, and until it does the others wait. A rate limit is not a failure:
the provider is left alone for as long as it asks. Shared by all processes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from llm.providers.errors import BadResponse, ProviderError, RateLimited, Unavailable
from llm.shared_state import Store, shared_store

FAILURES = 5
WINDOW_SECONDS = 30.0
OPEN_SECONDS = 30.0
PROBE_SECONDS = 15.0
# How long a provider that was open is remembered as one that must show itself first.
TRIPPED_SECONDS = 600.0
MAX_COOL_SECONDS = 300.0
DEFAULT_COOL_SECONDS = 5.0
# What was seen is believed for so long, so that not every call asks Redis before it goes.
LOOK_SECONDS = 1.0
_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Rest:
    """How a provider stands: ``seconds`` for which nothing should be sent to it.

    ``is_asked_for``: by the provider itself. ``is_on_trial``: it was open before, and one call may
    try. ``has_failed``: failures are counted, which a success ends.
    """

    seconds: float = 0.0
    is_asked_for: bool = False
    is_on_trial: bool = False
    has_failed: bool = False

    @property
    def is_on(self) -> bool:
        """Whether nothing should be sent now."""
        return self.seconds > 0


_seen: dict[str, tuple[float, Rest]] = {}


def rests(identities: Sequence[str]) -> list[Rest]:
    """How the providers of these names stand: seen within the last second, or asked for now."""
    now = time.monotonic()
    stale = [name for name in identities if _seen.get(name, (0.0, None))[0] <= now]
    if stale:
        if len(_seen) > _MOST_SEEN:
            _seen.clear()
        keys = [f"breaker:{name}:{part}" for name in stale for part in _PARTS]
        left = shared_store().remaining(*keys)
        for number, name in enumerate(stale):
            opened, cool, tripped, failures = left[number * 4 : number * 4 + 4]
            rest = Rest(max(opened, cool), cool > opened, tripped > 0, failures > 0 or tripped > 0)
            # A rest that ends sooner is looked at again when it ends.
            _seen[name] = (now + min(LOOK_SECONDS, rest.seconds or LOOK_SECONDS), rest)
    return [_seen[name][1] for name in identities]


def last_seen(identity: str) -> Rest | None:
    """What was seen of a provider when it was last looked at; asks nothing of anybody."""
    seen = _seen.get(identity)
    return seen[1] if seen else None


_PARTS = ("open", "cool", "tripped", "failures")


class Breaker:
    """The breaker of the provider named *identity* (a setting's id and a model)."""

    def __init__(self, identity: str, store: Store | None = None) -> None:
        self._store = store or shared_store()
        self.identity = identity
        self._failures, self._open, self._cool, self._tripped, self._probe = (
            f"breaker:{identity}:{part}"
            for part in ("failures", "open", "cool", "tripped", "probe")
        )

    def seconds_closed_to_calls(self) -> float:
        """How long nothing should be sent; 0 where a call may go.

        Where the answer is 0 after an opening, the caller holds the one trial and must report how
        it went with :meth:`succeeded` or :meth:`failed`; a trial that never reports ends by
        itself.
        """
        opened, cool, tripped = self._store.remaining(self._open, self._cool, self._tripped)
        if opened or cool:
            return max(opened, cool)
        if tripped and not self._store.claim(self._probe, PROBE_SECONDS):
            return max(self._store.remaining(self._probe)[0], 0.1)
        return 0.0

    def is_resting(self) -> bool:
        """Whether calls are held back now; asks nothing of anybody and takes no trial."""
        return any(self._store.remaining(self._open, self._cool))

    def succeeded(self) -> None:
        """A call went through: close the breaker."""
        self._store.forget(self._failures, self._open, self._tripped, self._probe)
        _seen.pop(self.identity, None)

    def failed(self, error: ProviderError) -> None:
        """A call failed. Only failures of the provider itself count, not of the request."""
        _seen.pop(self.identity, None)
        if isinstance(error, RateLimited):
            wait = DEFAULT_COOL_SECONDS if error.retry_after is None else error.retry_after
            if wait > 0:
                self._store.put(self._cool, min(wait, MAX_COOL_SECONDS))
            return
        if not isinstance(error, Unavailable | BadResponse):
            return
        tripped = self._store.remaining(self._tripped)[0] > 0
        if tripped or self._store.count(self._failures, WINDOW_SECONDS) >= FAILURES:
            wait = max(OPEN_SECONDS, min(error.retry_after or 0.0, MAX_COOL_SECONDS))
            self._store.put(self._open, wait)
            self._store.put(self._tripped, wait + TRIPPED_SECONDS)
            self._store.forget(self._failures, self._probe)
