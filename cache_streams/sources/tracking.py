"""Notices: which keys of the layout somebody just wrote, pushed by Redis itself.

A RESP3 connection with ``CLIENT TRACKING ON BCAST`` is told of every write below our prefixes by anybody, and collectors
publish each tick besides. Both cross database numbers and carry no value worth trusting: a notice only says where to look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from cache_streams.connections import new_redis
from cache_streams.listening import replies
from cache_streams.metrics import NOTICE_RESETS, NOTICES

RETRY_S = 0.2
ARM_S = 2.0
"""A server that takes a connection and does not answer within this is given up: the next try may reach another."""

logger = structlog.get_logger(__name__)


class Notices:
    """Calls back for each notice, and ``on_reset`` whenever notices may have been missed: then everything is dirty."""

    def __init__(
        self,
        prefixes: Sequence[str],
        patterns: Sequence[str],
        *,
        on_key: Callable[[str], None],
        on_message: Callable[[str], None],
        on_reset: Callable[[], None],
    ) -> None:
        self._prefixes = without_overlaps(prefixes)
        self._patterns = patterns
        self._on_key, self._on_message, self._on_reset = on_key, on_message, on_reset
        self.pushed = False
        """Whether Redis tells us of every write; without it only a poll finds them."""
        self.armed = asyncio.Event()
        """Set while a connection is listening."""

    async def run(self) -> None:
        """Listen until cancelled, reconnecting as often as needed."""
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                logger.warning("notice connection lost", error=type(error).__name__)
            self.armed.clear()
            NOTICE_RESETS.inc()
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        client = new_redis(read_timeout_s=None, connections=1, protocol=3)
        connection: AbstractConnection | None = None
        try:
            async with asyncio.timeout(ARM_S):
                connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py
                await self._arm(connection)
            self.armed.set()
            self._on_reset()
            async for _ in replies(connection, pushes=True):
                pass  # the parser's handlers have taken each notice
        finally:
            if connection is not None:
                await connection.disconnect(nowait=True)
            await client.aclose()

    async def _arm(self, connection: AbstractConnection) -> None:
        parser: Any = connection._parser  # noqa: SLF001  # Any: redis-py offers no public way to read pushes; a test guards it
        parser.pubsub_push_handler_func = self._pubsub
        parser.set_invalidation_push_handler(self._invalidated)
        prefixes = [part for prefix in self._prefixes for part in ("PREFIX", prefix)]
        await connection.send_command("CLIENT", "TRACKING", "ON", "BCAST", *prefixes)
        try:
            await connection.read_response()
            self.pushed = True
        except ResponseError as error:
            self.pushed = False
            logger.warning("Redis refuses client tracking; polling instead", error=str(error))
        if self._patterns:
            await connection.send_command("PSUBSCRIBE", *self._patterns)

    async def _invalidated(self, push: list[Any]) -> bool:  # Any: RESP3 push, [b"invalidate", keys or None]
        keys = push[1]
        if keys is None:  # FLUSHALL, FLUSHDB: everything may be different
            self._on_reset()
            return True
        NOTICES.labels("tracking").inc(len(keys))
        for key in keys:
            self._on_key(key.decode(errors="replace"))
        return True

    async def _pubsub(
        self, push: list[Any]
    ) -> bool:  # Any: RESP3 push, [b"pmessage", pattern, channel, payload]
        if push[0] == b"pmessage":
            NOTICES.labels("pubsub").inc()
            self._on_message(push[2].decode(errors="replace"))
        return True


def without_overlaps(prefixes: Sequence[str]) -> list[str]:
    """Return the shortest prefixes that cover all: Redis refuses overlapping ones."""
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept
