"""The Redis commands of what producers publish: those with which collectors, bots and services write the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cache_streams.demo import writes
from cache_streams.demo.market import ClosedBar
from cache_streams.demo.writes import Command, iso

Entry: TypeAlias = Mapping[str, Any]  # Any: a validated entry of any stream
KINDS = {"HSET": b"hash", "HDEL": b"hash", "RPUSH": b"list", "LTRIM": b"list"}
"""What a command needs its key to be; a string may replace anything."""


@dataclass(frozen=True, slots=True)
class Write:
    """The commands of one entry, and what it is called in the trail."""

    key: str
    commands: list[Command]


def write_of(stream: str, entry: Entry, now: float) -> Write:
    """Return what stores ``entry`` at ``now`` (Unix seconds)."""
    return _WRITERS[stream](entry, entry["value"], now)


def _tick(entry: Entry, value: Entry, now: float) -> Write:
    exchange, symbol = entry["exchange"], entry["symbol"]
    stored = {"symbol": symbol, "exchange": exchange, "time": now, **value}
    return Write(f"{exchange}:{symbol}", writes.tick(exchange, symbol, stored))


def _trade(entry: Entry, value: Entry, now: float) -> Write:
    exchange, symbol = entry["exchange"], entry["symbol"]
    return Write(f"{exchange}:{symbol}", writes.trade(exchange, symbol, {"symbol": symbol, **value}, now))


def _order(entry: Entry, value: Entry, now: float) -> Write:
    exchange, order_id = entry["exchange"], entry["order_id"]
    stored = {"order_id": order_id, "exchange": exchange, **value, "timestamp": iso(now)}
    return Write(f"{exchange}:{order_id}", writes.order(exchange, order_id, stored))


def _account(entry: Entry, value: Entry, now: float) -> Write:
    stored = json.dumps({**value, "date": iso(now)})
    return Write(entry["account"], [("HSET", "accounts", entry["account"], stored)])


def _positions(entry: Entry, value: Entry, now: float) -> Write:
    account = entry["account"]
    if not value:
        return Write(account, [("HDEL", "account_positions", account)])
    held = {symbol: {"timestamp": now, **position} for symbol, position in value.items()}
    stored = json.dumps({**held, "timestamp": iso(now)})
    return Write(account, [("HSET", "account_positions", account, stored)])


def _bot(entry: Entry, value: Entry, now: float) -> Write:
    stored = {feed: {**told, "timestamp": iso(now)} for feed, told in value.items()}
    return Write(entry["bot"], writes.bot(entry["bot"], stored))


def _bar(entry: Entry, value: list[float], _now: float) -> Write:
    symbol, timeframe = entry["symbol"], entry["timeframe"]
    return Write(f"{symbol}:{timeframe}", writes.bars([ClosedBar(symbol, timeframe, value)]))


def _process(entry: Entry, value: Entry, now: float) -> Write:
    process_id, at = entry["process_id"], iso(now)
    kind, _, rest = process_id.partition(":")
    component = rest.rpartition(":")[0]
    stored = {
        **value,
        "process_id": process_id,
        "process_type": kind,
        "component": component,
        "created_at": iso(value.get("created_at", now)),
        "updated_at": at,
        "heartbeat": at,
    }
    key = f"process:data:{process_id}"
    commands: list[Command] = [("SET", key, json.dumps(stored), "EX", writes.PROCESS_TTL_S)]
    if value["status"] == "stopped":
        commands += [
            ("HDEL", f"process:active:{kind}", process_id),
            ("HDEL", "process:components", component),
        ]
    else:
        commands += [
            ("HSET", f"process:active:{kind}", process_id, at),
            ("HSET", "process:components", component, process_id),
        ]
    return Write(process_id, commands)


_WRITERS: dict[str, Callable[[Any, Any, float], Write]] = {  # Any: entries, each writer's own
    "tickers": _tick,
    "trades": _trade,
    "orders": _order,
    "accounts": _account,
    "positions": _positions,
    "bots": _bot,
    "ohlcv": _bar,
    "process": _process,
}
