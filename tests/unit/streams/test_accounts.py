"""Balances as account collectors store them."""

from __future__ import annotations

import json

import pytest

from cache_streams.streams.accounts import Account, Balance, decode
from cache_streams.streams.declaration import Malformed, Record


def read(**stored: object) -> Record:
    return decode({}, "1", json.dumps(stored).encode())


def balances(**stored: object) -> dict[str, Balance]:
    value = read(**stored).value
    assert isinstance(value, Account)
    return value.balances


def test_the_example_of_the_layout_is_read_in_both_shapes() -> None:
    record = read(
        USDT={"total": 10000.0, "free": 8500.0, "used": 1500.0},
        BTC={"balance": 0.5, "available": 0.375},
        date="2026-01-15T10:30:00.000000+00:00",
    )
    held = {"USDT": Balance(10000.0, 8500.0, 1500.0), "BTC": Balance(0.5, 0.375, 0.125)}
    assert record.key == ("1",)
    assert record.value == Account("1", held, 1768473000.0)
    assert record.flaw is None


@pytest.mark.parametrize(
    ("stored", "balance"),
    [
        ({"balance": 3, "total": 5}, Balance(3.0, 3.0, 0.0)),
        ({"balance": 0, "total": 5}, Balance(5.0, 5.0, 0.0)),
        ({"balance": 0}, Balance(0.0, 0.0, 0.0)),
        ({"total": 5, "available": 1, "free": 2}, Balance(5.0, 1.0, 4.0)),
        ({"total": 5, "used": 2}, Balance(5.0, 3.0, 2.0)),
        ({"total": 5, "reserved": 2}, Balance(5.0, 3.0, 2.0)),
        ({"total": "5", "free": "6"}, Balance(5.0, 6.0, 0.0)),
        ({"total": None, "free": None, "used": None}, Balance(0.0, 0.0, 0.0)),
        ({"free": 4, "used": 1}, Balance(5.0, 4.0, 1.0)),
    ],
)
def test_a_balance_is_total_free_and_used(stored: dict[str, object], balance: Balance) -> None:
    assert balances(USDT=stored) == {"USDT": balance}


def test_members_that_are_no_objects_are_no_currencies() -> None:
    assert balances(date="any text", EUR=5, USD=None, JPY=[1]) == {}


@pytest.mark.parametrize("nested", [{"USD": {"total": 1}}, {"total": {"USD": 1}}, {"USD": 5}, {}])
def test_objects_without_an_amount_are_left_out_and_counted(nested: dict[str, object]) -> None:
    record = read(balance=nested, USDT={"total": 1})
    assert isinstance(record.value, Account)
    assert list(record.value.balances) == ["USDT"]
    assert record.flaw == "currency"


@pytest.mark.parametrize("date", ["2024-01-15 10:30:00", "2024-01-15T10:30:00Z", 1705314600, 1705314600000])
def test_the_date_may_be_spelled_in_any_way(date: object) -> None:
    assert read(date=date).time == 1705314600.0


def test_an_unreadable_date_is_no_time() -> None:
    value = read(date="long ago").value
    assert isinstance(value, Account)
    assert value.time is None


def test_an_account_that_is_no_object_is_malformed() -> None:
    with pytest.raises(Malformed, match="shape"):
        decode({}, "1", b"[]")
