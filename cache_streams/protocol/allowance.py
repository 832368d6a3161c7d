"""How many requests a socket may send: a bucket that refills at a steady rate, and when excess has become abuse."""

from __future__ import annotations

import math

EXCESS_IN_A_ROW_LIMIT = 100
"""Requests beyond the rate, one after another, which end the socket with 4429: the client does not listen."""
NO_LIMIT = 1_000_000_000
"""What 0 in a setting stands for where a number is told or compared."""


def limit_of(setting: int) -> int:
    """Return the limit that a setting names; 0 switches it off."""
    return setting or NO_LIMIT


class Allowance:
    """Allows ``rate`` requests per second, and as many at once after a pause of a second. Times are seconds of any clock."""

    __slots__ = ("_at", "_excess", "_left", "rate")

    def __init__(self, rate: int, now: float) -> None:
        self.rate, self._left, self._at, self._excess = rate, float(rate), now, 0

    @property
    def abused(self) -> bool:
        """Whether the client goes on asking although it was told to wait."""
        return self._excess >= EXCESS_IN_A_ROW_LIMIT

    def take(self, now: float) -> int:
        """Take one request out; return 0, or after how many milliseconds there will be one."""
        self._refill(now)
        if self._left >= 1.0:
            self._left -= 1.0
            self._excess = 0
            return 0
        self._excess += 1
        return max(1, math.ceil((1.0 - self._left) / self.rate * 1000))

    def left(self, now: float) -> int:
        """Return how many requests are allowed right now."""
        self._refill(now)
        return int(self._left)

    def _refill(self, now: float) -> None:
        self._left = min(float(self.rate), self._left + (now - self._at) * self.rate)
        self._at = now
