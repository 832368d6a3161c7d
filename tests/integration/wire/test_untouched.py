"""Nothing of the collectors' layout is written, trimmed, deleted or made to expire by any session of reads."""

from __future__ import annotations

import time
from typing import TypeAlias

import pytest

from cache_streams.protocol.rpc.actions import ACTIONS, SYNONYMS, Answer
from tests.integration.wire.collector import Collector, position, trade
from tests.integration.wire.rpc_client import Connect, Socket

EXCHANGE, MARKET, ACCOUNT = "untouched", "BTC/USDC", 1
PARAMS = {
    "exchange": EXCHANGE, "symbol": MARKET, "symbols": [MARKET], "order_id": "O1", "user_id": ACCOUNT,
    "currency": "USDT", "bot_id": "7", "timeframe": "1m", "count": 5, "key": EXCHANGE, "component": "b1",
}  # fmt: skip
ACCOUNTS_PARAMS = {"user_id": ACCOUNT, "exchange": ACCOUNT, "exchange_id": ACCOUNT, "currency": "USDT"}
PUSHED = [
    f"tickers/{EXCHANGE}/{MARKET}",
    f"trades/{EXCHANGE}/{MARKET}",
    f"balances/{ACCOUNT}",
    f"orders/{EXCHANGE}",
]

Layout: TypeAlias = dict[bytes, tuple[bytes, float | None]]


def layout(collector: Collector) -> Layout:
    """Return of every key that is not the gateway's own its dump, and when (Unix seconds) it expires."""
    keys = [key for key in collector.redis.scan_iter(count=1000) if not key.startswith(b"gw:")]
    found: Layout = {}
    for key in keys:
        left_ms = collector.do("PTTL", key)
        found[key] = (collector.do("DUMP", key), None if left_ms < 0 else time.time() + left_ms / 1000)
    return found


def fill(collector: Collector) -> None:
    collector.tick(EXCHANGE, MARKET)
    collector.trades(EXCHANGE, MARKET, *map(trade, range(150)))
    collector.order(EXCHANGE, "O1", ex_id=ACCOUNT)
    collector.order(EXCHANGE, "O2", status="canceled")
    collector.account(ACCOUNT, USDT={"total": 1.0})
    collector.positions(ACCOUNT, **{MARKET: position(1.0)})
    collector.bot("7", feed={"status": "running"})
    collector.do("HSET", "block_exchange", f"{EXCHANGE}:{MARKET}", "7")
    collector.do("HSET", "opening_position", f"{EXCHANGE}:{MARKET}", "7:2026-01-15T10:30:00+00:00")
    collector.bars(MARKET, "1m", *([1700000000 + 60 * i, 1, 2, 0.5, 1, i] for i in range(30)))
    collector.process("bot", "b1")
    collector.process("tick", "long-gone", seen_age_s=90_000, heartbeat_age_s=90_000)
    collector.do("HSET", "process:active:tick", "tick:without-data:1.5", "2020-01-15T10:30:00+00:00")
    # Work queues and neighbours that no gateway has any business with.
    collector.do("RPUSH", f"user_trades:1:{EXCHANGE}", "{}")
    collector.do("SET", f"USER_TRADE:STATUS:1:{EXCHANGE}", "2026-01-15T10:30:00+00:00", "EX", 500)
    collector.do("RPUSH", "new_orders:5", "O1")
    collector.do("SET", "symbols:1", "pickled", "EX", 900)
    collector.do("SET", "exchanges:1", "pickled")
    collector.raw_tick(EXCHANGE, "BAD/USDC", "{")
    collector.do("SET", "tickers:wrong", "not a hash")
    collector.do("RPUSH", "trades:", "{}")


async def read_everything(socket: Socket) -> None:
    """Ask every action under every name; a stream is left running once its state has come."""
    for name in [*ACTIONS, *SYNONYMS]:
        action = ACTIONS.get(name) or ACTIONS.get(SYNONYMS.get(name, ""))
        assert action is not None
        if action.name == "unsubscribe":
            continue
        params = ACCOUNTS_PARAMS if action.domain == "accounts" else PARAMS
        answer = await socket.answer_to(name, name, **params)
        assert answer["success"] is True, answer
        if action.answer is Answer.STREAM:
            await socket.until(lambda frame, name=name: frame["request_id"] == name)  # type: ignore[misc]


async def test_every_key_and_its_time_to_live_are_the_same_after_a_session_of_all_reads(
    own_connect: Connect, own_collector: Collector
) -> None:
    fill(own_collector)
    before = layout(own_collector)
    async with own_connect("/ws") as socket:
        await read_everything(socket)
        await read_everything(socket)
        for path in PUSHED:
            async with own_connect(f"/ws/{path}", query="&mode=push") as pushed:
                await pushed.receive()
        await socket.answer_to("get_trades", "last", **PARAMS)
    after = layout(own_collector)
    assert len(before) > 20
    assert after.keys() == before.keys()
    for key, (dump, expires_at) in before.items():
        assert after[key][0] == dump, key
        assert after[key][1] == (expires_at and pytest.approx(expires_at, abs=1.0)), key


async def test_streams_that_follow_writes_leave_what_was_written(
    own_connect: Connect, own_collector: Collector
) -> None:
    fill(own_collector)
    async with own_connect("/ws") as socket:
        await socket.stream("stream_trade_updates", exchange=EXCHANGE, symbol=MARKET)
        for number in range(200, 220):
            own_collector.trades(EXCHANGE, MARKET, trade(number))
            await socket.until_told(trade_id=number)
    assert own_collector.do("LLEN", f"trades:{EXCHANGE}:BTCUSDC") == 170
    assert own_collector.do("PTTL", f"trades:{EXCHANGE}:BTCUSDC") == -1
