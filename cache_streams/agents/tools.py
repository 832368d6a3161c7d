"""What an agent may look up in the cache: never more than the user whom it runs for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from accounts.identity import Rights
from cache_streams.permissions import may_see
from cache_streams.sources import cache
from cache_streams.sources.cache import CacheUnavailable
from cache_streams.streams.declaration import Record
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.tickers import TICKERS

TICKERS_MAX = 50
ARGUMENT_MAX = 128

Json = dict[str, Any]  # Any: JSON of any shape


class ToolFailed(Exception):
    """A tool cannot answer; the text is for the model and the user."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One look-up: ``parameters`` are texts by name, each with what it means; ``required`` must be given."""

    name: str
    description: str
    parameters: Mapping[str, str]
    required: tuple[str, ...]
    look: Callable[[Rights, Mapping[str, str]], Awaitable[Json]]

    def declaration(self) -> Json:
        """Return the tool as the model is told of it."""
        properties = {name: {"type": "string", "description": text} for name, text in self.parameters.items()}
        schema = {"type": "object", "properties": properties, "required": list(self.required)}
        function = {"name": self.name, "description": self.description, "parameters": schema}
        return {"type": "function", "function": function}

    async def call(self, rights: Rights, arguments: Mapping[str, object]) -> Json:
        """Return what the cache says. Raises: ToolFailed."""
        given = {name: value for name, value in arguments.items() if value is not None}
        for name, value in given.items():
            if name not in self.parameters:
                raise ToolFailed(f"{self.name} takes {', '.join(self.parameters)} only.")
            if not isinstance(value, str) or not 1 <= len(value) <= ARGUMENT_MAX:
                raise ToolFailed(f"{name} must be a text of 1 to {ARGUMENT_MAX} characters.")
        if missing := [name for name in self.required if name not in given]:
            raise ToolFailed(f"{self.name} needs {', '.join(missing)}.")
        texts = {name: value for name, value in given.items() if isinstance(value, str)}
        try:
            return await self.look(rights, texts)
        except CacheUnavailable:
            raise ToolFailed("The cache does not answer.") from None


async def _ticker(rights: Rights, given: Mapping[str, str]) -> Json:
    exchange = given["exchange"]
    record = await cache.ticker(exchange, await cache.unified_symbol(exchange, given["symbol"]))
    if record is None or not may_see(TICKERS, record.key, rights):
        raise ToolFailed("The cache has no such ticker.")
    return _told(record)


async def _tickers(rights: Rights, given: Mapping[str, str]) -> Json:
    records = [each for each in await cache.tickers(given["exchange"]) if may_see(TICKERS, each.key, rights)]
    if not records:
        raise ToolFailed("The cache has no tickers of this exchange.")
    return {"tickers": [_told(record) for record in records[:TICKERS_MAX]], "known": len(records)}


async def _order(rights: Rights, given: Mapping[str, str]) -> Json:
    record = await cache.order(given.get("exchange"), given["order_id"])
    if record is None or not may_see(ORDERS, record.key, rights):
        raise ToolFailed("The cache has no such order.")  # nor does it have those of others, for this user
    return _told(record)


def _told(record: Record) -> Json:
    told: Json = msgspec.to_builtins(record.value)
    return told


_EXCHANGE = "name of the exchange, as kraken"
TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "get_ticker",
            "The current price of one market, with bid, ask and 24 h volume.",
            {"exchange": _EXCHANGE, "symbol": "market, as BTC/USDC"},
            ("exchange", "symbol"),
            _ticker,
        ),
        Tool(
            "list_tickers",
            f"Up to {TICKERS_MAX} markets of an exchange with their prices.",
            {"exchange": _EXCHANGE},
            ("exchange",),
            _tickers,
        ),
        Tool(
            "get_order",
            "One order of the user: status, price, volume, and how much was filled.",
            {"order_id": "id of the order", "exchange": f"{_EXCHANGE}; may be left out"},
            ("order_id",),
            _order,
        ),
    )
}
