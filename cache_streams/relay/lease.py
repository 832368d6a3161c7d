"""Who is the relay: a lease in Redis, and a fencing token that grows with each holder."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid

from redis.asyncio import Redis

from cache_streams.log_names import lease_key

LEASE_MS = 2000
"""A relay that stops renewing is replaced after at most this and one standby look."""
RENEW_S = 0.5
STANDBY_LOOK_S = 0.25

_ACQUIRE = """
-- KEYS: lease, fence   ARGV: holder, ttl ms, lowest acceptable fence
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
-- The clock keeps tokens growing even when Redis came back without the counter.
local now = redis.call('TIME')
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, tonumber(now[1]) * 1000, tonumber(ARGV[3]))
redis.call('SET', KEYS[2], string.format('%.0f', fence))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return fence
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class LeaseLost(Exception):
    """Another relay holds the lease, or Redis did not confirm ours in time: stop appending."""


class Lease:
    """The right to append. Losing it is noticed late at worst, which is why every append is fenced besides."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex}"
        """Machine and process, for whoever reads the lease, and what no other relay has."""
        self._keys = [lease_key(prefix), f"{prefix}:{{relay}}:fence"]
        self._redis = redis
        self._acquire = redis.register_script(_ACQUIRE)
        self._renew = redis.register_script(_RENEW)
        self._release = redis.register_script(_RELEASE)

    async def is_free(self) -> bool:
        """Return whether nobody holds the lease."""
        return not await self._redis.exists(self._keys[0])

    async def acquire(self, above: int = 0) -> int:
        """Wait until the lease is ours; return its fencing token, greater than ``above``. Raises ``redis.RedisError``."""
        while True:
            fence = int(await self._acquire(keys=self._keys, args=[self.holder, LEASE_MS, above + 1]))
            if fence:
                return fence
            await asyncio.sleep(STANDBY_LOOK_S)

    async def keep(self) -> None:
        """Renew until the lease is lost. Raises: LeaseLost, ``redis.RedisError``."""
        while True:
            await asyncio.sleep(RENEW_S)
            if not await self._renew(keys=self._keys[:1], args=[self.holder, LEASE_MS]):
                raise LeaseLost

    async def release(self) -> None:
        """Give the lease up, so that a standby need not wait for its end."""
        await self._release(keys=self._keys[:1], args=[self.holder])
