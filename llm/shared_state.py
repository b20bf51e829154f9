"""A few small numbers that all processes share, in Redis; in this process alone when it is gone.

What is kept here may be lost at any time: it makes calls quicker or gentler, never right or
wrong. So a Redis that is away costs a moment and nothing else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import redis
import structlog
from django.conf import settings

_PREFIX = "lexcustis:shared:"
_TIMEOUT_SECONDS = 0.2
# After a failure Redis is left alone for so long, so that not every call waits for it.
_REST_SECONDS = 5.0

_log = structlog.get_logger(__name__)

_MINUTE_MS = 60_000.0
# Each key holds the time (ms) at which its minute's worth would be whole again: the generic cell
# rate algorithm. All limits are asked and taken in one step, or none of them.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local whole, reached, longest = {}, 0, 0
for i, key in ipairs(KEYS) do
  local at = math.max(tonumber(redis.call('GET', key) or now), now) + 60000 / tonumber(ARGV[i])
  local wait = at - now - 60000
  if wait > 0.5 and wait > longest then reached, longest = i, wait end
  whole[i] = at
end
if reached > 0 then return {reached, math.ceil(longest)} end
for i, key in ipairs(KEYS) do
  redis.call('SET', key, string.format('%.3f', whole[i]), 'PX', math.ceil(whole[i] - now) + 1000)
end
return {0, 0}
"""


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached: its place in what was asked for, and when one more fits."""

    number: int
    seconds: float


class Store(Protocol):
    """Keys that end by themselves. Times are in seconds."""

    def remaining(self, *keys: str) -> list[float]:
        """How long each key still lives; 0 where there is none."""

    def put(self, key: str, seconds: float) -> None:
        """Set *key*, or make it live longer."""

    def claim(self, key: str, seconds: float) -> bool:
        """Set *key* unless somebody holds it; whether it is ours now."""

    def count(self, key: str, seconds: float) -> int:
        """One more at *key*, counted from the first for *seconds*."""

    def forget(self, *keys: str) -> None:
        """Remove keys."""

    def take(self, limits: Sequence[tuple[str, int]]) -> Reached | None:
        """One more request under each limit (key, requests per minute), or none and why not.

        A minute's worth may come at once; after that they come evenly.
        """


class LocalStore:
    """The same in this process alone."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._whole_at: dict[str, float] = {}
        self._lock = threading.Lock()

    def remaining(self, *keys: str) -> list[float]:
        """How long each key still lives."""
        with self._lock:
            now = time.monotonic()
            return [max(0.0, self._ends.get(key, now) - now) for key in keys]

    def put(self, key: str, seconds: float) -> None:
        """Set *key*."""
        with self._lock:
            self._tidy()
            self._ends[key] = time.monotonic() + seconds

    def claim(self, key: str, seconds: float) -> bool:
        """Set *key* unless it is held."""
        with self._lock:
            now = time.monotonic()
            if self._ends.get(key, now) > now:
                return False
            self._ends[key] = now + seconds
            return True

    def count(self, key: str, seconds: float) -> int:
        """One more at *key*."""
        with self._lock:
            now = time.monotonic()
            if self._ends.get(key, now) <= now:
                self._tidy()
                self._ends[key], self._counts[key] = now + seconds, 0
            self._counts[key] += 1
            return self._counts[key]

    def forget(self, *keys: str) -> None:
        """Remove keys."""
        with self._lock:
            for key in keys:
                self._ends.pop(key, None)
                self._counts.pop(key, None)

    def take(self, limits: Sequence[tuple[str, int]]) -> Reached | None:
        """One more under each limit, or none."""
        with self._lock:
            now = time.monotonic() * 1000
            if len(self._whole_at) > 10_000:
                self._whole_at = {k: at for k, at in self._whole_at.items() if at > now}
            whole = {
                key: max(self._whole_at.get(key, now), now) + _MINUTE_MS / per_minute
                for key, per_minute in limits
            }
            waits = [at - now - _MINUTE_MS for at in whole.values()]
            longest = max(waits, default=0.0)
            if longest > 0.5:
                return Reached(waits.index(longest), longest / 1000)
            self._whole_at |= whole
            return None

    def _tidy(self) -> None:
        if len(self._ends) > 10_000:
            now = time.monotonic()
            for key in [key for key, ends in self._ends.items() if ends <= now]:
                del self._ends[key]
                self._counts.pop(key, None)


class RedisStore:
    """The same for all processes. Raises :class:`redis.RedisError` when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )
        self._take = self._redis.register_script(_TAKE)

    def remaining(self, *keys: str) -> list[float]:
        """How long each key still lives, in one visit."""
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.pttl(_PREFIX + key)
            return [max(0, left) / 1000 for left in pipe.execute()]

    def put(self, key: str, seconds: float) -> None:
        """Set *key*."""
        self._redis.set(_PREFIX + key, 1, px=_milliseconds(seconds))

    def claim(self, key: str, seconds: float) -> bool:
        """Set *key* unless it is held."""
        return bool(self._redis.set(_PREFIX + key, 1, px=_milliseconds(seconds), nx=True))

    def count(self, key: str, seconds: float) -> int:
        """One more at *key*, in one transaction: a count never outlives its time."""
        with self._redis.pipeline() as pipe:
            pipe.set(_PREFIX + key, 0, px=_milliseconds(seconds), nx=True)
            pipe.incr(_PREFIX + key)
            return int(pipe.execute()[1])

    def forget(self, *keys: str) -> None:
        """Remove keys."""
        self._redis.delete(*(_PREFIX + key for key in keys))

    def take(self, limits: Sequence[tuple[str, int]]) -> Reached | None:
        """One more under each limit, or none: one script, so calls at once cannot pass it."""
        keys, numbers = [_PREFIX + key for key, _ in limits], [number for _, number in limits]
        reached, milliseconds = self._take(keys=keys, args=numbers)
        return Reached(reached - 1, milliseconds / 1000) if reached else None


class SharedStore:
    """Redis, and this process's own memory whenever Redis is away."""

    def __init__(self, shared: Store, local: Store) -> None:
        self._shared = shared
        self._local = local
        self._away_until = 0.0

    def remaining(self, *keys: str) -> list[float]:
        """How long each key still lives; what this process alone knows counts too."""
        here = self._local.remaining(*keys)
        if self._is_away():
            return here
        try:
            return [max(pair) for pair in zip(self._shared.remaining(*keys), here, strict=True)]
        except redis.RedisError as error:
            self._gone(error)
            return here

    def put(self, key: str, seconds: float) -> None:
        """Set *key* for all, or for this process."""
        if not self._is_away():
            try:
                self._shared.put(key, seconds)
            except redis.RedisError as error:
                self._gone(error)
            else:
                return
        self._local.put(key, seconds)

    def claim(self, key: str, seconds: float) -> bool:
        """Set *key* unless it is held, here or elsewhere."""
        if not self._is_away():
            try:
                return self._shared.claim(key, seconds)
            except redis.RedisError as error:
                self._gone(error)
        return self._local.claim(key, seconds)

    def count(self, key: str, seconds: float) -> int:
        """One more at *key*."""
        if not self._is_away():
            try:
                return self._shared.count(key, seconds)
            except redis.RedisError as error:
                self._gone(error)
        return self._local.count(key, seconds)

    def forget(self, *keys: str) -> None:
        """Remove keys, here and for all."""
        self._local.forget(*keys)
        if not self._is_away():
            try:
                self._shared.forget(*keys)
            except redis.RedisError as error:
                self._gone(error)

    def take(self, limits: Sequence[tuple[str, int]]) -> Reached | None:
        """One more under each limit; where Redis is away each process counts for itself."""
        if not self._is_away():
            try:
                return self._shared.take(limits)
            except redis.RedisError as error:
                self._gone(error)
        return self._local.take(limits)

    def _is_away(self) -> bool:
        return time.monotonic() < self._away_until

    def _gone(self, error: Exception) -> None:
        self._away_until = time.monotonic() + _REST_SECONDS
        _log.warning("shared_state.redis_away", error=type(error).__name__)


@cache
def shared_store() -> Store:
    """The store of this instance."""
    return SharedStore(RedisStore(settings.REDIS_URL), LocalStore())


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))
