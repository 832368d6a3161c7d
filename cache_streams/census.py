"""How many sockets each user has open over all workers: counted in Redis a moment after each opens, none waits for it.

A worker keeps its counts in a hash of its own that lives as long as its lease, so those of a killed worker disappear.
One script compares and stores: what it grants together is never more than the limit, however many workers ask at once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from cache_streams.connections import ask, shared_redis
from cache_streams.metrics import CENSUS_FAILURES

GATHER_S = 0.02
"""Changes of so long are told in one question: thousands of sockets that open at once cost a few."""
USERS_AT_ONCE = 200
LEASE_S = 6.0
RENEWAL_S = 2.0

_COUNT = """
local others = {}
for _, name in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if name ~= KEYS[2] then
    if redis.call('EXISTS', name) == 1 then others[#others + 1] = name else redis.call('SREM', KEYS[1], name) end
  end
end
local limit, granted = tonumber(ARGV[2]), {}
for at = 3, #ARGV, 2 do
  local user, mine, elsewhere = ARGV[at], tonumber(ARGV[at + 1]), 0
  for _, name in ipairs(others) do
    elsewhere = elsewhere + tonumber(redis.call('HGET', name, user) or '0')
  end
  if limit > 0 then mine = math.max(0, math.min(mine, limit - elsewhere)) end
  if mine > 0 then redis.call('HSET', KEYS[2], user, mine) else redis.call('HDEL', KEYS[2], user) end
  granted[#granted + 1] = mine
end
if redis.call('PEXPIRE', KEYS[2], ARGV[1]) == 1 then redis.call('SADD', KEYS[1], KEYS[2]) end
return granted
"""

logger = structlog.get_logger(__name__)


class Census:
    """Tells Redis how many sockets users have in this worker, and hears how many of them may stay.

    ``name`` says which sockets are counted, ``limit`` how many of them a user may have, 0 for any number.
    ``count`` returns a user's open sockets here, ``users`` who has any, ``keep`` is called with how many may stay.
    Without Redis the limit holds for this worker alone, until Redis is back.
    """

    def __init__(
        self,
        name: str,
        limit: Callable[[], int],
        count: Callable[[int], int],
        users: Callable[[], list[int]],
        keep: Callable[[int, int], None],
    ) -> None:
        self._limit, self._count, self._users, self._keep = limit, count, users, keep
        self._changed: set[int] = set()
        self._left = False
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        tag = f"{settings.GW_PREFIX}:{{{name}}}"
        self._workers, self._own = f"{tag}:workers", f"{tag}:{uuid.uuid4().hex}"

    def changed(self, user_id: int) -> None:
        """Count a user's sockets anew, soon."""
        if self._left or not self._limit():
            return
        self._changed.add(user_id)
        self._ask_soon()
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew(), name="renew the census")

    async def leave(self) -> None:
        """Let go of this worker's counts: its clients open their sockets elsewhere at once."""
        self._left = True
        if self._renewing is None:
            return
        self._renewing.cancel()
        with suppress(RedisError, OSError):  # the lease ends by itself
            await ask(shared_redis(), "DEL", self._own)

    def _ask_soon(self) -> None:
        if self._timer is None and (self._asking is None or self._asking.done()):
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._asking = asyncio.create_task(self._ask(), name="census")

    async def _ask(self) -> None:
        while self._changed and not self._left:
            users = [self._changed.pop() for _ in range(min(USERS_AT_ONCE, len(self._changed)))]
            counted = [(user, self._count(user)) for user in users]
            try:
                answers = await self._stored(counted)
            except (RedisError, OSError) as error:
                CENSUS_FAILURES.inc()
                logger.warning("sockets not counted", error=type(error).__name__)
                self._changed.update(users)  # the next renewal tries again
                return
            for (user, mine), may_stay in zip(counted, answers, strict=True):
                if may_stay < mine:
                    self._keep(user, may_stay)

    async def _stored(self, counted: list[tuple[int, int]]) -> list[int]:
        pairs = [number for pair in counted for number in pair]
        arguments = (round(LEASE_S * 1000), self._limit(), *pairs)
        answers: list[int] = await ask(
            shared_redis(), "EVAL", _COUNT, 2, self._workers, self._own, *arguments
        )
        return answers

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEWAL_S)
            try:
                known = await ask(shared_redis(), "PEXPIRE", self._own, round(LEASE_S * 1000))
            except (RedisError, OSError):
                CENSUS_FAILURES.inc()
                continue
            if not known:
                self._changed.update(self._users())
            if self._changed:
                self._ask_soon()
