"""Readers of lists against a real Redis, drained as the deployment's batch writer does it."""

from __future__ import annotations

import asyncio
import json
from typing import ClassVar

from django.conf import settings
from hypothesis import HealthCheck
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.sources.drive import drive
from cache_streams.sources.lists import PAGE, BarReader, TailReader
from cache_streams.streams.declaration import Bars, ListTail
from cache_streams.streams.ohlcv import OHLCV, Bar
from cache_streams.streams.trades import TRADES, Trade

KEY = "trades:kraken:BTCUSDC"
NAMES = {"exchange": "kraken", "symbol": "BTC/USDC"}
BARS = "ohlcv:BTC/USDC:1m"
MINUTE = {"symbol": "BTC/USDC", "timeframe": "1m"}


def tail_reader(stored: str | None = None) -> TailReader:
    assert isinstance(TRADES.layout, ListTail)
    return TailReader(TRADES, TRADES.layout, KEY, stored)


async def read(redis: Redis, reader: TailReader) -> list[int]:
    """Return the numbers of the trades that a look, and the looks it asks for, return."""
    found: list[int] = []
    while True:
        (records,) = (await drive(redis, [reader.read(NAMES)], "trades")).records
        found += [int(record.value.price) for record in records if isinstance(record.value, Trade)]
        if not reader.unread:
            return found


class DrainedTail(RuleBasedStateMachine):
    """A collector that pushes, a batch writer that drains, and a relay that reads and is replaced."""

    ids: ClassVar[bool]

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.redis = Redis.from_url(settings.REDIS_URL)
        self.reader = tail_reader()
        self.pushed = 0
        self.stood: set[int] = set()
        self.told: list[int] = []
        self.runner.run(ask(self.redis, "DEL", KEY))

    @rule(count=st.integers(1, 5) | st.sampled_from([PAGE - 1, PAGE, PAGE + 1]))
    def push(self, count: int) -> None:
        new = range(self.pushed, self.pushed + count)
        self.pushed += count
        stored = [json.dumps({"trade_id": n if self.ids else None, "price": n, "volume": 1}) for n in new]
        self.runner.run(ask(self.redis, "RPUSH", KEY, *stored))

    @rule()
    def drain(self) -> None:
        self.runner.run(self._drain())

    @rule()
    def look(self) -> None:
        self.stood |= {
            json.loads(raw)["price"] for raw in self.runner.run(ask(self.redis, "LRANGE", KEY, 0, -1))
        }
        self.told += self.runner.run(read(self.redis, self.reader))

    @rule()
    def replace_the_relay(self) -> None:
        self.reader = tail_reader(self.reader.position)

    @invariant()
    def all_that_stood_at_a_look_was_told_once_and_in_order(self) -> None:
        assert self.told == sorted(self.stood)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.look()
            self.all_that_stood_at_a_look_was_told_once_and_in_order()
            self.runner.run(self.redis.aclose())
            self.runner.close()

    async def _drain(self) -> None:
        await ask(self.redis, "LRANGE", KEY, 0, -1)
        await ask(self.redis, "DEL", KEY)


_EFFORT = effort(
    max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_trades_with_ids_are_told_once_and_in_order(fresh_redis: EmbeddedRedis) -> None:
    machine = type("WithIds", (DrainedTail,), {"ids": True})
    run_state_machine_as_test(machine, settings=_EFFORT)


def test_trades_without_ids_are_told_once_and_in_order(fresh_redis: EmbeddedRedis) -> None:
    machine = type("WithoutIds", (DrainedTail,), {"ids": False})
    run_state_machine_as_test(machine, settings=_EFFORT)


async def test_a_list_pushed_and_drained_by_others_all_the_while_tells_nothing_twice(
    fresh_redis: EmbeddedRedis,
) -> None:
    """What stood there for less than a look may be missed; nothing may be repeated or swapped."""
    writer, looker = Redis.from_url(fresh_redis.url), Redis.from_url(fresh_redis.url)
    async with writer, looker:

        async def write() -> None:
            for number in range(3000):
                stored = json.dumps({"trade_id": None, "price": number, "volume": 1})
                await ask(writer, "RPUSH", KEY, stored)
                if number % 97 == 0:
                    await ask(writer, "LRANGE", KEY, 0, -1)
                    await ask(writer, "DEL", KEY)

        writing, reader = asyncio.create_task(write()), tail_reader()
        told: list[int] = []
        while not writing.done():
            told += await read(looker, reader)
        await writing
        told += await read(looker, reader)
    assert told[-1] == 2999
    assert told == sorted(set(told))


async def test_bars_survive_the_feeders_trimming(fresh_redis: EmbeddedRedis) -> None:
    assert isinstance(OHLCV.layout, Bars)
    reader = BarReader(OHLCV, OHLCV.layout, BARS, MINUTE)
    told: list[tuple[float, bool]] = []
    async with Redis.from_url(fresh_redis.url) as redis:
        for minute in range(PAGE + 50):
            await ask(redis, "RPUSH", BARS, json.dumps([minute * 60, 1, 2, 0.5, 1, 10]))
            await ask(redis, "LTRIM", BARS, -20, -1)
            if minute % 7 == 0:
                (records,) = (await drive(redis, [reader.read(0.0)], "ohlcv")).records
                told += [(r.value.time, r.value.closed) for r in records if isinstance(r.value, Bar)]
    last = (PAGE + 49) // 7 * 7
    closed = [int(time) // 60 for time, is_closed in told if is_closed]
    assert closed == list(range(last))
    assert told[-1] == (last * 60.0, False)
