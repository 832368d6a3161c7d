"""What the logs hold: kept within its limits and measured by the relay that leads, for metrics, operators and a warning."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from cache_streams import hops
from cache_streams.log_names import retention_key
from cache_streams.metrics import LOG_BYTES, LOG_BYTES_BUDGET, LOG_ENTRIES
from cache_streams.places import START, Position, entry_id, position
from cache_streams.relay.store import Held, Store

WARN_FRACTION = 0.8
WARN_AGAIN_FRACTION = 0.7
"""Below this it is over: a sum that swings about the threshold is warned of once."""
TOLD_FOR_S = 60
"""What is told expires after so long: a relay that is gone tells nothing."""
LOGS_AT_ONCE = 100

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Kept:
    """What the logs of one stream hold: ``oldest_ms`` and ``newest_ms`` in Unix milliseconds, None while empty.

    ``bytes`` is None where Redis does not tell; ``rate`` is updates per second since the last look.
    """

    logs: int = 0
    entries: int = 0
    bytes: int | None = 0
    rate: float | None = None
    oldest_ms: int | None = None
    newest_ms: int | None = None


class Retention:
    """Looks at all logs of one term: ``max_entries`` and ``max_age_s`` are each one's, ``budget_bytes`` is all of theirs together."""

    def __init__(
        self, redis: Redis, prefix: str, *, max_entries: int, max_age_s: float, budget_bytes: int
    ) -> None:
        self._redis, self._key = redis, retention_key(prefix)
        self._max_entries, self._max_age_s, self._budget = max_entries, max_age_s, budget_bytes
        self._appended: dict[str, tuple[float, int]] = {}
        self._warned = False
        LOG_BYTES_BUDGET.set(budget_bytes)

    async def keep(self, stores: Iterable[Store]) -> None:
        """Trim every log to its age and length, but for its newest entry. Raises ``redis.RedisError``.

        Exactly, unlike each append, which drops whole nodes of a hundred entries: of a log to which nothing is appended any
        more, or to which less is granted than before, the rest would stay for ever.
        """
        seconds, _ = await self._redis.time()  # the clock that gave the entries their ids
        oldest = max(START, Position((int((seconds - self._max_age_s) * 1000), 0)))
        held = [each for store in stores for each in store.held()]
        for some in _at_once(held):
            async with self._redis.pipeline(transaction=False) as pipeline:
                for each in some:
                    name, minimum = each.log.name.log, min(oldest, position(each.last_id))
                    pipeline.xtrim(name, minid=entry_id(minimum), approximate=False)
                    pipeline.xtrim(name, maxlen=self._max_entries, approximate=False)
                await pipeline.execute()

    async def look(self, stores: Iterable[Store]) -> None:
        """Measure every log, and tell. Raises ``redis.RedisError``."""
        total = 0
        told: dict[str, str] = {}
        for store in stores:
            kept = await self._kept(store)
            name = store.stream.name
            LOG_ENTRIES.labels(name).set(kept.entries)
            LOG_BYTES.labels(name).set(kept.bytes or 0)
            total += kept.bytes or 0
            told[name] = json.dumps(asdict(kept))
        told["hops"] = json.dumps({name: hops.percentiles(each) for name, each in hops.recent().items()})
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(self._key, mapping=told)
            pipeline.expire(self._key, TOLD_FOR_S)
            await pipeline.execute()
        self._warn(total)

    def end(self) -> None:
        """Take back what this process told: another relay leads, and tells the same logs."""
        LOG_BYTES_BUDGET.set(0)
        LOG_BYTES.clear()
        LOG_ENTRIES.clear()

    async def _kept(self, store: Store) -> Kept:
        kept = Kept(rate=self._rate(store))
        for some in _at_once(list(store.held())):
            await self._measure(kept, some)
        return kept

    async def _measure(self, kept: Kept, held: list[Held]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for each in held:
                name = each.log.name.log
                pipeline.xlen(name)
                pipeline.xrange(name, count=1)
                pipeline.memory_usage(name)
            replies = await pipeline.execute(raise_on_error=False)
        for each, length, oldest, size in zip(held, replies[::3], replies[1::3], replies[2::3], strict=True):
            for reply in (length, oldest):
                if isinstance(reply, Exception):
                    raise reply
            kept.logs += 1
            kept.entries += length
            # MEMORY is a command that a proxy or an ACL may refuse; the rest is worth telling without it.
            unknown = kept.bytes is None or isinstance(size, ResponseError)
            kept.bytes = None if unknown else (kept.bytes or 0) + (size or 0)
            if oldest and each.last_id:
                kept.oldest_ms = min(kept.oldest_ms or position(oldest[0][0])[0], position(oldest[0][0])[0])
                kept.newest_ms = max(kept.newest_ms or 0, position(each.last_id)[0])

    def _rate(self, store: Store) -> float | None:
        now, before = time.monotonic(), self._appended.get(store.stream.name)
        self._appended[store.stream.name] = (now, store.appended)
        if before is None or now <= before[0]:
            return None
        return (store.appended - before[1]) / (now - before[0])

    def _warn(self, total: int) -> None:
        full = total >= (WARN_AGAIN_FRACTION if self._warned else WARN_FRACTION) * self._budget
        if full and not self._warned:
            logger.warning(
                "logs take most of their budget: lower LOG_MAX_ENTRIES or LOG_MAX_AGE_S, or raise LOG_BYTES_BUDGET",
                bytes=total,
                budget=self._budget,
            )
        self._warned = full


def _at_once(held: list[Held]) -> Iterator[list[Held]]:
    for first in range(0, len(held), LOGS_AT_ONCE):
        yield held[first : first + LOGS_AT_ONCE]
