"""The streams that the gateway offers: the table of contents of the product."""

from __future__ import annotations

from cache_streams.streams.declaration import Stream
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES

REGISTRY: tuple[Stream, ...] = (TICKERS, TRADES)
"""Everything that iterates over streams iterates over this."""

by_name: dict[str, Stream] = {stream.name: stream for stream in REGISTRY}
