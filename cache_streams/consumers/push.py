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
        symbols = spellings(names["symbol"])
        # Without Redis every spelling is joined; the subscriptions wait for Redis by themselves.
        with suppress(CacheUnavailable):
            if len(symbols) > 1 and await cache.has_market(names["exchange"], names["symbol"]):
                symbols = symbols[:1]
        for symbol in symbols:
            self.join(self.stream, (names["exchange"], symbol), self.push)


def spellings(symbol: str) -> list[str]:
    """Return the symbols that a path may mean: as it stands, and with a slash where it has none but ``-`` or ``_``."""
    slashed = symbol.replace("-", "/", 1) if "-" in symbol else symbol.replace("_", "/", 1)
    return [symbol] if "/" in symbol or slashed == symbol else [symbol, slashed]
