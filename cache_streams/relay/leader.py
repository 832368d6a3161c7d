"""The relay process: waits for the lease, then listens, reads, numbers and appends until the lease or Redis is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cache_streams.connections import ask
from cache_streams.log import Fenced, Moved
from cache_streams.log_names import read_key
from cache_streams.metrics import APPEND_REFUSED, RELAY_LEADING
from cache_streams.relay.lease import Lease, LeaseLost
from cache_streams.relay.term import RelayOptions, Term
from cache_streams.streams.declaration import Stream

RETRY_S = 0.25
REFUSED_RETRY_S = 5.0

logger = structlog.get_logger(__name__)


class EvictionRefused(Exception):
    """This Redis may evict logs at any moment, and nobody would know what is missing: set another maxmemory-policy."""


class Relay:
    """Turns what collectors write into numbered log entries, as long as it is the one that may."""

    def __init__(self, redis: Redis, registry: Sequence[Stream], options: RelayOptions) -> None:
        self._redis, self._registry, self._options = redis, registry, options
        self._lease = Lease(redis, options.prefix)
        self._known: dict[tuple[str, str], str] = {}
        """Last id of each log that this process saw, by (stream, partition)."""
        self.leading = asyncio.Event()
        """Set while this relay holds the lease and has read everything once."""

    async def run(self) -> None:
        """Lead whenever the lease is free, until cancelled."""
        floor = 0
        try:
            while True:
                try:
                    fence = await self._lease.acquire(floor)
                    await self._lead(fence)
                except* Fenced as fenced:
                    floor = max(floor, *(e.token for e in fenced.exceptions if isinstance(e, Fenced)))
                    self._gave_up("fenced", fenced)
                except* Moved as moved:
                    self._gave_up("moved", moved)
                except* (RedisError, OSError, LeaseLost) as lost:
                    self._gave_up("redis", lost)
                except* EvictionRefused as refused:
                    self._gave_up("eviction", refused)
                    logger.error(str(EvictionRefused.__doc__), policy=str(refused.exceptions[0]))  # noqa: TRY400  # the sentence says it all
                    await asyncio.sleep(REFUSED_RETRY_S)
                finally:
                    self.leading.clear()
                    RELAY_LEADING.set(0)
                await asyncio.sleep(RETRY_S)
        finally:
            await self._resign()
            await self._redis.aclose()

    def _gave_up(self, reason: str, group: BaseExceptionGroup[BaseException]) -> None:
        APPEND_REFUSED.labels(reason).inc()
        logger.warning(
            "relay starts over", reason=reason, errors=[type(e).__name__ for e in group.exceptions]
        )

    async def _resign(self) -> None:
        try:
            await self._lease.release()
        except (RedisError, OSError):
            logger.info("lease left to run out: Redis is away")

    async def _refuse_eviction(self) -> None:
        memory = await self._redis.info("memory")
        policy = str(memory.get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            raise EvictionRefused(policy)

    async def _lead(self, fence: int) -> None:
        await self._refuse_eviction()
        lead = Term(self._redis, self._registry, self._options, fence, self._known)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._lease.keep())
                tasks.create_task(lead.notices.run())
                await lead.claim()
                for rows in lead.row_lanes:
                    tasks.create_task(rows.run())
                await lead.prepare()
                await ask(self._redis, "SET", read_key(self._options.prefix), fence)
                for lane in lead.lanes:
                    tasks.create_task(lane.run())
                tasks.create_task(lead.inbox.run())
                tasks.create_task(lead.cast_net())
                tasks.create_task(lead.trim())
                RELAY_LEADING.set(1)
                self.leading.set()
                logger.info("relay leads", fence=fence, push=lead.notices.pushed)
        finally:
            lead.retention.end()
