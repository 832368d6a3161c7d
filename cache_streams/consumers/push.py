"""The push family: flat objects of one subject, sent without being asked for."""

from __future__ import annotations

from contextlib import suppress
from typing import ClassVar

from cache_streams.consumers.rpc import RpcConsumer
from cache_streams.protocol.rendition import Rendition
from cache_streams.sources import cache
from cache_streams.sources.cache import CacheUnavailable
from cache_streams.streams.declaration import Stream


class MarketPush(RpcConsumer):
    """A socket that is pushed one market if its path names one; what it asks, its domain answers."""

    stream: ClassVar[Stream]
    push: ClassVar[Rendition]

    async def opened(self) -> None:
        await super().opened()
        names = self.scope["url_route"]["kwargs"]
        if "symbol" not in names:
            return
        self.connection_id = names["exchange"]
        symbol = names["symbol"]
        # Without Redis the symbol stays as the path spells it; the subscription waits for Redis by itself.
        with suppress(CacheUnavailable):
            symbol = await cache.market(names["exchange"], symbol)
        self.join(self.stream, (names["exchange"], symbol), self.push)
