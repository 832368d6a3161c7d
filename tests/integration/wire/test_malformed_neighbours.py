"""Values that cannot be read stand among those that can: they hide nothing, and end no stream."""

import json

import pytest

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade
from tests.integration.wire.rpc_client import Connect

MARKET = "BTC/USDC"
ROTTEN = [
    "",
    "{",
    "null",
    "5",
    '"text"',
    "[1,2]",
    '{"price": NaN}',
    '{"price": "a lot"}',
    '{"price": {"x": 1}}',
    "\x00",
]
ODD_TYPES = {"price": [1], "bid": "high", "ask": {"x": 1}, "volume": True, "time": "never", "last": []}


async def test_a_rotten_tick_hides_no_other_and_ends_no_stream(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    for number, stored in enumerate(ROTTEN):
        collector.raw_tick(exchange, f"BAD{number}", stored)
    collector.tick(exchange, MARKET)
    async with connect("/ws/tickers/c") as socket:
        every = await socket.result("get_all_tickers", exchange=exchange)
        assert MARKET in {ticker["symbol"] for ticker in every["tickers"]}
        assert await socket.error("get_ticker", exchange=exchange, symbol="BAD1") == "TICKER_NOT_FOUND"
        await socket.stream("stream_tickers", exchange=exchange)
        await socket.until_told(symbol=MARKET)
        for number, stored in enumerate(ROTTEN):
            collector.raw_tick(exchange, MARKET, stored)
            collector.tick(exchange, MARKET, price=float(number + 1))
            await socket.until_told(symbol=MARKET, price=float(number + 1))


async def test_odd_types_in_a_tick_read_as_unknown(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, **ODD_TYPES)
    async with connect("/ws/tickers/c") as socket:
        ticker = await socket.result("get_ticker", exchange=exchange, symbol=MARKET)
        every = await socket.result("get_all_tickers", exchange=exchange)
    numbers = ("price", "bid", "ask", "volume", "timestamp")
    assert [ticker[name] for name in numbers] == [0.0] * 5
    assert every["tickers"] == [ticker]


async def test_a_rotten_trade_is_passed_over_and_its_neighbours_come(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    odd = [json.dumps(trade(99, price=None)), json.dumps(trade(98, volume="many"))]
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        number = 0
        for stored in [*ROTTEN, *odd]:
            collector.trades(exchange, MARKET, trade(number), stored, trade(number + 1))
            seen = [(await socket.update("trade_update"))["trade_id"] for _ in range(2)]
            assert seen == [number, number + 1]
            number += 2
        listed = await socket.result("get_trades", exchange=exchange, symbol=MARKET)
    assert [shown["trade_id"] for shown in listed["trades"]] == list(range(number))


async def test_a_list_that_ends_in_a_rotten_trade_goes_on_after_it(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, trade(1), "{")
    async with connect("/ws/trades/c") as socket:
        await socket.stream("stream_trade_updates", exchange=exchange, symbol=MARKET)
        assert (await socket.update("trade_update"))["trade_id"] == 1
        collector.drain(exchange, MARKET)
        collector.trades(exchange, MARKET, "{", trade(2))
        assert (await socket.update("trade_update"))["trade_id"] == 2


async def test_a_rotten_order_is_not_counted_and_hides_no_other(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    key = f"order_status:{exchange}"
    async with connect("/ws/orders/c") as socket:
        await socket.stream("stream_order_queue", exchange=exchange)
        await socket.update("queue_update")
        for number, stored in enumerate(("{", "null", "5", "[1]", "")):
            collector.do("HSET", key, f"bad{number}", stored)
            collector.order(exchange, f"O{number}", price={"x": 1}, volume=[], side=5, symbol=[], status=True)
            await socket.until_told(queue_length=number + 1)
        assert (await socket.ask("get_order_status", exchange=exchange, order_id="bad0"))[
            "error_code"
        ] == "ORDER_NOT_FOUND"
        order = await socket.result("get_order_status", exchange=exchange, order_id="O0")
    assert (order["amount"], order["price"], order["side"], order["status"]) == (0.0, 0.0, None, None)


async def test_a_rotten_account_hides_no_other_and_ends_no_stream(
    connect: Connect, collector: Collector
) -> None:
    account, rotten = fresh_account(), fresh_account()
    async with connect("/ws/accounts/c") as socket:
        await socket.stream("stream_balances", "b", user_id=account)
        await socket.stream("stream_positions", "p", exchange=account)
        for number, stored in enumerate(("{", "null", "5", "[1]", "")):
            for field in (rotten, account):
                collector.do("HSET", "accounts", field, stored)
                collector.do("HSET", "account_positions", field, stored)
            total = number + 1.0
            collector.account(account, USDT={"total": total}, BTC=5, ETH={"free": [1]}, XRP=None)
            await socket.until_told(balances={"USDT": {"total": total, "free": total, "used": 0.0}})
            collector.positions(account, **{"BTC/USDC": position(total), "bad": 5})
            await socket.until_told(symbol="BTC/USDC", size=total)
        assert await socket.error("get_balance", user_id=rotten, currency="USDT") == "BALANCE_NOT_FOUND"
        assert (await socket.result("get_positions", exchange=rotten))["count"] == 0
        assert str(rotten) not in {
            p["exchange"] for p in (await socket.result("get_positions", user_id=1))["positions"]
        }


async def test_a_bot_with_broken_json_says_so_and_hides_no_other(
    connect: Connect, collector: Collector
) -> None:
    broken, sound = fresh_name("bot"), fresh_name("bot")
    collector.do("HSET", "bot_status", broken, "{not json")
    collector.bot(sound, feed={"status": "running"}, odd=5)
    async with connect("/ws/bots/c") as socket:
        bots = (await socket.result("get_bots"))["bots"]
        assert bots[broken] == {"error": "Invalid JSON"}
        assert bots[sound]["feed"]["status"] == "running"
        await socket.stream("stream_bot_status")
        await socket.until(lambda frame: sound in frame["result"]["bots"])
        collector.bot(broken, feed={"status": "mended"})
        update = await socket.until(lambda frame: "feed" in frame["result"]["bots"][broken])
        assert update["result"]["bots"][broken]["feed"]["status"] == "mended"


async def test_rotten_bars_are_passed_over(connect: Connect, collector: Collector) -> None:
    symbol = fresh_name("S")
    rotten = ["{", "5", "[]", "[1700000000,1,2]", '["x",1,2,3,4,5]', '{"t": 1}', "null"]
    bars = [[1700000000 + 60 * i, 1, 2, 0.5, 1, i] for i in range(len(rotten) + 1)]
    async with connect("/ws/ohlcv/c") as socket:
        await socket.stream("stream_ohlcv", symbol=symbol, timeframe="1m")
        for bar, stored in zip(bars, [*rotten, "{"], strict=True):
            collector.bars(symbol, "1m", stored, bar, stored)
            assert (await socket.update("ohlcv_update"))["bar"] == bar
        listed = await socket.result("get_latest_ohlcv_bars", symbol=symbol, timeframe="1m", count=1000)
    assert listed["bars"] == bars


@pytest.mark.parametrize("wrong", ["string", "list", "hash", "set"])
async def test_a_key_of_the_wrong_type_reads_as_empty_until_it_is_right(
    connect: Connect, collector: Collector, wrong: str
) -> None:
    exchange = fresh_name()
    keys = [
        f"tickers:{exchange}",
        f"order_status:{exchange}",
        f"trades:{exchange}:BTCUSDC",
        f"ohlcv:{exchange}:1m",
    ]
    commands = {
        "string": ("SET", ["x"]),
        "list": ("RPUSH", ["x"]),
        "hash": ("HSET", ["f", "x"]),
        "set": ("SADD", ["x"]),
    }
    command, values = commands[wrong]
    for key in [*keys, f"TRADE:STATUS:{exchange}"]:
        collector.do(command, key, *values)
    market = {"exchange": exchange, "symbol": MARKET}
    async with connect("/ws") as socket:
        assert await socket.error("get_ticker", **market) == "TICKER_NOT_FOUND"
        assert (await socket.result("get_all_tickers", exchange=exchange))["tickers"] == []
        assert await socket.error("get_order_status", exchange=exchange, order_id="1") == "ORDER_NOT_FOUND"
        assert (await socket.result("get_queue_length", exchange=exchange))["queue_length"] == 0
        assert (await socket.result("get_trades", **market))["trades"] == []
        assert (
            await socket.error("get_latest_ohlcv_bars", symbol=exchange, timeframe="1m") == "OHLCV_NOT_FOUND"
        )
        if wrong != "string":
            assert await socket.error("get_trade_status", key=exchange) == "TRADE_STATUS_NOT_FOUND"
        await socket.stream("stream_tickers", "t", exchange=exchange)
        await socket.stream("stream_trade_updates", "x", **market)
        await socket.stream("stream_trade_updates", "slashless", exchange=exchange, symbol="BTCUSDC")
        await socket.stream("stream_ohlcv", "b", symbol=exchange, timeframe="1m")
        await socket.stream("stream_order_queue", "o", exchange=exchange)
        collector.do("DEL", *keys, f"TRADE:STATUS:{exchange}")
        collector.tick(exchange, MARKET)
        collector.trades(exchange, MARKET, trade(1))
        collector.order(exchange, "1")
        collector.bars(exchange, "1m", [1700000000, 1, 2, 0.5, 1, 5])
        missing = {"t", "x", "o", "b"}
        while missing:
            frame = await socket.receive()
            if frame["result"].get("queue_length") != 0:
                missing.discard(frame["request_id"])
