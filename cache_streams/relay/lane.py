"""A lane: one stream's way from notices to its logs, at its own pace, so that no stream waits for another's big hash."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis

from cache_streams.log import key_text
from cache_streams.metrics import MALFORMED, RELAY_LAG_S
from cache_streams.relay.store import Store
from cache_streams.relay.watches import Task, Watch
from cache_streams.sources.readers import Command, Reading, Reply
from cache_streams.streams.declaration import Kind, Record

TICK_S = 1.0

logger = structlog.get_logger(__name__)


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
            await self._read_and_append(tasks)
            if noticed_at is not None:
                RELAY_LAG_S.observe(time.perf_counter() - noticed_at)
        elif noticed_at is not None:
            self._noticed_at = noticed_at
        return due

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


class Results:
    """Records of several readings, one list each, and when (loop time) they started and ended."""

    def __init__(self, stream: str, count: int) -> None:
        self.stream = stream
        self.records: list[list[Record]] = [[] for _ in range(count)]
        self.started = self.ended = asyncio.get_running_loop().time()


async def drive(redis: Redis, readings: list[Reading], stream: str) -> Results:
    """Run several readings side by side, one pipeline per round. Raises ``redis.RedisError``.

    A reading that fails for any other reason is our fault: it is logged and counted, and yields nothing.
    """
    results = Results(stream, len(readings))
    asked: dict[int, list[Command]] = {}
    for index, reading in enumerate(readings):
        _advance(results, asked, index, reading, None)
    while asked:
        commands = [command for commands in asked.values() for command in commands]
        replies = await _execute(redis, commands)
        turn, asked, at = asked, {}, 0
        for index, commands in turn.items():
            answer, at = replies[at : at + len(commands)], at + len(commands)
            _advance(results, asked, index, readings[index], answer)
    results.ended = asyncio.get_running_loop().time()
    return results


async def _execute(redis: Redis, commands: list[Command]) -> list[Reply]:
    if not commands:
        return []
    async with redis.pipeline(transaction=False) as pipeline:
        for command in commands:
            pipeline.execute_command(*command)
        replies: list[Any] = await pipeline.execute(raise_on_error=False)  # Any: see Reply
        return replies


def _advance(
    results: Results,
    asked: dict[int, list[Command]],
    index: int,
    reading: Reading,
    answer: list[Reply] | None,
) -> None:
    try:
        asked[index] = next(reading) if answer is None else reading.send(answer)
    except StopIteration as stop:
        results.records[index] = stop.value
    except ConnectionError:
        raise
    except Exception:  # a defect of one reading must not hide its neighbours
        logger.exception("reading failed", stream=results.stream)
        MALFORMED.labels(results.stream, "internal").inc()
