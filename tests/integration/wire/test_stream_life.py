"""When streams begin, end, share a socket and share a name: each belongs to one socket and one request."""

import pytest

from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import Connect

MARKET = "BTC/USDC"


async def test_the_confirmation_comes_before_the_first_update_every_time(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    async with connect("/ws/tickers/c") as socket:
        for number in range(20):  # all of them at once, while the price moves
            params = {"exchange": exchange, "symbols": [MARKET]}
            await socket.send({"action": "stream_tickers", "request_id": f"s{number}", "params": params})
            collector.tick(exchange, MARKET, price=float(number))
        seen: dict[str, list[str]] = {}
        while len([frames for frames in seen.values() if len(frames) > 1]) < 20:
            frame = await socket.receive()
            seen.setdefault(frame["request_id"], []).append(frame["action"])
    assert {frames[0] for frames in seen.values()} == {"stream_tickers"}
    assert {name for frames in seen.values() for name in frames[1:]} == {"ticker_update"}


async def test_two_sockets_with_one_connection_id_are_independent(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    async with connect("/ws/tickers/same") as survivor:
        assert await survivor.stream("stream_tickers", exchange=exchange) == "same:s1"
        assert (await survivor.update("ticker_update"))["price"] == 1.0
        async with connect("/ws/tickers/same") as other:
            assert await other.stream("stream_tickers", exchange=exchange) == "same:s1"
            assert (await other.update("ticker_update"))["price"] == 1.0
            collector.tick(exchange, MARKET, price=2.0)
            assert (await other.update("ticker_update"))["price"] == 2.0
            assert (await other.ask("unsubscribe", stream_key="same:s1"))["success"] is True
        assert (await survivor.update("ticker_update"))["price"] == 2.0
        collector.tick(exchange, MARKET, price=3.0)
        assert (await survivor.update("ticker_update"))["price"] == 3.0


async def test_a_connection_id_that_begins_like_another_ends_nothing_of_it(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/tickers/a:b") as survivor:
        await survivor.stream("stream_tickers", exchange=exchange)
        async with connect("/ws/tickers/a") as other:
            await other.stream("stream_tickers", exchange=exchange)
        collector.tick(exchange, MARKET)
        await survivor.update("ticker_update")


async def test_the_same_request_id_replaces_its_stream(connect: Connect, collector: Collector) -> None:
    first, second = fresh_name(), fresh_name()
    async with connect("/ws/tickers/c") as socket, connect("/ws/tickers/d") as witness:
        await socket.stream("stream_tickers", exchange=first)
        await socket.stream("stream_tickers", exchange=second)
        await witness.stream("stream_tickers", exchange=first)
        collector.tick(first, MARKET)
        await witness.update("ticker_update")
        collector.tick(second, MARKET)
        assert (await socket.update("ticker_update"))["exchange"] == second
        await socket.quiet()


async def test_the_same_stream_asked_for_again_sends_its_updates_once(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    async with connect("/ws/tickers/c") as socket:
        for _ in range(3):
            await socket.stream("stream_tickers", exchange=exchange)
            assert (await socket.update("ticker_update"))["price"] == 1.0
        collector.tick(exchange, MARKET, price=2.0)
        assert (await socket.update("ticker_update"))["price"] == 2.0
        await socket.quiet()


async def test_one_request_id_may_name_a_stream_of_each_action(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    async with connect("/ws") as socket:
        await socket.stream("stream_tickers", exchange=exchange)
        await socket.update("ticker_update")
        await socket.stream("stream_order_queue", exchange=exchange)
        await socket.update("queue_update")
        collector.tick(exchange, MARKET, price=3.0)
        assert (await socket.update("ticker_update"))["price"] == 3.0


@pytest.mark.parametrize("naming", ["stream_key", "request_id"])
async def test_unsubscribe_ends_one_stream_and_not_its_neighbour(
    connect: Connect, collector: Collector, naming: str
) -> None:
    exchange = fresh_name()
    async with connect("/ws/tickers/c1") as socket:
        await socket.stream("stream_tickers", "ends", exchange=exchange, symbols=[MARKET])
        await socket.stream("stream_tickers", "stays", exchange=exchange, symbols=[MARKET])
        named = {"stream_key": "c1:ends"} if naming == "stream_key" else {"request_id": "ends"}
        frame = await socket.ask("unsubscribe", "u1", **named)
        assert (frame["success"], frame["result"]) == (True, {"stream_key": "c1:ends", "stopped": True})
        for price in (1.0, 2.0):
            collector.tick(exchange, MARKET, price=price)
            assert (await socket.update("ticker_update", "stays"))["price"] == price
        await socket.quiet()
        assert await socket.error("unsubscribe", **named) == "STREAM_NOT_FOUND"


async def test_unsubscribe_must_name_a_stream_of_this_socket(connect: Connect) -> None:
    async with connect("/ws/tickers/c1") as owner, connect("/ws/tickers/c1") as stranger:
        await owner.stream("stream_tickers", exchange=fresh_name())
        assert await stranger.error("unsubscribe", stream_key="c1:s1") == "STREAM_NOT_FOUND"
        for params in ({}, {"stream_key": 5}):
            assert await stranger.error("unsubscribe", **params) == "INVALID_PARAMS"
        assert (await owner.ask("unsubscribe", stream_key="c1:s1"))["success"] is True


async def test_queries_and_streams_mix_on_one_socket(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    async with connect("/ws") as socket:
        await socket.stream("stream_tickers", "t", exchange=exchange)
        await socket.stream("stream_trade_updates", "x", exchange=exchange)
        for number in range(10):
            collector.tick(exchange, MARKET, price=float(number))
            answer = await socket.answer_to("get_ticker", f"q{number}", exchange=exchange, symbol=MARKET)
            assert answer["result"]["price"] == float(number)


async def test_answers_come_in_the_order_of_their_requests(connect: Connect) -> None:
    async with connect("/ws") as socket:
        actions = ["ping", "get_bots", "get_system_health", "get_queue_length", "no_such_action"] * 6
        for number, action in enumerate(actions):
            await socket.send({"action": action, "request_id": number, "params": {"exchange": "x"}})
        assert [(await socket.receive())["request_id"] for _ in actions] == list(range(len(actions)))


async def test_a_client_that_vanishes_leaves_the_others_their_streams(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/tickers/c") as survivor:
        await survivor.stream("stream_tickers", exchange=exchange)
        async with connect("/ws/tickers/c") as vanishing:
            await vanishing.stream("stream_tickers", exchange=exchange)
            vanishing.connection.transport.abort()
        collector.tick(exchange, MARKET, price=4.0)
        assert (await survivor.update("ticker_update"))["price"] == 4.0


async def test_streams_per_socket_are_bounded_and_the_refusal_says_so(connect: Connect) -> None:
    async with connect("/ws/tickers/c") as socket:
        symbols = [f"S{number}/U" for number in range(1024)]
        await socket.stream("stream_tickers", "most", exchange=fresh_name(), symbols=symbols)
        assert (await socket.ask("stream_tickers", "more", exchange=fresh_name()))[
            "error_code"
        ] == "RATE_LIMITED"
        assert (await socket.ask("unsubscribe", request_id="most"))["success"] is True
        await socket.stream("stream_tickers", "more", exchange=fresh_name())
