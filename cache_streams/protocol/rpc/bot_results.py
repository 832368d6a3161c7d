"""Results about bots as the RPC family shows them: what each stored, what it blocks, where it is opening."""

from __future__ import annotations

from collections.abc import Iterable

from cache_streams.protocol.rpc.queries import MarketQuery
from cache_streams.protocol.strict_json import Json
from cache_streams.streams.bots import Bot, Market
from cache_streams.streams.declaration import Extras

UNKNOWN_STATUS = "unknown"


def bot_result(bot: Bot, extras: Extras, now: float) -> dict[str, Json] | None:
    """Return one bot with its object as stored; None when it has none and is known by its blocks or openings only."""
    if "stored" not in extras:
        return None
    return {
        "bot_id": bot.bot,
        "status": bot.status or UNKNOWN_STATUS,
        "data": extras["stored"],
        "timestamp": now,
    }


def bots_result(bots: Iterable[tuple[Bot, Extras]]) -> dict[str, Json]:
    """Return the object that each bot stored, by bot."""
    return {"bots": {bot.bot: extras["stored"] for bot, extras in bots if "stored" in extras}}


def blocked_result(query: MarketQuery, bots: Iterable[Bot], now: float) -> dict[str, Json]:
    """Return whether a bot blocks a market, and which."""
    market = Market(query.exchange, query.symbol)
    holder = next((bot.bot for bot in bots if market in bot.blocks), None)
    return {
        "exchange": query.exchange,
        "symbol": query.symbol,
        "is_blocked": holder is not None,
        "blocked_by": holder,
        "timestamp": now,
    }


def opening_result(query: MarketQuery, bots: Iterable[Bot]) -> dict[str, Json]:
    """Return whether a bot is opening a position in a market, and which."""
    market = Market(query.exchange, query.symbol)
    holder = next((bot.bot for bot in bots if market in bot.opening), None)
    return {
        "exchange": query.exchange,
        "symbol": query.symbol,
        "is_opening": holder is not None,
        "bot_id": holder,
    }


def blocks_result(bots: Iterable[Bot]) -> dict[str, Json]:
    """Return every block."""
    return {
        "blocks": [
            {"ex_id": market.exchange, "symbol": market.symbol, "bot": bot.bot}
            for bot in bots
            for market in bot.blocks
        ]
    }
