"""Tickers as collectors store them."""

from __future__ import annotations

import json

import pytest

from cache_streams.streams.declaration import Malformed, Record
from cache_streams.streams.tickers import Ticker, decode

KRAKEN = {"exchange": "kraken"}
EXAMPLE = {
    "symbol": "BTC/USDC",
    "exchange": "kraken",
    "price": 50000.0,
    "time": 1700000000.5,
    "volume": 12.5,
    "bid": 49999.0,
    "ask": 50001.0,
    "last": 50000.0,
    "change": None,
    "percentage": None,
}


def read(**changes: object) -> Record:
    return decode(KRAKEN, "BTC/USDC", json.dumps(EXAMPLE | changes).encode())


def ticker(**changes: object) -> Ticker:
    value = read(**changes).value
    assert isinstance(value, Ticker)
    return value


def test_the_example_of_the_layout_is_read() -> None:
    record = read()
    assert record.key == ("kraken", "BTC/USDC")
    assert record.time == 1700000000.5
    assert record.extras is None
    assert record.value == Ticker(
        exchange="kraken",
        symbol="BTC/USDC",
        price=50000.0,
        bid=49999.0,
        ask=50001.0,
        last=50000.0,
        volume=12.5,
        time=1700000000.5,
    )


def test_exchange_and_symbol_are_those_of_the_key() -> None:
    assert read(exchange="binance", symbol="ETH/USDC").key == ("kraken", "BTC/USDC")
    assert ticker(exchange="binance", symbol="ETH/USDC").symbol == "BTC/USDC"


@pytest.mark.parametrize("price", [None, "", "n/a", True, []])
def test_an_unreadable_price_is_malformed(price: object) -> None:
    with pytest.raises(Malformed, match="price"):
        read(price=price)


def test_a_query_may_name_the_price_that_stands_for_a_missing_one() -> None:
    record = decode(KRAKEN, "BTC/USDC", b'{"price": null}', missing_price=0.0)
    assert isinstance(record.value, Ticker)
    assert record.value.price == 0.0


def test_a_price_of_zero_is_a_price() -> None:
    assert ticker(price=0).price == 0.0


def test_numbers_may_be_text() -> None:
    assert ticker(price="50000.5", bid="1").price == 50000.5


def test_an_unreadable_time_is_zero_and_no_source_time() -> None:
    assert ticker(time="soon").time == 0.0
    assert read(time="soon").time is None


def test_a_stored_change_of_24_hours_is_kept_beside_the_canonical_object() -> None:
    assert read(change_24h="1.5").extras == {"change_24h": 1.5}
    assert read(change_24h=None).extras is None


def test_an_empty_field_is_no_market() -> None:
    with pytest.raises(Malformed, match="key"):
        decode(KRAKEN, "", b'{"price": 1}')
