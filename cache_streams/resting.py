"""How long the reader rests after a step: where many updates arrive while a rest lasts, they share their writes.

A system call per socket is most of what a delivery costs. Updates that come one by one are never held back for it.
"""

from __future__ import annotations

WORTH_S = 0.0002
"""Steps shorter than this have nothing to save."""
PER_WORK = 10.0
"""Rest per time worked: a reader with little to do rests little."""
MOST_S = 0.01
"""No update waits longer than this."""
WORTH_ENTRIES = 2.5
"""So many entries must be expected during a rest, or it only delays them."""
_NEWEST = 0.25
"""Weight of the newest step in the rate."""


class Rest:
    """Knows the rate at which entries have come lately."""

    def __init__(self) -> None:
        self._per_s = 0.0
        self._before = 0.0

    def after(self, entries: int, *, began: float, now: float) -> float:
        """Return the seconds to rest after a step that took ``entries`` from ``began`` to ``now`` (monotonic seconds)."""
        passed, self._before = max(now - self._before, 1e-6), now
        self._per_s += _NEWEST * (entries / passed - self._per_s)
        spent = now - began
        rest = min(PER_WORK * spent, MOST_S)
        return rest if spent >= WORTH_S and self._per_s * rest >= WORTH_ENTRIES else 0.0
