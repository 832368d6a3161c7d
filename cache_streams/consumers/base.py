"""The base endpoint ``/ws``: protocol-level operations, and every action of every domain."""

from __future__ import annotations

from django.conf import settings

from cache_streams.consumers.accounts import AccountActions
from cache_streams.consumers.bots import BotActions
from cache_streams.consumers.ohlcv import OhlcvActions
from cache_streams.consumers.orders import OrderActions
from cache_streams.consumers.process import ProcessActions
from cache_streams.consumers.tickers import TickerActions
from cache_streams.consumers.trades import TradeActions
from cache_streams.protocol.rpc.requests import Request, parse_base


class BaseConsumer(
    TickerActions, OrderActions, TradeActions, AccountActions, BotActions, OhlcvActions, ProcessActions
):
    """One socket of ``/ws``."""

    async def opened(self) -> None:
        await super().opened()
        self.connection_id = "ws"

    def parse(self, frame: str | bytes) -> Request:
        return parse_base(frame, base_dispatch=settings.BASE_DISPATCH)
