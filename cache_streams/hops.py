"""How long the hops of an update's way take: sampled, because a clock read for each of them would cost more than it tells."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Mapping

from cache_streams.metrics import HOP_S

SAMPLE_EVERY_S = 0.25
"""At most one sample of a log in so long: four each second tell as much as thousands."""
RECENT = 512
"""Samples of each hop that are kept for the operators' page."""


class Hop(enum.Enum):
    """One part of the way from the source's own stamp to a socket's transport."""

    SOURCE_TO_RELAY = "source_to_relay"
    RELAY_TO_READER = "relay_to_reader"
    READER_TO_SOCKET = "reader_to_socket"


Percentiles = Mapping[str, float]

_recent: dict[Hop, deque[float]] = {hop: deque(maxlen=RECENT) for hop in Hop}


def observe(hop: Hop, stream: str, seconds: float) -> None:
    """Note one sample. Clocks of two machines may make it negative: it then counts as nothing."""
    seconds = max(0.0, seconds)
    HOP_S.labels(hop.value, stream).observe(seconds)
    _recent[hop].append(seconds)


def recent() -> dict[str, list[float]]:
    """Return the newest samples of this process by hop, in seconds; hops without any are left out."""
    return {hop.value: list(samples) for hop, samples in _recent.items() if samples}


def percentiles(samples: Iterable[float]) -> Percentiles:
    """Return ``p50``, ``p95``, ``p99`` and ``count`` of samples in seconds; nothing for none."""
    ordered = sorted(samples)
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {
        **{f"p{percent}": ordered[round(last * percent / 100)] for percent in (50, 95, 99)},
        "count": len(ordered),
    }
