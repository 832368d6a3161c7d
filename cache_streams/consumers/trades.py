"""Trades: queries and streams of the RPC family, and the push socket of one market."""

from __future__ import annotations

from cache_streams.consumers.push import MarketPush
from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.push import TRADE_PUSH
from cache_streams.protocol.rpc.market_results import trade_status_result, trades_result
from cache_streams.protocol.rpc.queries import MarketQuery, TradeStatusQuery, TradeStream
from cache_streams.protocol.rpc.renditions import TRADE_UPDATES
from cache_streams.sources import cache
from cache_streams.streams.trades import TRADES, Trade


class TradeActions(RpcConsumer):
    """What can be asked about trades. Nothing is ever taken out of a collector's list."""

    async def get_trades(self, query: MarketQuery) -> Result:
        records = await cache.trades(query.exchange, query.symbol)
        trades = [(r.value, r.extras or {}) for r in records if isinstance(r.value, Trade)]
        return trades_result(query.exchange, query.symbol, trades)

    async def get_trade_status(self, query: TradeStatusQuery) -> Result | None:
        stored = await cache.trade_status(query.key)
        return None if stored is None else trade_status_result(query.key, stored)

    async def stream_trade_updates(self, query: TradeStream) -> Feed:
        if query.symbol is None:
            return Feed(TRADES, [(query.exchange,)], TRADE_UPDATES)
        symbol = await cache.unified_symbol(query.exchange, query.symbol)
        return Feed(TRADES, [(query.exchange, symbol)], TRADE_UPDATES)


class TradesConsumer(MarketPush, TradeActions):
    """One socket of ``/ws/trades/…``."""

    domain = "trades"
    stream = TRADES
    push = TRADE_PUSH
