"""A seeded market: prices that walk, the trades they come from, and the bars that the trades make."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from random import Random
from typing import Any, TypeAlias

EXCHANGES = ("kraken", "binance")
TIMEFRAMES = {"1m": 60, "5m": 300, "1h": 3600}
"""Timeframes that are fed, in seconds."""
HISTORY_BARS = 60
"""Closed bars of each timeframe that exist when the market opens."""

_KNOWN = {
    "BTC/USDC": 64_000.0,
    "ETH/USDC": 3_100.0,
    "SOL/USDC": 150.0,
    "BTC/USDC:USDC": 64_010.0,
    "XRP/USDC": 0.52,
    "ADA/USDC": 0.45,
    "BTC/USD:BTC": 64_020.0,
    "DOGE/USDC": 0.12,
    "LINK/USDC": 14.0,
    "GOLD": 2_350.0,
}
_STEP = 0.0004  # standard deviation of one step of the walk, as a share of the price
_PULL = 0.002  # share of the distance from its origin by which each step pulls the walk back: prices stay plausible
_SPREAD = 0.0001
_TRADE_SHARE = 0.6  # share of the ticks that a trade causes

Stored: TypeAlias = dict[str, Any]  # Any: JSON as a collector stores it
Listing: TypeAlias = tuple[str, str]
"""Exchange and symbol."""


@dataclass(frozen=True, slots=True)
class ClosedBar:
    """One bar whose time is over: ``[start in Unix seconds, open, high, low, close, volume]``."""

    symbol: str
    timeframe: str
    bar: list[float]


@dataclass(frozen=True, slots=True)
class Move:
    """One step of one market: its new tick, the trade behind it if there was one, and the bars that this closed."""

    exchange: str
    symbol: str
    tick: Stored
    trade: Stored | None
    closed: tuple[ClosedBar, ...]


def symbol_names(count: int) -> tuple[str, ...]:
    """Return ``count`` symbols; BTC/USDC is the first, made-up ones follow when the known ones are used up."""
    made_up = (f"DEMO{n}/USDC" for n in range(1, count + 1))
    return tuple(islice((*_KNOWN, *made_up), count))


class Market:
    """The same market for the same seed, number of symbols and times (Unix seconds) at which it is asked."""

    def __init__(self, seed: int, symbols: int, start: float) -> None:
        self._random = Random(seed)
        self.symbols = symbol_names(symbols)
        self.listings: tuple[Listing, ...] = tuple((e, s) for s in self.symbols for e in EXCHANGES)
        self._turns = cycle(self.listings)
        self._origin = {symbol: _KNOWN.get(symbol) or self._random.uniform(1, 500) for symbol in self.symbols}
        self._price = {(e, s): self._origin[s] * self._random.uniform(0.999, 1.001) for e, s in self.listings}
        self._volume = {
            listing: self._random.uniform(1e6, 9e6) / self._price[listing] for listing in self.listings
        }
        self._trade_id = int(start * 1000)  # never an id that an earlier run has used
        self._open: dict[tuple[str, str], list[float]] = {}

    def price(self, exchange: str, symbol: str) -> float:
        """Return the current price, rounded as the market rounds it."""
        return rounded(self._price[exchange, symbol])

    def history(self, now: float) -> Iterator[ClosedBar]:
        """Yield the closed bars before ``now`` of each symbol and timeframe, oldest first."""
        for symbol in self.symbols:
            for timeframe, seconds in TIMEFRAMES.items():
                current = int(now // seconds) * seconds
                price = self._price[EXCHANGES[0], symbol]
                bars: list[list[float]] = []
                for n in range(1, HISTORY_BARS + 1):
                    opened = self._walked(price, symbol, _STEP * math.sqrt(seconds))
                    low, high = min(opened, price), max(opened, price)
                    tail = self._random.uniform(0, 0.001)
                    ohlc = (opened, high * (1 + tail), low * (1 - tail), price)
                    volume = round(self._random.uniform(1e3, 1e5) / price, 6)
                    bars.append([current - n * seconds, *(rounded(p) for p in ohlc), volume])
                    price = opened
                for bar in reversed(bars):
                    yield ClosedBar(symbol, timeframe, bar)

    def move(self, now: float) -> Move:
        """Move the market whose turn it is; each has its turn before one has its second."""
        exchange, symbol = listing = next(self._turns)
        self._price[listing] = self._walked(self._price[listing], symbol, _STEP)
        price = self.price(exchange, symbol)
        volume = round(self._random.lognormvariate(0, 1) * 500 / price, 6)
        trade = self._trade(exchange, symbol, volume, now) if self._random.random() < _TRADE_SHARE else None
        if trade is not None:
            self._volume[listing] += volume
        closed = self._count(symbol, price, volume if trade else 0.0, now) if exchange == EXCHANGES[0] else ()
        return Move(exchange, symbol, self._tick(exchange, symbol, now), trade, closed)

    def _walked(self, price: float, symbol: str, step: float) -> float:
        pull = -_PULL * math.log(price / self._origin[symbol])
        return price * math.exp(pull + self._random.gauss(0, step))

    def _tick(self, exchange: str, symbol: str, now: float) -> Stored:
        price = self.price(exchange, symbol)
        change = price - rounded(self._origin[symbol])
        return {
            "symbol": symbol,
            "exchange": exchange,
            "price": price,
            "time": now,
            "volume": round(self._volume[exchange, symbol], 6),
            "bid": rounded(price * (1 - _SPREAD)),
            "ask": rounded(price * (1 + _SPREAD)),
            "last": price,
            "change": rounded(change),
            "percentage": round(100 * change / self._origin[symbol], 4),
        }

    def _trade(self, exchange: str, symbol: str, volume: float, now: float) -> Stored:
        self._trade_id += 1
        price = self.price(exchange, symbol)
        return {
            "trade_id": self._trade_id,
            "ex_trade_id": str(self._trade_id),
            "ex_order_id": None,
            "symbol": symbol,
            "side": self._random.choice(("buy", "sell")),
            "volume": volume,
            "price": price,
            "cost": round(price * volume, 6),
            "fee": None,
            "time": now,
            "uid": None,
            "ex_id": None,
        }

    def _count(self, symbol: str, price: float, volume: float, now: float) -> tuple[ClosedBar, ...]:
        closed = []
        for timeframe, seconds in TIMEFRAMES.items():
            start = int(now // seconds) * seconds
            bar = self._open.get((symbol, timeframe))
            if bar is not None and bar[0] < start:
                closed.append(ClosedBar(symbol, timeframe, bar))
                bar = None
            if bar is None:
                bar = self._open[symbol, timeframe] = [start, price, price, price, price, 0.0]
            bar[2], bar[3], bar[4] = max(bar[2], price), min(bar[3], price), price
            bar[5] = round(bar[5] + volume, 6)
        return tuple(closed)


def rounded(price: float) -> float:
    """Return a price with as many decimals as its size makes sense of: 64000.5, 3.1234, 0.123456."""
    return round(price, 2 if abs(price) >= 100 else 4 if abs(price) >= 1 else 6)  # noqa: PLR2004 - the steps themselves
