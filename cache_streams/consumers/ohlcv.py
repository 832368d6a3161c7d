"""Bars: the newest ones stored, and each new one as it opens."""

from __future__ import annotations

from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.rpc.market_results import bars_result
from cache_streams.protocol.rpc.queries import BarsQuery, BarStream
from cache_streams.protocol.rpc.running_renditions import BarUpdates
from cache_streams.sources import cache
from cache_streams.streams.ohlcv import OHLCV


class OhlcvActions(RpcConsumer):
    """What can be asked about bars."""

    async def get_latest_ohlcv_bars(self, query: BarsQuery) -> Result | None:
        records = await cache.bars(query.symbol, query.timeframe, query.count)
        return (
            bars_result(query.symbol, query.timeframe, [r.extras or {} for r in records]) if records else None
        )

    async def stream_ohlcv(self, query: BarStream) -> Feed:
        symbol = await cache.stored_symbol(query.symbol, query.timeframe)
        return Feed(OHLCV, [(symbol, query.timeframe)], BarUpdates())


class OhlcvConsumer(OhlcvActions):
    """One socket of ``/ws/ohlcv/{connection_id}``."""

    domain = "ohlcv"
