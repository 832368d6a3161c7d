"""A lane: one stream's way from notices to its logs, at its own pace, so that no stream waits for another's big hash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from redis.asyncio import Redis

from cache_streams.hops import SAMPLE_EVERY_S, Hop, observe
from cache_streams.log_names import key_text
from cache_streams.metrics import RELAY_LAG_S
from cache_streams.relay.store import Store
from cache_streams.relay.watches import Task, Watch
from cache_streams.sources.drive import drive
from cache_streams.streams.declaration import Kind, Record

TICK_S = 1.0


class Lane:
    """Reads what its watch says is dirty, and appends what changed."""

    def __init__(
        self, redis: Redis, watch: Watch, store: Store, learn: Callable[[list[Record]], None] | None = None
    ) -> None:
        self.watch, self.store = watch, store
        self._redis = redis
        self._learn = learn
        self._wake = asyncio.Event()
        self._noticed_at: float | None = None
        self._sampled_at = 0.0

    def wake(self) -> None:
        """Look at the watch soon: something of it is dirty."""
        if self._noticed_at is None:
            self._noticed_at = time.perf_counter()
        self._wake.set()

    async def run(self) -> None:
        """Serve notices until cancelled. Raises: Fenced, Moved, ``redis.RedisError``."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time() + TICK_S
        while True:
            due = await self._step(loop)
            if self.watch.ages and loop.time() >= next_tick:
                next_tick = loop.time() + TICK_S
                self.watch.tick()
                continue
            deadline = min(
                (at for at in (due, next_tick if self.watch.ages else None) if at is not None), default=None
            )
            await self._rest_until(deadline)

    async def baseline(self) -> None:
        """Read everything that is dirty, then delete from the logs what the cache no longer holds."""
        loop = asyncio.get_running_loop()
        seen: dict[str, set[str | None]] = {}
        while True:
            tasks, due = self.watch.take(loop.time(), time.time())
            if not tasks and due is None:
                break
            records = await self._read_and_append(tasks)
            for record in records:
                if record.value is not None:
                    seen.setdefault(key_text(record.key), set()).add(record.element)
            if due is not None:
                await asyncio.sleep(max(0.0, due - loop.time()))
        self.watch.baselining = False
        if self.store.stream.kind is not Kind.TAIL:
            gone = [record for held in self.store.held() for record in held.numbering.missing_from(seen)]
            await self.store.append([(gone, None)])

    async def _step(self, loop: asyncio.AbstractEventLoop) -> float | None:
        self._wake.clear()
        noticed_at, self._noticed_at = self._noticed_at, None
        tasks, due = self.watch.take(loop.time(), time.time())
        if tasks:
            records = await self._read_and_append(tasks)
            due = loop.time()  # a list longer than a page, or a key that rests, is dirty again: look at once
            if noticed_at is not None:
                RELAY_LAG_S.observe(time.perf_counter() - noticed_at)
                self._time_source(loop.time(), records)
        elif noticed_at is not None:
            self._noticed_at = noticed_at
        return due

    def _time_source(self, now: float, records: list[Record]) -> None:
        """Time the way from the source's own stamp, once in a while: the newest stamp read is that of what changed."""
        if now - self._sampled_at < SAMPLE_EVERY_S:
            return
        stamps = [record.time for record in records if record.time is not None]
        if stamps:
            self._sampled_at = now
            observe(Hop.SOURCE_TO_RELAY, self.store.stream.name, time.time() - max(stamps))

    async def _rest_until(self, deadline: float | None) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()
        except TimeoutError:
            pass  # the deadline is as good a reason to look as a notice

    async def _read_and_append(self, tasks: list[Task]) -> list[Record]:
        results = await drive(self._redis, [task.reading for task in tasks], self.store.stream.name)
        for task in tasks:
            if task.finished is not None:
                task.finished(results.started, results.ended)
        records = [record for found in results.records for record in found]
        if self._learn is not None:
            self._learn(records)
        positions = [task.position() for task in tasks]
        await self.store.append(zip(results.records, positions, strict=True))
        return records
