"""Writes into a Redis what collectors, bots and services write: their commands, in their order."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime
from typing import Any

from redis import Redis

_numbers = itertools.count(7001)
TICK = {
    "price": 50000.0,
    "time": 1700000000.5,
    "volume": 12.5,
    "bid": 49999.0,
    "ask": 50001.0,
    "last": 50000.0,
}
ORDER = {
    "symbol": "BTC/USDC", "side": "buy", "order_type": "market", "volume": 0.5, "final_volume": 0.1,
    "price": None, "status": "open", "timestamp": "2026-01-15T10:30:00.000000+00:00",
}  # fmt: skip
ORDER_TIME = 1768473000.0


def fresh_name(kind: str = "x") -> str:
    """Return a name that no other test of this process uses: the server and its Redis are shared."""
    return f"{kind}{next(_numbers)}"


def fresh_account() -> int:
    """Return an account id that no other test of this process uses."""
    return next(_numbers)


def iso(age_s: float = 0.0) -> str:
    """Return the time ``age_s`` ago as services write it."""
    return datetime.fromtimestamp(time.time() - age_s, UTC).isoformat(timespec="microseconds")


def trade(number: int, **facts: object) -> dict[str, object]:
    """Return a stored trade; its id, time and price follow from ``number``."""
    known = {
        "trade_id": number,
        "symbol": "BTC/USDC",
        "side": "buy",
        "volume": 0.1,
        "price": 50000.0 + number,
    }
    return {**known, "time": 1700000000.0 + number, **facts}


class Collector:
    """The writing side of a deployment."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def do(self, *command: str | bytes | float) -> Any:  # Any: the reply of any command
        """Send one command."""
        return self.redis.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    def tick(self, exchange: str, symbol: str, **facts: object) -> None:
        """Store a tick as the ticker service does."""
        self.raw_tick(exchange, symbol, json.dumps({"symbol": symbol, "exchange": exchange, **TICK, **facts}))

    def raw_tick(self, exchange: str, symbol: str, stored: str) -> None:
        """Store any value where a tick belongs, and announce it."""
        self.do("HSET", f"tickers:{exchange}", symbol, stored)
        self.do("SET", f"ticker_time:{exchange}:{symbol}", time.time())
        self.do("PUBLISH", f"ticker_updates:{exchange}:{symbol}", stored)

    def trades(self, exchange: str, symbol: str, *trades: dict[str, object] | str) -> None:
        """Push trades, or any texts, as the trade service does."""
        key = f"trades:{exchange}:{symbol.replace('/', '')}"
        for pushed in trades:
            self.do("RPUSH", key, pushed if isinstance(pushed, str) else json.dumps(pushed))
        self.do("SET", f"TRADE:STATUS:{exchange}", iso())

    def drain(self, exchange: str, symbol: str) -> None:
        """Empty a list as the batch writer does each minute: two commands, not atomic."""
        key = f"trades:{exchange}:{symbol.replace('/', '')}"
        self.do("LRANGE", key, 0, -1)
        self.do("DEL", key)

    def order(self, exchange: str, order_id: str, **facts: object) -> None:
        """Save an order; one that was canceled makes the whole hash expire."""
        self.do(
            "HSET", f"order_status:{exchange}", order_id, json.dumps({"order_id": order_id, **ORDER, **facts})
        )
        if facts.get("status") == "canceled":
            self.do("EXPIRE", f"order_status:{exchange}", 3600)

    def account(self, account: int, **currencies: object) -> None:
        """Replace an account's balances."""
        self.do("HSET", "accounts", account, json.dumps({**currencies, "date": iso()}))

    def positions(self, account: int, **positions: object) -> None:
        """Replace an account's positions; none of them removes the field."""
        if positions:
            self.do("HSET", "account_positions", account, json.dumps({**positions, "timestamp": iso()}))
        else:
            self.do("HDEL", "account_positions", account)

    def bot(self, bot: str, **feeds: object) -> None:
        """Write a bot's status; every feed gets the time of the write."""
        stamped = {
            name: {**feed, "timestamp": iso()} if isinstance(feed, dict) else feed
            for name, feed in feeds.items()
        }
        self.do("HSET", "bot_status", bot, json.dumps(stamped))

    def bars(self, symbol: str, timeframe: str, *bars: object) -> None:
        """Append bars, or any texts, and keep the newest 10,000."""
        key = f"ohlcv:{symbol}:{timeframe}"
        self.do("RPUSH", key, *(bar if isinstance(bar, str) else json.dumps(bar) for bar in bars))
        self.do("LTRIM", key, -10000, -1)

    def process(
        self,
        kind: str,
        component: str,
        *,
        heartbeat_age_s: float = 0.0,
        seen_age_s: float = 0.0,
        **facts: object,
    ) -> str:
        """Register a process and return its id."""
        process_id = f"{kind}:{component}:{time.time()}"
        heartbeat = iso(heartbeat_age_s)
        stored = {
            "process_id": process_id, "process_type": kind, "component": component, "params": {}, "status": "running",
            "message": "m", "created_at": heartbeat, "updated_at": heartbeat, "heartbeat": heartbeat, **facts,
        }  # fmt: skip
        self.do("SET", f"process:data:{process_id}", json.dumps(stored), "EX", 86400)
        self.do("HSET", f"process:active:{kind}", process_id, iso(seen_age_s))
        self.do("HSET", "process:components", component, process_id)
        return process_id

    def stop(self, kind: str, process_id: str) -> None:
        """Take a process off the list of active ones, as it does when it stops; its record stays."""
        self.do("HDEL", f"process:active:{kind}", process_id)
        self.do("HDEL", "process:components", process_id.split(":", 1)[1].rpartition(":")[0])


def position(volume: float, **facts: object) -> dict[str, object]:
    """Return a stored position."""
    known = {"cost": 25000.0, "volume": volume, "fee": 25.0, "count": 0.0, "price": 50000.0}
    return {**known, "timestamp": 1704067200.0, **facts}
