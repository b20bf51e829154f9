"""The circuit breaker of a provider: one that fails again and again is left alone for a while.

Five failures within 30 seconds open it: for 30 seconds nothing is sent. Then one call may try; if
it succeeds the breaker closes, and until it does the others wait. A rate limit is not a failure:
the provider is left alone for as long as it asks. Shared by all processes.
"""

from __future__ import annotations

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


class Breaker:
    """The breaker of the provider named *identity* (a setting's id and a model)."""

    def __init__(self, identity: str, store: Store | None = None) -> None:
        self._store = store or shared_store()
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

    def failed(self, error: ProviderError) -> None:
        """A call failed. Only failures of the provider itself count, not of the request."""
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
