"""Queries about what runs: bots with their blocks and openings, and processes with their ages."""

import time

import pytest

from tests.integration.wire.collector import Collector, fresh_account, fresh_name
from tests.integration.wire.rpc_client import Connect, Nullable, assert_shape


@pytest.mark.parametrize(
    ("stored", "status"),
    [
        ({"feed_1": {"symbols": []}, "feed_2": {"status": "paused"}}, "paused"),
        ({"status": "running", "name": "ü"}, "running"),
        ({"0": {"performance": {"pnl": 1.0}}}, "unknown"),
    ],
)
async def test_get_bot_status_shows_the_bot_as_stored(
    connect: Connect, collector: Collector, stored: dict[str, object], status: str
) -> None:
    bot = fresh_name("bot-ü-")
    collector.bot(bot, **stored)
    async with connect("/ws/bots/c") as socket:
        result = await socket.result("get_bot_status", bot_id=bot)
        bots = await socket.result("get_bots")
        assert await socket.error("get_bot_status", bot_id=fresh_name("bot")) == "BOT_NOT_FOUND"
    assert_shape(result, bot_id=str, status=str, data=dict, timestamp=float)
    assert (result["bot_id"], result["status"]) == (bot, status)
    assert result["data"].keys() == stored.keys()
    assert bots["bots"][bot] == result["data"]


async def test_a_bot_id_may_be_an_integer(connect: Connect, collector: Collector) -> None:
    bot = fresh_account()
    collector.bot(str(bot), feed={"status": "running"})
    async with connect("/ws/bots/c") as socket:
        assert (await socket.result("get_bot_status", bot_id=bot))["bot_id"] == str(bot)


async def test_blocks_are_told_by_market_and_as_a_list(connect: Connect, collector: Collector) -> None:
    exchange, bot = fresh_name(), fresh_name("bot")
    collector.do("HSET", "block_exchange", f"{exchange}:BTC/USDC:USDC", bot)
    collector.do("HSET", "opening_position", f"{exchange}:BTC/USDC:USDC", f"{bot}:2026-01-15T10:30:00+00:00")
    market = {"exchange": exchange, "symbol": "BTC/USDC:USDC"}
    free = {"exchange": exchange, "symbol": "ETH/USDC"}
    async with connect("/ws/bots/c") as socket:
        blocked = await socket.result("is_blocked", **market)
        unblocked = await socket.result("is_blocked", **free)
        opening = await socket.result("is_opening_position", **market)
        idle = await socket.result("is_opening_position", **free)
        blocks = await socket.result("get_blocks")
        assert bot not in (await socket.result("get_bots"))["bots"]
        assert await socket.error("get_bot_status", bot_id=bot) == "BOT_NOT_FOUND"
    assert blocked.keys() >= {"exchange", "symbol", "is_blocked", "blocked_by", "timestamp"}
    assert (blocked["is_blocked"], blocked["blocked_by"]) == (True, bot)
    assert (unblocked["is_blocked"], unblocked["blocked_by"]) == (False, None)
    assert opening == {**market, "is_opening": True, "bot_id": bot}
    assert idle == {**free, "is_opening": False, "bot_id": None}
    assert {"ex_id": exchange, "symbol": "BTC/USDC:USDC", "bot": bot} in blocks["blocks"]


async def test_get_active_processes_tells_everything_stored(connect: Connect, collector: Collector) -> None:
    component = fresh_name("kraken:BTC/") + ":USDC"
    process_id = collector.process("tick", component, params={"pid": 4711}, status="processing")
    async with connect("/ws/process/c") as socket:
        result = await socket.result("get_active_processes", process_type="tick", component=component)
    (process,) = result["processes"]
    assert_shape(process, process_id=str, name=str, status=str, pid=int, last_seen=float, process_type=str,
                 component=str, message=str, params=dict, created_at=str, updated_at=str, heartbeat=str,
                 stale=bool)  # fmt: skip
    assert (process["process_id"], process["name"], process["component"]) == (
        process_id,
        component,
        component,
    )
    assert (process["status"], process["pid"], process["stale"]) == ("processing", 4711, False)
    assert process["last_seen"] == pytest.approx(time.time(), abs=30)


async def test_processes_are_chosen_by_age_and_newest_first(connect: Connect, collector: Collector) -> None:
    ages = {
        collector.process("crawler", fresh_name("c"), heartbeat_age_s=age, seen_age_s=age): age
        for age in (900.0, 30.0, 0.0)
    }
    async with connect("/ws/process/c") as socket:
        recent = await socket.result("get_active_processes", process_type="crawler")
        older = await socket.result("get_active_processes", process_type="crawler", since_minutes="20")
        all_types = await socket.result("get_active_processes", since_minutes=20)
        for params in ({"process_type": "nonsense"}, {"since_minutes": "soon"}, {"since_minutes": [5]}):
            assert await socket.error("get_active_processes", **params) == "INVALID_PARAMS"

    def mine(result: dict[str, list[dict[str, str]]]) -> list[float]:
        return [ages[p["process_id"]] for p in result["processes"] if p["process_id"] in ages]

    assert mine(recent) == [0.0, 30.0]
    assert mine(older) == mine(all_types) == [0.0, 30.0, 900.0]


async def test_a_process_without_a_pid_and_with_an_old_heartbeat_is_stale(
    connect: Connect, collector: Collector
) -> None:
    component = fresh_name("c")
    collector.process("order", component, heartbeat_age_s=900.0)
    async with connect("/ws/process/c") as socket:
        (process,) = (await socket.result("get_active_processes", component=component))["processes"]
        one = await socket.result("get_component_status", component=component)
        assert await socket.error("get_component_status", component=fresh_name("c")) == "PROCESS_NOT_FOUND"
    assert (process["pid"], process["stale"]) == (None, True)
    assert_shape(process, pid=Nullable)
    assert one["process_id"] == process["process_id"]


async def test_system_health_counts_by_type_and_status(connect: Connect, collector: Collector) -> None:
    async with connect("/ws/process/c") as socket:
        before = await socket.result("get_system_health")
        collector.process("account", fresh_name("c"), status="idle")
        collector.process("account", fresh_name("c"), status="error")
        collector.process("account", fresh_name("c"), heartbeat_age_s=4000.0)
        after = await socket.result("get_system_health")
    assert_shape(
        after,
        healthy=bool,
        total_processes=int,
        by_type=dict,
        by_status=dict,
        stale_processes=int,
        error_processes=int,
    )
    assert after["healthy"] is False
    assert after["total_processes"] - before["total_processes"] == 3
    assert after["by_type"]["account"] - before["by_type"].get("account", 0) == 3
    assert after["by_status"]["error"] - before["by_status"].get("error", 0) == 1
    assert (
        after["stale_processes"] - before["stale_processes"],
        after["error_processes"] - before["error_processes"],
    ) == (1, 1)
