"""Whether what this process tells is fresh: a source that went quiet, a relay or a Redis that is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from weakref import WeakKeyDictionary

import structlog
from redis.exceptions import RedisError

from cache_streams.connections import ask, shared_redis
from cache_streams.followed import Followed
from cache_streams.log_names import lease_key
from cache_streams.metrics import PARTITIONS
from cache_streams.reader import LogReader

AWAY_S = 2.0
"""Redis, or whoever leads, unheard of for so long is away: a reader's question is answered after a second."""
DEAD_AFTER_S = 60.0
LOOK_S = 0.25
RELAY_LOOK_S = 0.5

State: TypeAlias = Literal["live", "stale", "dead"]
Partition: TypeAlias = tuple[str, str]
"""Stream and partition: one log."""
Listener: TypeAlias = Callable[[Mapping[Partition, "Freshness"]], None]

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Freshness:
    """How fresh a partition is; ``age_s``: since when nothing was heard of its source."""

    state: State
    age_s: float


LIVE = Freshness("live", 0.0)


class FreshnessWatch:
    """Looks at every log that this process follows, and tells its listeners what changed."""

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._known: dict[Partition, Freshness] = {}
        self._listeners: set[Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._relay_seen_at = 0.0

    def listen(self, listener: Listener) -> None:
        """Tell ``listener`` of each change from now on."""
        self._listeners.add(listener)
        if self._task is None:
            self._relay_seen_at = asyncio.get_running_loop().time()
            self._task = asyncio.create_task(self._run(), name="freshness")

    def ignore(self, listener: Listener) -> None:
        """Tell a listener no more; the last one ends the looks."""
        self._listeners.discard(listener)
        if not self._listeners and self._task is not None:
            self._task.cancel()
            self._task = None
            self._known.clear()

    def of(self, partition: Partition) -> Freshness:
        """Return how fresh a log is, as last looked at; one that is not known to be otherwise is live."""
        return self._known.get(partition, LIVE)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_relay())
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)

    async def _watch_relay(self) -> None:
        while True:
            try:
                if await ask(shared_redis(), "EXISTS", lease_key(self._reader.prefix)):
                    self._relay_seen_at = asyncio.get_running_loop().time()
            except (RedisError, OSError) as error:
                logger.debug(
                    "relay not looked for", error=type(error).__name__
                )  # what the reader misses as well
            await asyncio.sleep(RELAY_LOOK_S)

    def _look(self) -> None:
        away_s = asyncio.get_running_loop().time() - min(self._relay_seen_at, self._reader.answered_at)
        now = {
            (followed.log.stream.name, followed.log.name.partition): _freshness(followed, away_s)
            for followed in self._reader.all_followed()
        }
        changed = {name: fresh for name, fresh in now.items() if fresh.state != self.of(name).state}
        self._known = {name: fresh for name, fresh in now.items() if fresh.state != LIVE.state}
        for state in ("stale", "dead"):
            PARTITIONS.labels(state).set(sum(fresh.state == state for fresh in now.values()))
        if changed:
            for listener in list(self._listeners):
                listener(changed)


def _freshness(followed: Followed, away_s: float) -> Freshness:
    if away_s > AWAY_S:
        return _aged(away_s, AWAY_S)
    rhythm_s = followed.log.stream.rhythm_s
    if rhythm_s is None or followed.epoch is None:
        return LIVE
    return _aged(time.time() - followed.position[0] / 1000, rhythm_s)


def _aged(age_s: float, stale_after_s: float) -> Freshness:
    if age_s <= stale_after_s:
        return LIVE
    return Freshness("stale" if age_s <= DEAD_AFTER_S else "dead", age_s)


_watches: WeakKeyDictionary[LogReader, FreshnessWatch] = WeakKeyDictionary()


def freshness_of(reader: LogReader) -> FreshnessWatch:
    """Return the watch of a process' reader."""
    watch = _watches.get(reader)
    if watch is None:
        watch = _watches[reader] = FreshnessWatch(reader)
    return watch
