"""The logs of one stream as the leading relay holds them: claimed, numbered, appended."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable
from typing import TypeAlias

from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.log import Claimed, Log, announce
from cache_streams.log_names import LogName, logs_key, partition_of
from cache_streams.metrics import APPENDED, NEW_EPOCHS
from cache_streams.relay.numbering import Numbering
from cache_streams.streams.declaration import Key, Record, Stream
from cache_streams.streams.update import Update

BATCH = 400
"""Updates appended by one script call: it holds Redis for about a millisecond."""


def new_epoch() -> str:
    """Return a name for a log's contents that no log has had."""
    return secrets.token_urlsafe(6)


Batch: TypeAlias = tuple[list[Record], tuple[str, str, str] | None]
"""Records that were read together, and (partition, name, value) of the position that stands for having read them."""


class Held:
    """One claimed log."""

    def __init__(self, log: Log, claimed: Claimed, numbering: Numbering) -> None:
        self.log, self.claimed, self.numbering = log, claimed, numbering
        self.last_id = claimed.last_id


class Store:
    """Logs of one stream, claimed when first needed. Any error ends this relay's lead: then build a new Store."""

    def __init__(
        self,
        redis: Redis,
        stream: Stream,
        *,
        prefix: str,
        shards: int,
        max_entries: int,
        fence: int,
        known: dict[tuple[str, str], str],
    ) -> None:
        self.stream = stream
        self._redis, self._prefix, self._shards = redis, prefix, shards
        self._max_entries, self._fence = max_entries, fence
        self._known = known
        self._held: dict[str, Held] = {}
        self._appending = asyncio.Lock()
        self.appended = 0
        """Updates appended in this term."""

    def partition(self, key: Key) -> str:
        """Return the partition whose log carries ``key``."""
        return partition_of(self.stream, key, self._shards)

    async def hold(self, partition: str) -> Held:
        """Return the log of ``partition``, claimed under our fence. Raises: Fenced, ``redis.RedisError``."""
        if partition in self._held:
            return self._held[partition]
        log = Log(self._redis, LogName(self.stream.name, partition, self._prefix), self.stream)
        await ask(self._redis, "SADD", logs_key(self._prefix), f"{self.stream.name}\n{partition}")
        claimed = await log.claim(
            self._fence, new_epoch(), known_id=self._known.get((self.stream.name, partition))
        )
        if claimed.fresh:
            NEW_EPOCHS.labels(self.stream.name).inc()
            await announce(self._redis, self._prefix, "log", log.name.log)
        held = Held(log, claimed, Numbering(self.stream, claimed, await log.snapshot(())))
        self._known[self.stream.name, partition] = claimed.last_id
        self._held[partition] = held
        return held

    def held(self) -> Iterable[Held]:
        """Return the logs claimed so far."""
        return self._held.values()

    def existed(self, partition: str) -> bool:
        """Return whether a relay before this one already kept the log: then what its source holds may be unread."""
        return partition in self._held and not self._held[partition].claimed.born

    def stored_position(self, partition: str, redis_key: str) -> str | None:
        """Return how far a list was read by whoever led before."""
        held = self._held.get(partition)
        return held.claimed.positions.get(redis_key) if held else None

    async def seq(self, key: Key) -> int:
        """Return the number of the newest change of ``key`` in its log, 0 for none. Raises: as ``hold``."""
        return (await self.hold(self.partition(key))).numbering.seq(key)

    def last(self, key: Key) -> Record | None:
        """Return the single value that the log holds for ``key``, as it was read."""
        held = self._held.get(self.partition(key))
        return held.numbering.last(key) if held else None

    async def newest(self, key: Key) -> bytes | None:
        """Return what the log tells of the newest change of ``key``, None when it tells none. Raises: as ``hold``."""
        held = await self.hold(self.partition(key))
        tails = [state.updates for state in (await held.log.snapshot(key)).keys if state.updates]
        return tails[0][-1].data if tails else None

    async def restart(self, key: Key) -> None:
        """Begin a new epoch in which nothing of ``key`` was told yet. Raises: as ``append``."""
        async with self._appending:
            held = await self.hold(self.partition(key))
            held.last_id = await held.log.restart(self._fence, held.last_id, key, new_epoch())
            self._known[self.stream.name, held.log.name.partition] = held.last_id
            held.numbering.forget(key)
            NEW_EPOCHS.labels(self.stream.name).inc()

    async def append(self, batches: Iterable[Batch]) -> None:
        """Number and append all records; each batch's position is stored in the same step as the last of its records."""
        async with (
            self._appending
        ):  # lane and inbox: numbers must reach the log in the order in which they were given
            await self._append_all(batches)

    async def _append_all(self, batches: Iterable[Batch]) -> None:
        pending: dict[str, _Pending] = {}
        for records, position in batches:
            by_partition: dict[str, list[Record]] = {}
            for record in records:
                by_partition.setdefault(self.partition(record.key), []).append(record)
            if position is not None:
                by_partition.setdefault(position[0], [])
            for partition, own in by_partition.items():
                held = await self.hold(partition)
                queue = pending.setdefault(partition, _Pending(held))
                queue.updates += held.numbering.number(own, time.time())
                if position is not None:
                    queue.positions[position[1]] = position[2]
                if len(queue.updates) >= BATCH:
                    await self._flush(queue)
        for queue in pending.values():
            await self._flush(queue)

    async def _flush(self, queue: _Pending) -> None:
        held = queue.held
        while queue.updates or queue.positions:
            # Updates that come with a position go in one step with it, or a successor would number them twice.
            count = len(queue.updates) if queue.positions else BATCH
            batch, queue.updates = queue.updates[:count], queue.updates[count:]
            held.last_id = await held.log.append(
                self._fence, held.last_id, batch, queue.positions, max_entries=self._max_entries
            )
            queue.positions = {}
            self._known[self.stream.name, held.log.name.partition] = held.last_id
            self.appended += len(batch)
            APPENDED.labels(self.stream.name).inc(len(batch))


class _Pending:
    """What waits to be appended to one log."""

    def __init__(self, held: Held) -> None:
        self.held = held
        self.updates: list[Update] = []
        self.positions: dict[str, str] = {}
