"""What each stream sends: its confirmation first, the present state at once, then every change."""

import pytest

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position
from tests.integration.wire.rpc_client import Connect, Frame, Number, assert_shape

MARKET = "BTC/USDC"
TICKER_KEYS = {"stream_key", "exchange", "symbol", "price", "volume", "timestamp", "bid", "ask", "change_24h"}


async def test_tickers_come_at_once_and_on_every_change(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    async with connect("/ws/tickers/c") as socket:
        await socket.stream("stream_tickers", exchange=exchange, symbols=[MARKET])
        first = await socket.update("ticker_update")
        assert first.keys() >= TICKER_KEYS
        assert (first["exchange"], first["symbol"], first["price"]) == (exchange, MARKET, 1.0)
        for price in (2.0, 3.0):
            collector.tick(exchange, MARKET, price=price)
            assert (await socket.update("ticker_update"))["price"] == price


@pytest.mark.parametrize(
    ("symbols", "seen"),
    [
        ({"symbols": ["B/U", "C/U"]}, ["B/U", "C/U"]),
        ({"symbols": "C/U"}, ["C/U"]),
        ({"symbols": []}, ["A/U", "B/U", "C/U"]),
        ({"symbols": None}, ["A/U", "B/U", "C/U"]),
        ({}, ["A/U", "B/U", "C/U"]),
    ],
    ids=repr,
)
async def test_symbols_choose_the_markets_and_none_means_all(
    connect: Connect, collector: Collector, symbols: Frame, seen: list[str]
) -> None:
    exchange = fresh_name()
    for symbol in ("A/U", "B/U", "C/U"):
        collector.tick(exchange, symbol)
    async with connect("/ws/tickers/c") as socket:
        await socket.stream("stream_tickers", exchange=exchange, **symbols)
        first = [await socket.update("ticker_update") for _ in seen]
        assert sorted(update["symbol"] for update in first) == seen
        for symbol in ("A/U", "B/U", "C/U"):
            collector.tick(exchange, symbol, price=7.0)
        later = [await socket.update("ticker_update") for _ in seen]
        assert sorted((update["symbol"], update["price"]) for update in later) == [
            (name, 7.0) for name in seen
        ]
        await socket.quiet()


async def test_a_ticker_that_is_not_stored_yet_comes_when_it_is(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/tickers/c") as socket:
        await socket.stream("stream_tickers", exchange=exchange, symbols=[MARKET])
        await socket.quiet()
        collector.tick(exchange, MARKET, volume=None, bid=None, ask=None)
        update = await socket.update("ticker_update")
    assert (update["volume"], update["bid"], update["ask"]) == (0.0, 0.0, 0.0)


async def test_an_unchanged_ticker_is_not_repeated(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=1.0)
    async with connect("/ws/tickers/c") as socket:
        await socket.stream("stream_tickers", exchange=exchange)
        await socket.update("ticker_update")
        collector.tick(exchange, MARKET, price=1.0)
        collector.tick(exchange, "ETH/USDC", price=2.0)
        assert (await socket.update("ticker_update"))["symbol"] == "ETH/USDC"


async def test_the_queue_is_told_at_once_also_when_empty_and_then_on_change(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect("/ws/orders/c") as socket:
        await socket.stream("stream_order_queue", exchange=exchange)
        first = await socket.update("queue_update")
        assert first.keys() >= {"stream_key", "exchange", "queue_length", "timestamp"}
        assert (first["exchange"], first["queue_length"]) == (exchange, 0)
        assert_shape(first, queue_length=int, timestamp=Number)
        collector.order(exchange, "O1", ex_id=1)
        assert (await socket.update("queue_update"))["queue_length"] == 1
        collector.order(exchange, "O1", ex_id=1, status="filled")  # a change, and not of the length
        collector.order(exchange, "O2", uid=2)
        assert (await socket.update("queue_update"))["queue_length"] == 2
        collector.do("HDEL", f"order_status:{exchange}", "O1")
        assert (await socket.update("queue_update"))["queue_length"] == 1


async def test_a_hash_of_orders_that_expires_is_an_empty_queue(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    collector.order(exchange, "O2", status="canceled")
    async with connect("/ws/orders/c") as socket:
        await socket.stream("stream_order_queue", exchange=exchange)
        await socket.until_told(queue_length=2)
        assert collector.do("PTTL", f"order_status:{exchange}") > 3_000_000
        collector.do("PEXPIRE", f"order_status:{exchange}", 1)  # its hour is over
        await socket.until_told(queue_length=0)
        collector.order(exchange, "O3")
        assert (await socket.update("queue_update"))["queue_length"] == 1


async def test_balances_come_at_once_and_on_change(connect: Connect, collector: Collector) -> None:
    account = fresh_account()
    collector.account(
        account, USDT={"total": 10.0, "free": 8.0, "used": 2.0}, BTC={"balance": 0.5, "available": 0.4}
    )
    async with connect("/ws/accounts/c") as socket:
        key = await socket.stream("stream_balances", user_id=str(account))
        first = await socket.update("balance_update")
        assert (first["stream_key"], first["exchange_id"]) == (key, account)
        assert first["balances"]["USDT"] == {"total": 10.0, "free": 8.0, "used": 2.0}
        assert first["balances"]["BTC"] == {"total": 0.5, "free": 0.4, "used": pytest.approx(0.1)}
        assert_shape(first, timestamp=Number)
        collector.account(account, USDT={"total": 11.0, "free": 11.0, "used": 0.0})
        assert (await socket.update("balance_update"))["balances"] == {
            "USDT": {"total": 11.0, "free": 11.0, "used": 0.0}
        }


async def test_positions_come_one_frame_each_and_all_of_them_again_on_change(
    connect: Connect, collector: Collector
) -> None:
    account = fresh_account()
    collector.positions(account, **{"BTC/USDC": position(0.5), "ETH/USDC": position(-2.0)})
    async with connect("/ws/accounts/c") as socket:
        await socket.stream("stream_positions", user_id=3, exchange=account)
        first = [await socket.update("position_update") for _ in range(2)]
        assert {(p["symbol"], p["side"], p["size"]) for p in first} == {
            ("BTC/USDC", "long", 0.5),
            ("ETH/USDC", "short", 2.0),
        }
        for shown in first:
            assert shown["user_id"] is None
            assert_shape(shown, stream_key=str, exchange=str, entry_price=Number, mark_price=Number, pnl=Number,
                         pnl_percent=Number, timestamp=Number)  # fmt: skip
        collector.positions(account, **{"BTC/USDC": position(0.6), "ETH/USDC": position(-2.0)})
        again = [await socket.update("position_update") for _ in range(2)]
        assert {(p["symbol"], p["size"]) for p in again} == {("BTC/USDC", 0.6), ("ETH/USDC", 2.0)}
        collector.positions(account)
        collector.positions(account, **{"XRP/USDC": position(1.0)})
        assert (await socket.update("position_update"))["symbol"] == "XRP/USDC"


async def test_one_bot_is_told_at_once_also_when_absent_and_on_every_write(
    connect: Connect, collector: Collector
) -> None:
    number = fresh_account()
    async with connect("/ws/bots/c") as socket:
        await socket.stream("stream_bot_status", bot_id=number)
        first = await socket.update("bot_update")
        assert first.keys() >= {"stream_key", "bots", "timestamp"}
        assert first["bots"] == {}
        collector.bot(str(number), feed_1={"status": "running"})
        assert (await socket.update("bot_update"))["bots"][str(number)]["feed_1"]["status"] == "running"
        collector.bot(fresh_name("other"), feed_1={"status": "running"})
        collector.bot(str(number), feed_1={"status": "paused"})
        paused = await socket.update("bot_update")
        assert paused["bots"].keys() == {str(number)}
        assert paused["bots"][str(number)]["feed_1"]["status"] == "paused"
        collector.do("HDEL", "bot_status", str(number))
        assert (await socket.update("bot_update"))["bots"] == {}


async def test_all_bots_are_told_together(connect: Connect, collector: Collector) -> None:
    first, second = fresh_name("bot"), fresh_name("bot")
    async with connect("/ws/bots/c") as socket:
        await socket.stream("stream_bot_status")
        for bot in (first, second):
            collector.bot(bot, feed={"status": "running"})
            await socket.until(lambda frame, bot=bot: bot in frame["result"]["bots"])  # type: ignore[misc]
        collector.bot(first, feed={"status": "paused"})
        update = await socket.update("bot_update")
        assert update["bots"][first]["feed"]["status"] == "paused"
        assert update["bots"][second]["feed"]["status"] == "running"


async def test_the_newest_bar_comes_at_once_and_new_ones_in_order(
    connect: Connect, collector: Collector
) -> None:
    symbol = fresh_name("S") + "/USDC"
    bars = [[1700000000 + 60 * i, 1.0, 2.0, 0.5, 1.5, 10.0 + i] for i in range(8)]
    collector.bars(symbol, "1m", *bars[:3])
    async with connect("/ws/ohlcv/c") as socket:
        await socket.stream("stream_ohlcv", symbol=symbol, timeframe="1m")
        first = await socket.update("ohlcv_update")
        assert first.keys() >= {"stream_key", "symbol", "timeframe", "bar"}
        assert (first["symbol"], first["timeframe"], first["bar"]) == (symbol, "1m", bars[2])
        collector.bars(symbol, "1m", *bars[3:7])
        assert [(await socket.update("ohlcv_update"))["bar"] for _ in range(4)] == bars[3:7]
        collector.bars(symbol, "1m", bars[6])  # written again
        collector.bars(symbol, "1m", bars[7])
        assert (await socket.update("ohlcv_update"))["bar"] == bars[7]


async def test_bars_that_do_not_exist_yet_are_not_told_before_they_do(
    connect: Connect, collector: Collector
) -> None:
    symbol = fresh_name("S")
    async with connect("/ws/ohlcv/c") as socket:
        await socket.stream("stream_ohlcv", symbol=symbol, timeframe="4h")
        await socket.quiet()
        collector.bars(symbol, "4h", [1700000000, 1, 2, 0.5, 1, 5])
        assert (await socket.update("ohlcv_update"))["bar"] == [1700000000, 1, 2, 0.5, 1, 5]


@pytest.mark.parametrize(
    ("path", "action", "params"),
    [
        ("tickers", "stream_tickers", {"symbols": [MARKET]}),
        ("tickers", "stream_tickers", {"exchange": "x", "symbols": 5}),
        ("tickers", "stream_tickers", {"exchange": "x", "symbols": [5]}),
        ("orders", "stream_order_queue", {}),
        ("trades", "stream_trade_updates", {"symbol": MARKET}),
        ("accounts", "stream_positions", {}),
        ("accounts", "stream_positions", {"exchange": "binance"}),
        ("accounts", "stream_positions", {"user_id": "me"}),
        ("accounts", "stream_balances", {}),
        ("ohlcv", "stream_ohlcv", {"symbol": "x"}),
        ("ohlcv", "stream_ohlcv", {"timeframe": "1m"}),
    ],
    ids=repr,
)
async def test_bad_parameters_are_refused_before_a_confirmation(
    connect: Connect, path: str, action: str, params: Frame
) -> None:
    async with connect(f"/ws/{path}/c") as socket:
        assert await socket.error(action, **params) == "INVALID_PARAMS"
        await socket.quiet()
