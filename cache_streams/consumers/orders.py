"""Orders: queries and streams of the RPC family, and the push socket of one exchange on the same path."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

from django.conf import settings

from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.consumers.socket import Message
from cache_streams.protocol.push import ORDER_PUSH
from cache_streams.protocol.rpc.market_results import order_result, queue_result
from cache_streams.protocol.rpc.queries import ExchangeQuery, OrderQuery
from cache_streams.protocol.rpc.running_renditions import QueueUpdates
from cache_streams.sources import cache
from cache_streams.sources.cache import CacheUnavailable
from cache_streams.streams.orders import ORDERS, Order
from cache_streams.subscription import Subscription

RETRY_S = 1.0


class OrderActions(RpcConsumer):
    """What can be asked about orders; those of others do not exist."""

    async def get_order_status(self, query: OrderQuery) -> Result | None:
        # Somebody else's order of the same id, on another exchange, must not stand before an own one.
        exchanges = [query.exchange] if query.exchange is not None else await cache.known_exchanges()
        for exchange in exchanges:
            record = await cache.order(exchange, query.order_id)
            if record is not None and isinstance(record.value, Order) and self.may_see(ORDERS, record.key):
                return order_result(record.value, query.exchange)
        return None

    async def get_queue_length(self, query: ExchangeQuery) -> Result:
        records = await cache.orders(query.exchange)
        visible = [record for record in records if self.may_see(ORDERS, record.key)]
        return queue_result(query.exchange, len(visible), self.now())

    async def stream_order_queue(self, query: ExchangeQuery) -> Feed:
        return Feed(ORDERS, [(query.exchange,)], QueueUpdates(query.exchange))


class OrdersConsumer(OrderActions):
    """One socket of ``/ws/orders/{X}``, where X is a connection id to some clients and an exchange to others.

    ``?mode=`` decides; else a client that speaks is of the RPC family, and one that stays silent on the name of an
    exchange is pushed that exchange's orders, until it speaks.
    """

    domain = "orders"

    async def opened(self) -> None:
        await super().opened()
        self._pushed: Subscription | None = None
        self._undecided: asyncio.Task[None] | None = None
        mode = parse_qs(self.scope.get("query_string", b"").decode("latin-1"), max_num_fields=64).get("mode")
        if mode == ["push"]:
            self._push()
        elif mode != ["rpc"]:
            self._undecided = asyncio.create_task(self._push_if_exchange(), name="orders: push or rpc")

    async def websocket_receive(self, message: Message) -> None:
        await self.closed()
        if self._pushed is not None:
            await self.leave(self._pushed)
            self._pushed = None
        await super().websocket_receive(message)

    async def closed(self) -> None:
        if self._undecided is not None:
            self._undecided.cancel()
            self._undecided = None

    async def _push_if_exchange(self) -> None:
        await asyncio.sleep(settings.ORDERS_PUSH_AFTER_S)
        while True:
            try:
                known = await cache.is_exchange(self.connection_id)
            except CacheUnavailable:
                known = False
            if known:
                self._push()
                return
            await asyncio.sleep(RETRY_S)

    def _push(self) -> None:
        self._pushed = self.join(ORDERS, (self.connection_id,), ORDER_PUSH)
