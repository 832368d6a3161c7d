"""A cache as a deployment fills it: values and commands of its collectors, bots and services."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import redis

from cache_streams.demo import writes
from cache_streams.demo.market import Stored
from cache_streams.demo.services import Service
from cache_streams.demo.writes import Command

SIZE = 500
"""Fields of each hash, and elements of each list, that stand in the cache before anything is measured."""

EXCHANGE = "kraken"
_BATCH = 1000


def market(number: int) -> str:
    """Return the symbol of one of many markets."""
    return f"C{number:03}/USDC"


def tick(symbol: str, price: float, time: float) -> Stored:
    """Return a ticker as the ticker collector stores it; ``time`` in Unix seconds."""
    return {
        "symbol": symbol, "exchange": EXCHANGE, "price": price, "time": time, "volume": 1250.5,
        "bid": price - 0.5, "ask": price + 0.5, "last": price, "change": None, "percentage": None,
    }  # fmt: skip


def trade(symbol: str, trade_id: int, time: float) -> Stored:
    """Return a trade as the trade collector stores it; ``time`` in Unix seconds."""
    return {
        "trade_id": trade_id, "ex_trade_id": f"T{trade_id}", "ex_order_id": None, "symbol": symbol,
        "side": "buy" if trade_id % 2 else "sell", "volume": 0.25, "price": 50_000.0 + trade_id % 100, "cost": None,
        "fee": None, "time": time, "uid": None, "ex_id": None,
    }  # fmt: skip


def order(number: int, now: float) -> list[Command]:
    """Save an order of one of 20 accounts."""
    stored: Stored = {
        "order_id": f"O{number}", "timestamp": writes.iso(now), "ex_order_id": f"X{number}", "symbol": market(number % SIZE),
        "exchange": EXCHANGE, "side": "buy", "order_type": "limit", "status": "open", "command": "spot", "reason": None,
        "volume": 0.5, "final_volume": 0.1, "price": 50_000.0, "plimit": None, "leverage": None, "tick": None,
        "futures": False, "bot_id": None, "uid": 1, "ex_id": number % 20, "cat_ex_id": 1,
    }  # fmt: skip
    return writes.order(EXCHANGE, f"O{number}", stored)


def balances(account: int, total: float, now: float) -> list[Command]:
    """Replace an account's balances."""
    held: Stored = {
        "USDC": {"total": total, "free": total, "used": 0.0},
        "BTC": {"total": 0.5, "free": 0.4, "used": 0.1},
        "date": writes.iso(now),
    }
    return [("HSET", "accounts", str(account), json.dumps(held))]


def positions(account: int, now: float) -> list[Command]:
    """Replace an account's positions."""
    position = {
        "cost": 25_000.0,
        "volume": 0.5,
        "fee": 25.0,
        "count": 0.0,
        "price": 50_000.0,
        "timestamp": now,
    }
    held: Stored = {market(0): position, "timestamp": writes.iso(now)}
    return [("HSET", "account_positions", str(account), json.dumps(held))]


def bot(number: int, now: float) -> list[Command]:
    """Update a bot's status."""
    feed = {
        "status": "running",
        "symbols": [market(0)],
        "performance": {"pnl": 1.5},
        "timestamp": writes.iso(now),
    }
    return writes.bot(str(number), {"feed_1": feed})


def bar(symbol: str, number: int, now: float) -> list[Command]:
    """Append the bar of one more minute, counted from one day ago; its volume is ``now``."""
    opened = (int(now) // 86_400 - 1) * 86_400 + 60 * number
    bars = json.dumps([opened, 1.0, 2.0, 0.5, 1.5, now])
    key = f"ohlcv:{symbol}:1m"
    return [("RPUSH", key, bars), ("LTRIM", key, -writes.BARS_KEPT, -1)]


def process(number: int, now: float) -> list[Command]:
    """Register a service."""
    at = writes.iso(now)
    component = f"{EXCHANGE}:{number}"
    return writes.register(Service(f"tick:{component}:{now}", "tick", component, {"pid": number}, at))


def everything(now: float) -> Iterator[Command]:
    """Yield the commands that fill every hash with ``SIZE`` fields and the bars and trades of one market with as many elements."""
    for number in range(SIZE):
        yield from writes.tick(EXCHANGE, market(number), tick(market(number), 50_000.0 + number, now))
        yield from writes.trade(EXCHANGE, market(0), trade(market(0), number, now), now)
        yield from order(number, now)
        yield from balances(number, 1000.0, now)
        yield from positions(number, now)
        yield from bot(number, now)
        yield from bar(market(0), number, now)
        yield from process(number, now)
    yield from writes.block(EXCHANGE, market(0), "0", now)


def foreign(now: float) -> Iterator[Command]:
    """Yield the commands that write keys which nobody may touch: work queues, and those of other programs."""
    yield ("RPUSH", f"user_trades:1:{EXCHANGE}", json.dumps(trade(market(0), 1, now)))
    yield ("RPUSH", "new_orders:17", "X17")
    yield ("SET", f"symbols:{EXCHANGE}:all", "cached by the ORM", "EX", 3600)
    yield ("HSET", "exchanges:1", "name", EXCHANGE)


def send(client: redis.Redis, commands: Sequence[Command]) -> None:
    """Send commands in order, many per round trip."""
    for start in range(0, len(commands), _BATCH):
        pipeline = client.pipeline(transaction=False)
        for command in commands[start : start + _BATCH]:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py types named commands only
        pipeline.execute()
