"""Trades as collectors store them."""

from __future__ import annotations

import json

import pytest

from cache_streams.streams.declaration import Malformed, Record
from cache_streams.streams.trades import Trade, decode

EXAMPLE = {
    "trade_id": 1,
    "symbol": "BTC/USDC",
    "side": "buy",
    "volume": 0.1,
    "price": 50000.0,
    "time": 1700000000.0,
}


def read(symbol_of_key: str = "BTCUSDC", /, **changes: object) -> Record:
    return decode({"exchange": "kraken", "symbol": symbol_of_key}, json.dumps(EXAMPLE | changes).encode())


def trade(symbol_of_key: str = "BTCUSDC", /, **changes: object) -> Trade:
    value = read(symbol_of_key, **changes).value
    assert isinstance(value, Trade)
    return value


def test_the_example_of_the_layout_is_read() -> None:
    record = read()
    assert record.key == ("kraken", "BTC/USDC")
    assert record.element is None
    assert record.time == 1700000000.0
    assert record.value == Trade("kraken", "BTC/USDC", "1", "buy", 50000.0, 0.1, 1700000000.0)


@pytest.mark.parametrize(
    ("of_key", "of_json", "symbol"),
    [
        ("BTCUSDC", "BTC/USDC", "BTC/USDC"),
        ("BTC/USDC", "BTC/USDC", "BTC/USDC"),
        ("BTC/USDC", "BTCUSDC", "BTC/USDC"),
        ("BTC/USDC", None, "BTC/USDC"),
        ("BTCUSDC", "ETH/USDC", "BTCUSDC"),
        ("BTCUSDC", "", "BTCUSDC"),
        ("BTCUSD:BTC", "BTC/USD:BTC", "BTC/USD:BTC"),
        ("GOLD", "GOLD", "GOLD"),
    ],
)
def test_the_jsons_symbol_counts_only_where_it_is_the_same_market(
    of_key: str, of_json: object, symbol: str
) -> None:
    assert read(of_key, symbol=of_json).key == ("kraken", symbol)


def test_a_number_as_trade_id_is_kept_beside_its_text() -> None:
    assert read(trade_id=12345678901234567890).extras == {"trade_id": 12345678901234567890}
    assert trade(trade_id=12345678901234567890).trade_id == "12345678901234567890"


@pytest.mark.parametrize("trade_id", ["t-1", None, True])
def test_another_trade_id_needs_nothing_beside_it(trade_id: object) -> None:
    assert read(trade_id=trade_id).extras is None


def test_amount_and_timestamp_are_synonyms() -> None:
    assert trade(volume=None, amount="0.7").volume == 0.7
    assert trade(time=None, timestamp="2026-01-15 10:30:00").time == 1768473000.0


def test_a_time_in_milliseconds_becomes_seconds() -> None:
    assert trade(time=1700000000123).time == 1700000000.123


@pytest.mark.parametrize(
    ("stored", "side"), [("BUY", "buy"), ("sell", "sell"), ("", None), (None, None), (1, None)]
)
def test_a_side_is_buy_or_sell_or_unknown(stored: object, side: str | None) -> None:
    assert trade(side=stored).side == side


@pytest.mark.parametrize("member", ["price", "volume"])
def test_a_trade_without_price_or_volume_is_malformed(member: str) -> None:
    with pytest.raises(Malformed, match=member):
        read("BTCUSDC", **{member: None})


def test_private_members_are_never_carried() -> None:
    private: dict[str, object] = {
        "uid": 41,
        "ex_id": 42,
        "ex_order_id": "secret",
        "fee": 43,
        "total_fee": 44,
        "roi": 45,
        "cost": 46,
    }
    assert read(**private) == read()
