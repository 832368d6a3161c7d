"""What a native socket is told without asking: heartbeats, how fresh its streams are, that the server stops."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

from tests.integration.cache_sockets import closed
from tests.integration.native.client import Native, opened
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, trade
from tests.live import LiveServer, live_server

MARKET = "BTC/USDC"
TOLD_WITHIN_S = 3.0
SLACK_S = 1.0
"""For a machine that others use too."""


async def test_silence_is_broken_by_a_heartbeat(own_native: Open) -> None:
    async with own_native() as socket:
        beat = await socket.told(type="heartbeat")
        assert abs(beat["time"] - time.time()) < 5.0
        assert "behind" not in beat


async def test_no_heartbeat_beside_updates(own_native: Open, own_collector: Collector) -> None:
    exchange = fresh_name()
    async with own_native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET)
        stop_at = time.monotonic() + 2.5 * socket.welcome["heartbeat_s"]
        while time.monotonic() < stop_at:
            own_collector.tick(exchange, MARKET, price=time.time())
            frame = await socket.frame()
            assert frame["type"] in ("snapshot", "update")
            await asyncio.sleep(0.1)


async def test_a_quiet_source_is_told_as_stale_and_as_live_when_it_returns(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    async with native() as socket, native() as late:
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET)
        collector.tick(exchange, MARKET, price=1.0)
        stale = await socket.told(type="status")
        assert (stale["state"], stale["stream"], stale["partition"]) == ("stale", "tickers", exchange)
        assert 5.0 <= stale["age_s"] < 9.0
        await late.subscribe("tickers", exchange=exchange, symbol=MARKET)
        assert (await late.told(type="status"))["state"] == "stale"  # said at once of what is not fresh
        collector.tick(exchange, MARKET, price=2.0)
        assert (await socket.told(type="status", partition=exchange))["state"] == "live"


async def test_a_source_whose_silence_says_nothing_is_not_told_as_stale(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    async with native() as socket:
        await socket.subscribe("trades", exchange=exchange, symbol=MARKET)
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET)
        collector.trades(exchange, MARKET, trade(1))
        collector.tick(exchange, MARKET, price=1.0)
        assert (await socket.told(type="status"))["stream"] == "tickers"
        assert [frame for frame in await socket.nothing_more() if frame["type"] == "status"] == []


async def test_a_redis_that_does_not_answer_is_told_within_three_seconds_and_so_is_its_return(
    own_server: LiveServer, own_native: Open, own_collector: Collector
) -> None:
    account = str(fresh_account())
    async with own_native() as socket:
        await socket.subscribe("accounts", account=account)
        own_collector.account(int(account), USDC={"total": 1.0})
        await socket.told(type="update")
        os.kill(own_server.redis_pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            stale = await socket.told(type="status")
            assert time.monotonic() - stopped < TOLD_WITHIN_S + SLACK_S
            assert (stale["state"], stale["stream"]) == ("stale", "accounts")
            await socket.subscribe("accounts", account=account, snapshot=False)  # known here: needs no Redis
            assert (await socket.told(type="status"))["state"] == "stale"
            fresh = await socket.refused("snapshot", stream="accounts", account=account)
            assert (fresh["error_code"], fresh["retryable"]) == ("CACHE_UNAVAILABLE", True)
            assert fresh["retry_after_ms"] > 0
        finally:
            os.kill(own_server.redis_pid, signal.SIGCONT)
        assert (await socket.told(type="status"))["state"] == "live"
        own_collector.account(int(account), USDC={"total": 2.0})
        assert (await socket.told(type="update"))["data"]["balances"]["USDC"]["total"] == 2.0


async def told_to_leave(socket: Native, server: LiveServer) -> None:
    server.process.send_signal(signal.SIGTERM)
    draining = await socket.told(type="status")
    assert draining == {
        "type": "status", "state": "draining", "reconnect_in_ms": [0, 1000], "deadline_s": 2.0,
    }  # fmt: skip


async def test_a_server_that_stops_says_so_and_serves_until_the_end(tmp_path: Path) -> None:
    with live_server(tmp_path, DRAIN_S="2") as server:
        async with opened(server) as socket:
            began = time.monotonic()
            await told_to_leave(socket, server)
            await socket.done("ping")
            last = await socket.told(type="error")
            assert (last["error_code"], last["retryable"]) == ("SERVICE_RESTART", True)
            assert await closed(socket) == (1012, "service_restart")
            assert time.monotonic() - began >= 2.0
        assert await asyncio.to_thread(server.process.wait, 30.0) == 0


async def test_a_server_whose_clients_left_does_not_wait(tmp_path: Path) -> None:
    with live_server(tmp_path, DRAIN_S="15") as server:
        async with opened(server) as socket:
            server.process.send_signal(signal.SIGTERM)
            await socket.told(type="status", state="draining")
        left = time.monotonic()
        assert await asyncio.to_thread(server.process.wait, 30.0) == 0
        assert time.monotonic() - left < 10.0
