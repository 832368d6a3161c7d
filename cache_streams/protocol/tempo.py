"""The tempo of a replay: when an entry of the past is due, spaced as it was then, divided by a speed."""

from __future__ import annotations

GRAIN_S = 0.005
"""What is due within so long is sent along: a thousand timers per second space nothing better."""


class Tempo:
    """Maps times of the log (Unix milliseconds) to times of any clock in seconds; the entry at ``first_ms`` is due ``now``."""

    __slots__ = ("_began", "_first_ms", "_speed")

    def __init__(self, first_ms: int, speed: float, now: float) -> None:
        self._first_ms, self._speed, self._began = first_ms, speed, now

    def due(self, at_ms: int) -> float:
        """Return when an entry of that time is to be sent, by the clock; earlier entries never later."""
        return self._began + (at_ms - self._first_ms) / 1000 / self._speed

    def pause_s(self, at_ms: int, now: float) -> float:
        """Return how long to wait for an entry of that time; 0 when it is due, or as good as due."""
        left = self.due(at_ms) - now
        return left if left > GRAIN_S else 0.0
