"""Frames of the push family."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache_streams.protocol import push
from cache_streams.protocol.rendition import Rendition
from cache_streams.streams.accounts import Account, Balance
from cache_streams.streams.orders import Order
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from tests.unit.protocol.changes import NOW, change, snapshot

MARKET = ("kraken", "BTC/USDC")
ORDER = Order(
    exchange="kraken",
    order_id="O1",
    ex_order_id=None,
    account="1",
    bot="7",
    user=None,
    symbol="BTC/USDC",
    side="buy",
    order_type="limit",
    volume=0.5,
    filled=0.1,
    remaining=0.4,
    price=50000.0,
    status="open",
    time=1.7e9,
)
TEXTS = {"exchange", "symbol", "side", "order_id", "status", "order_type"}


def told(rendition: Rendition, *args: Any, **kwargs: Any) -> list[Any]:
    return [json.loads(push.PREFIX + body) for body in rendition.update(change(*args, **kwargs), NOW)]


def test_a_ticker_is_flat() -> None:
    ticker = Ticker(
        "kraken", "BTC/USDC", 5.0, bid=4.0, ask=6.0, last=5.5, volume=1.0, percentage=2.0, time=1.7e9
    )
    assert told(push.TICKER_PUSH, MARKET, ticker) == [
        {
            "exchange": "kraken",
            "symbol": "BTC/USDC",
            "price": 5.0,
            "bid": 4.0,
            "ask": 6.0,
            "last": 5.5,
            "volume": 1.0,
            "time": 1.7e9,
            "timestamp": 1.7e9,
            "change_24h": 2.0,
        }
    ]


def test_a_trade_is_flat_and_has_its_id_as_stored() -> None:
    trade = Trade("kraken", "BTC/USDC", "1", "buy", 5.0, 0.1, 1.7e9)
    assert told(push.TRADE_PUSH, MARKET, trade, extras={"trade_id": 1}) == [
        {
            "exchange": "kraken",
            "symbol": "BTC/USDC",
            "trade_id": 1,
            "side": "buy",
            "price": 5.0,
            "volume": 0.1,
            "timestamp": 1.7e9,
            "time": 1.7e9,
        }
    ]


def test_an_order_is_flat_and_says_nothing_of_its_owner() -> None:
    assert told(push.ORDER_PUSH, ("kraken", "account:1"), ORDER, element="O1", size=1) == [
        {
            "exchange": "kraken",
            "order_id": "O1",
            "symbol": "BTC/USDC",
            "side": "buy",
            "volume": 0.5,
            "price": 50000.0,
            "filled": 0.1,
            "remaining": 0.4,
            "status": "open",
            "order_type": "limit",
            "timestamp": 1.7e9,
        }
    ]


def test_balances_have_only_currencies_at_the_top() -> None:
    account = Account("1", {"USDT": Balance(10.0, 8.5, 1.5), "BTC": Balance(0.5, 0.4, 0.1)}, 1.7e9)
    assert told(push.BALANCE_PUSH, ("1",), account) == [
        {"USDT": {"total": 10.0, "free": 8.5, "used": 1.5}, "BTC": {"total": 0.5, "free": 0.4, "used": 0.1}}
    ]


def test_an_account_without_currencies_is_not_pushed() -> None:
    assert told(push.BALANCE_PUSH, ("1",), Account("1", {}, None)) == []


def test_every_stored_order_is_pushed_on_connect() -> None:
    key = ("kraken", "staff")
    orders = [msgspec.structs.replace(ORDER, order_id=name) for name in ("a", "b")]
    keys = [snapshot(key, *(change(key, each, element=each.order_id, size=2) for each in orders))]
    shown = [json.loads(body) for body in push.ORDER_PUSH.snapshot(keys, NOW)]
    assert [each["order_id"] for each in shown] == ["a", "b"]


@pytest.mark.parametrize("element", [None, "O1"])
@pytest.mark.parametrize("rendition", [push.TICKER_PUSH, push.TRADE_PUSH, push.ORDER_PUSH, push.BALANCE_PUSH])
def test_what_is_gone_is_not_pushed(rendition: Rendition, element: str | None) -> None:
    assert told(rendition, ("1", "x"), None, element=element) == []


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.none() | st.text(max_size=5)


@given(st.data())
def test_no_frame_has_a_null_or_a_text_where_a_number_is_formatted(data: st.DataObject) -> None:
    def draw(value: msgspec.Struct, **kinds: st.SearchStrategy[Any]) -> msgspec.Struct:
        return msgspec.structs.replace(value, **{name: data.draw(kind) for name, kind in kinds.items()})

    amounts = dict.fromkeys(("bid", "ask", "last", "volume", "percentage"), numbers)
    frames = [
        *told(push.TICKER_PUSH, MARKET, draw(Ticker("k", "s", 1.0), **amounts)),
        *told(push.TRADE_PUSH, MARKET, draw(Trade("k", "s", None, None, 1.0, 1.0, 1.0), side=texts)),
        *told(push.ORDER_PUSH, MARKET, draw(ORDER, price=numbers, side=texts, status=texts, symbol=texts)),
    ]
    for frame in frames:
        for name, fact in frame.items():
            assert isinstance(fact, str if name in TEXTS else float)
