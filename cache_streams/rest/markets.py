"""Bars and trades of markets, out of the cache: what the routes about candles tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from cache_streams.rest import states
from cache_streams.rest.market_queries import Window
from cache_streams.rest.states import Slice
from cache_streams.sources import cache
from cache_streams.streams.declaration import SNAPSHOT_TAIL
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES, Trade

REPEATS = 2
"""So many elements are read per bar that is wanted: collectors append the open bar again and again."""
Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Found(Generic[Told]):
    """The newest of what was found, oldest first, out of ``available``; ``symbol`` as the cache calls the market."""

    symbol: str
    told: list[Told]
    available: int


async def bars(names: Sequence[str], timeframe: str, limit: int, window: Window | None = None) -> Found[Bar]:
    """Return the newest bars, each time once. Raises: ``CacheUnavailable``.

    The cache keeps bars by symbol, whatever the exchange.
    """
    read = cache.ELEMENTS if window else min(limit * REPEATS, cache.ELEMENTS)
    name, records = names[0], await cache.bars(names[0], timeframe, read)
    for other in names[1:]:
        if not records:
            name, records = other, await cache.bars(other, timeframe, read)
    by_time = {record.value.time: record.value for record in records if isinstance(record.value, Bar)}
    wanted = [by_time[time] for time in sorted(by_time) if window is None or window.holds(time)]
    return Found(name, wanted[-limit:], len(wanted))


async def trades(
    exchange: str, names: Sequence[str], limit: int, window: Window | None = None
) -> Found[Trade] | None:
    """Return the newest trades, of the ``SNAPSHOT_TAIL`` that are kept; None for a market that nobody has heard of.

    Raises: ``CacheAway``, ``CacheUnavailable``, ``redis.RedisError``.
    """
    await states.is_live()
    for name in names:
        held = await states.key_state(TRADES, (exchange, name), Slice(SNAPSHOT_TAIL))
        kept = [msgspec.json.decode(update.data, type=Trade) for update in held.state.updates]
        if kept or await cache.has_market(exchange, name):
            wanted = [trade for trade in kept if window is None or window.holds(trade.time)]
            return Found(name, wanted[-limit:], len(wanted))
    return None


async def exchanges() -> list[str]:
    """Return the exchanges that have tickers, in order. Raises: ``CacheAway``, ``redis.RedisError``."""
    await states.is_live()
    return sorted({exchange for exchange, _ in await states.keys_under(TICKERS, [()])})


async def symbols(exchange: str | None, within: str = "") -> list[str]:
    """Return the symbols of an exchange, or of all, that hold ``within``, whatever the letter case. Raises: as above."""
    await states.is_live()
    keys = await states.keys_under(TICKERS, [() if exchange is None else (exchange,)])
    return sorted({symbol for _, symbol in keys if within.casefold() in symbol.casefold()})
