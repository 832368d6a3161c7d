"""Trades: every public trade of each market, in the order the collector pushed them."""

from __future__ import annotations

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, Kind, ListTail, Malformed, Mode, Names, Record, Stream

_SIDES = ("buy", "sell")


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade: ``price`` in quote currency, ``volume`` in base currency, ``side`` buy or sell.

    ``time`` is Unix seconds by the source's clock, 0.0 when it gave none. Owner, order, fee and profit fields that a
    stored trade may carry are never read.
    """

    exchange: str
    symbol: str
    trade_id: str | None
    side: str | None
    price: float
    volume: float
    time: float


def decode(names: Names, raw: bytes) -> Record:
    """Read one element of ``trades:{exchange}:{symbol}``.

    ``names["symbol"]`` is the market's unified name where one is known, else as the key has it, without slashes; the
    JSON's symbol counts only when it is the same market written with its slash.
    Raises: Malformed ``price`` or ``volume`` when unreadable.
    """
    exchange = values.name(names["exchange"])
    stored = values.json_object(raw)
    symbol = _symbol(values.name(names["symbol"]), stored.get("symbol"))
    price = values.number(stored.get("price"))
    if price is None:
        raise Malformed("price")
    volume = values.number(_first(stored, "volume", "amount"))
    if volume is None:
        raise Malformed("volume")
    time = values.epoch(_first(stored, "time", "timestamp"))
    trade_id = stored.get("trade_id")
    trade = Trade(
        exchange=exchange,
        symbol=symbol,
        trade_id=values.identifier(trade_id),
        side=_side(stored.get("side")),
        price=price,
        volume=volume,
        time=time or 0.0,
    )
    extras = {"trade_id": trade_id} if type(trade_id) is int else None  # bool is an int, too
    return Record(key=(exchange, symbol), value=trade, extras=extras, time=time)


def _first(stored: dict[str, object], preferred: str, synonym: str) -> object:
    value = stored.get(preferred)
    return stored.get(synonym) if value is None else value


def _symbol(known: str, stored: object) -> str:
    if isinstance(stored, str) and "/" in stored and stored.replace("/", "") == known.replace("/", ""):
        return stored
    return known


def _side(stored: object) -> str | None:
    side = stored.lower() if isinstance(stored, str) else None
    return side if side in _SIDES else None


TRADES = Stream(
    name="trades",
    payload=Trade,
    key_fields=("exchange", "symbol"),
    kind=Kind.TAIL,
    mode=Mode.EVERY,
    audience=Audience.ANY_USER,
    partition="exchange",
    layout=ListTail("trades:{exchange}:{symbol}", decode),
)
