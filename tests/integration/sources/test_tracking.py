"""Notices from a real Redis.

They rest on parts of redis-py that it does not promise (``connection._parser``, its two push handlers, and
``read_response(push_request=True)``). A test that fails here after an upgrade names the part to look at.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import pytest
from pytest_django import Settings
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.listening import PING_S, SILENCE_S
from cache_streams.metrics import NOTICE_RESETS, NOTICES
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.sources.tracking import ARM_S, RETRY_S, Notices
from tests.counts import count

DEADLINE_S = 5.0


class Heard:
    """What the notices called back with."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.channels: list[str] = []
        self.resets = 0
        self._news = asyncio.Event()
        self.notices = Notices(
            ["tickers:", "trades:"],
            ["ticker_updates:*"],
            on_key=self._key,
            on_message=self._message,
            on_reset=self._reset,
        )

    async def until(
        self, condition: Callable[[], bool], otherwise: str, within_s: float = DEADLINE_S
    ) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within_s} s: {otherwise}") from None

    def _key(self, key: str) -> None:
        self.keys.append(key)
        self._news.set()

    def _message(self, channel: str) -> None:
        self.channels.append(channel)
        self._news.set()

    def _reset(self) -> None:
        self.resets += 1
        self._news.set()


@asynccontextmanager
async def listening() -> AsyncIterator[Heard]:
    heard = Heard()
    running = asyncio.create_task(heard.notices.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await heard.notices.armed.wait()
        yield heard
    finally:
        running.cancel()
        await asyncio.wait([running], timeout=DEADLINE_S)
        assert running.cancelled()


@pytest.fixture
async def writer(fresh_redis: EmbeddedRedis) -> AsyncIterator[Redis]:
    """Another client, as a collector is one."""
    async with Redis.from_url(fresh_redis.url) as client:
        yield client


@pytest.fixture
def own_redis(settings: Settings) -> Iterator[EmbeddedRedis]:
    """A redis-server that this test may stop, freeze and restrict."""
    with EmbeddedRedis.start(tcp=True) as server:
        settings.REDIS_URL = server.url
        yield server


async def test_a_write_by_another_client_is_heard(writer: Redis) -> None:
    async with listening() as heard:
        assert heard.notices.pushed
        before = count(NOTICES, "tracking")
        await ask(writer, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await heard.until(
            lambda: "tickers:kraken" in heard.keys,
            "an HSET heard; check parser.set_invalidation_push_handler and read_response(push_request=True)",
        )
        assert count(NOTICES, "tracking") > before


async def test_the_deletion_and_the_end_of_a_keys_time_are_heard(writer: Redis) -> None:
    await ask(writer, "HSET", "tickers:kraken", "BTC/USDC", "{}")
    await ask(writer, "HSET", "tickers:binance", "BTC/USDC", "{}")
    async with listening() as heard:
        await ask(writer, "DEL", "tickers:kraken")
        await ask(writer, "PEXPIRE", "tickers:binance", 1)
        await heard.until(
            lambda: {"tickers:kraken", "tickers:binance"} <= set(heard.keys), "DEL and PEXPIRE heard"
        )


async def test_a_write_in_another_database_number_is_heard_as_well(fresh_redis: EmbeddedRedis) -> None:
    async with Redis.from_url(fresh_redis.url, db=1) as other, listening() as heard:
        await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await heard.until(lambda: "tickers:kraken" in heard.keys, "a write in database 1 heard")


async def test_a_key_of_no_stream_is_not_heard(writer: Redis) -> None:
    async with listening() as heard:
        await ask(writer, "SET", "ticker_time:kraken:BTC/USDC", "1")
        await ask(writer, "RPUSH", "trades:kraken:BTCUSDC", "{}")
        await heard.until(lambda: bool(heard.keys), "an RPUSH heard")
        assert heard.keys == ["trades:kraken:BTCUSDC"]


async def test_every_one_of_many_writes_leads_to_its_key(writer: Redis) -> None:
    async with listening() as heard:
        names = {f"tickers:exchange{number}" for number in range(500)}
        async with writer.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hset(name, "BTC/USDC", "{}")
            await pipeline.execute()
        await heard.until(lambda: set(heard.keys) == names, "500 keys heard")


async def test_a_name_that_is_no_text_ends_nothing(writer: Redis) -> None:
    async with listening() as heard:
        await ask(writer, "HSET", b"tickers:\xff", "BTC/USDC", "{}")
        await ask(writer, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await heard.until(lambda: "tickers:kraken" in heard.keys, "the neighbour of an odd name heard")
        assert heard.resets == 1


async def test_a_published_tick_is_heard_with_its_channel(writer: Redis) -> None:
    async with listening() as heard:
        before = count(NOTICES, "pubsub")
        await ask(writer, "PUBLISH", "ticker_updates:kraken:BTC/USDC", "{}")
        await heard.until(
            lambda: heard.channels == ["ticker_updates:kraken:BTC/USDC"],
            "a PUBLISH heard; check parser.pubsub_push_handler_func and the shape of pmessage pushes",
        )
        assert count(NOTICES, "pubsub") == before + 1


async def test_whoever_begins_to_listen_looks_at_everything_once(writer: Redis) -> None:
    async with listening() as heard:
        await heard.until(lambda: heard.resets == 1, "a reset after arming")


async def test_a_flush_makes_everything_dirty(own_redis: EmbeddedRedis) -> None:
    async with Redis.from_url(own_redis.url) as other, listening() as heard:
        await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await ask(other, "FLUSHALL")
        await heard.until(
            lambda: heard.resets == 2, "a FLUSHALL heard; check the invalidation push without keys"
        )


async def test_a_lost_connection_is_armed_again_and_everything_is_dirty(own_redis: EmbeddedRedis) -> None:
    async with Redis.from_url(own_redis.url) as other, listening() as heard:
        lost = count(NOTICE_RESETS)
        await ask(other, "CLIENT", "KILL", "TYPE", "pubsub")
        await heard.until(lambda: heard.resets == 2, "armed again after CLIENT KILL")
        assert count(NOTICE_RESETS) == lost + 1
        await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await heard.until(lambda: "tickers:kraken" in heard.keys, "a write heard on the new connection")


async def test_a_redis_that_comes_back_is_armed_again(own_redis: EmbeddedRedis) -> None:
    port = int(own_redis.url.rpartition(":")[2].partition("/")[0])
    async with listening() as heard:
        own_redis.stop(kill=True)
        with EmbeddedRedis.start(tcp=True, port=port) as again:
            await heard.until(lambda: heard.resets == 2, "armed again after a restart")
            async with Redis.from_url(again.url) as other:
                await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
                await heard.until(lambda: "tickers:kraken" in heard.keys, "a write heard after a restart")


async def test_a_server_that_refuses_tracking_is_still_heard_publishing(
    own_redis: EmbeddedRedis, settings: Settings
) -> None:
    async with Redis.from_url(own_redis.url) as other:
        await ask(other, "ACL", "SETUSER", "blind", "on", ">word", "~*", "&*", "+@all", "-client|tracking")
        settings.REDIS_URL = own_redis.url.replace("redis://", "redis://blind:word@")
        async with listening() as heard:
            assert not heard.notices.pushed
            await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
            await ask(other, "PUBLISH", "ticker_updates:kraken:BTC/USDC", "{}")
            await heard.until(lambda: bool(heard.channels), "a PUBLISH heard without tracking")
            assert heard.keys == []


async def test_a_frozen_redis_is_noticed_and_heard_again_when_it_thaws(own_redis: EmbeddedRedis) -> None:
    async with Redis.from_url(own_redis.url) as other, listening() as heard:
        lost = count(NOTICE_RESETS)
        os.kill(own_redis.pid, signal.SIGSTOP)
        try:
            loop = asyncio.get_running_loop()
            frozen_at = loop.time()
            while count(NOTICE_RESETS) == lost:
                await asyncio.sleep(0.01)
                assert loop.time() - frozen_at < SILENCE_S + 3 * PING_S, "a connection silent for long"
            assert loop.time() - frozen_at > SILENCE_S - PING_S
            assert not heard.notices.armed.is_set()
        finally:
            os.kill(own_redis.pid, signal.SIGCONT)
        await heard.until(lambda: heard.resets == 2, "armed again after SIGCONT")
        await ask(other, "HSET", "tickers:kraken", "BTC/USDC", "{}")
        await heard.until(lambda: "tickers:kraken" in heard.keys, "a write heard after SIGCONT")


async def test_a_server_that_takes_the_connection_and_says_nothing_is_given_up(settings: Settings) -> None:
    greeted = asyncio.Semaphore(0)

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greeted.release()
        await reader.read(-1)
        writer.close()

    async with await asyncio.start_server(mute, "127.0.0.1", 0) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        running = asyncio.create_task(Heard().notices.run())
        async with asyncio.timeout(2 * (ARM_S + RETRY_S) + 1.0):
            await greeted.acquire()
            await greeted.acquire()
        running.cancel()
        await asyncio.wait([running], timeout=DEADLINE_S)
        assert running.cancelled()


async def test_an_idle_connection_stays_as_it_is(writer: Redis) -> None:
    async with listening() as heard:
        with pytest.raises(AssertionError, match="another reset"):
            await heard.until(lambda: heard.resets > 1, "another reset", within_s=SILENCE_S + 1.5 * PING_S)
        assert heard.notices.armed.is_set()
