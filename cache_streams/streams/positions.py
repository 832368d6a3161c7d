"""Positions: what each exchange account holds open, long or short."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cache_streams.streams import values
from cache_streams.streams.declaration import Audience, HashFields, Kind, Mode, Names, Record, Stream

_ROOT_TIME = "timestamp"
_SIDES = ("long", "short")


class Position(msgspec.Struct, frozen=True, gc=False):
    """One open position: ``volume`` in base currency and never negative, ``price``, ``cost``, ``fee`` in quote.

    ``time`` is Unix seconds, 0.0 when unreadable.
    """

    symbol: str
    side: str
    volume: float
    price: float
    cost: float
    fee: float
    time: float


class Positions(msgspec.Struct, frozen=True):
    """Every open position of one account, in stored order."""

    account: str
    positions: tuple[Position, ...]


def decode(_names: Names, field: str, raw: bytes) -> Record:
    """Read one field of the hash ``account_positions``: symbol → position, plus one root ``timestamp``."""
    account = values.name(field)
    stored = values.json_object(raw)
    root = values.epoch(stored.get(_ROOT_TIME))
    positions = tuple(
        _position(symbol, amounts, root or 0.0)
        for symbol, amounts in stored.items()
        if symbol != _ROOT_TIME and isinstance(amounts, dict)
    )
    time = root if root is not None else max((p.time for p in positions if p.time), default=None)
    flaw = "position" if len(positions) < len(stored.keys() - {_ROOT_TIME}) else None
    return Record(key=(account,), value=Positions(account, positions), time=time, flaw=flaw)


def _position(symbol: str, amounts: Mapping[str, Any], root: float) -> Position:  # Any: JSON as stored
    volume = values.number(amounts.get("volume")) or 0.0
    side = amounts.get("side")
    side = side.lower() if isinstance(side, str) else None
    time = values.epoch(amounts.get("timestamp"))
    return Position(
        symbol=symbol,
        side=side if side in _SIDES else ("short" if volume < 0 else "long"),
        volume=abs(volume),
        price=values.number(amounts.get("price")) or 0.0,
        cost=values.number(amounts.get("cost")) or 0.0,
        fee=values.number(amounts.get("fee")) or 0.0,
        time=root if time is None else time,
    )


POSITIONS = Stream(
    name="positions",
    payload=Positions,
    key_fields=("account",),
    kind=Kind.VALUE,
    mode=Mode.LATEST,
    audience=Audience.OWNER,
    owner="account",
    layout=HashFields("account_positions", decode),
)
