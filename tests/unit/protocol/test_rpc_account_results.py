"""Results about exchange accounts."""

from __future__ import annotations

import json

import msgspec
import pytest

from cache_streams.protocol.rpc import account_results as results
from cache_streams.protocol.rpc.queries import BalanceQuery, PositionsQuery
from cache_streams.streams.accounts import Account, decode
from cache_streams.streams.positions import Position, Positions

LONG = Position("BTC/USDC", "long", 0.5, 50000.0, 25000.0, 25.0, 1704067200.0)
SHORT = Position("ETH/USDC", "short", 2.0, 3000.0, 6000.0, 1.0, 1704067201.0)
SHOWN = {
    "symbol": "BTC/USDC",
    "exchange": "1",
    "side": "long",
    "size": 0.5,
    "entry_price": 50000.0,
    "mark_price": 50000.0,
    "pnl": 0.0,
    "pnl_percent": 0.0,
    "timestamp": 1704067200.0,
}


def account(**stored: object) -> Account:
    value = decode({}, "1", json.dumps({**stored, "date": "2026-01-15T10:30:00+00:00"}).encode()).value
    assert isinstance(value, Account)
    return value


@pytest.mark.parametrize(
    ("stored", "total", "available", "reserved"),
    [
        ({"total": 10000.0, "free": 8500.0, "used": 1500.0}, 10000.0, 8500.0, 1500.0),
        ({"balance": 0.5, "available": 0.4}, 0.5, 0.4, 0.5 - 0.4),
        ({"balance": 0, "total": 3.0, "used": 1.0}, 3.0, 2.0, 1.0),
        ({"total": 3.0}, 3.0, 3.0, 0.0),
        ({"total": 3.0, "free": 4.0}, 3.0, 4.0, 0.0),
    ],
)
def test_a_balance_is_read_from_either_stored_shape(
    stored: dict[str, float], total: float, available: float, reserved: float
) -> None:
    assert results.balance_result(account(BTC=stored), BalanceQuery(0, "BTC"), 5.5) == {
        "user_id": 0,
        "currency": "BTC",
        "total_balance": total,
        "available_balance": available,
        "reserved_balance": reserved,
        "timestamp": 5.5,
    }


@pytest.mark.parametrize("currency", ["ETH", "date"])
def test_a_currency_that_is_not_held_is_not_found(currency: str) -> None:
    assert results.balance_result(account(BTC={"total": 1}), BalanceQuery(1, currency), 5.5) is None


def test_all_balances_are_by_currency() -> None:
    shown = results.balances_result(account(BTC={"total": 2, "free": 1, "used": 1}), 5.5)
    assert msgspec.to_builtins(shown) == {
        "exchange_id": 1,
        "balances": {"BTC": {"total": 2.0, "free": 1.0, "used": 1.0}},
        "timestamp": 5.5,
    }


def test_a_removed_account_has_no_currencies() -> None:
    assert results.no_balances_result("1", 5.5) == {"exchange_id": 1, "balances": {}, "timestamp": 5.5}


@pytest.mark.parametrize("text", ["kraken", "007", "", "-1", "²", "1.5"])
def test_an_account_that_is_no_plain_integer_stays_text(text: str) -> None:
    assert results.account_id(text) == text


def test_a_position_has_no_profit() -> None:
    assert results.position_result("1", LONG) == SHOWN


@pytest.mark.parametrize(
    ("query", "user_id", "exchange"),
    [
        (PositionsQuery(0, None, None), None, None),
        (PositionsQuery(7, "1", 1), 7, "1"),
        (PositionsQuery(None, 1, 1), None, 1),
    ],
)
def test_positions_echo_their_query(query: PositionsQuery, user_id: int | None, exchange: object) -> None:
    shown = results.positions_result([Positions("1", (LONG, SHORT)), Positions("2", ())], query)
    assert (shown["user_id"], shown["exchange"], shown["count"]) == (user_id, exchange, 2)
    assert shown["positions"][0] == SHOWN


def test_an_update_of_positions_is_one_result_each_for_no_user() -> None:
    first, second = results.position_updates(Positions("1", (LONG, SHORT)))
    assert first == {"user_id": None, **SHOWN}
    assert (second["symbol"], second["side"], second["user_id"]) == ("ETH/USDC", "short", None)
