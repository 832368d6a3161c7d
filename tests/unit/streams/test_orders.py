"""Orders as order processors store them."""

from __future__ import annotations

import json

import pytest

from cache_streams.streams.declaration import Record
from cache_streams.streams.orders import Order, decode

EXAMPLE = {
    "order_id": "O1",
    "symbol": "BTC/USDC",
    "side": "buy",
    "order_type": "market",
    "volume": 0.5,
    "final_volume": 0.1,
    "price": None,
    "status": "open",
    "timestamp": "2026-01-15T10:30:00.000000+00:00",
}


def read(**changes: object) -> Record:
    return decode({"exchange": "kraken"}, "O1", json.dumps(EXAMPLE | changes).encode())


def order(**changes: object) -> Order:
    value = read(**changes).value
    assert isinstance(value, Order)
    return value


def test_the_example_of_the_layout_is_read() -> None:
    record = read()
    assert (record.key, record.element, record.time) == (("kraken", "staff"), "O1", 1768473000.0)
    assert record.value == Order(
        exchange="kraken",
        order_id="O1",
        ex_order_id=None,
        account=None,
        bot=None,
        user=None,
        symbol="BTC/USDC",
        side="buy",
        order_type="market",
        volume=0.5,
        filled=0.1,
        remaining=0.4,
        price=None,
        status="open",
        time=1768473000.0,
    )


def test_the_id_is_the_hash_field_whatever_the_json_says() -> None:
    assert order(order_id="O2").order_id == "O1"
    assert read(order_id="O2").element == "O1"


@pytest.mark.parametrize(
    ("ids", "owner"),
    [
        ({"ex_id": 1, "uid": 2, "bot_id": 3}, "account:1"),
        ({"ex_id": None, "uid": "2", "bot_id": 3}, "user:2"),
        ({"uid": "", "bot_id": 3}, "bot:3"),
        ({"ex_id": 0}, "account:0"),
        ({"ex_id": {}, "uid": True}, "staff"),
    ],
)
def test_an_order_belongs_to_its_account_else_user_else_bot_else_staff(
    ids: dict[str, object], owner: str
) -> None:
    assert read(**ids).key == ("kraken", owner)


def test_numbers_may_be_text_or_null() -> None:
    assert order(volume="2", final_volume="0.5", price="100").remaining == 1.5
    assert (order(volume=None).volume, order(final_volume=None).filled) == (0.0, 0.0)


def test_an_overfilled_order_has_nothing_remaining() -> None:
    assert order(final_volume=0.7).remaining == 0.0


def test_a_numeric_timestamp_is_accepted() -> None:
    assert order(timestamp=1768473000).time == 1768473000.0


def test_an_unreadable_timestamp_is_what_the_reader_says() -> None:
    raw = b'{"timestamp": "yesterday"}'
    for fallback in (0.0, 1768473001.0):
        record = decode({"exchange": "kraken"}, "O1", raw, fallback_time=fallback)
        assert isinstance(record.value, Order)
        assert record.value.time == fallback
        assert record.time is None


def test_empty_texts_are_null() -> None:
    assert order(status="", symbol="", side="").status is None
