"""Queries about what belongs to somebody: balances and positions."""

import time

import pytest

from tests.integration.wire.collector import Collector, fresh_account, position
from tests.integration.wire.rpc_client import Connect, Number, assert_shape

BOTH_SHAPES = {
    "USDT": {"total": 10000.0, "free": 8500.0, "used": 1500.0},
    "BTC": {"balance": 0.5, "available": 0.4},
    "ETH": {"total": 3.0, "used": 1.0},
    "XRP": {"total": 7.0},
    "DOGE": {"balance": 0, "total": 4.0, "available": 5.0},
    "junk": 5,
}


@pytest.mark.parametrize(
    ("currency", "total", "available", "reserved"),
    [
        ("USDT", 10000.0, 8500.0, 1500.0),
        ("BTC", 0.5, 0.4, 0.1),
        ("ETH", 3.0, 2.0, 1.0),
        ("XRP", 7.0, 7.0, 0.0),
        ("DOGE", 4.0, 5.0, 0.0),
    ],
)
async def test_get_balance_reads_both_stored_shapes(
    connect: Connect, collector: Collector, *, currency: str, total: float, available: float, reserved: float
) -> None:
    account = fresh_account()
    collector.account(account, **BOTH_SHAPES)
    async with connect("/ws/accounts/c") as socket:
        balance = await socket.result("get_balance", user_id=str(account), currency=currency)
    assert balance.keys() >= {
        "user_id",
        "currency",
        "total_balance",
        "available_balance",
        "reserved_balance",
        "timestamp",
    }
    assert (balance["user_id"], balance["currency"]) == (account, currency)
    assert balance["total_balance"] == total
    assert balance["available_balance"] == available
    assert balance["reserved_balance"] == pytest.approx(reserved)
    assert balance["timestamp"] == pytest.approx(time.time(), abs=30)


async def test_get_balance_knows_account_0_and_says_what_is_missing(
    connect: Connect, collector: Collector
) -> None:
    account = fresh_account()
    collector.account(account, **BOTH_SHAPES)
    collector.account(0, USDT={"total": 1.0})
    async with connect("/ws/accounts/c") as socket:
        assert (await socket.result("get_balance", user_id=0, currency="USDT"))["user_id"] == 0
        legacy = await socket.result("get_balance", user_id=account, exchange="USDT")
        assert legacy["total_balance"] == 10000.0
        for currency in ("date", "junk", "EUR"):
            assert (
                await socket.error("get_balance", user_id=account, currency=currency) == "BALANCE_NOT_FOUND"
            )
        assert (
            await socket.error("get_balance", user_id=fresh_account(), currency="USDT") == "BALANCE_NOT_FOUND"
        )
        for params in ({"currency": "USDT"}, {"user_id": account}, {"user_id": "me", "currency": "USDT"}):
            assert await socket.error("get_balance", **params) == "INVALID_PARAMS"


@pytest.mark.parametrize("name", ["user_id", "exchange_id"])
async def test_get_balances_shows_every_currency(connect: Connect, collector: Collector, name: str) -> None:
    account = fresh_account()
    collector.account(account, **BOTH_SHAPES)
    async with connect("/ws/accounts/c") as socket:
        result = await socket.result("get_balances", **{name: account})
        assert await socket.error("get_balances", **{name: fresh_account()}) == "BALANCE_NOT_FOUND"
    assert result["exchange_id"] == account
    assert result["balances"].keys() == BOTH_SHAPES.keys() - {"junk"}
    for currency in result["balances"].values():
        assert currency.keys() == {"total", "free", "used"}
        assert_shape(currency, total=Number, free=Number, used=Number)
    assert result["balances"]["BTC"] == {"total": 0.5, "free": 0.4, "used": pytest.approx(0.1)}


async def test_get_positions_shows_every_key_and_tells_long_from_short(
    connect: Connect, collector: Collector
) -> None:
    account = fresh_account()
    collector.positions(
        account,
        **{
            "BTC/USDC": position(0.5),
            "ETH/USDC": position(-2.0),
            "XRP/USDC": position(3.0, side="SHORT", timestamp=None),
            "junk": 3,
        },
    )
    async with connect("/ws/accounts/c") as socket:
        result = await socket.result("get_positions", exchange=str(account))
    assert (result["user_id"], result["exchange"], result["count"]) == (None, str(account), 3)
    for shown in result["positions"]:
        assert_shape(shown, symbol=str, exchange=str, side=str, size=Number, entry_price=Number, mark_price=Number,
                     pnl=Number, pnl_percent=Number, timestamp=Number)  # fmt: skip
    assert {(p["symbol"], p["side"], p["size"]) for p in result["positions"]} == {
        ("BTC/USDC", "long", 0.5), ("ETH/USDC", "short", 2.0), ("XRP/USDC", "short", 3.0)
    }  # fmt: skip
    first = next(p for p in result["positions"] if p["symbol"] == "BTC/USDC")
    assert (first["exchange"], first["entry_price"], first["mark_price"]) == (str(account), 50000.0, 50000.0)
    assert (first["pnl"], first["pnl_percent"], first["timestamp"]) == (0.0, 0.0, 1704067200.0)


async def test_get_positions_of_a_user_shows_every_account(connect: Connect, collector: Collector) -> None:
    first, second = fresh_account(), fresh_account()
    for account in (first, second):
        collector.positions(account, **{"BTC/USDC": position(1.0)})
    async with connect("/ws/accounts/c") as socket:
        result = await socket.result("get_positions", user_id=5)
        assert (await socket.result("get_positions", user_id=0))["user_id"] is None
        assert (await socket.result("get_positions", exchange=first))["exchange"] == first
        assert (await socket.result("get_positions", exchange=fresh_account()))["positions"] == []
        for params in ({}, {"exchange": "binance"}, {"user_id": "me"}, {"exchange": None}):
            assert await socket.error("get_positions", **params) == "INVALID_PARAMS"
    assert (result["user_id"], result["exchange"], result["count"]) == (5, None, len(result["positions"]))
    assert {str(first), str(second)} <= {p["exchange"] for p in result["positions"]}
