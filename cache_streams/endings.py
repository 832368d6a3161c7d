"""How sockets ended, kept for a day: what a client that was cut off, and whoever it asks, can look up by the socket's id.

A worker gathers endings and stores many in one step; a bounded number is kept in Redis, whatever happens.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import msgspec
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from cache_streams.connections import ask, shared_redis
from cache_streams.facts import Ending
from cache_streams.metrics import ENDINGS, ENDINGS_LOST

KEPT = 10_000
KEPT_FOR_S = 86_400
GATHER_S = 0.05
AT_ONCE = 200
RETRY_S = 1.0

_STORE = """
-- KEYS: endings by id, ids by time   ARGV: most, seconds, now, then id, time and ending in turn
for at = 4, #ARGV, 3 do
  redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 2])
  redis.call('ZADD', KEYS[2], ARGV[at + 1], ARGV[at])
end
local function forget(ids)
  for _, id in ipairs(ids) do redis.call('HDEL', KEYS[1], id) redis.call('ZREM', KEYS[2], id) end
end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[1])
if over > 0 then forget(redis.call('ZRANGE', KEYS[2], 0, over - 1)) end
forget(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[3] - ARGV[2], 'LIMIT', 0, 1000))
redis.call('EXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[2])
"""

logger = structlog.get_logger(__name__)
_ENCODER = msgspec.msgpack.Encoder()
DECODER = msgspec.msgpack.Decoder(Ending)


def by_id_key() -> str:
    """Return the Redis hash that holds endings by the socket's id."""
    return f"{settings.GW_PREFIX}:{{endings}}:by_id"


def by_time_key() -> str:
    """Return the Redis sorted set of ids by when they ended."""
    return f"{settings.GW_PREFIX}:{{endings}}:by_time"


class Endings:
    """The endings of one event loop's sockets, on their way to Redis; no more than are kept there wait for it."""

    def __init__(self) -> None:
        self._waiting: deque[Ending] = deque()
        self._task: asyncio.Task[None] | None = None
        self.worker = ""

    def add(self, ending: Ending) -> None:
        """Keep an ending, soon."""
        ENDINGS.labels(ending.by).inc()
        if len(self._waiting) >= KEPT:
            self._waiting.popleft()
            ENDINGS_LOST.inc()
        self._waiting.append(msgspec.structs.replace(ending, worker=self.worker))
        if self._task is None:
            self._task = asyncio.create_task(self._store_soon(), name="endings")

    async def flush(self, within_s: float) -> None:
        """Wait until all are kept, or until Redis has been away for too long: they are lost then."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=within_s)

    async def _store_soon(self) -> None:
        await asyncio.sleep(GATHER_S)
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            try:
                await _store(some)
            except (RedisError, OSError) as error:
                logger.warning("endings not kept yet", count=len(some), error=type(error).__name__)
                self._waiting.extendleft(reversed(some))
                await asyncio.sleep(RETRY_S)
        self._task = None


async def _store(endings: Sequence[Ending]) -> None:
    facts: list[str | bytes | int] = []
    for ending in endings:
        facts += (ending.socket.socket_id, repr(ending.ended_at), _ENCODER.encode(ending))
    newest = repr(max(ending.ended_at for ending in endings))
    keys = (by_id_key(), by_time_key())
    await ask(shared_redis(), "EVAL", _STORE, 2, *keys, KEPT, KEPT_FOR_S, newest, *facts)


_endings: WeakKeyDictionary[asyncio.AbstractEventLoop, Endings] = WeakKeyDictionary()


def loop_endings() -> Endings:
    """Return the endings of the running event loop."""
    loop = asyncio.get_running_loop()
    endings = _endings.get(loop)
    if endings is None:
        endings = _endings[loop] = Endings()
    return endings
