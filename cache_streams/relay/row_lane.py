"""The lane of a stream whose source are rows: a notice after each commit, and a look every second as the net."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

import structlog
from redis.asyncio import Redis

from cache_streams.archive import Archive, ArchiveUnavailable
from cache_streams.connections import ask, new_redis
from cache_streams.log_names import key_text
from cache_streams.metrics import NOTICES, RELAY_LAG_S, ROWS_FOUND_LATE, ROWS_UNREADABLE
from cache_streams.relay.store import Store
from cache_streams.streams.declaration import Key, Record

LOOK_S = 1.0
READ_TIMEOUT_S = 3.0
NOTICES_AT_ONCE = 1000
KEYS_AT_ONCE = 16

logger = structlog.get_logger(__name__)


class RowLane:
    """Copies rows to the logs in the order of their numbers. How far it came is what the logs hold: each key's ``seq``."""

    def __init__(
        self, redis: Redis, store: Store, archive: Archive, *, notices: str, looked: str, max_age_s: float
    ) -> None:
        self._redis, self._store, self._archive = redis, store, archive
        self._notices, self._looked_key, self._max_age_s = notices, looked, max_age_s
        self._looked_at: datetime | None = None

    async def run(self) -> None:
        """Copy what is committed until cancelled. Raises: Fenced, Moved, ``redis.RedisError``."""
        client = new_redis(read_timeout_s=READ_TIMEOUT_S, connections=1)
        loop = asyncio.get_running_loop()
        try:
            at = await self._end_of_notices()
            next_look = loop.time()
            while True:
                if loop.time() >= next_look:
                    next_look = loop.time() + LOOK_S
                    await self._look()
                wait_ms = max(1, round((next_look - loop.time()) * 1000))
                asked = ("XREAD", "COUNT", NOTICES_AT_ONCE, "BLOCK", wait_ms, "STREAMS", self._notices, at)
                for _, entries in await ask(client, *asked) or []:
                    at = entries[-1][0].decode()
                    noticed_at = time.perf_counter()
                    NOTICES.labels("rows").inc(len(entries))
                    await self._copy(_newest(entries))
                    RELAY_LAG_S.observe(time.perf_counter() - noticed_at)
        finally:
            await client.aclose()

    async def _end_of_notices(self) -> str:
        newest = await ask(self._redis, "XREVRANGE", self._notices, "+", "-", "COUNT", 1)
        return newest[0][0].decode() if newest else "0-0"

    async def _look(self) -> None:
        """Ask the rows themselves what is new: what a lost notice, or no relay at all, left behind.

        A relay begins where the last one looked. In a Redis that knows of none it begins with what a log would hold.
        """
        began = datetime.now(UTC)
        if self._looked_at is None:
            self._looked_at = await self._looked_before(began)
            late = False
        else:
            late = True
        try:
            grown = await self._archive.grown(self._looked_at)
        except ArchiveUnavailable:
            self._unreadable()
            return
        behind = await self._behind(grown)
        if late:
            ROWS_FOUND_LATE.labels(self._store.stream.name).inc(len(behind))
        if await self._copy(grown):
            self._looked_at = began
            await ask(self._redis, "SET", self._looked_key, f"{began.timestamp():.3f}")

    async def _looked_before(self, now: datetime) -> datetime:
        stored = await ask(self._redis, "GET", self._looked_key)
        if stored is None:
            return now - timedelta(seconds=self._max_age_s)
        return datetime.fromtimestamp(float(stored), UTC)

    async def _behind(self, newest: Mapping[Key, int]) -> dict[Key, int | None]:
        """Return the keys whose logs do not reach their newest row, and how far they reach; None for not at all."""
        known = {key: await self._store.seq(key) for key in newest}
        return {key: known[key] or None for key, last in newest.items() if known[key] < last}

    async def _copy(self, newest: Mapping[Key, int]) -> bool:
        """Append the rows up to ``newest`` of each key; return whether they could be read."""
        behind = await self._behind(newest)
        while behind:
            some = dict(islice(behind.items(), KEYS_AT_ONCE))
            try:
                records = await self._archive.pages(some)
            except ArchiveUnavailable:
                self._unreadable()
                return False
            await self._append(records)
            found = {record.key for record in records}
            left = await self._behind({key: newest[key] for key in some if key in found})
            behind = {key: after for key, after in behind.items() if key not in some} | left
        return True

    async def _append(self, records: list[Record]) -> None:
        await self._store.append([(records, None)])
        for key in {record.key for record in records}:
            held = await self._store.hold(self._store.partition(key))
            await ask(
                self._redis,
                "EXPIRE",
                f"{held.log.name.last}:{key_text(key)}",
                round(self._archive.keeps_s) + 1,
            )

    def _unreadable(self) -> None:
        ROWS_UNREADABLE.labels(self._store.stream.name).inc()
        logger.warning("rows cannot be read; they are looked for again", stream=self._store.stream.name)


def _newest(entries: list[tuple[bytes, dict[bytes, bytes]]]) -> dict[Key, int]:
    """Return the keys that notices name, each with the greatest number named."""
    newest: dict[Key, int] = {}
    for _, fields in entries:
        for name, number in fields.items():
            key = (name.decode(),)
            newest[key] = max(newest.get(key, 0), int(number))
    return newest
