"""Tickers: the newest state of each market of an exchange."""

from __future__ import annotations

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import (
    Audience,
    HashFields,
    Kind,
    Malformed,
    Mode,
    Names,
    Record,
    Stream,
)


class Ticker(msgspec.Struct, frozen=True, gc=False):
    """State of one market: prices in quote currency, ``volume`` in base currency over 24 h, ``percentage`` in %.

    ``time`` is Unix seconds by the source's clock, 0.0 when it gave none.
    """

    exchange: str
    symbol: str
    price: float
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    volume: float | None = None
    change: float | None = None
    percentage: float | None = None
    time: float = 0.0


def decode(names: Names, field: str, raw: bytes, *, missing_price: float | None = None) -> Record:
    """Read one field of ``tickers:{exchange}``; exchange and symbol are those of the key, whatever the JSON says.

    ``missing_price`` stands for a price that is null or unreadable; without it: Malformed ``price``.
    """
    exchange, symbol = values.name(names["exchange"]), values.name(field)
    stored = values.json_object(raw)
    price = values.number(stored.get("price"))
    if price is None:
        price = missing_price
    if price is None:
        raise Malformed("price")
    time = values.epoch(stored.get("time"))
    ticker = Ticker(
        exchange=exchange,
        symbol=symbol,
        price=price,
        bid=values.number(stored.get("bid")),
        ask=values.number(stored.get("ask")),
        last=values.number(stored.get("last")),
        volume=values.number(stored.get("volume")),
        change=values.number(stored.get("change")),
        percentage=values.number(stored.get("percentage")),
        time=time or 0.0,
    )
    change_24h = values.number(stored.get("change_24h"))
    extras = None if change_24h is None else {"change_24h": change_24h}
    return Record(key=(exchange, symbol), value=ticker, extras=extras, time=time)


TICKERS = Stream(
    name="tickers",
    payload=Ticker,
    key_fields=("exchange", "symbol"),
    kind=Kind.VALUE,
    mode=Mode.LATEST,
    audience=Audience.ANY_USER,
    partition="exchange",
    rhythm_s=5.0,
    layout=HashFields("tickers:{exchange}", decode, hints="ticker_updates:{exchange}:{field}"),
)
