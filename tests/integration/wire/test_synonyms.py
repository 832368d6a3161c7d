"""Other names of actions, and of the field that names them: all are answered under the name that was asked."""

import pytest

from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position
from tests.integration.wire.rpc_client import Connect, Frame

MARKET = "BTC/USDC"


@pytest.mark.parametrize(
    "name", ["get_user_balance", "get_user_balances", "get_account_status", "get_balances"]
)
async def test_other_names_of_balances_show_one_currency_when_it_is_named(
    connect: Connect, collector: Collector, name: str
) -> None:
    account = fresh_account()
    collector.account(account, USDT={"total": 3.0, "free": 1.0, "used": 2.0})
    async with connect("/ws/accounts/c") as socket:
        whole = await socket.result(name, user_id=account)
        one = await socket.result(name, user_id=account, currency="USDT")
    assert whole["balances"] == {"USDT": {"total": 3.0, "free": 1.0, "used": 2.0}}
    if name == "get_balances":
        assert one["balances"] == whole["balances"]
    else:
        assert (one["total_balance"], one["available_balance"], one["reserved_balance"]) == (3.0, 1.0, 2.0)


@pytest.mark.parametrize("name", ["get_user_positions", "get_position", "get_positions"])
async def test_other_names_of_positions(connect: Connect, collector: Collector, name: str) -> None:
    account = fresh_account()
    collector.positions(account, **{MARKET: position(1.0)})
    async with connect("/ws/accounts/c") as socket:
        assert (await socket.result(name, exchange=account))["count"] == 1


async def test_get_order_data_is_order_status(connect: Connect, collector: Collector) -> None:
    exchange = fresh_name()
    collector.order(exchange, "O1")
    async with connect("/ws/orders/c") as socket:
        assert (await socket.result("get_order_data", exchange=exchange, ex_order_id="O1"))[
            "order_id"
        ] == "O1"
        frame = await socket.ask("get_order_data", exchange=exchange, ex_order_id="O2")
    assert (frame["action"], frame["error_code"]) == ("get_order_data", "ORDER_NOT_FOUND")


async def test_get_ohlcv_bars_is_latest_bars(connect: Connect, collector: Collector) -> None:
    symbol = fresh_name("S")
    collector.bars(symbol, "1m", [1700000000, 1, 2, 0.5, 1, 5])
    async with connect("/ws/ohlcv/c") as socket:
        result = await socket.result("get_ohlcv_bars", symbol=symbol, timeframe="1m")
    assert result["bars"] == [[1700000000, 1, 2, 0.5, 1, 5]]


@pytest.mark.parametrize(
    ("path", "name", "update"),
    [
        ("accounts", "stream_user_balances", "balance_update"),
        ("accounts", "stream_balance_updates", "balance_update"),
        ("accounts", "stream_user_positions", "position_update"),
        ("accounts", "stream_position_updates", "position_update"),
        ("orders", "stream_orders", "queue_update"),
        ("ohlcv", "stream_ohlcv_updates", "ohlcv_update"),
        ("process", "stream_metrics", "process_health_update"),
        ("process", "stream_system_metrics", "process_health_update"),
    ],
)
async def test_other_names_of_streams_are_confirmed_as_asked_and_update_as_always(
    connect: Connect, collector: Collector, path: str, name: str, *, update: str
) -> None:
    account, exchange = fresh_account(), fresh_name()
    collector.account(account, USDT={"total": 3.0})
    collector.positions(account, **{MARKET: position(1.0)})
    collector.bars(exchange, "1m", [1700000000, 1, 2, 0.5, 1, 5])
    params: dict[str, Frame] = {
        "accounts": {"exchange": account} if "position" in name else {"user_id": account},
        "orders": {"exchange": exchange},
        "ohlcv": {"symbol": exchange, "timeframe": "1m"},
        "process": {},
    }
    async with connect(f"/ws/{path}/c") as socket:
        await socket.stream(name, **params[path])
        await socket.update(update)


@pytest.mark.parametrize(
    "path", ["tickers", "orders", "trades", "accounts", "bots", "ohlcv", "process", "balances"]
)
async def test_operation_is_another_name_of_action_which_wins_and_ping_is_known_everywhere(
    connect: Connect, path: str
) -> None:
    async with connect(f"/ws/{path}/c9") as socket:
        await socket.send({"operation": "ping", "request_id": "o"})
        frame = await socket.receive()
        assert frame == {"request_id": "o", "action": "ping", "success": True, "result": {"status": "ok"}}
        await socket.send({"operation": "no_such_action", "action": "ping", "request_id": "b"})
        assert (await socket.receive())["success"] is True
        await socket.send({"operation": "ping", "action": "no_such_action", "request_id": "b"})
        assert (await socket.receive())["error_code"] == "INVALID_OPERATION"
        health = await socket.result("health_check")
        assert (health["websocket"]["status"], health["cache"]["status"]) == ("healthy", "healthy")


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("tickers", "get_trades"), ("orders", "get_ticker"), ("trades", "get_order_status"), ("accounts", "get_bots"),
        ("bots", "get_balance"), ("ohlcv", "get_system_health"), ("process", "stream_ohlcv"),
    ],
)  # fmt: skip
async def test_an_action_of_another_domain_is_an_invalid_operation(
    connect: Connect, path: str, action: str
) -> None:
    async with connect(f"/ws/{path}/c") as socket:
        assert await socket.error(action, exchange="x", symbol="y") == "INVALID_OPERATION"
