"""Readings side by side over a real Redis."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest
import redis
from django.conf import settings
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from cache_streams.connections import ask, new_redis
from cache_streams.metrics import MALFORMED
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.sources.drive import drive
from cache_streams.sources.readers import HashReader, Reading
from cache_streams.streams.declaration import HashFields, Record
from cache_streams.streams.tickers import TICKERS
from tests.counts import counted

DEADLINE_S = 10.0
RECORD = Record(("a",), None)


@pytest.fixture
async def client(fresh_redis: EmbeddedRedis) -> AsyncIterator[redis.asyncio.Redis]:
    async with new_redis() as connected:
        yield connected


def asking(*rounds: list[tuple[str, ...]], heard: list[object]) -> Reading:
    for commands in rounds:
        replies = yield list(commands)
        heard.append(replies)
    return [RECORD]


def reader(exchange: str) -> HashReader:
    assert isinstance(TICKERS.layout, HashFields)
    return HashReader(TICKERS, TICKERS.layout, f"tickers:{exchange}", {"exchange": exchange})


async def test_each_reading_hears_the_replies_to_its_own_commands(client: redis.asyncio.Redis) -> None:
    one: list[object] = []
    two: list[object] = []
    readings = [
        asking([("ECHO", "a"), ("ECHO", "b")], [("ECHO", "c")], heard=one),
        asking([("ECHO", "d")], heard=two),
    ]
    results = await drive(client, readings, "tickers")
    assert one == [[b"a", b"b"], [b"c"]]
    assert two == [[b"d"]]
    assert results.records == [[RECORD], [RECORD]]
    assert results.started <= results.ended <= asyncio.get_running_loop().time()


async def test_a_round_is_one_pipeline_however_many_read(client: redis.asyncio.Redis) -> None:
    before = int((await client.info("stats"))["total_reads_processed"])
    heard: list[object] = []
    await drive(client, [asking([("PING",)] * 5, heard=heard) for _ in range(10)], "tickers")
    after = int((await client.info("stats"))["total_reads_processed"])
    assert len(heard) == 10
    assert after - before == 2  # the pipeline, and this INFO


async def test_a_reading_may_need_no_command_at_all(client: redis.asyncio.Redis) -> None:
    assert (await drive(client, [asking(heard=[])], "tickers")).records == [[RECORD]]
    assert (await drive(client, [asking([], heard=[])], "tickers")).records == [[RECORD]]
    assert (await drive(client, [], "tickers")).records == []


async def test_a_refused_command_is_heard_by_its_reading_and_its_neighbours_live(
    client: redis.asyncio.Redis,
) -> None:
    await ask(client, "RPUSH", "tickers:binance", "x")
    await ask(client, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1}')
    with counted(MALFORMED, "tickers", "wrong_type"):
        results = await drive(client, [reader("binance").read(), reader("kraken").read()], "tickers")
    assert [[record.key for record in records] for records in results.records] == [
        [],
        [("kraken", "BTC/USDC")],
    ]


async def test_a_defect_of_one_reading_is_counted_and_its_neighbours_live(
    client: redis.asyncio.Redis,
) -> None:
    def defective() -> Reading:
        yield [("PING",)]
        raise LookupError

    heard: list[object] = []
    with counted(MALFORMED, "tickers", "internal"):
        results = await drive(client, [defective(), asking([("PING",)], heard=heard)], "tickers")
    assert results.records == [[], [RECORD]]


async def test_a_hash_that_may_not_be_read_is_counted_and_its_neighbours_live(
    client: redis.asyncio.Redis,
) -> None:
    await ask(client, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1}')
    await ask(client, "ACL", "SETUSER", "narrow", "on", "nopass", "~tickers:kraken", "+@all")
    try:
        async with new_redis(connections=1) as narrow:
            await ask(narrow, "AUTH", "narrow", "any")
            with counted(MALFORMED, "tickers", "no_permission"):
                results = await drive(narrow, [reader("binance").read(), reader("kraken").read()], "tickers")
    finally:
        await ask(client, "ACL", "DELUSER", "narrow")
    assert [len(records) for records in results.records] == [0, 1]


async def test_a_busy_redis_is_an_error_and_no_deletion(client: redis.asyncio.Redis) -> None:
    await ask(client, "HSET", "tickers:kraken", "BTC/USDC", '{"price": 1}')
    kraken = reader("kraken")
    await drive(client, [kraken.read()], "tickers")
    await ask(client, "CONFIG", "SET", "lua-time-limit", 1)
    endless = threading.Thread(target=run_endless_script)
    endless.start()
    try:
        with pytest.raises(ResponseError, match="BUSY"):
            await until_busy(client, kraken)
    finally:
        await ask(client, "SCRIPT", "KILL")
        endless.join(DEADLINE_S)
        await ask(client, "CONFIG", "SET", "lua-time-limit", 5000)
    assert (await drive(client, [kraken.read()], "tickers")).records == [[]]


def run_endless_script() -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as other, pytest.raises(ResponseError):
        other.eval("while true do end", 0)


async def until_busy(client: redis.asyncio.Redis, kraken: HashReader) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        assert (await drive(client, [kraken.read()], "tickers")).records == [[]]


async def test_a_lost_redis_is_an_error() -> None:
    with EmbeddedRedis.start() as server:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            await ask(client, "PING")
            server.stop()
            with pytest.raises((RedisConnectionError, OSError)):
                await drive(client, [reader("kraken").read()], "tickers")
