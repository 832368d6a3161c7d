"""Updates of the RPC family that need no memory."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cache_streams.protocol.rendition import Rendition
from cache_streams.protocol.rpc import renditions
from cache_streams.protocol.rpc.actions import ACTIONS
from cache_streams.protocol.rpc.envelopes import update_prefix
from cache_streams.protocol.rpc.requests import Request
from cache_streams.streams.accounts import Account, Balance
from cache_streams.streams.positions import Position, Positions
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from tests.unit.protocol.changes import NOW, change, snapshot

MARKET = ("kraken", "BTC/USDC")
PREFIX = update_prefix(Request(ACTIONS["stream_tickers"], "stream_tickers", "s1", {}), "c1:s1")


def results(bodies: list[bytes] | tuple[bytes, ...]) -> list[Any]:
    shown = [json.loads(PREFIX + body)["result"] for body in bodies]
    assert all(result.pop("stream_key") == "c1:s1" for result in shown)
    return shown


def told(rendition: Rendition, *args: Any, **kwargs: Any) -> list[Any]:
    return results(tuple(rendition.update(change(*args, **kwargs), NOW)))


def test_a_ticker_update_is_the_ticker() -> None:
    ticker = Ticker("kraken", "BTC/USDC", 5.0, time=1.7e9)
    assert told(renditions.TICKER_UPDATES, MARKET, ticker, extras={"change_24h": 2.0}) == [
        {
            "exchange": "kraken",
            "symbol": "BTC/USDC",
            "price": 5.0,
            "volume": 0.0,
            "timestamp": 1.7e9,
            "bid": 0.0,
            "ask": 0.0,
            "change_24h": 2.0,
        }
    ]


def test_trades_of_a_snapshot_are_told_one_by_one_and_oldest_first() -> None:
    trades = [Trade("kraken", "BTC/USDC", str(n), None, 1.0, 2.0, 1.7e9) for n in range(3)]
    keys = [
        snapshot(MARKET, *(change(MARKET, trade, extras={"trade_id": n}) for n, trade in enumerate(trades)))
    ]
    shown = results(renditions.TRADE_UPDATES.snapshot(keys, NOW))
    assert [trade["trade_id"] for trade in shown] == [0, 1, 2]
    assert set(shown[0]) == {"exchange", "symbol", "side", "volume", "price", "timestamp", "trade_id"}


def test_each_position_is_an_update_of_its_own() -> None:
    held = Positions("1", tuple(Position(symbol, "long", 1.0, 2.0, 3.0, 0.0, 1.7e9) for symbol in ("A", "B")))
    shown = told(renditions.POSITION_UPDATES, ("1",), held)
    assert [(p["symbol"], p["user_id"], p["exchange"]) for p in shown] == [("A", None, "1"), ("B", None, "1")]


def test_balances_are_told_whole() -> None:
    account = Account("1", {"BTC": Balance(2.0, 1.0, 1.0)}, None)
    assert told(renditions.BALANCE_UPDATES, ("1",), account) == [
        {"exchange_id": 1, "balances": {"BTC": {"total": 2.0, "free": 1.0, "used": 1.0}}, "timestamp": NOW}
    ]


def test_a_removed_account_is_told_as_one_without_currencies() -> None:
    assert told(renditions.BALANCE_UPDATES, ("1",), None) == [
        {"exchange_id": 1, "balances": {}, "timestamp": NOW}
    ]


@pytest.mark.parametrize(
    "rendition", [renditions.TICKER_UPDATES, renditions.TRADE_UPDATES, renditions.POSITION_UPDATES]
)
def test_nothing_else_is_told_of_what_is_gone(rendition: Rendition) -> None:
    assert told(rendition, ("1", "x"), None) == []
