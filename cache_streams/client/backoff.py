"""Growing pauses with jitter, so that a thousand clients do not come back in the same moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Random = Callable[[], float]
_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before the first further attempt, and at most."""

    first_s: float = 0.25
    most_s: float = 30.0


def pause_s(attempt: int, pauses: Pauses, least_s: float, random: Random) -> float:
    """Return the pause before attempt number ``attempt`` (0 is the first), in seconds; never less than ``least_s``."""
    full = min(pauses.most_s, pauses.first_s * 2.0 ** min(attempt, _DOUBLINGS))
    return least_s + full * (0.5 + 0.5 * random())


def moment_s(interval_ms: tuple[float, float], random: Random) -> float:
    """Return a moment of an interval of milliseconds that the server told, in seconds from now."""
    least, most = interval_ms
    return max(0.0, least + (max(least, most) - least) * random()) / 1000
