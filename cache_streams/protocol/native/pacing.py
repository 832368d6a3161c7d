"""How many requests a socket may send: a bucket that refills at a steady rate."""

from __future__ import annotations

import math


class TokenBucket:
    """Allows ``rate`` requests per second, and as many at once after a pause of a second. Times are seconds of any clock."""

    __slots__ = ("_at", "_left", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate, self._left, self._at = rate, float(rate), now

    def take(self, now: float) -> int:
        """Take one request out; return 0, or after how many milliseconds there will be one."""
        self._refill(now)
        if self._left >= 1.0:
            self._left -= 1.0
            return 0
        return max(1, math.ceil((1.0 - self._left) / self.rate * 1000))

    def left(self, now: float) -> int:
        """Return how many requests are allowed right now."""
        self._refill(now)
        return int(self._left)

    def _refill(self, now: float) -> None:
        self._left = min(float(self.rate), self._left + (now - self._at) * self.rate)
        self._at = now
