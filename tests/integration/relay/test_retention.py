"""Retention against a real Redis: logs keep what was declared and no more, and their sum is told and warned of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
import structlog
from pytest_django import Settings
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.log_names import key_text
from cache_streams.metrics import LOG_BYTES, LOG_BYTES_BUDGET, LOG_ENTRIES
from cache_streams.relay import term
from cache_streams.relay.retention import Retention
from cache_streams.relay.run import configured_relay
from cache_streams.relay.store import Store
from cache_streams.streams.declaration import Record
from cache_streams.streams.trades import TRADES, Trade

DEADLINE_S = 20.0
LOG = "gw:{trades:kraken}:log"
KEY = ("kraken", "BTC/USDC")
SHORT_AGE_S, LONG_AGE_S = 1.0, 3600.0
MANY = 100_000
NODE = 100
"""Entries that Redis keeps together: an append drops old ones by the node."""
BUDGET = 1_000_000


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The leading relay looks at its logs ten times a second."""
    monkeypatch.setattr(term, "TRIM_S", 0.1)


@asynccontextmanager
async def leading() -> AsyncIterator[None]:
    relay = configured_relay()
    task = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await relay.leading.wait()
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def push(redis: Redis, count: int, first: int = 1) -> None:
    facts = {"symbol": "BTC/USDC", "side": "buy", "volume": 1, "price": 2, "time": 3}
    trades = [json.dumps({**facts, "trade_id": number}) for number in range(first, first + count)]
    await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", *trades)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.01)


async def appended(redis: Redis) -> int:
    return int(await ask(redis, "HGET", "gw:{trades:kraken}:pos", f"s:{key_text(KEY)}") or 0)


async def length(redis: Redis) -> int:
    return int(await ask(redis, "XLEN", LOG))


async def ids(redis: Redis) -> list[bytes]:
    return [entry[0] for entry in await ask(redis, "XRANGE", LOG, "-", "+")]


async def test_a_busy_log_never_holds_a_node_more_than_its_declared_length(
    redis: Redis, often: None, settings: Settings
) -> None:
    settings.LOG_MAX_ENTRIES = 200
    async with leading():
        longest = 0
        for first in range(1, 2001, 50):
            await push(redis, 50, first)
            longest = max(longest, await length(redis))

        async def all_are() -> bool:
            nonlocal longest
            longest = max(longest, await length(redis))
            return await appended(redis) == 2000

        await until(all_are)
    assert 200 <= longest <= 200 + NODE


async def test_a_log_that_was_granted_more_before_is_shortened_without_an_append(
    redis: Redis, often: None, settings: Settings
) -> None:
    async with leading():
        await push(redis, 500)
        await until(lambda: _is(appended(redis), 500))
    newest = (await ids(redis))[-1]
    settings.LOG_MAX_ENTRIES = 130  # in the middle of a node
    async with leading():
        await until(lambda: _is(length(redis), 130))
    assert (await ids(redis))[-1] == newest


async def test_a_quiet_log_keeps_nothing_beyond_its_age_but_its_newest_entry(
    redis: Redis, often: None, settings: Settings
) -> None:
    settings.LOG_MAX_AGE_S = SHORT_AGE_S
    async with leading():
        await push(redis, 10)  # far less than a node
        await until(lambda: _is(appended(redis), 10))
        newest = (await ids(redis))[-1]
        await until(lambda: _is(length(redis), 1))
        assert await ids(redis) == [newest]


async def test_an_entry_younger_than_the_age_stays(redis: Redis, often: None, settings: Settings) -> None:
    settings.LOG_MAX_AGE_S = 3.0
    async with leading():
        await push(redis, 10)
        await until(lambda: _is(appended(redis), 10))
        until_s = int((await ids(redis))[0].partition(b"-")[0]) / 1000 + settings.LOG_MAX_AGE_S
        kept: list[int] = []

        async def trimmed() -> bool:
            before = await length(redis)
            seconds, micros = await redis.time()
            if seconds + micros / 1e6 < until_s:  # so it was when its length was asked
                kept.append(before)
            return await length(redis) == 1

        await until(trimmed)
    assert kept
    assert set(kept) == {11}  # with the one that began the epoch


async def test_an_age_beyond_all_clocks_keeps_everything(
    redis: Redis, often: None, settings: Settings
) -> None:
    settings.LOG_MAX_AGE_S = 1e12
    async with leading():
        await push(redis, 10)
        await until(lambda: _is(appended(redis), 10))
        await until(lambda: _is(ask(redis, "EXISTS", "gw:retention"), 1))
        assert await length(redis) == 11


async def _is(found: Awaitable[int], wanted: int) -> bool:
    return await found == wanted


# -- the sum ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def store(redis: Redis) -> Store:
    store = Store(redis, TRADES, prefix="gw", shards=1, max_entries=MANY, fence=1, known={})
    await store.append([([record(number) for number in range(1, 501)], None)])
    return store


def record(number: int) -> Record:
    return Record(KEY, Trade("kraken", "BTC/USDC", str(number), price=2.0, volume=1.0, side="buy", time=3.0))


@pytest.fixture
async def bytes_kept(redis: Redis, store: Store) -> int:
    return int(await ask(redis, "MEMORY", "USAGE", LOG))


@pytest.fixture
def retentions() -> Iterator[Callable[[Redis, int], Retention]]:
    """Return a factory of ``Retention``, by budget; afterwards this process tells of no logs."""
    made: list[Retention] = []

    def make(redis: Redis, budget_bytes: int) -> Retention:
        made.append(Retention(redis, "gw", max_entries=MANY, max_age_s=LONG_AGE_S, budget_bytes=budget_bytes))
        return made[-1]

    yield make
    for each in made:
        each.end()


Make = Callable[[Redis, int], Retention]


async def warnings(retention: Retention, store: Store) -> list[int]:
    """Return the sums that one look warns of."""
    with structlog.testing.capture_logs() as logs:
        await retention.look([store])
    return [entry["bytes"] for entry in logs if entry["log_level"] == "warning"]


async def test_the_metrics_tell_the_sum_and_the_budget(
    redis: Redis, store: Store, bytes_kept: int, retentions: Make
) -> None:
    await retentions(redis, BUDGET).look([store])
    assert LOG_BYTES.labels("trades")._value.get() == bytes_kept
    assert LOG_ENTRIES.labels("trades")._value.get() == 501
    assert LOG_BYTES_BUDGET._value.get() == BUDGET


async def test_four_fifths_of_the_budget_are_warned_of_once(
    redis: Redis, store: Store, bytes_kept: int, retentions: Make
) -> None:
    retention = retentions(redis, int(bytes_kept / 0.8))
    assert [await warnings(retention, store) for _ in range(3)] == [[bytes_kept], [], []]


async def test_less_than_four_fifths_of_the_budget_is_not_warned_of(
    redis: Redis, store: Store, bytes_kept: int, retentions: Make
) -> None:
    assert await warnings(retentions(redis, int(bytes_kept / 0.79)), store) == []


async def test_a_sum_that_fell_well_below_is_warned_of_again_when_it_grows(
    redis: Redis, store: Store, bytes_kept: int, retentions: Make
) -> None:
    retention = retentions(redis, int(bytes_kept / 0.81))
    assert await warnings(retention, store) == [bytes_kept]
    await ask(redis, "XTRIM", LOG, "MAXLEN", "=", 100)
    assert await warnings(retention, store) == []
    await store.append([([record(number) for number in range(501, 1101)], None)])
    assert len(await warnings(retention, store)) == 1


async def test_a_sum_that_swings_about_the_threshold_is_warned_of_once(
    redis: Redis, store: Store, retentions: Make
) -> None:
    below = await ask(redis, "DUMP", LOG)
    await store.append([([record(number) for number in range(501, 1001)], None)])
    above = await ask(redis, "DUMP", LOG)
    retention = retentions(redis, int(await restored(redis, below) / 0.75))
    await restored(redis, above)
    assert len(await warnings(retention, store)) == 1
    for dump in (below, above):
        await restored(redis, dump)
        assert await warnings(retention, store) == []


async def restored(redis: Redis, dump: bytes) -> int:
    """Let the log hold what it held; return the bytes it takes."""
    await ask(redis, "RESTORE", LOG, 0, dump, "REPLACE")
    return int(await ask(redis, "MEMORY", "USAGE", LOG))
