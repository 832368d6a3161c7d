"""Tickers: queries and streams of the RPC family, and the push socket of one market."""

from __future__ import annotations

from cache_streams.consumers.push import MarketPush
from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.push import TICKER_PUSH
from cache_streams.protocol.rpc.market_results import ticker_result, tickers_result
from cache_streams.protocol.rpc.queries import ExchangeQuery, MarketQuery, TickerStream
from cache_streams.protocol.rpc.renditions import TICKER_UPDATES
from cache_streams.sources import cache
from cache_streams.streams.declaration import Key
from cache_streams.streams.tickers import TICKERS, Ticker


class TickerActions(RpcConsumer):
    """What can be asked about tickers."""

    async def get_ticker(self, query: MarketQuery) -> Result | None:
        record = await cache.ticker(query.exchange, query.symbol)
        if record is None or not isinstance(record.value, Ticker):
            return None
        return ticker_result(record.value, record.extras or {})

    async def get_all_tickers(self, query: ExchangeQuery) -> Result:
        records = await cache.tickers(query.exchange)
        tickers = [(r.value, r.extras or {}) for r in records if isinstance(r.value, Ticker)]
        return tickers_result(query.exchange, tickers)

    async def stream_tickers(self, query: TickerStream) -> Feed:
        under: list[Key] = [(query.exchange, symbol) for symbol in query.symbols] or [(query.exchange,)]
        return Feed(TICKERS, under, TICKER_UPDATES)


class TickersConsumer(MarketPush, TickerActions):
    """One socket of ``/ws/tickers/…``."""

    domain = "tickers"
    stream = TICKERS
    push = TICKER_PUSH
