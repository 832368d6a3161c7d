"""The bodies of answers about candles and trades, as clients of the candle service read them."""

from __future__ import annotations

from typing import Any

import msgspec

from cache_streams.rest.market_queries import iso
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.trades import Trade as CachedTrade


class Candle(msgspec.Struct, kw_only=True, frozen=True):
    """One bar; ``timestamp`` is its start, ISO, ``vol`` in base currency."""

    timestamp: str
    open: float
    high: float
    low: float
    close: float
    vol: float


class MarketTrade(msgspec.Struct, kw_only=True, frozen=True):
    """One public trade; ``type`` is what the candle service calls its kind, which the cache does not keep."""

    timestamp: str
    price: float
    volume: float
    side: str | None
    type: str | None = None


class _Envelope(msgspec.Struct, kw_only=True, frozen=True):
    success: bool = True
    message: str | None = None
    timestamp: str
    count: int
    exchange: str
    symbol: str


class Candles(_Envelope, kw_only=True, frozen=True):
    """Bars, oldest first; ``total_available`` of them are in the cache and within the times asked for."""

    candles: list[Candle]
    timeframe: str
    offset: int | None = None
    limit: int | None = None
    total_available: int | None = None
    start_time: str | None = None
    end_time: str | None = None


class TimeSeries(_Envelope, kw_only=True, frozen=True):
    """Bars, oldest first; none of them was made out of trades for the answer."""

    ohlcv: list[Candle]
    timeframe: str
    trades_processed: int | None = None
    generation_time_ms: float | None = None


class MarketTrades(_Envelope, kw_only=True, frozen=True):
    """Trades, oldest first; ``total_available`` of them are kept and within the times asked for."""

    trades: list[MarketTrade]
    offset: int | None = None
    limit: int | None = None
    total_available: int | None = None
    start_time: str | None = None
    end_time: str | None = None


class Latest(_Envelope, kw_only=True, frozen=True):
    """The newest bar; null where there is none."""

    candle: Candle | None
    timeframe: str


class Names(msgspec.Struct, kw_only=True, frozen=True):
    """A catalogue: exchanges with tickers, or symbols of which there is one."""

    success: bool = True
    message: str | None = None
    timestamp: str
    count: int
    exchanges: list[str] | msgspec.UnsetType = msgspec.UNSET
    symbols: list[str] | msgspec.UnsetType = msgspec.UNSET


BODIES = (Candles, TimeSeries, MarketTrades, Latest, Names)
"""Every body, for the API document."""


def reference(body: type[msgspec.Struct]) -> dict[str, Any]:  # Any: a JSON Schema
    """Return where the API document describes ``body``."""
    return {"$ref": f"#/components/schemas/{body.__name__}"}


def candle(bar: Bar) -> Candle:
    """Return a cached bar as the candle service writes it."""
    return Candle(
        timestamp=iso(bar.time), open=bar.open, high=bar.high, low=bar.low, close=bar.close, vol=bar.volume
    )


def market_trade(trade: CachedTrade) -> MarketTrade:
    """Return a cached trade as the candle service writes it."""
    return MarketTrade(timestamp=iso(trade.time), price=trade.price, volume=trade.volume, side=trade.side)
