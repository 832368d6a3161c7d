"""The relay against a real Redis: what collectors write becomes numbered entries, whoever leads."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.log import Log
from cache_streams.log_entries import LogEntry
from cache_streams.log_names import LogName, partition_of
from cache_streams.metrics import APPEND_REFUSED
from cache_streams.places import START, position
from cache_streams.relay.run import configured_relay
from cache_streams.streams import REGISTRY, by_name
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.update import Update

DEADLINE_S = 30.0
BAR = (1_700_000_000, 1, 3, 1, 2, 5)


def trade(trade_id: int) -> str:
    facts = {
        "trade_id": trade_id,
        "symbol": "BTC/USDC",
        "side": "buy",
        "volume": 0.1,
        "price": 5.0,
        "time": 1.7e9,
    }
    return json.dumps(facts)


async def entries(redis: Redis, stream: str, partition: str = "kraken") -> list[LogEntry]:
    log = Log(redis, LogName(stream, partition, "gw"), by_name[stream])
    return await log.range(START, position("9" * 15), 100_000)


async def updates(redis: Redis, stream: str, partition: str = "kraken") -> list[Update]:
    return [entry.update for entry in await entries(redis, stream, partition) if entry.update is not None]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():
            await asyncio.sleep(0.005)


async def logged(redis: Redis, stream: str, count: int) -> list[Update]:
    async def enough() -> bool:
        return len(await updates(redis, stream)) >= count

    await until(enough)
    return await updates(redis, stream)


async def test_a_ticker_written_without_a_message_is_logged(redis: Redis, relay: None) -> None:
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1.5, "time": 1700000000.5}')
    (update,) = await logged(redis, "tickers", 1)
    assert (update.key, update.seq, json.loads(update.data)["price"]) == (("kraken", "BTC/USDC"), 1, 1.5)


async def test_a_value_written_again_unchanged_is_no_update(redis: Redis, relay: None) -> None:
    for price in (1, 1, 2):
        await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", json.dumps({"price": price, "time": 1.0}))
        await logged(redis, "tickers", price)
    assert [update.seq for update in await updates(redis, "tickers")] == [1, 2]


async def test_every_trade_is_logged_once_and_in_order_over_drains(redis: Redis, relay: None) -> None:
    for first in range(0, 300, 100):
        await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", *(trade(n) for n in range(first, first + 100)))
        await logged(redis, "trades", first + 100)
        await ask(redis, "LRANGE", "trades:kraken:BTCUSDC", 0, -1)
        await ask(redis, "DEL", "trades:kraken:BTCUSDC")
    found = await logged(redis, "trades", 300)
    assert [json.loads(update.data)["trade_id"] for update in found] == [str(n) for n in range(300)]
    assert [update.seq for update in found] == list(range(1, 301))


async def test_a_removed_field_is_logged_as_gone(redis: Redis, relay: None) -> None:
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1, "time": 1}')
    await logged(redis, "tickers", 1)
    await ask(redis, "HDEL", "tickers:kraken", "BTC/USDC")
    found = await logged(redis, "tickers", 2)
    assert (found[1].deleted, found[1].data) == (True, b"null")


async def test_what_vanished_while_no_relay_ran_is_logged_as_gone(redis: Redis) -> None:
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1, "time": 1}')
    await _lead_once()
    await ask(redis, "DEL", "tickers:kraken")
    await _lead_once()
    assert [update.deleted for update in await updates(redis, "tickers")] == [False, True]


async def test_a_successor_logs_no_trade_twice_and_misses_none(redis: Redis) -> None:
    await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", *(trade(n) for n in range(5)))
    await _lead_once()
    await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", *(trade(n) for n in range(5, 8)))
    await _lead_once()
    found = await updates(redis, "trades")
    assert [json.loads(update.data)["trade_id"] for update in found] == [str(n) for n in range(8)]


@pytest.mark.parametrize("written_as", [float, int])
async def test_a_bar_that_stood_still_while_no_relay_ran_is_neither_gone_nor_told_again(
    redis: Redis, written_as: type[float]
) -> None:
    await ask(redis, "RPUSH", "ohlcv:BTC/USDC:1m", json.dumps([written_as(each) for each in BAR]))
    await _lead_once()
    await _lead_once()
    assert [update.deleted for update in await updates(redis, "ohlcv", "1m")] == [False]


async def test_a_flushed_redis_begins_new_epochs(redis: Redis, relay: None) -> None:
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1, "time": 1}')
    await logged(redis, "tickers", 1)
    before = (await entries(redis, "tickers"))[0].epoch
    await ask(redis, "FLUSHALL")
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 2, "time": 1}')
    await logged(redis, "tickers", 1)
    after = (await entries(redis, "tickers"))[0].epoch
    assert before is not None
    assert after not in (None, before)


async def test_a_malformed_neighbour_hides_nothing(redis: Redis, relay: None) -> None:
    await ask(redis, "HSET", "tickers:kraken", "A/B", "{broken", "BTC/USDC", '{"price": 1, "time": 1}')
    await ask(redis, "SET", "tickers:binance", "not a hash")
    (update,) = await logged(redis, "tickers", 1)
    assert update.key == ("kraken", "BTC/USDC")


async def test_the_relay_writes_nothing_outside_its_prefix(redis: Redis, relay: None) -> None:
    await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1, "time": 1}')
    await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", trade(1))
    await logged(redis, "trades", 1)
    await logged(redis, "tickers", 1)
    keys = {key.decode() for key in await ask(redis, "KEYS", "*")}
    assert {key for key in keys if not key.startswith("gw:")} == {"tickers:kraken", "trades:kraken:BTCUSDC"}


def test_every_declared_stream_has_a_way_into_its_log() -> None:
    assert [stream.name for stream in REGISTRY if stream.layout is None] == []


async def _lead_once() -> None:
    """Run a relay until it has read everything once."""
    running = configured_relay()
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(DEADLINE_S):
        await running.leading.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_list_that_grew_by_pages_at_once_is_carried_without_another_notice(
    redis: Redis, relay: None
) -> None:
    await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", *(trade(n) for n in range(2500)))
    async with asyncio.timeout(5.0):  # the net that would find the rest anyway is cast every 20 s
        found = await logged(redis, "trades", 2500)
    assert [json.loads(update.data)["trade_id"] for update in found] == [str(n) for n in range(2500)]


async def test_an_order_hash_that_vanishes_is_one_change_of_its_size(redis: Redis, relay: None) -> None:
    facts = {"volume": 1, "ex_id": 5, "timestamp": "2026-01-15T10:30:00+00:00"}
    await ask(
        redis,
        "HSET",
        "order_status:kraken",
        *(part for n in range(3) for part in (f"O{n}", json.dumps(facts))),
    )
    partition = partition_of(ORDERS, ("kraken", "account:5"), 16)

    async def count(number: int) -> bool:
        return len(await updates(redis, "orders", partition)) >= number

    await until(lambda: count(3))
    await ask(redis, "DEL", "order_status:kraken")
    await until(lambda: count(6))
    sizes = [(update.size, update.more) for update in await updates(redis, "orders", partition)]
    assert sizes == [(1, True), (2, True), (3, False), (2, True), (1, True), (0, False)]


async def test_a_redis_that_may_evict_logs_is_not_led(redis: Redis) -> None:
    await ask(redis, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")  # this test process's own server
    refused = APPEND_REFUSED.labels("eviction")
    before = refused._value.get()
    running = configured_relay()
    task = asyncio.create_task(running.run())

    async def counted() -> bool:
        return bool(refused._value.get() > before)

    await until(counted)
    assert not running.leading.is_set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await ask(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction")
