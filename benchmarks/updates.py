"""The update that every server delivers in a fan-out: the same JSON of 250 bytes, whoever frames it."""

from __future__ import annotations

import json

from benchmarks import cache
from cache_streams.demo.market import Stored

MARKER = '"timestamp":'
"""What stands before the moment of sending (Unix seconds) in each update, of every server and family."""
MIN_BYTES = 100
"""A frame of so many bytes or more is an update; welcomes, acknowledgements and heartbeats are shorter."""


def symbol(number: int) -> str:
    """Return the name of one of many instruments, as long as those of options are."""
    return f"C{number:04}/USDC:USDC-20261225-100000-C"


def channel(number: int) -> str:
    """Return the name under which a peer's clients subscribe to the instrument: legal everywhere."""
    return f"s{number}"


def stored(number: int, count: int, now: float) -> Stored:
    """Return the ticker of instrument ``number`` as a collector stores it; each ``count`` changes its price."""
    return {**cache.tick(symbol(number), 50_000.125 + count % 10_000, now), "change_24h": -1.25}


def trade(number: int, count: int, now: float) -> Stored:
    """Return a trade of instrument ``number`` as a collector stores it."""
    return {**cache.trade(symbol(number), count + 1, now), "ex_trade_id": f"{number:05}-T{count + 1:031}"}


def payload(number: int, count: int, now: float) -> str:
    """Return what the gateway's push family makes of ``stored``; peers are given it ready-made."""
    tick = stored(number, count, now)
    frame = {
        "exchange": cache.EXCHANGE,
        "symbol": tick["symbol"],
        "price": tick["price"],
        "bid": tick["bid"],
        "ask": tick["ask"],
        "last": tick["last"],
        "volume": tick["volume"],
        "time": now,
        "timestamp": now,
        "change_24h": tick["change_24h"],
    }
    return json.dumps(frame, separators=(",", ":"))
