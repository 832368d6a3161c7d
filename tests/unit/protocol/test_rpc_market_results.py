"""Results about markets."""

from __future__ import annotations

import pytest

from cache_streams.protocol.rpc import market_results as results
from cache_streams.streams.orders import Order
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade

TICKER = Ticker(
    "kraken", "BTC/USDC", 50000.0, bid=49999.0, ask=50001.0, volume=12.5, percentage=1.5, time=1.7e9
)
TRADE = Trade("kraken", "BTC/USDC", "1", "buy", 50000.0, 0.1, 1.7e9)
ORDER = Order(
    exchange="kraken",
    order_id="O1",
    ex_order_id=None,
    account="1",
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
    time=1.7e9,
)


def test_a_ticker_has_its_own_time() -> None:
    assert results.ticker_result(TICKER, {}) == {
        "exchange": "kraken",
        "symbol": "BTC/USDC",
        "price": 50000.0,
        "volume": 12.5,
        "timestamp": 1.7e9,
        "bid": 49999.0,
        "ask": 50001.0,
        "change_24h": 1.5,
    }


def test_unknown_numbers_of_a_ticker_are_zero() -> None:
    shown = results.ticker_result(Ticker("kraken", "GOLD", 1.0), {})
    assert [shown[name] for name in ("volume", "bid", "ask", "change_24h", "timestamp")] == [0.0] * 5


@pytest.mark.parametrize(("stored", "shown"), [(0.0, 0.0), (7.0, 7.0), (None, 1.5)])
def test_a_stored_change_comes_before_the_percentage(stored: float | None, shown: float) -> None:
    assert results.change_24h(TICKER, {"change_24h": stored}) == shown


def test_the_tickers_of_an_exchange_are_a_list() -> None:
    assert results.tickers_result("kraken", [(TICKER, {})]) == {
        "exchange": "kraken",
        "tickers": [results.ticker_result(TICKER, {})],
    }
    assert results.tickers_result("nowhere", []) == {"exchange": "nowhere", "tickers": []}


def test_a_trade_shows_the_id_as_it_was_stored() -> None:
    assert results.trade_result(TRADE, {"trade_id": 1}) == {
        "exchange": "kraken",
        "symbol": "BTC/USDC",
        "side": "buy",
        "volume": 0.1,
        "price": 50000.0,
        "timestamp": 1.7e9,
        "trade_id": 1,
    }
    assert results.trade_result(TRADE, {})["trade_id"] == "1"


def test_the_trades_of_a_market_echo_the_symbol_as_requested() -> None:
    assert results.trades_result("kraken", "BTCUSDC", [(TRADE, {})]) == {
        "exchange": "kraken",
        "symbol": "BTCUSDC",
        "trades": [results.trade_result(TRADE, {})],
    }


@pytest.mark.parametrize(
    ("stored", "seconds"), [("2026-01-15T10:30:00.000000+00:00", 1768473000.0), ("soon", None)]
)
def test_a_trade_status_is_both_times(stored: str, seconds: float | None) -> None:
    shown = results.trade_status_result("kraken", stored)
    assert shown == {"key": "kraken", "status_timestamp": stored, "timestamp": seconds}


def test_a_market_order_has_the_price_zero() -> None:
    assert results.order_result(ORDER) == {
        "order_id": "O1",
        "symbol": "BTC/USDC",
        "exchange": "kraken",
        "side": "buy",
        "amount": 0.5,
        "price": 0.0,
        "filled": 0.1,
        "remaining": 0.4,
        "status": "open",
        "order_type": "market",
        "timestamp": 1.7e9,
        "last_update": 1.7e9,
    }


def test_an_order_shows_the_exchange_as_requested() -> None:
    assert results.order_result(ORDER, "Kraken")["exchange"] == "Kraken"


def test_a_queue_has_a_length_and_the_time_of_the_answer() -> None:
    assert results.queue_result("kraken", 2, 5.5) == {
        "exchange": "kraken",
        "queue_length": 2,
        "timestamp": 5.5,
    }


def test_bars_are_shown_as_stored() -> None:
    bars: list[dict[str, object]] = [
        {"bar": [1700000000, 1, 2, 0.5, 1.5, 10]},
        {"bar": [1700000060000, 1, 2, 1, 2, 3]},
    ]
    assert results.bars_result("BTC/USDC", "1m", bars) == {
        "symbol": "BTC/USDC",
        "timeframe": "1m",
        "bars": [[1700000000, 1, 2, 0.5, 1.5, 10], [1700000060000, 1, 2, 1, 2, 3]],
    }
    assert results.bar_result("BTC/USDC", "1m", bars[0]) == {
        "symbol": "BTC/USDC",
        "timeframe": "1m",
        "bar": [1700000000, 1, 2, 0.5, 1.5, 10],
    }
