"""A Redis that is killed, and comes back empty on its port: sockets and streams outlive it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.integration.wire.collector import Collector, trade
from tests.integration.wire.rpc_client import connected
from tests.live import LiveServer, live_server

MARKET = "BTC/USDC"


@pytest.fixture
def doomed_server(tmp_path: Path) -> Iterator[LiveServer]:
    """A gateway whose Redis a test may kill."""
    with live_server(tmp_path) as server:
        yield server


async def test_streams_go_on_when_redis_was_killed_and_came_back_empty(doomed_server: LiveServer) -> None:
    server = doomed_server
    market = {"exchange": "kraken", "symbol": MARKET}
    async with (
        connected(server, "/ws") as socket,
        connected(server, f"/ws/tickers/kraken/{MARKET}") as pushed,
    ):
        with Redis.from_url(server.redis_url, socket_timeout=5.0) as redis:
            collector = Collector(redis)
            collector.tick("kraken", MARKET, price=1.0)
            collector.trades("kraken", MARKET, trade(1))
            collector.order("kraken", "O1")
            await socket.stream("stream_tickers", "t", exchange="kraken")
            await socket.until_told(price=1.0)
            await socket.stream("stream_trade_updates", "x", **market)
            await socket.until_told(trade_id=1)
            await socket.stream("stream_order_queue", "o", exchange="kraken")
            await socket.until_told(queue_length=1)
            assert (await pushed.receive())["price"] == 1.0
        os.kill(server.redis_pid, signal.SIGKILL)
        assert (await socket.answer_to("is_blocked", **market))["error_code"] == "CACHE_ERROR"
        with EmbeddedRedis.start(tcp=True, port=urlsplit(server.redis_url).port) as again:
            assert again.url == server.redis_url
            with Redis.from_url(again.url, socket_timeout=5.0) as redis:
                collector = Collector(redis)
                collector.tick("kraken", MARKET, price=2.0)
                collector.trades("kraken", MARKET, trade(2), trade(3))
                await socket.until_told(queue_length=0)
                collector.order("kraken", "O2")
                await socket.until_told(queue_length=1)
                async with connected(server, "/ws") as late:
                    await late.stream("stream_trade_updates", "x", **market)
                    seen = [(await late.update("trade_update", "x"))["trade_id"] for _ in range(2)]
                    assert seen == [2, 3]
                assert (await pushed.until(lambda frame: frame["price"] == 2.0))["symbol"] == MARKET
                collector.tick("kraken", MARKET, price=3.0)
                await socket.until_told(price=3.0)
                assert (await pushed.receive())["price"] == 3.0
