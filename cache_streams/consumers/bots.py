"""Bots, and the blocks and openings that they hold."""

from __future__ import annotations

from cache_streams.consumers.rpc import Feed, Result, RpcConsumer
from cache_streams.protocol.rpc.bot_results import (
    blocked_result,
    blocks_result,
    bot_result,
    bots_result,
    opening_result,
)
from cache_streams.protocol.rpc.queries import BotQuery, BotStream, MarketQuery, Query
from cache_streams.protocol.rpc.running_renditions import BotUpdates
from cache_streams.sources import cache
from cache_streams.streams.bots import BOTS, Bot
from cache_streams.streams.declaration import Extras


class BotActions(RpcConsumer):
    """What can be asked about bots; those of others do not exist."""

    async def get_bot_status(self, query: BotQuery) -> Result | None:
        for bot, extras in await self._bots():
            if bot.bot == query.bot_id:
                return bot_result(bot, extras, self.now())
        return None

    async def get_bots(self, query: Query) -> Result:
        return bots_result(await self._bots())

    async def is_blocked(self, query: MarketQuery) -> Result:
        return blocked_result(query, [bot for bot, _ in await self._bots()], self.now())

    async def is_opening_position(self, query: MarketQuery) -> Result:
        return opening_result(query, [bot for bot, _ in await self._bots()])

    async def get_blocks(self, query: Query) -> Result:
        return blocks_result([bot for bot, _ in await self._bots()])

    async def stream_bot_status(self, query: BotStream) -> Feed:
        under = () if query.bot_id is None else (query.bot_id,)
        return Feed(BOTS, [under], BotUpdates(query.bot_id))

    async def _bots(self) -> list[tuple[Bot, Extras]]:
        records = await cache.bots()
        visible = [record for record in records if self.may_see(BOTS, record.key)]
        return [(r.value, r.extras or {}) for r in visible if isinstance(r.value, Bot)]


class BotsConsumer(BotActions):
    """One socket of ``/ws/bots/{connection_id}``."""

    domain = "bots"
