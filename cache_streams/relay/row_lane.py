"""The lane of a stream whose source are rows: a notice after each commit, and a look every second as the net."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
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
_EVER = datetime.fromtimestamp(0, UTC) + timedelta(days=1)
_JSON = msgspec.json.Encoder()

logger = structlog.get_logger(__name__)


class RowLane:
    """Copies rows to the logs in the order of their numbers. How far it came is what the logs hold: each key's ``seq``."""

    def __init__(
        self, redis: Redis, store: Store, archive: Archive, *, notices: str, looked: str, max_age_s: float
    ) -> None:
        self._redis, self._store, self._archive = redis, store, archive
        self._notices, self._looked_key, self._max_age_s = notices, looked, max_age_s
        self._looked_at: datetime | None = None
        self._told: dict[Key, bytes] = {}
        """Of each key the newest record that its log tells, as far as this lane knows."""

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
        late = self._looked_at is not None
        try:
            if self._looked_at is None:  # rows that went back while nobody looked need not have changed since
                self._looked_at = await self._looked_before(began)
                await self._begin_again_where_rows_went_back(await self._archive.grown(_EVER))
            grown = await self._archive.grown(self._looked_at)
            await self._begin_again_where_rows_went_back(grown)
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
                records, renamed = await self._read(some)
            except ArchiveUnavailable:
                self._unreadable()
                return False
            await self._append(records)
            found = {record.key for record in records} | renamed
            left = await self._behind({key: newest[key] for key in some if key in found})
            behind = {key: after for key, after in behind.items() if key not in some} | left
        return True

    async def _read(self, after: Mapping[Key, int | None]) -> tuple[list[Record], set[Key]]:
        """Return what follows in the rows of each key, and the keys whose rows are not those that were told.

        The last row that was told is read once more: it proves that what follows it follows what was told.
        """
        asked = {key: None if number is None else number - 1 for key, number in after.items()}
        records = await self._archive.pages(asked)
        first: dict[Key, Record] = {}
        for record in records:
            first.setdefault(record.key, record)
        renamed = set[Key]()
        for key, number in after.items():
            if number is not None and not await self._goes_on(key, number, first.get(key)):
                await self._begin_again(key)
                renamed.add(key)
        told = {key: number or 0 for key, number in after.items()}
        return [
            each for each in records if each.key not in renamed and (each.number or 0) > told[each.key]
        ], renamed

    async def _goes_on(self, key: Key, number: int, row: Record | None) -> bool:
        """Return whether the rows still hold what was told as ``number``, or dropped it for its age."""
        if row is not None and row.number == number:
            told = self._told.get(key) or await self._store.newest(key)
            return told is None or self._archive.tells(told, row)
        shelf = await self._archive.shelf(key)
        return shelf is None or shelf.floor >= number

    async def _begin_again_where_rows_went_back(self, newest: Mapping[Key, int]) -> None:
        """Begin anew with the keys whose logs reach beyond their rows, as after a restore of the database."""
        for key, last in newest.items():
            known = await self._store.seq(key)
            if known > last:
                shelf = await self._archive.shelf(key)  # the log may have been read later than ``newest``
                if shelf is not None and shelf.last < known:
                    await self._begin_again(key)

    async def _begin_again(self, key: Key) -> None:
        """Tell the rows of ``key`` as new. The name first: whoever hears of the epoch asks whether the name changed."""
        await self._archive.rename(key)
        await self._store.restart(key)
        self._told.pop(key, None)
        logger.warning("rows went back; they are told anew", stream=self._store.stream.name, key=key)

    async def _append(self, records: list[Record]) -> None:
        await self._store.append([(records, None)])
        newest = {record.key: record for record in records}
        for key, record in newest.items():
            self._told[key] = _JSON.encode(record.value)
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
