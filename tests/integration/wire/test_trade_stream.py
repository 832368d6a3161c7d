"""Trades on a stream: each exactly once and in order, while a batch writer drains the list."""

import pytest

from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.integration.wire.rpc_client import Connect, Frame, Nullable, Number, Socket, assert_shape

MARKET = "BTC/USDC"


async def ids(socket: Socket, count: int) -> list[object]:
    return [(await socket.update("trade_update"))["trade_id"] for _ in range(count)]


async def test_trades_in_the_list_come_at_once_then_each_new_one(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, trade(1), trade(2))
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        first = await socket.update("trade_update")
        assert first == {
            "stream_key": "c:s1", "exchange": exchange, "symbol": MARKET, "side": "buy", "volume": 0.1,
            "price": 50001.0, "timestamp": 1700000001.0, "trade_id": 1,
        }  # fmt: skip
        assert await ids(socket, 1) == [2]
        collector.trades(exchange, MARKET, *map(trade, range(3, 9)))
        assert await ids(socket, 6) == [3, 4, 5, 6, 7, 8]


async def test_each_trade_comes_once_and_in_order_over_drains_and_refills(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/trades/c") as socket, connect("/ws/trades/d") as other:
        for each in (socket, other):
            await each.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        number = 0
        for count in (1, 7, 1, 40, 3):
            minute = list(range(number, number + count))
            number += count
            collector.trades(exchange, MARKET, *map(trade, minute))
            assert await ids(socket, count) == minute
            assert await ids(other, count) == minute
            collector.drain(exchange, MARKET)
        await socket.quiet()
        await other.quiet()


async def test_trades_pushed_while_others_are_read_are_not_lost(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        collector.trades(exchange, MARKET, trade(0))
        assert await ids(socket, 1) == [0]
        collector.trades(exchange, MARKET, *map(trade, range(1, 300)))
        assert await ids(socket, 99) == list(range(1, 100))
        collector.trades(exchange, MARKET, *map(trade, range(300, 600)))
        assert await ids(socket, 500) == list(range(100, 600))
        await socket.quiet()


async def test_a_stream_that_begins_between_trades_misses_and_repeats_none(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/trades/c") as socket:
        for number in range(30):
            collector.trades(exchange, MARKET, trade(number))
            if number % 10 == 5:
                await socket.stream("stream_trade_updates", f"s{number}", exchange=exchange, symbol=MARKET)
                # Each stream starts at the oldest trade that the list and the log still hold.
                seen = [await socket.update("trade_update", f"s{number}") for _ in range(number + 1)]
                assert [update["trade_id"] for update in seen] == list(range(number + 1))
                answer = await socket.answer_to("unsubscribe", request_id=f"s{number}")
                assert answer["success"] is True


async def test_a_repeated_trade_id_is_sent_once_and_trades_without_ids_each_time(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        collector.trades(
            exchange, MARKET, trade(1), trade(1), trade(2, trade_id=None), trade(2, trade_id=None), trade(3)
        )
        assert await ids(socket, 4) == [1, None, None, 3]
        collector.drain(exchange, MARKET)
        collector.trades(exchange, MARKET, trade(3), trade(4))
        assert await ids(socket, 1) == [4]
        await socket.quiet()


@pytest.mark.parametrize("params", [{}, {"symbol": None}, {"symbol": ""}], ids=repr)
async def test_without_a_symbol_every_market_of_the_exchange_is_told(
    connect: Connect, collector: Collector, params: Frame
) -> None:
    exchange = fresh_name()
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, **params)
        collector.trades(exchange, MARKET, trade(1))
        collector.trades(exchange, "BTC/USD:BTC", trade(2, symbol="BTC/USD:BTC"))
        seen = [await socket.update("trade_update") for _ in range(2)]
    assert {(update["symbol"], update["trade_id"]) for update in seen} == {(MARKET, 1), ("BTC/USD:BTC", 2)}


@pytest.mark.parametrize("spelling", ["BTC/USDC", "BTCUSDC"])
async def test_a_market_may_be_named_with_or_without_its_slash(
    connect: Connect, collector: Collector, spelling: str
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=spelling)
        collector.trades(exchange, MARKET, trade(1))
        assert (await socket.update("trade_update"))["symbol"] == MARKET


async def test_nulls_and_older_spellings_in_a_trade_are_no_error(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    odd = [
        trade(1, side=None, cost=None, fee=None, uid=None),
        trade(2, trade_id=None),
        trade(3, time=None),
        trade(4, time=1700000004000),
        trade(5, time="2026-01-15 10:30:00.000"),
        {"trade_id": 6, "symbol": MARKET, "amount": 0.1, "price": "5", "timestamp": 1700000006.0},
    ]
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        collector.trades(exchange, MARKET, *odd)
        seen = [await socket.update("trade_update") for _ in odd]
    for update in seen:
        assert_shape(update, price=Number, volume=Number, timestamp=Number, side=(str, Nullable))
    assert [update["timestamp"] for update in seen] == [
        1700000001.0, 1700000002.0, 0.0, 1700000004.0, 1768473000.0, 1700000006.0
    ]  # fmt: skip
    assert seen[-1]["volume"] == 0.1
