"""The push family: flat objects, one per frame, sent without being asked; no null where a client formats a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from cache_streams.protocol.rendition import PerUpdate, Rendition
from cache_streams.protocol.rpc.market_results import change_24h, trade_id
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.accounts import Account
from cache_streams.streams.orders import Order
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from cache_streams.streams.update import Update

PREFIX = b""
"""The bodies of this family are whole frames."""


def _frame(facts: Mapping[str, Json]) -> bytes:
    return msgspec.json.encode({name: fact for name, fact in facts.items() if fact is not None})


def _ticker(ticker: Ticker, update: Update, _now: float) -> Iterator[bytes]:
    yield _frame(
        {
            "exchange": ticker.exchange,
            "symbol": ticker.symbol,
            "price": ticker.price,
            "bid": ticker.bid,
            "ask": ticker.ask,
            "last": ticker.last,
            "volume": ticker.volume,
            "time": ticker.time,
            "timestamp": ticker.time,
            "change_24h": change_24h(ticker, update.extra()),
        }
    )


def _trade(trade: Trade, update: Update, _now: float) -> Iterator[bytes]:
    yield _frame(
        {
            "exchange": trade.exchange,
            "symbol": trade.symbol,
            "trade_id": trade_id(trade, update.extra()),
            "side": trade.side,
            "price": trade.price,
            "volume": trade.volume,
            "timestamp": trade.time,
            "time": trade.time,
        }
    )


def _order(order: Order, _update: Update, _now: float) -> Iterator[bytes]:
    yield _frame(
        {
            "exchange": order.exchange,
            "order_id": order.order_id,
            "symbol": order.symbol,
            "side": order.side,
            "volume": order.volume,
            "price": order.price,
            "filled": order.filled,
            "remaining": order.remaining,
            "status": order.status,
            "order_type": order.order_type,
            "timestamp": order.time,
        }
    )


def _balances(account: Account, _update: Update, _now: float) -> Iterator[bytes]:
    if account.balances:
        yield msgspec.json.encode(account.balances)


TICKER_PUSH: Rendition = PerUpdate(Ticker, _ticker)
TRADE_PUSH: Rendition = PerUpdate(Trade, _trade)
ORDER_PUSH: Rendition = PerUpdate(Order, _order)
BALANCE_PUSH: Rendition = PerUpdate(Account, _balances)
"""Balances by currency, and no other top-level key; nothing while there are none."""
