"""The relay process: waits for the lease, then listens, reads, numbers and appends until the lease or Redis is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cache_streams.connections import ask
from cache_streams.log import Fenced, Moved, logs_key
from cache_streams.metrics import APPEND_REFUSED, RELAY_LEADING
from cache_streams.relay.inbox import Inbox
from cache_streams.relay.lane import Lane
from cache_streams.relay.lease import Lease, LeaseLost
from cache_streams.relay.list_watches import BarWatch, Markets, TailWatch
from cache_streams.relay.store import Store
from cache_streams.relay.watches import BeaconWatch, HashWatch, JoinedWatch, Watch
from cache_streams.sources.tracking import Notices
from cache_streams.streams import patterns
from cache_streams.streams.declaration import (
    Bars,
    Beacons,
    HashFields,
    JoinedHashes,
    ListTail,
    Record,
    Stream,
)

RETRY_S = 0.25
ARM_S = 2.0
TRIM_S = 5.0
SCAN_COUNT = 1000
NET_PER_SCAN = 20
"""The net of a full scan is cast at most every so many times its own duration."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """``poll_s``: look at everything so often when Redis pushes no notices, ten times as seldom when it does."""

    prefix: str
    shards: int
    max_entries: int
    max_age_s: float
    poll_s: float


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

    async def _lead(self, fence: int) -> None:
        lead = _Lead(self._redis, self._registry, self._options, fence, self._known)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lease.keep())
            tasks.create_task(lead.notices.run())
            await lead.prepare()
            for lane in lead.lanes:
                tasks.create_task(lane.run())
            tasks.create_task(lead.inbox.run())
            tasks.create_task(lead.cast_net())
            tasks.create_task(lead.trim())
            RELAY_LEADING.set(1)
            self.leading.set()
            logger.info("relay leads", fence=fence, push=lead.notices.pushed)


class _Lead:
    """One term of leadership: everything in it was read after the lease was won, and is dropped with it."""

    def __init__(
        self,
        redis: Redis,
        registry: Sequence[Stream],
        options: RelayOptions,
        fence: int,
        known: dict[tuple[str, str], str],
    ) -> None:
        self._redis, self._options, self._known = redis, options, known
        self._markets = Markets()
        self._missed = asyncio.Event()
        self._stores: dict[str, Store] = {}
        self.lanes: list[Lane] = []
        for stream in registry:
            store = Store(
                redis,
                stream,
                prefix=options.prefix,
                shards=options.shards,
                max_entries=options.max_entries,
                fence=fence,
                known=known,
            )
            self._stores[stream.name] = store
            watch = self._watch(stream, store)
            if watch is not None:
                self.lanes.append(
                    Lane(redis, watch, store, self._learn if stream.name == "tickers" else None)
                )
        self.inbox = Inbox(redis, options.prefix, self._stores)
        self.notices = Notices(
            [prefix for stream in registry for prefix in _prefixes(stream)],
            [f"{patterns.prefix(hints)}*" for stream in registry if (hints := _hints(stream))],
            on_key=self._on_key,
            on_message=self._on_message,
            on_reset=self._on_reset,
        )

    async def prepare(self) -> None:
        """Claim every log there is, then read everything once."""
        members = await ask(self._redis, "SMEMBERS", logs_key(self._options.prefix))
        listed = {tuple(member.decode().split("\n", 1)) for member in members}
        for name, partition in listed | set(
            self._known
        ):  # a known log that is not listed was lost with its Redis
            if name in self._stores:
                await self._stores[name].hold(partition)
        try:
            async with asyncio.timeout(ARM_S):
                await self.notices.armed.wait()
        except TimeoutError:
            logger.warning("no notices yet; the poll begins without them")
        await self._scan()
        for lane in self.lanes:
            await lane.baseline()

    async def cast_net(self) -> None:
        """Look at everything now and then: what a lost notice would have told."""
        while True:
            started = time.perf_counter()
            for lane in self.lanes:
                lane.watch.notice_all()
            await self._scan()
            for lane in self.lanes:
                lane.wake()
            took = time.perf_counter() - started
            pause = self._options.poll_s * (10 if self.notices.pushed and self.notices.armed.is_set() else 1)
            self._missed.clear()
            try:
                async with asyncio.timeout(max(pause, NET_PER_SCAN * took)):
                    await self._missed.wait()
            except TimeoutError:
                continue

    async def trim(self) -> None:
        """Keep every log within its declared age; its length is kept by each append."""
        while True:
            oldest_ms = int((time.time() - self._options.max_age_s) * 1000)
            for store in self._stores.values():
                for held in list(store.held()):
                    await held.log.trim(oldest_ms)
            await asyncio.sleep(TRIM_S)

    async def _scan(self) -> None:
        cursor = 0
        while True:
            cursor, keys = await self._redis.scan(cursor, count=SCAN_COUNT)
            for key in keys:
                self._on_key(key.decode(errors="replace"), wake=False)
            if cursor == 0:
                return

    def _on_key(self, redis_key: str, *, wake: bool = True) -> None:
        for lane in self.lanes:
            if lane.watch.notice(redis_key):
                if wake:
                    lane.wake()
                return

    def _on_message(self, channel: str) -> None:
        for lane in self.lanes:
            if isinstance(lane.watch, HashWatch) and lane.watch.hint(channel):
                lane.wake()
                return

    def _on_reset(self) -> None:
        self._missed.set()
        for lane in self.lanes:
            lane.watch.notice_all()
            lane.wake()

    def _watch(self, stream: Stream, store: Store) -> Watch | None:
        match stream.layout:
            case HashFields() as layout:
                return HashWatch(stream, layout)
            case ListTail() as layout:
                return TailWatch(stream, layout, self._markets, store)
            case Bars() as layout:
                return BarWatch(stream, layout, store)
            case JoinedHashes() as layout:
                return JoinedWatch(stream, layout)
            case Beacons() as layout:
                return BeaconWatch(stream, layout)
        return None

    def _learn(self, records: list[Record]) -> None:
        for record in records:
            self._markets.learn(*record.key)


def _prefixes(stream: Stream) -> list[str]:
    match stream.layout:
        case HashFields() | ListTail() | Bars() as layout:
            return [patterns.prefix(layout.pattern)]
        case JoinedHashes() as layout:
            return list(layout.names)
        case Beacons() as layout:
            return [patterns.prefix(layout.pattern), patterns.prefix(layout.seen)]
    return []


def _hints(stream: Stream) -> str | None:
    return stream.layout.hints if isinstance(stream.layout, HashFields) else None
