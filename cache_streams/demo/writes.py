"""Redis commands with which collectors, bots and services write: one function per operation of theirs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TypeAlias

from cache_streams.demo.market import ClosedBar, Stored
from cache_streams.demo.services import Service

Command: TypeAlias = tuple[str | int, ...]

BARS_KEPT = 10_000
PROCESS_TTL_S = 86_400


def iso(now: float) -> str:
    """Return Unix seconds as the collectors write a time."""
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds")


def trade_list(exchange: str, symbol: str) -> str:
    """Return the key of a market's trades: the symbol loses its slashes."""
    return f"trades:{exchange}:{symbol.replace('/', '')}"


def tick(exchange: str, symbol: str, stored: Stored) -> list[Command]:
    """Set a ticker: the message follows the value, so that whoever hears it finds the hash current."""
    text = json.dumps(stored)
    return [
        ("HSET", f"tickers:{exchange}", symbol, text),
        ("SET", f"ticker_time:{exchange}:{symbol}", str(stored["time"])),
        ("PUBLISH", f"ticker_updates:{exchange}:{symbol}", text),
    ]


def trade(exchange: str, symbol: str, stored: Stored, now: float) -> list[Command]:
    """Push a trade."""
    return [
        ("RPUSH", trade_list(exchange, symbol), json.dumps(stored)),
        ("SET", f"TRADE:STATUS:{exchange}", iso(now)),
    ]


def bars(closed: Sequence[ClosedBar]) -> list[Command]:
    """Append bars of one symbol and timeframe, oldest first, and trim the list."""
    key = f"ohlcv:{closed[0].symbol}:{closed[0].timeframe}"
    return [("RPUSH", key, *(json.dumps(each.bar) for each in closed)), ("LTRIM", key, -BARS_KEPT, -1)]


def order(exchange: str, order_id: str, stored: Stored) -> list[Command]:
    """Save an order."""
    return [("HSET", f"order_status:{exchange}", order_id, json.dumps(stored))]


def forget_order(exchange: str, order_id: str) -> list[Command]:
    """Remove an order that nobody asks for any more."""
    return [("HDEL", f"order_status:{exchange}", order_id)]


def account(account_id: str, balances: Stored, positions: Stored) -> list[Command]:
    """Replace an account's balances and positions; without a position its field goes."""
    held = positions.keys() - {"timestamp"}
    holdings: Command = ("HSET", "account_positions", account_id, json.dumps(positions))
    return [
        ("HSET", "accounts", account_id, json.dumps(balances)),
        holdings if held else ("HDEL", "account_positions", account_id),
    ]


def bot(bot_id: str, stored: Stored) -> list[Command]:
    """Update a bot's status."""
    return [("HSET", "bot_status", bot_id, json.dumps(stored))]


def block(exchange: str, symbol: str, bot_id: str, now: float) -> list[Command]:
    """Let a bot block a market and mark that it opens a position there."""
    market = f"{exchange}:{symbol}"
    return [
        ("HSET", "block_exchange", market, bot_id),
        ("HSET", "opening_position", market, f"{bot_id}:{iso(now)}"),
    ]


def opened(exchange: str, symbol: str) -> list[Command]:
    """Let a bot say that it opens no position in a market any more."""
    return [("HDEL", "opening_position", f"{exchange}:{symbol}")]


def unblock(exchange: str, symbol: str) -> list[Command]:
    """Let a bot give a market free."""
    return [("HDEL", "block_exchange", f"{exchange}:{symbol}")]


def register(service: Service) -> list[Command]:
    """Let a service say that it starts."""
    at = service.created_at
    return [
        _report(service, "starting", at),
        ("HSET", f"process:active:{service.type}", service.process_id, at),
        ("HSET", "process:components", service.component, service.process_id),
    ]


def beat(service: Service, now: float) -> list[Command]:
    """Let a service say that it runs."""
    at = iso(now)
    return [
        _report(service, "running", at),
        ("HSET", f"process:active:{service.type}", service.process_id, at),
    ]


def stop(service: Service, now: float) -> list[Command]:
    """Let a service say that it stops."""
    return [
        _report(service, "stopped", iso(now)),
        ("HDEL", f"process:active:{service.type}", service.process_id),
        ("HDEL", "process:components", service.component),
    ]


def _report(service: Service, status: str, at: str) -> Command:
    key = f"process:data:{service.process_id}"
    return ("SET", key, json.dumps(service.report(status, at)), "EX", PROCESS_TTL_S)


def keys_of(commands: Iterable[Command]) -> set[str]:
    """Return the keys that the commands write; a message is no key."""
    return {str(command[1]) for command in commands if command[0] != "PUBLISH"}
