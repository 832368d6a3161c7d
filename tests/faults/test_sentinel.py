"""A master is killed, and a Sentinel promotes its replica: sockets stay, are fed again, and are told what replication lost."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis, find_redis_server
from fullon_master.redis_clients import client, parse_master
from tests.faults.cast import running, until
from tests.faults.following import CacheClient, NativeClient
from tests.faults.stand import Stand, eventually
from tests.faults.writing import MARKET
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.live import live_server
from tests.postgres import _free_port as free_port

SERVICE = "gw"
DEADLINE_S = 60.0
DOWN_AFTER_MS = 500
FED_S = 2.0


@dataclass
class Pair:
    """A master and its replica, and the Sentinel that watches them; ``url`` is what the gateway is given."""

    master: EmbeddedRedis
    replica: EmbeddedRedis
    url: str


@contextmanager
def watched_pair(directory: Path) -> Iterator[Pair]:
    """Run a master, a replica and a Sentinel that knows both."""
    with EmbeddedRedis.start(tcp=True) as master, EmbeddedRedis.start(tcp=True) as replica:
        port, master_port = free_port(), port_of(master)
        with Redis.from_url(replica.url) as redis:
            redis.replicaof("127.0.0.1", master_port)
            eventually(lambda: redis.info("replication")["master_link_status"] == "up")
        configuration = directory / "sentinel.conf"
        configuration.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor {SERVICE} 127.0.0.1 {master_port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\nsentinel failover-timeout {SERVICE} 5000\n"
        )
        with (directory / "sentinel.log").open("wb") as log:
            sentinel = subprocess.Popen(
                dying_with_parent(str(find_redis_server()), str(configuration), "--sentinel"),
                stdout=log, stderr=log, cwd=directory,
            )  # fmt: skip
        try:
            eventually(lambda: knows_replica(port))
            yield Pair(master, replica, f"redis+sentinel://127.0.0.1:{port}/{SERVICE}")
        finally:
            sentinel.terminate()
            sentinel.wait(DEADLINE_S)


def port_of(server: EmbeddedRedis) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def knows_replica(port: int) -> bool:
    with suppress(RedisError), Redis(port=port) as sentinel:
        return bool(sentinel.sentinel_slaves(SERVICE))
    return False


@dataclass
class Observed:
    """A failover as clients saw it."""

    native: NativeClient
    push: CacheClient
    told_before: list[str] = field(default_factory=list)
    fed_again_s: float = 0.0


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    directory = tmp_path_factory.mktemp("sentinel")
    with watched_pair(directory) as pair, live_server(directory, redis_url=pair.url) as server:
        stand = Stand.__new__(Stand)  # its clients ask it for the gateway alone
        stand.server = server
        yield asyncio.run(fail_over(stand, pair))


async def fail_over(stand: Stand, pair: Pair) -> Observed:
    exchange = fresh_name()
    market = {"exchange": exchange, "symbol": MARKET}
    seen = Observed(
        NativeClient(stand, "every", {"trades": market, "tickers": market}),
        CacheClient(stand, f"/ws/trades/{exchange}/{MARKET}"),
    )
    seen.push.retells = True
    async with running([seen.native, seen.push]):
        with client(pair.url, socket_timeout=DEADLINE_S) as redis:
            collector = Collector(redis)
            collector.trades(exchange, MARKET, *map(trade, range(1, 11)))
            collector.tick(exchange, MARKET, price=1.0)
            await told(seen, 10)
            cut_replication(pair)
            collector.trades(exchange, MARKET, *map(trade, range(11, 16)))
            await told(seen, 15)
        seen.told_before = ids(seen)
        pair.master.stop(kill=True)
        promoted = await promotion(pair)
        with client(pair.url, socket_timeout=DEADLINE_S) as redis:
            collector = Collector(redis)
            collector.trades(exchange, MARKET, trade(100))
            await told(seen, 100)
            seen.fed_again_s = time.monotonic() - promoted
            collector.tick(exchange, MARKET, price=2.0)
            await until(lambda: [] if seen.native.lines[1].data["price"] == 2.0 else ["tick"], DEADLINE_S)
    return seen


def cut_replication(pair: Pair) -> None:
    """Let the master take writes that its replica never hears of."""
    with Redis.from_url(pair.master.url) as redis:
        redis.execute_command("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf")
        redis.execute_command("CLIENT", "KILL", "TYPE", "replica")


async def told(seen: Observed, number: int) -> None:
    """Wait until both clients were told a trade."""

    def missing() -> list[str]:
        native = [] if ids(seen)[-1:] == [str(number)] else [f"native: {ids(seen)[-1:]}"]
        pushed = [] if seen.push.trades and number in seen.push.trades[-1] else ["push"]
        return [*native, *pushed]

    await until(missing, DEADLINE_S)


def ids(seen: Observed) -> list[str]:
    return [each["trade_id"] for each in seen.native.lines[0].data or []]


async def promotion(pair: Pair) -> float:
    """Wait until the Sentinel names the replica; return when (monotonic clock)."""
    master = parse_master(pair.url)
    assert master is not None
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with suppress(RedisError):  # there is no master just now
                if (await master.address_async())[1] == port_of(pair.replica):
                    return time.monotonic()
            await asyncio.sleep(0.02)


def test_the_sockets_stay(observed: Observed) -> None:
    assert [observed.native.connections, observed.push.connections] == [1, 1]


def test_they_are_fed_again_soon_after_the_promotion(observed: Observed) -> None:
    assert observed.fed_again_s <= FED_S


def test_what_replication_lost_is_told_as_a_new_epoch(observed: Observed) -> None:
    trades = observed.native.lines[0]
    assert observed.told_before == [str(number) for number in range(1, 16)]
    assert trades.epochs >= 1
    assert [each["trade_id"] for each in trades.data] == [*map(str, range(1, 11)), "100"]


def test_nothing_else_is_lost_or_repeated(observed: Observed) -> None:
    assert observed.native.faults == []
