"""A cache with nothing in it, with little in it, and with keys of the wrong Redis type where hashes belong."""

import pytest

from tests.integration.wire.collector import Collector, position
from tests.integration.wire.rpc_client import Connect, Number, assert_shape


async def test_an_empty_cache_has_no_bots_no_blocks_and_nothing_running(own_connect: Connect) -> None:
    async with own_connect("/ws") as socket:
        assert await socket.result("get_bots") == {"bots": {}}
        assert await socket.result("get_blocks") == {"blocks": []}
        assert (await socket.result("get_active_processes"))["processes"] == []
        health = await socket.result("get_system_health")
        expected = {
            "healthy": True,
            "total_processes": 0,
            "by_type": {},
            "by_status": {},
            "stale_processes": 0,
        }
        assert health.items() >= expected.items()
        assert (await socket.result("get_positions", user_id=1))["positions"] == []


async def test_an_empty_cache_has_snapshots_of_bots_and_processes(own_connect: Connect) -> None:
    async with own_connect("/ws") as socket:
        await socket.stream("stream_bot_status", "bots")
        await socket.until_told(bots={})
        await socket.stream("stream_process_health", "processes")
        await socket.until_told(active_processes=0)


async def test_active_processes_are_counted_on_every_change(
    own_connect: Connect, own_collector: Collector
) -> None:
    async with own_connect("/ws/process/c") as socket:
        await socket.stream("stream_process_health")
        first = await socket.until_told(active_processes=0)
        assert first.keys() >= {"stream_key", "active_processes", "timestamp"}
        assert_shape(first, active_processes=int, timestamp=Number)
        process_id = own_collector.process("bot", "b1")
        own_collector.process("tick", "kraken:BTC/USDC")
        await socket.until_told(active_processes=2)
        own_collector.stop("bot", process_id)
        assert (await socket.update("process_health_update"))["active_processes"] == 1


async def test_a_process_that_says_nothing_for_five_minutes_is_not_active(
    own_connect: Connect, own_collector: Collector
) -> None:
    async with own_connect("/ws/process/c") as socket:
        await socket.stream("stream_process_health")
        await socket.until_told(active_processes=0)
        own_collector.process("ohlcv", "silent", heartbeat_age_s=298.0, seen_age_s=298.0)
        own_collector.process("ohlcv", "alive")
        await socket.until_told(active_processes=2)
        assert (await socket.update("process_health_update"))["active_processes"] == 1


async def test_positions_of_nobody_in_particular_are_those_of_everybody(
    own_connect: Connect, own_collector: Collector
) -> None:
    async with own_connect("/ws/accounts/c") as socket:
        await socket.stream("stream_positions", user_id=1)
        for account in (11, 12):
            own_collector.positions(account, **{"BTC/USDC": position(1.0)})
            update = await socket.update("position_update")
            assert (update["exchange"], update["user_id"]) == (str(account), None)
        result = await socket.answer_to("get_positions", user_id=1)
        assert result["result"]["count"] == 2


@pytest.mark.parametrize("key", ["bot_status", "block_exchange", "opening_position"])
async def test_a_key_of_the_wrong_type_does_not_hide_what_stands_beside_it(
    own_connect: Connect, own_collector: Collector, key: str
) -> None:
    async with own_connect("/ws/bots/c") as socket:
        await socket.stream("stream_bot_status")
        own_collector.do("SET", key, "not a hash")
        if key != "bot_status":
            own_collector.bot("7", feed={"status": "running"})
            await socket.until(lambda frame: "7" in frame["result"]["bots"])
        if key != "block_exchange":
            own_collector.do("HSET", "block_exchange", "kraken:BTC/USDC", "7")
        asked = await socket.answer_to("get_bots", "bots")
        assert asked["result"]["bots"].keys() == ({"7"} if key != "bot_status" else set())
        asked = await socket.answer_to("is_blocked", "blocked", exchange="kraken", symbol="BTC/USDC")
        assert asked["result"]["is_blocked"] is (key != "block_exchange")
        own_collector.do("DEL", key)
        own_collector.bot("8", feed={"status": "running"})
        await socket.until(lambda frame: "8" in frame["result"].get("bots", {}))


async def test_accounts_of_the_wrong_type_are_no_accounts_until_they_are_a_hash(
    own_connect: Connect, own_collector: Collector
) -> None:
    async with own_connect("/ws/accounts/c") as socket:
        own_collector.do("RPUSH", "accounts", "not a hash")
        own_collector.do("SET", "account_positions", "not a hash")
        assert await socket.error("get_balance", user_id=1, currency="USDT") == "BALANCE_NOT_FOUND"
        assert await socket.error("get_balances", user_id=1) == "BALANCE_NOT_FOUND"
        assert (await socket.result("get_positions", exchange=1))["positions"] == []
        assert (await socket.result("get_positions", user_id=1))["positions"] == []
        await socket.stream("stream_balances", "balances", user_id=1)
        await socket.stream("stream_positions", "positions", exchange=1)
        own_collector.do("DEL", "accounts", "account_positions")
        own_collector.account(1, USDT={"total": 1.0})
        await socket.until_told(exchange_id=1)
        own_collector.positions(1, **{"BTC/USDC": position(1.0)})
        await socket.until_told(symbol="BTC/USDC", size=1.0)


async def test_active_hashes_and_records_of_the_wrong_type_do_not_end_the_count(
    own_connect: Connect, own_collector: Collector
) -> None:
    async with own_connect("/ws/process/c") as socket:
        await socket.stream("stream_process_health")
        own_collector.do("SET", "process:active:tick", "not a hash")
        own_collector.do("RPUSH", "process:data:tick:x:1.5", "not a string")
        own_collector.do("SET", "process:data:bot:y:1.5", "{broken")
        own_collector.do("SET", "process:data:alien:y:1.5", "{}")
        own_collector.process("bot", "b1")
        await socket.until_told(active_processes=1)
        result = await socket.answer_to("get_active_processes")
        assert [process["component"] for process in result["result"]["processes"]] == ["b1"]
        health = await socket.answer_to("get_system_health", "health")
        assert health["result"]["total_processes"] == 1
