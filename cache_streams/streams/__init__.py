"""The streams that the gateway offers: the table of contents of the product."""

from __future__ import annotations

from cache_streams.streams.accounts import ACCOUNTS
from cache_streams.streams.agents import AGENTS
from cache_streams.streams.bots import BOTS
from cache_streams.streams.declaration import Stream
from cache_streams.streams.ohlcv import OHLCV
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.positions import POSITIONS
from cache_streams.streams.process import PROCESS
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES

REGISTRY: tuple[Stream, ...] = (TICKERS, TRADES, ORDERS, ACCOUNTS, POSITIONS, BOTS, OHLCV, PROCESS, AGENTS)
"""Everything that iterates over streams iterates over this."""

by_name: dict[str, Stream] = {stream.name: stream for stream in REGISTRY}
