"""Which keys a request names: lists, ``"*"``, keys that appear later, and whose they are."""

from __future__ import annotations

import json

from tests.integration.cache_sockets import in_shell, new_user
from tests.integration.native.client import PLAIN
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name
from tests.live import LiveServer

MARKET = "BTC/USDC"


async def test_a_list_makes_one_subscription_for_each_key(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    symbols = ["A/B", "C/D", "E/F"]
    for symbol in symbols:
        collector.tick(exchange, symbol)
    async with native() as socket:
        ack = await socket.done("subscribe", stream="tickers", exchange=exchange, symbol=symbols)
        assert [each["key"] for each in ack["subscriptions"]] == [f"{exchange}:{each}" for each in symbols]
        waiting = set(symbols)
        while waiting:
            frame = await socket.frame()
            waiting -= {frame["data"]["symbol"]} if frame["data"] else set()


async def test_lists_of_two_fields_are_combined_and_each_key_stands_once(native: Open) -> None:
    one, other = fresh_name(), fresh_name()
    async with native() as socket:
        ack = await socket.done(
            "subscribe", stream="trades", exchange=[one, other, one], symbol=["A/B", "C/D"]
        )
        keys = [each["key"] for each in ack["subscriptions"]]
        assert keys == [f"{one}:A/B", f"{one}:C/D", f"{other}:A/B", f"{other}:C/D"]


async def test_every_key_of_an_exchange_is_one_subscription(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, "A/B")
    collector.tick(exchange, "C/D")
    async with native() as socket:
        subscription = await socket.subscribe("tickers", exchange=exchange, symbol="*")
        assert subscription["key"] == f"{exchange}:*"
        seen: set[str] = set()
        while seen != {"A/B", "C/D"}:
            seen.add((await socket.frame())["data"]["symbol"])
        assert len((await socket.done("list"))["subscriptions"]) == 1


async def test_a_key_that_appears_later_is_told_to_whoever_wants_every_key(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    async with native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol="*")  # not even a log exists yet
        collector.tick(exchange, "NEW/ONE")
        told = await socket.frame()
        assert (told["key"], told["seq"]) == (f"{exchange}:NEW/ONE", 1)
        collector.tick(exchange, "NEW/TWO")
        assert (await socket.frame())["key"] == f"{exchange}:NEW/TWO"


async def test_every_account_reads_several_logs_and_tells_a_cursor_for_each(
    native: Open, collector: Collector
) -> None:
    accounts = [fresh_account() for _ in range(4)]
    async with native() as socket:
        for account in accounts:
            collector.account(account, USDC={"total": 1.0})
        await socket.subscribe("accounts", account="*")
        waiting = {str(account) for account in accounts}
        while waiting:
            waiting.discard((await socket.frame())["key"])
        (listed,) = (await socket.done("list"))["subscriptions"]
        assert isinstance(listed["cursor"], dict)
        assert all(name.startswith("log:") for name in listed["cursor"])


async def test_every_account_means_the_own_ones(
    live_server_process: LiveServer, native: Open, collector: Collector
) -> None:
    own, foreign = fresh_account(), fresh_account()
    user = await new_user(live_server_process)
    await in_shell(
        live_server_process,
        "from accounts.models import Ownership; "
        f"Ownership.objects.create(user_id={user}, kind='account', identifier='{own}')",
    )
    collector.account(foreign, USDC={"total": 1.0})
    collector.account(own, USDC={"total": 1.0})
    async with native(user) as socket:
        await socket.subscribe("accounts", account="*")
        assert (await socket.frame())["key"] == str(own)
        collector.account(foreign, USDC={"total": 2.0})
        collector.account(own, USDC={"total": 2.0})
        while (frame := await socket.frame())["data"]["balances"]["USDC"]["total"] != 2.0:
            assert frame["key"] == str(own)
        assert frame["key"] == str(own)


async def test_orders_without_an_account_are_all_own_orders(
    live_server_process: LiveServer, native: Open, collector: Collector
) -> None:
    exchange, own = fresh_name(), fresh_account()
    user = await new_user(live_server_process)
    await in_shell(
        live_server_process,
        "from accounts.models import Ownership; "
        f"Ownership.objects.create(user_id={user}, kind='account', identifier='{own}')",
    )
    async with native(user) as socket:
        await socket.subscribe("orders", exchange=exchange)
        collector.order(exchange, "foreign", ex_id=fresh_account())
        collector.order(exchange, "of-account", ex_id=own)
        collector.order(exchange, "of-user", uid=user)
        seen = {(await socket.frame())["data"]["order_id"] for _ in range(2)}
        assert seen == {"of-account", "of-user"}


async def test_what_is_not_theirs_and_what_does_not_exist_are_refused_alike(
    native: Open, collector: Collector
) -> None:
    stored = fresh_account()
    collector.account(stored, USDC={"total": 1.0})
    async with native(PLAIN) as socket:
        acks = [await socket.refused("subscribe", stream="accounts", account=str(account)) for account in
                (stored, fresh_account())]  # fmt: skip
        texts = [json.dumps([ack["error_code"], ack["error"].replace(str(stored), "?")]) for ack in acks]
        assert all("FORBIDDEN" in text for text in texts)
        process = await socket.refused("subscribe", stream="process", type="*")
        assert process["error_code"] == "FORBIDDEN"


async def test_a_symbol_with_a_colon_is_one_key(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol="BTC/USDC:USDC", mode="every")
        collector.tick(exchange, "BTC/USDC:USDC")
        told = await socket.told(type="update")
        assert told["key"] == f"{exchange}:BTC/USDC:USDC"
        again = await socket.subscribe(
            "tickers", exchange=exchange, symbol="BTC/USDC:USDC", since={told["key"]: told["cursor"]}
        )
        assert again["recovered"] is True


async def test_the_partition_itself_must_be_named(native: Open) -> None:
    async with native() as socket:
        ack = await socket.refused("subscribe", stream="tickers", exchange="*", symbol=MARKET)
        assert (ack["error_code"], ack["field"]) == ("INVALID_PARAMS", "exchange")
