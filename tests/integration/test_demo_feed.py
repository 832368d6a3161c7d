"""The demo feed: what it writes into a real Redis, where it refuses to, and how it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from redis.asyncio import Redis as AsyncRedis

from cache_streams.demo import feed
from cache_streams.demo.ownership import Ownership
from cache_streams.demo.scene import Scene
from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis

BASE = Path(__file__).resolve().parents[2]
DEADLINE_S = 30.0
MARKER = "gw:demo:keys"
PRIVATE = "gw:private"

Client = redis.Redis


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis.start(tcp=True) as own:
        yield own


@pytest.fixture
def cache(server: EmbeddedRedis) -> Iterator[Client]:
    with redis.Redis.from_url(server.url) as client:
        yield client


def environment(server: EmbeddedRedis) -> dict[str, str]:
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "fullon_master.settings", "REDIS_URL": server.url}


@contextmanager
def feeding(server: EmbeddedRedis, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        dying_with_parent(sys.executable, str(BASE / "manage.py"), "demo_feed", *arguments),
        env=environment(server),
        cwd=BASE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(server: EmbeddedRedis, *arguments: str) -> tuple[int, str]:
    with feeding(server, *arguments) as process:
        output, _ = process.communicate(timeout=DEADLINE_S)
        return process.returncode, output


def stopped(process: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(by)
    output, _ = process.communicate(timeout=DEADLINE_S)
    return process.returncode, output


def await_that(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("the condition did not come true in time")


def calls(cache: Client, command: str) -> int:
    stats = cast(
        dict[str, Any], cache.info("commandstats")
    )  # Any, cast: redis-py types replies as maybe awaitable
    return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


def messages(cache: Client) -> int:
    return calls(cache, "publish")


def marks(cache: Client) -> set[bytes]:
    return cast(set[bytes], cache.smembers(MARKER))  # redis-py types replies as maybe awaitable


def keys(cache: Client) -> list[bytes]:
    return sorted(cache.scan_iter(count=1000))


def test_on_a_private_redis_it_writes_every_kind_of_value(server: EmbeddedRedis, cache: Client) -> None:
    cache.set(PRIVATE, "1")
    with feeding(server, "--symbols", "2", "--rate", "50") as process:
        await_that(lambda: messages(cache) > 20 and cache.hlen("block_exchange"))
        heads = {key.decode().partition(":")[0] for key in keys(cache)}
        has_the_example = cache.hexists("tickers:kraken", "BTC/USDC")
        assert stopped(process)[0] == 0
    assert {"tickers", "ticker_time", "trades", "TRADE", "order_status", "ohlcv", "process"} <= heads
    assert {"accounts", "bot_status", "block_exchange", "opening_position"} <= heads
    assert has_the_example


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_its_services_say_good_bye(
    server: EmbeddedRedis, cache: Client, by: signal.Signals
) -> None:
    with feeding(server, "--i-own-this-redis", "--symbols", "1", "--rate", "7.5", "--seed", "3") as process:
        await_that(lambda: cache.exists("process:active:tick"))
        code, output = stopped(process, by)
    assert code == 0
    assert output == "Demo feed: 2 markets, 7.5 ticks/s, seed 3. Ctrl-C or SIGTERM ends it.\n"
    assert not cache.exists("process:active:tick")


def test_elsewhere_it_needs_somebody_to_own_the_redis(server: EmbeddedRedis, cache: Client) -> None:
    code, output = ended(server)
    assert code == 2
    assert "--i-own-this-redis" in output
    assert cache.dbsize() == 0


@pytest.mark.parametrize(
    "key", ["tickers:kraken", "trades:kraken:BTCUSDC", "accounts", "process:components", "ohlcv:BTC/USDC:1m"]
)
def test_beside_somebody_elses_key_it_writes_nothing_and_names_the_key(
    server: EmbeddedRedis, cache: Client, key: str
) -> None:
    cache.set("unrelated", "kept")
    cache.set(key, "theirs")
    code, output = ended(server, "--i-own-this-redis")
    assert code == 2
    assert repr(key) in output
    assert keys(cache) == sorted([b"unrelated", key.encode()])
    assert cache.get(key) == b"theirs"


def test_it_goes_on_with_keys_that_it_wrote_before(server: EmbeddedRedis, cache: Client) -> None:
    for _ in range(2):
        with feeding(server, "--i-own-this-redis", "--symbols", "1") as process:
            await_that(lambda: cache.exists("process:active:tick"))
            assert stopped(process)[0] == 0
    layout = {key for key in cache.scan_iter(count=1000) if not key.startswith(b"gw:")}
    assert layout <= marks(cache)


def test_marks_of_keys_that_are_gone_are_forgotten(server: EmbeddedRedis, cache: Client) -> None:
    cache.sadd(MARKER, "tickers:old", "tickers:kraken")
    cache.hset("tickers:kraken", "BTC/USDC", "{}")
    with feeding(server, "--i-own-this-redis", "--symbols", "1"):
        await_that(lambda: messages(cache))
    assert b"tickers:old" not in marks(cache)


def test_the_rate_is_what_was_asked_for(server: EmbeddedRedis, cache: Client) -> None:
    with feeding(server, "--i-own-this-redis", "--symbols", "1", "--rate", "200"):
        await_that(lambda: messages(cache) > 50)
        before, begun = messages(cache), time.monotonic()
        await_that(lambda: messages(cache) >= before + 400)
        took = time.monotonic() - begun
    assert 1.6 < took < 4


def test_it_outlives_an_outage_of_redis_and_begins_anew_when_it_comes_back_empty(tmp_path: Path) -> None:
    with EmbeddedRedis.start(tcp=True) as first:
        port = int(first.url.split(":")[2].split("/")[0])
        with feeding(first, "--i-own-this-redis", "--symbols", "1") as process:
            with redis.Redis.from_url(first.url) as cache:
                await_that(lambda: messages(cache))
            first.stop(kill=True)
            with (
                EmbeddedRedis.start(tcp=True, port=port, directory=tmp_path) as second,
                redis.Redis.from_url(second.url) as cache,
            ):
                await_that(lambda: cache.exists("process:components") and cache.exists("ohlcv:BTC/USDC:1h"))
                code, output = stopped(process)
                marked = marks(cache)
    assert code == 0
    assert "Demo feed: lost Redis" in output
    assert {b"ohlcv:BTC/USDC:1h", b"tickers:kraken", b"accounts"} <= marked


def test_it_begins_anew_after_its_redis_was_emptied(server: EmbeddedRedis, cache: Client) -> None:
    with feeding(server, "--i-own-this-redis", "--symbols", "1"):
        await_that(lambda: messages(cache))
        cache.flushall()
        await_that(lambda: b"ohlcv:BTC/USDC:1h" in marks(cache))


def test_without_a_redis_it_ends_with_one_sentence(server: EmbeddedRedis) -> None:
    server.stop()
    code, output = ended(server)
    assert code == 1
    assert output.startswith("CommandError: demo_feed cannot use the configured Redis")
    assert output.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [("--rate", "0"), ("--rate", "nan"), ("--rate", "x"), ("--symbols", "501"), ("--symbols", "1.5")],
)
def test_a_bad_number_is_refused_by_name_and_rule(server: EmbeddedRedis, arguments: tuple[str, str]) -> None:
    code, output = ended(server, *arguments)
    assert code == 2
    assert f"argument {arguments[0]}: must be a number above 0 and at most" in output


async def test_a_drain_takes_the_trades_out_of_their_lists_and_nothing_else(server: EmbeddedRedis) -> None:
    scene = Scene(7, 1, time.time(), pid=1)
    client = AsyncRedis.from_url(server.url)
    try:
        writer = feed.Feed(client, Ownership(client, "gw"), scene, 1.0)
        await writer._write(scene.opening(time.time()))
        await writer._write(scene.ticks(50, time.time()))
        before = set(await client.keys())
        assert {b"trades:kraken:BTCUSDC", b"trades:binance:BTCUSDC"} <= before
        await writer._drain()
        assert before - set(await client.keys()) == {b"trades:kraken:BTCUSDC", b"trades:binance:BTCUSDC"}
    finally:
        await client.aclose()


@asynccontextmanager
async def writing(server: EmbeddedRedis, rate: float) -> AsyncIterator[None]:
    client = AsyncRedis.from_url(server.url)
    stop = asyncio.Event()
    scene = Scene(7, 1, time.time(), pid=1)
    task = asyncio.create_task(feed.Feed(client, Ownership(client, "gw"), scene, rate).write_until(stop))
    try:
        yield
    finally:
        stop.set()
        await task
        await client.aclose()


async def await_calls(cache: Client, command: str, least: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while calls(cache, command) < least:
            await asyncio.sleep(0.01)


async def test_missed_ticks_are_not_made_up_for(server: EmbeddedRedis, cache: Client) -> None:
    async with writing(server, rate=10.0):
        await await_calls(cache, "publish", 3)
        before = calls(cache, "publish")
        time.sleep(2)  # noqa: ASYNC251 - blocks the loop on purpose, as a suspended machine does
        await await_calls(cache, "publish", before + 1)
        assert calls(cache, "publish") < before + 10


async def test_the_lists_are_drained_when_the_batch_writer_would(
    server: EmbeddedRedis, cache: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "DRAIN_SECOND", (time.time() + 1) % 60)
    async with writing(server, rate=50.0):
        await await_calls(cache, "publish", 20)
        await await_calls(cache, "del", 2)
        assert calls(cache, "lrange") == calls(cache, "del") == 2


@pytest.mark.parametrize(("wall", "left"), [(0.0, 59.9), (60 + 59.0, 0.9), (59.9, 60.0), (59.95, 59.95)])
def test_the_next_drain_is_at_second_59_9(wall: float, left: float) -> None:
    assert feed._until_drain(wall) == pytest.approx(left)
