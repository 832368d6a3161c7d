"""OHLCV: bars of each symbol and timeframe; the newest one is open until its time is over or the next one begins."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, Bars, Kind, Malformed, Mode, Names, Record, Stream

_BAR_LENGTH = 6
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_FIXED = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
_MONTH_S = 31 * 86_400.0  # the longest: a month's bar must not count as closed while it can still change
_SECONDS = {text: int(text[:-1]) * _UNITS[text[-1]] for text in _FIXED} | {"1M": _MONTH_S}
TIMEFRAMES = tuple(_SECONDS)
"""Every timeframe that is known by name."""


class Bar(msgspec.Struct, frozen=True, gc=False):
    """One bar: prices in quote currency, ``volume`` in base currency, ``time`` its start in Unix seconds."""

    symbol: str
    timeframe: str
    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float
    closed: bool


def timeframe_seconds(text: str) -> float | None:
    """Return how long a bar of this timeframe lasts (a month: 31 days); None when the name is unknown."""
    return _SECONDS.get(text)


def decode(names: Names, raw: bytes, now: float) -> Record:
    """Read one element of ``ohlcv:{symbol}:{timeframe}``: ``[time, open, high, low, close, volume, …]``.

    Closed means that the bar's time is over at ``now`` (Unix seconds); of an unknown timeframe only a newer bar, or
    an infinite ``now``, closes it. Raises: Malformed ``bar`` for anything but six numbers or more.
    """
    symbol, timeframe = values.name(names["symbol"]), values.name(names["timeframe"])
    stored = values.json_value(raw)
    if not isinstance(stored, list) or len(stored) < _BAR_LENGTH:
        raise Malformed("bar")
    time = values.epoch(stored[0])
    numbers = [number for x in stored[1:_BAR_LENGTH] if (number := values.number(x)) is not None]
    if time is None or len(numbers) < _BAR_LENGTH - 1:
        raise Malformed("bar")
    opening, high, low, close, volume = numbers
    lasts = timeframe_seconds(timeframe)
    bar = Bar(
        symbol=symbol,
        timeframe=timeframe,
        time=time,
        open=opening,
        high=high,
        low=low,
        close=close,
        volume=volume,
        closed=now >= time + (math.inf if lasts is None else lasts),
    )
    return Record(
        key=(symbol, timeframe), value=bar, extras={"bar": _as_stored(stored, (time, *numbers))}, time=time
    )


def _as_stored(stored: list[Any], read: tuple[float, ...]) -> list[Any]:  # Any: numbers, or texts, as stored
    """Return the first six with the writer's own number types and time unit; a text becomes the number it was read as."""
    return [number if isinstance(x, str) else x for x, number in zip(stored, read, strict=False)]


OHLCV = Stream(
    name="ohlcv",
    payload=Bar,
    key_fields=("symbol", "timeframe"),
    kind=Kind.VALUE,
    mode=Mode.EVERY,
    audience=Audience.ANY_USER,
    partition="timeframe",
    layout=Bars("ohlcv:{symbol}:{timeframe}", decode),
)
