"""What ``top`` shows, as numbers: markets with their age and rate, streams with their lag. Knows no screen."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from cache_streams.client.messages import Message

RATE_S = 10.0
LEAST_S = 1.0
"""What was counted for less than this is told as if it were all of it."""
LAGS_KEPT = 512


@dataclass(slots=True)
class Market:
    """One key: its newest price, how it moved, when its source stamped it, and updates per second."""

    key: str
    price: float | None = None
    move: int = 0
    stamped_at: float | None = None
    skipped: int = 0
    changes: float = 0.0
    counted_at: float = 0.0
    began_at: float | None = None

    def count(self, changes: int, now: float) -> None:
        """Let changes count, of which older ones weigh less: half after 10 s."""
        if self.began_at is None:
            self.began_at = now
        self.changes = self._weighed(now) + changes
        self.counted_at = now

    def rate_at(self, now: float) -> float:
        """Return updates per second, as of now."""
        if self.began_at is None:
            return 0.0
        weight = 1.0 - math.exp2(-max(LEAST_S, now - self.began_at) / RATE_S)  # of a time that has only begun
        return self._weighed(now) * math.log(2) / RATE_S / weight

    def _weighed(self, now: float) -> float:
        return self.changes * math.exp2(-max(0.0, now - self.counted_at) / RATE_S)


@dataclass(slots=True)
class Flow:
    """One stream: updates per second, and how late they come."""

    name: str
    total: Market = field(default_factory=lambda: Market(""))
    state: str = "live"
    sources_s: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS_KEPT))
    lags_s: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS_KEPT))


class Board:
    """Takes messages in; ``markets`` and ``flows`` are what to show. At most ``limit`` markets are kept."""

    def __init__(self, limit: int = 10_000) -> None:
        self._limit = limit
        self.markets: dict[str, Market] = {}
        self.flows: dict[str, Flow] = {}

    def take(self, message: Message[Any], now: float) -> None:  # Any: whichever stream
        """Take a message in, received at ``now``, Unix seconds."""
        flow = self.flows.setdefault(message.stream, Flow(message.stream))
        if message.kind == "update":
            flow.total.count(1 + message.missed, now)
            if message.relay_time is not None:
                flow.lags_s.append(now - message.relay_time)
                if message.source_time is not None:
                    flow.sources_s.append(message.relay_time - message.source_time)
        if message.stream == "tickers":
            self._market(message, now)

    def tell(self, stream: str, state: str) -> None:
        """Note what a stream's source does: live, stale or dead."""
        self.flows.setdefault(stream, Flow(stream)).state = state

    def busiest(self, now: float, count: int) -> list[Market]:
        """Return the markets with most updates, and of equal ones those by name."""
        return sorted(self.markets.values(), key=lambda each: (-round(each.rate_at(now), 1), each.key))[
            :count
        ]

    def _market(self, message: Message[Any], now: float) -> None:  # Any: as above
        if message.data is None:
            self.markets.pop(message.key, None)
            return
        market = self.markets.get(message.key)
        if market is None:
            if len(self.markets) >= self._limit:
                return
            market = self.markets[message.key] = Market(message.key)
        price = message.data.price
        market.move = (
            0 if market.price is None else (price > market.price) - (price < market.price) or market.move
        )
        market.price, market.stamped_at = price, message.data.time
        market.skipped += message.missed
        if message.kind == "update":
            market.count(1 + message.missed, now)


def middle(values: deque[float]) -> float | None:
    """Return the median, None of nothing."""
    return sorted(values)[len(values) // 2] if values else None
