"""Queries about markets: tickers, orders, trades and bars, with every result key and its type."""

import time

import pytest

from tests.integration.wire.collector import ORDER_TIME, Collector, fresh_name, trade
from tests.integration.wire.rpc_client import Connect, Nullable, Number, assert_shape

MARKET = "BTC/USDC"


async def test_get_ticker_shows_the_stored_tick_and_its_own_time(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, change=None, percentage=None)
    async with connect("/ws/tickers/c") as socket:
        ticker = await socket.result("get_ticker", exchange=exchange, symbol=MARKET)
    assert ticker == {
        "symbol": MARKET, "exchange": exchange, "price": 50000.0, "volume": 12.5, "timestamp": 1700000000.5,
        "bid": 49999.0, "ask": 50001.0, "change_24h": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "shown"),
    [({"change_24h": 2.5, "percentage": 1.0}, 2.5), ({"percentage": 1.5, "change": 700.0}, 1.5), ({}, 0.0)],
)
async def test_change_24h_is_what_was_stored_so_else_the_percentage_else_zero(
    connect: Connect, collector: Collector, stored: dict[str, float], shown: float
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, **stored)
    async with connect("/ws/tickers/c") as socket:
        ticker = await socket.result("get_ticker", exchange=exchange, symbol=MARKET)
    assert ticker["change_24h"] == shown


@pytest.mark.parametrize("field", ["price", "volume", "bid", "ask", "time", "last"])
async def test_a_null_number_in_a_tick_is_shown_as_a_number(
    connect: Connect, collector: Collector, field: str
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, **{field: None})
    collector.tick(exchange, "ETH/USDC")
    async with connect("/ws/tickers/c") as socket:
        ticker = await socket.result("get_ticker", exchange=exchange, symbol=MARKET)
        every = await socket.result("get_all_tickers", exchange=exchange)
    assert_shape(
        ticker, price=Number, volume=Number, bid=Number, ask=Number, timestamp=Number, change_24h=Number
    )
    assert {each["symbol"] for each in every["tickers"]} == {MARKET, "ETH/USDC"}
    shown = {"time": "timestamp"}.get(field, field)
    assert field == "last" or ticker[shown] == 0.0


async def test_get_all_tickers_lists_every_market_and_nothing_of_an_unknown_exchange(
    connect: Connect, collector: Collector
) -> None:
    exchange, unknown = fresh_name(), fresh_name()
    symbols = {MARKET, "BTC/USDC:USDC", "BTC/USD:BTC", "GOLD"}
    for symbol in symbols:
        collector.tick(exchange, symbol)
    async with connect("/ws/tickers/c") as socket:
        every = await socket.result("get_all_tickers", exchange=exchange)
        none = await socket.result("get_all_tickers", exchange=unknown)
    assert every["exchange"] == exchange
    assert {ticker["symbol"] for ticker in every["tickers"]} == symbols
    assert none == {"exchange": unknown, "tickers": []}


async def test_get_order_status_shows_every_key(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", price=49000.5, order_type="limit")
    async with connect("/ws/orders/c") as socket:
        order = await socket.result("get_order_status", exchange=exchange, order_id="O1")
    assert order == {
        "order_id": "O1", "symbol": MARKET, "exchange": exchange, "side": "buy", "amount": 0.5, "price": 49000.5,
        "filled": 0.1, "remaining": 0.4, "status": "open", "order_type": "limit", "timestamp": ORDER_TIME,
        "last_update": ORDER_TIME,
    }  # fmt: skip


@pytest.mark.parametrize(
    "field", ["price", "final_volume", "volume", "symbol", "side", "status", "order_type", "timestamp"]
)
async def test_a_null_in_an_order_is_no_error(connect: Connect, collector: Collector, field: str) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", **{field: None})
    async with connect("/ws/orders/c") as socket:
        order = await socket.result("get_order_status", exchange=exchange, order_id="O1")
    assert_shape(
        order, order_id=str, exchange=str, amount=Number, price=Number, filled=Number, remaining=Number,
        timestamp=Number, last_update=Number, symbol=(str, Nullable), side=(str, Nullable),
        status=(str, Nullable), order_type=(str, Nullable),
    )  # fmt: skip


async def test_numbers_of_an_order_may_be_texts_and_its_time_a_number(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "1", volume="0.5", final_volume="0.7", price="10", timestamp=1700000000.5)
    async with connect("/ws/orders/c") as socket:
        order = await socket.result("get_order_status", exchange=exchange, order_id=1)
    assert (order["order_id"], order["amount"], order["filled"], order["remaining"]) == ("1", 0.5, 0.7, 0.0)
    assert (order["price"], order["timestamp"]) == (10.0, 1700000000.5)


async def test_an_unreadable_time_of_an_order_reads_as_now(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", timestamp="yesterday")
    async with connect("/ws/orders/c") as socket:
        order = await socket.result("get_order_status", exchange=exchange, order_id="O1")
    assert order["timestamp"] == pytest.approx(time.time(), abs=30)


async def test_an_order_is_found_without_its_exchange_and_by_ex_order_id(
    connect: Connect, collector: Collector
) -> None:
    exchange, order_id = fresh_name(), fresh_name("O")
    collector.order(exchange, order_id)
    async with connect("/ws/orders/c") as socket:
        order = await socket.result("get_order_status", order_id=order_id)
        by_synonym = await socket.result("get_order_status", exchange=exchange, ex_order_id=order_id)
        assert await socket.error("get_order_status", order_id=fresh_name("O")) == "ORDER_NOT_FOUND"
        assert (
            await socket.error("get_order_status", exchange=fresh_name(), order_id=order_id)
            == "ORDER_NOT_FOUND"
        )
    assert order["exchange"] == by_synonym["exchange"] == exchange


async def test_queue_length_counts_the_orders_that_can_be_read(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    for number in range(3):
        collector.order(exchange, f"O{number}", ex_id=number)
    collector.do("HSET", f"order_status:{exchange}", "bad", "{not json")
    async with connect("/ws/orders/c") as socket:
        queue = await socket.result("get_queue_length", exchange=exchange)
        assert (await socket.result("get_queue_length", exchange=fresh_name()))["queue_length"] == 0
    assert_shape(queue, exchange=str, queue_length=int, timestamp=float)
    assert (queue["exchange"], queue["queue_length"]) == (exchange, 3)
    assert queue["timestamp"] == pytest.approx(time.time(), abs=30)


@pytest.mark.parametrize("spelling", ["BTC/USDC", "BTCUSDC"])
async def test_get_trades_lists_them_oldest_first_under_the_requested_symbol(
    connect: Connect, collector: Collector, spelling: str
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET)
    collector.trades(
        exchange,
        MARKET,
        trade(1),
        trade(2, trade_id="t2", side=None),
        trade(3, trade_id=None, fee=None, time="2026-01-15T10:30:00Z"),
    )
    async with connect("/ws/trades/c") as socket:
        result = await socket.result("get_trades", exchange=exchange, symbol=spelling)
    assert (result["exchange"], result["symbol"]) == (exchange, spelling)
    for shown in result["trades"]:
        assert_shape(shown, symbol=str, exchange=str, side=(str, Nullable), volume=Number, price=Number,
                     timestamp=Number, trade_id=(int, str, Nullable))  # fmt: skip
    assert [shown["trade_id"] for shown in result["trades"]] == [1, "t2", None]
    assert [shown["side"] for shown in result["trades"]] == ["buy", None, "buy"]
    assert [shown["timestamp"] for shown in result["trades"]] == [1700000001.0, 1700000002.0, ORDER_TIME]
    assert result["trades"][0]["volume"] == 0.1


async def test_get_trades_takes_nothing_away(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, *map(trade, range(5)))
    async with connect("/ws/trades/c") as socket:
        first = await socket.result("get_trades", exchange=exchange, symbol=MARKET)
        second = await socket.result("get_trades", exchange=exchange, symbol=MARKET)
        none = await socket.result("get_trades", exchange=exchange, symbol="ETH/USDC")
    assert len(first["trades"]) == 5
    assert first == second
    assert none["trades"] == []
    assert collector.do("LLEN", f"trades:{exchange}:BTCUSDC") == 5


@pytest.mark.parametrize("name", ["key", "exchange", "trade_key"])
async def test_get_trade_status_tells_when_trades_were_last_written(
    connect: Connect, collector: Collector, name: str
) -> None:
    exchange = fresh_name()
    collector.do("SET", f"TRADE:STATUS:{exchange}", "2026-01-15T10:30:00.000000+00:00")
    async with connect("/ws/trades/c") as socket:
        status = await socket.result("get_trade_status", **{name: exchange})
        assert await socket.error("get_trade_status", **{name: fresh_name()}) == "TRADE_STATUS_NOT_FOUND"
    assert status == {
        "key": exchange, "status_timestamp": "2026-01-15T10:30:00.000000+00:00", "timestamp": ORDER_TIME
    }  # fmt: skip


async def test_bars_are_passed_through_as_stored_oldest_first(connect: Connect, collector: Collector) -> None:
    symbol = fresh_name("S") + "/USDC"
    bars = [[1700000000 + 60 * i, 1, 2.5, 0.5, 1, i] for i in range(12)]
    collector.bars(symbol, "1m", *bars)
    async with connect("/ws/ohlcv/c") as socket:
        default = await socket.result("get_latest_ohlcv_bars", symbol=symbol, timeframe="1m")
        assert default == {"symbol": symbol, "timeframe": "1m", "bars": bars[-10:]}
        assert [type(x) for x in default["bars"][0]] == [int, int, float, float, int, int]
        for count, shown in [(3, 3), ("4", 4), (0, 1), (-5, 1), (10**9, 12), (None, 10), (2.0, 2)]:
            result = await socket.result("get_latest_ohlcv_bars", symbol=symbol, timeframe="1m", count=count)
            assert result["bars"] == bars[-shown:]
        for count in ("many", True, [3], 1.5):
            code = await socket.error("get_latest_ohlcv_bars", symbol=symbol, timeframe="1m", count=count)
            assert code == "INVALID_PARAMS"


async def test_bars_stored_without_a_slash_are_found_with_one(connect: Connect, collector: Collector) -> None:
    name = fresh_name("S")
    collector.bars(name + "USDC", "1h", [1700000000000, 1, 2, 0.5, 1, 5, "extra"])
    async with connect("/ws/ohlcv/c") as socket:
        result = await socket.result("get_latest_ohlcv_bars", symbol=f"{name}/USDC", timeframe="1h")
        assert (result["symbol"], result["bars"]) == (f"{name}/USDC", [[1700000000000, 1, 2, 0.5, 1, 5]])
        assert (
            await socket.error("get_latest_ohlcv_bars", symbol=f"{name}/USDC", timeframe="1m")
            == "OHLCV_NOT_FOUND"
        )
