"""Each operation of a native socket: one acknowledgement each, in request order, and what it says."""

from __future__ import annotations

import time

from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Rows
from tests.integration.native.client import PLAIN
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_account, fresh_name

MARKET = "BTC/USDC"
MARKETS = {"stream": "tickers", "exchange": "kraken", "symbol": "*"}


async def test_the_first_frame_says_who_what_and_how_much(native: Open) -> None:
    async with native() as socket:
        welcome = socket.welcome
        assert (welcome["user_id"], welcome["protocol"]) == (1, "fullon.stream.v1")
        assert welcome["connection_id"].startswith("c-")
        assert abs(welcome["server_time"] - time.time()) < 5.0
        assert welcome["token_expires_at"] > time.time()
        assert welcome["heartbeat_s"] == 15.0
        assert welcome["limits"].keys() >= {"subscriptions", "requests_per_s", "frame_bytes"}
        assert welcome["warnings"] == []
        assert set(welcome["streams"]) >= {
            each.name for each in REGISTRY if not isinstance(each.layout, Rows)
        }


async def test_a_user_is_offered_what_they_may_subscribe_to(native: Open) -> None:
    async with native(PLAIN) as socket:
        assert "process" not in socket.welcome["streams"]
        assert {"tickers", "orders", "accounts"} <= set(socket.welcome["streams"])


async def test_requests_are_answered_in_their_order(native: Open) -> None:
    async with native() as socket:
        for number in range(10):
            name = "nope" if number % 3 == 0 else fresh_name()
            await socket.send({"op": "subscribe", "id": number, "stream": "tickers", "exchange": name})
        ids = [(await socket.told(type="ack"))["id"] for _ in range(10)]
        assert ids == list(range(10))


async def test_an_id_is_repeated_as_it_came_and_may_be_left_out(native: Open) -> None:
    async with native() as socket:
        await socket.send({"op": "ping", "id": "mine"})
        assert (await socket.receive())["id"] == "mine"
        await socket.send({"op": "ping"})
        assert "id" not in await socket.receive()


async def test_fields_that_nobody_knows_are_ignored(native: Open) -> None:
    async with native() as socket:
        await socket.done("ping", later={"than": "this server"})


async def test_unsubscribe_by_number_ends_the_updates(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with native() as socket:
        sub = (await socket.subscribe("tickers", exchange=exchange, symbol=MARKET))["sub"]
        other = (await socket.subscribe("tickers", exchange=exchange, symbol="ETH/USDC"))["sub"]
        ack = await socket.done("unsubscribe", sub=sub)
        assert ack["subscriptions"] == [{"sub": sub, "stream": "tickers", "key": f"{exchange}:{MARKET}"}]
        collector.tick(exchange, MARKET)
        collector.tick(exchange, "ETH/USDC")
        told = await socket.told(type="update")
        assert told["key"] == f"{exchange}:ETH/USDC"
        assert [each["sub"] for each in (await socket.done("list"))["subscriptions"]] == [other]


async def test_unsubscribe_by_key_by_list_and_all_at_once(native: Open) -> None:
    exchange = fresh_name()
    symbols = ["A/B", "C/D", "E/F", "G/H"]
    async with native() as socket:
        made = (await socket.done("subscribe", stream="tickers", exchange=exchange, symbol=symbols))[
            "subscriptions"
        ]
        subs = {each["key"]: each["sub"] for each in made}
        by_key = await socket.done("unsubscribe", stream="tickers", exchange=exchange, symbol="A/B")
        assert [each["key"] for each in by_key["subscriptions"]] == [f"{exchange}:A/B"]
        by_list = await socket.done("unsubscribe", sub=[subs[f"{exchange}:C/D"], subs[f"{exchange}:E/F"]])
        assert len(by_list["subscriptions"]) == 2
        rest = await socket.done("unsubscribe", all=True)
        assert [each["key"] for each in rest["subscriptions"]] == [f"{exchange}:G/H"]
        assert (await socket.done("list"))["subscriptions"] == []


async def test_what_is_not_subscribed_cannot_be_ended(native: Open) -> None:
    async with native() as socket:
        assert (await socket.refused("unsubscribe", sub=9))["error_code"] == "NOT_SUBSCRIBED"
        by_key = await socket.refused("unsubscribe", stream="tickers", exchange="x", symbol="y")
        assert by_key["error_code"] == "NOT_SUBSCRIBED"


async def test_list_tells_mode_cursor_heat_and_what_was_skipped(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    async with native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET, mode="sample", interval_ms=50)
        told = await socket.told(lambda frame: frame["data"] is not None)
        (listed,) = (await socket.done("list"))["subscriptions"]
        assert (listed["mode"], listed["interval_ms"]) == ("sample", 50)
        assert (listed["hot"], listed["skipped"]) == (True, 0)
        assert listed["cursor"] >= told["cursor"]


async def test_the_same_key_again_takes_the_place_of_the_first(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    asked = {"stream": "tickers", "exchange": exchange, "symbol": MARKET}
    async with native() as socket:
        first = (await socket.subscribe(**asked))["sub"]
        ack = await socket.done("subscribe", **asked, mode="every")
        (second,) = ack["subscriptions"]
        assert second["sub"] != first
        assert any(f"sub {first} was replaced" in warning for warning in ack["warnings"])
        await socket.nothing_more()
        collector.tick(exchange, MARKET)
        await socket.told(type="update")
        assert [frame for frame in await socket.nothing_more() if frame["type"] == "update"] == []


async def test_a_snapshot_can_be_asked_for_without_a_subscription(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with native() as socket:
        collector.tick(exchange, MARKET, price=3.0)
        asked = {"stream": "tickers", "exchange": exchange, "symbol": [MARKET, "NO/NE"]}
        while True:  # what was written a moment ago is numbered soon
            full, empty = (await socket.done("snapshot", **asked))["snapshots"]
            if full["data"]:
                break
        assert (full["data"]["price"], full["key"]) == (3.0, f"{exchange}:{MARKET}")
        assert full["seq"] >= 1
        assert isinstance(full["cursor"], str)
        assert (empty["data"], empty["seq"]) == (None, 0)
        assert (await socket.done("list"))["subscriptions"] == []


async def test_a_subscription_without_snapshot_begins_with_the_next_change(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    async with native() as known, native() as socket:
        await known.subscribe("tickers", exchange=exchange, symbol=MARKET)
        await known.told(lambda frame: frame["data"] is not None)
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET, snapshot=False)
        collector.tick(exchange, MARKET, price=2.0)
        first = await socket.frame()
        assert (first["type"], first["data"]["price"]) == ("update", 2.0)


async def test_a_snapshot_of_every_key_and_of_lists_tells_each_key_once(
    native: Open, collector: Collector
) -> None:
    one, other = fresh_name(), fresh_name()
    async with native() as socket:
        await socket.subscribe("tickers", exchange=[one], symbol="*")
        await socket.subscribe("tickers", exchange=[other], symbol="*")
        for exchange, symbol in ((one, "A/B"), (one, "C/D"), (other, "A/B")):
            collector.tick(exchange, symbol)
            await socket.told(type="update", key=f"{exchange}:{symbol}")
        ack = await socket.done("snapshot", stream="tickers", exchange=[one, other], symbol="*")
        keys = [each["key"] for each in ack["snapshots"]]
        assert sorted(keys) == sorted([f"{one}:A/B", f"{one}:C/D", f"{other}:A/B"])
        assert all(each["data"] and each["cursor"] and each["seq"] for each in ack["snapshots"])


async def test_agents_without_a_user_are_the_users_own_in_every_mode_that_tells_a_story(native: Open) -> None:
    async with native(PLAIN) as socket:
        assert "agents" in socket.welcome["streams"]
        subscription = await socket.subscribe("agents")
        assert (subscription["key"], subscription["mode"]) == (str(PLAIN), "every")
        refused = await socket.refused("subscribe", stream="agents", mode="latest")
        assert (refused["error_code"], refused["field"]) == ("MODE_UNSUPPORTED", "mode")


async def test_explain_says_whether_and_by_which_rule(native: Open) -> None:
    account = str(fresh_account())
    async with native(PLAIN) as socket:
        market = {"op": "subscribe", "stream": "tickers", "exchange": "kraken", "symbol": "*"}
        ack = await socket.done("explain", request=market)
        assert ack["allowed"] is True
        assert ack["rule"].startswith("ANY_USER")
        assert ack["remaining"]["subscriptions"] == socket.welcome["limits"]["subscriptions"]
        assert 0 < ack["remaining"]["requests"] <= socket.welcome["limits"]["requests_per_s"]
        for request, code in (
            ({"op": "subscribe", "stream": "accounts", "account": account}, "FORBIDDEN"),
            ({"op": "subscribe", "stream": "nope"}, "UNKNOWN_STREAM"),
            ({"op": "fly"}, "INVALID_OPERATION"),
            ({"op": "unsubscribe", "sub": 3}, "NOT_SUBSCRIBED"),
            ({"op": "subscribe", "stream": "agents", "mode": "sample"}, "MODE_UNSUPPORTED"),
            ({"op": "subscribe", **MARKETS, "since": "no cursor"}, "INVALID_CURSOR"),
            ({"op": "partitions", "stream": "bots"}, "INVALID_PARAMS"),
            ({"op": "partitions", "stream": "nope"}, "UNKNOWN_STREAM"),
            ({"op": "snapshot", **MARKETS, "history": 5}, "INVALID_PARAMS"),
        ):
            ack = await socket.done("explain", request=request)
            assert (ack["allowed"], ack["rule"].partition(":")[0]) == (False, code)
        assert (await socket.done("list"))["subscriptions"] == []
    async with native() as staff:
        ack = await staff.done(
            "explain", request={"op": "subscribe", "stream": "accounts", "account": account}
        )
        assert (ack["allowed"], ack["rule"].partition(":")[0]) == (True, "STAFF")
