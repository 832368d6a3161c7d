"""Results about markets as the RPC family shows them: tickers, trades, orders, bars."""

from __future__ import annotations

from collections.abc import Iterable

from cache_streams.protocol.strict_json import Json
from cache_streams.streams.declaration import Extras
from cache_streams.streams.orders import Order
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from cache_streams.streams.values import epoch


def change_24h(ticker: Ticker, extras: Extras) -> float | None:
    """Return the day's change in %: what older producers stored under that name, else the percentage."""
    stored: float | None = extras.get("change_24h")
    return ticker.percentage if stored is None else stored


def ticker_result(ticker: Ticker, extras: Extras) -> dict[str, Json]:
    """Return one ticker; ``timestamp`` is the tick's own, unknown numbers are 0.0."""
    return {
        "exchange": ticker.exchange,
        "symbol": ticker.symbol,
        "price": ticker.price,
        "volume": ticker.volume or 0.0,
        "timestamp": ticker.time,
        "bid": ticker.bid or 0.0,
        "ask": ticker.ask or 0.0,
        "change_24h": change_24h(ticker, extras) or 0.0,
    }


def tickers_result(exchange: str, tickers: Iterable[tuple[Ticker, Extras]]) -> dict[str, Json]:
    """Return every ticker of an exchange."""
    return {"exchange": exchange, "tickers": [ticker_result(ticker, extras) for ticker, extras in tickers]}


def trade_id(trade: Trade, extras: Extras) -> Json:
    """Return the id as the collector stored it, an integer or a text; the canonical one is always text."""
    return extras.get("trade_id", trade.trade_id)


def trade_result(trade: Trade, extras: Extras) -> dict[str, Json]:
    """Return one trade."""
    return {
        "exchange": trade.exchange,
        "symbol": trade.symbol,
        "side": trade.side,
        "volume": trade.volume,
        "price": trade.price,
        "timestamp": trade.time,
        "trade_id": trade_id(trade, extras),
    }


def trades_result(exchange: str, symbol: str, trades: Iterable[tuple[Trade, Extras]]) -> dict[str, Json]:
    """Return the trades of a market, oldest first; ``symbol`` as requested."""
    shown = [trade_result(trade, extras) for trade, extras in trades]
    return {"exchange": exchange, "symbol": symbol, "trades": shown}


def trade_status_result(key: str, stored: str) -> dict[str, Json]:
    """Return when trades were last written: the ISO time as stored, and as Unix seconds, None when unreadable."""
    return {"key": key, "status_timestamp": stored, "timestamp": epoch(stored)}


def order_result(order: Order, exchange: str | None = None) -> dict[str, Json]:
    """Return one order, ``exchange`` as requested; both times are that of the last write."""
    return {
        "order_id": order.order_id,
        "symbol": order.symbol,
        "exchange": exchange or order.exchange,
        "side": order.side,
        "amount": order.volume,
        "price": order.price or 0.0,
        "filled": order.filled,
        "remaining": order.remaining,
        "status": order.status,
        "order_type": order.order_type,
        "timestamp": order.time,
        "last_update": order.time,
    }


def queue_result(exchange: str, length: int, now: float) -> dict[str, Json]:
    """Return how many orders an exchange has that the caller may see."""
    return {"exchange": exchange, "queue_length": length, "timestamp": now}


def bars_result(symbol: str, timeframe: str, bars: Iterable[Extras]) -> dict[str, Json]:
    """Return bars as stored, oldest first, from the extras of their records."""
    return {"symbol": symbol, "timeframe": timeframe, "bars": [extras["bar"] for extras in bars]}


def bar_result(symbol: str, timeframe: str, extras: Extras) -> dict[str, Json]:
    """Return one bar as stored."""
    return {"symbol": symbol, "timeframe": timeframe, "bar": extras["bar"]}
