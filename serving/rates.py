"""How fast a key may send: a token bucket for each, and the headers that tell the client of it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from features.errors import TooManyRequests


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left to a key: whole requests, and the seconds until its bucket is full again."""

    burst: int
    window_seconds: int
    remaining: int
    full_in_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """As in draft-ietf-httpapi-ratelimit-headers (revision 10)."""
        return {
            "ratelimit-policy": f'"key";q={self.burst};w={self.window_seconds}',
            "ratelimit": f'"key";r={self.remaining};t={self.full_in_seconds}',
        }


class RateLimits:
    """A bucket of ``burst`` requests a key, refilled at ``per_second``; safe to use from several threads.

    A batch is let in as one request and charged for each of its tickets when they are counted: the bucket may then hold
    less than nothing, and what the key sends next waits until that is made good.

    Parameters
    ----------
    per_second : float
    burst : int
    clock : callable, optional
        Seconds, never going back.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        # Tokens and when there were so many. Only keys that are valid come here, so there are few.
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, key_id: str) -> Allowance:
        """Let one request in.

        Raises
        ------
        TooManyRequests
            If the bucket is empty.
        """
        with self._lock:
            tokens = self._tokens(key_id)
            if tokens < 1:
                raise TooManyRequests(
                    f"This key may send {self._per_second:g} requests a second, and {self._burst} at once; try again "
                    "when Retry-After says, or have rate_per_second raised.",
                    retry_seconds=(1 - tokens) / self._per_second,
                )
            return self._set(key_id, tokens - 1)

    def charge(self, key_id: str, count: int) -> None:
        """Take as many more as a request that was let in turned out to hold."""
        with self._lock:
            self._set(key_id, self._tokens(key_id) - count)

    def _tokens(self, key_id: str) -> float:
        tokens, since = self._buckets.get(key_id, (float(self._burst), self._clock()))
        return min(float(self._burst), tokens + (self._clock() - since) * self._per_second)

    def _set(self, key_id: str, tokens: float) -> Allowance:
        self._buckets[key_id] = (tokens, self._clock())
        return Allowance(
            burst=self._burst,
            window_seconds=math.ceil(self._burst / self._per_second),
            remaining=int(max(0.0, tokens)),
            full_in_seconds=math.ceil((self._burst - tokens) / self._per_second),
        )
