"""The push family: flat objects without being asked, the present state first, numbers wherever a client formats one."""

import json

import pytest

from tests.integration.wire.collector import ORDER_TIME, Collector, fresh_account, fresh_name, trade
from tests.integration.wire.rpc_client import Connect, Frame

MARKET = "BTC/USDC"
NUMBERS = {"price", "bid", "ask", "last", "volume", "time", "timestamp", "change_24h", "filled", "remaining"}


def assert_flat(frame: Frame) -> None:
    """Nothing that a client formats as a number may be anything else; what is unknown is left out."""
    assert None not in frame.values()
    for name in NUMBERS & frame.keys():
        assert type(frame[name]) in (int, float), (name, frame)
    assert not {"action", "success", "result", "request_id", "stream_key"} & frame.keys()


async def test_a_ticker_is_pushed_as_it_is_and_then_as_it_changes(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, percentage=1.5)
    async with connect(f"/ws/tickers/{exchange}/{MARKET}") as socket:
        first = await socket.receive()
        assert_flat(first)
        assert first == {
            "exchange": exchange, "symbol": MARKET, "price": 50000.0, "bid": 49999.0, "ask": 50001.0, "last": 50000.0,
            "volume": 12.5, "time": 1700000000.5, "timestamp": 1700000000.5, "change_24h": 1.5,
        }  # fmt: skip
        collector.tick(exchange, "ETH/USDC")
        for price in (1.0, 2.0):
            collector.tick(exchange, MARKET, price=price)
            assert (await socket.receive())["price"] == price
        await socket.quiet()


async def test_unknown_numbers_of_a_ticker_are_left_out_or_zero(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    async with connect(f"/ws/tickers/{exchange}/{MARKET}") as socket:
        for odd in (None, "high", [1], {"x": 1}, True):
            collector.tick(exchange, MARKET, bid=odd, ask=odd, volume=odd, last=odd, time=odd, percentage=odd)
            collector.tick(exchange, MARKET, price=7.0)
            frame = await socket.until(lambda frame: frame["price"] == 7.0)
            assert_flat(frame)
            collector.tick(exchange, MARKET, price=8.0, bid=odd, ask=odd, volume=odd, last=odd, time=odd)
            frame = await socket.until(lambda frame: frame["price"] == 8.0)
            assert_flat(frame)


@pytest.mark.parametrize(
    ("path", "symbol"),
    [
        ("BTC/USDC", "BTC/USDC"), ("BTC%2FUSDC", "BTC/USDC"), ("BTC/USDC:USDC", "BTC/USDC:USDC"),
        ("BTC%2FUSD%3ABTC", "BTC/USD:BTC"), ("GOLD", "GOLD"), ("a/b/c", "a/b/c"), ("BTC-USDC", "BTC/USDC"),
        ("BTC_USDC", "BTC/USDC"), ("BTC-USDC:USDC", "BTC/USDC:USDC"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("stored", ["before", "after"])
async def test_a_symbol_is_everything_behind_the_exchange(
    connect: Connect, collector: Collector, path: str, symbol: str, *, stored: str
) -> None:
    exchange = fresh_name()
    if stored == "before":
        collector.tick(exchange, symbol)
        collector.trades(exchange, symbol, trade(1, symbol=symbol))
    async with (
        connect(f"/ws/tickers/{exchange}/{path}") as tickers,
        connect(f"/ws/trades/{exchange}/{path}") as trades,
    ):
        if stored == "after":
            await tickers.quiet()
            await trades.quiet()
            collector.tick(exchange, symbol)
            collector.trades(exchange, symbol, trade(1, symbol=symbol))
        for socket in (tickers, trades):
            frame = await socket.receive()
            assert (frame["exchange"], frame["symbol"]) == (exchange, symbol)
            await socket.quiet()


async def test_a_symbol_that_really_has_a_dash_is_not_mistaken(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    for symbol in ("BTC-USDC", "BTC/USDC"):
        collector.tick(exchange, symbol)
    async with connect(f"/ws/tickers/{exchange}/BTC-USDC") as socket:
        assert (await socket.receive())["symbol"] == "BTC-USDC"
        await socket.quiet()


async def test_trades_in_the_list_are_pushed_then_each_new_one_once(
    connect: Connect, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.trades(exchange, MARKET, trade(1), trade(2, side=None, trade_id=None, time=None))
    async with connect(f"/ws/trades/{exchange}/{MARKET}") as socket:
        first, second = await socket.receive(), await socket.receive()
        assert first == {
            "exchange": exchange, "symbol": MARKET, "trade_id": 1, "side": "buy", "price": 50001.0, "volume": 0.1,
            "timestamp": 1700000001.0, "time": 1700000001.0,
        }  # fmt: skip
        assert_flat(second)
        assert "side" not in second
        for minute in ([3, 4], [5, 6, 7]):
            collector.drain(exchange, MARKET)
            collector.trades(exchange, MARKET, *map(trade, minute))
            assert [(await socket.receive())["trade_id"] for _ in minute] == minute
        await socket.quiet()


async def test_every_stored_order_is_pushed_then_each_change(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1", ex_id=1, price=10.0)
    collector.order(
        exchange, "O2", ex_id=2, symbol=None, side=None, status=None, final_volume=None, volume=None
    )
    async with connect(f"/ws/orders/{exchange}", query="&mode=push") as socket:
        both = {frame["order_id"]: frame for frame in [await socket.receive(), await socket.receive()]}
        for frame in both.values():
            assert_flat(frame)
        assert both["O1"] == {
            "exchange": exchange, "order_id": "O1", "symbol": MARKET, "side": "buy", "volume": 0.5, "price": 10.0,
            "filled": 0.1, "remaining": 0.4, "status": "open", "order_type": "market", "timestamp": ORDER_TIME,
        }  # fmt: skip
        assert (both["O2"]["volume"], both["O2"]["filled"], both["O2"]["remaining"]) == (0.0, 0.0, 0.0)
        collector.order(exchange, "O1", ex_id=1, status="filled")
        changed = await socket.receive()
        assert_flat(changed)
        assert (changed["order_id"], changed["status"]) == ("O1", "filled")
        assert "price" not in changed


async def test_balances_are_pushed_whole_with_only_currencies_on_top(
    connect: Connect, collector: Collector
) -> None:
    account = fresh_account()
    collector.account(
        account, USDT={"total": 10.0, "free": 8.5, "used": 1.5}, BTC={"balance": 0.5, "available": 0.4}, odd=5
    )
    async with connect(f"/ws/balances/{account}") as socket:
        first = await socket.receive()
        assert first["USDT"] == {"total": 10.0, "free": 8.5, "used": 1.5}
        assert first["BTC"] == {"total": 0.5, "free": 0.4, "used": pytest.approx(0.1)}
        assert first.keys() == {"USDT", "BTC"}
        collector.account(account, USDT={"total": 3.0, "free": None, "used": None}, EUR={"free": "2"})
        second = await socket.receive()
        assert second == {
            "USDT": {"total": 3.0, "free": 3.0, "used": 0.0},
            "EUR": {"total": 2.0, "free": 2.0, "used": 0.0},
        }


@pytest.mark.parametrize(
    "path",
    [
        "tickers/{}/BTC/USDC",
        "trades/{}/BTC/USDC",
        "balances/{}",
        "orders/{}",
        "balances/name",
        "tickers/{}/ü%20x",
    ],
)
async def test_nothing_is_pushed_while_there_is_nothing(connect: Connect, path: str) -> None:
    async with connect("/ws/" + path.format(fresh_account()), query="&mode=push") as socket:
        await socket.quiet()


@pytest.mark.parametrize("value", ["{", "null", "[]", '{"price": null}', '{"volume": 1}'])
async def test_what_cannot_be_read_is_not_pushed_and_ends_nothing(
    connect: Connect, collector: Collector, value: str
) -> None:
    exchange = fresh_name()
    async with (
        connect(f"/ws/tickers/{exchange}/{MARKET}") as tickers,
        connect(f"/ws/trades/{exchange}/{MARKET}") as trades,
    ):
        collector.raw_tick(exchange, MARKET, value)
        collector.trades(exchange, MARKET, value, trade(1))
        collector.tick(exchange, MARKET, price=4.0)
        assert (await tickers.receive())["price"] == 4.0
        assert (await trades.receive())["trade_id"] == 1


async def test_frames_on_a_push_socket_are_answered_by_its_domain(
    connect: Connect, collector: Collector
) -> None:
    exchange, account = fresh_name(), fresh_account()
    collector.tick(exchange, MARKET)
    collector.account(account, USDT={"total": 1.0})
    async with connect(f"/ws/tickers/{exchange}/{MARKET}") as socket:
        assert (await socket.receive())["price"] == 50000.0
        assert (await socket.result("get_ticker", exchange=exchange, symbol=MARKET))["price"] == 50000.0
        assert await socket.stream("stream_tickers", exchange=exchange) == f"{exchange}:s1"
        await socket.update("ticker_update")
        collector.tick(exchange, MARKET, price=2.0)
        frames = [await socket.receive(), await socket.receive()]
        assert sorted("action" in frame for frame in frames) == [False, True]
        await socket.send_raw("{")
        assert (await socket.receive())["error_code"] == "MALFORMED_MESSAGE"
    async with connect(f"/ws/balances/{account}") as socket:
        assert json.dumps(await socket.receive()) == '{"USDT": {"total": 1.0, "free": 1.0, "used": 0.0}}'
        assert (await socket.result("get_balance", user_id=account, currency="USDT"))["total_balance"] == 1.0
        assert await socket.stream("stream_balances", user_id=account) == f"{account}:s1"
