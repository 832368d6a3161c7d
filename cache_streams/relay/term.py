"""One term of leadership: everything in it was read after the lease was won, and is dropped with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from redis.asyncio import Redis

from cache_streams.archive import Archive
from cache_streams.connections import ask
from cache_streams.log_names import logs_key
from cache_streams.relay.inbox import Inbox
from cache_streams.relay.lane import Lane
from cache_streams.relay.list_watches import BarWatch, Markets, TailWatch
from cache_streams.relay.retention import Retention
from cache_streams.relay.row_lane import RowLane
from cache_streams.relay.store import Store
from cache_streams.relay.watches import SOURCE_KEYS, BeaconWatch, HashWatch, JoinedWatch, Watch
from cache_streams.sources.tracking import Notices
from cache_streams.streams import patterns
from cache_streams.streams.declaration import (
    Bars,
    Beacons,
    HashFields,
    JoinedHashes,
    ListTail,
    Record,
    Rows,
    Stream,
)

ARM_S = 2.0
TRIM_S = 5.0
SCAN_COUNT = 1000
NET_PER_SCAN = 20
"""The net of a full scan is cast at most every so many times its own duration."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayOptions:
    """``poll_s``: look at everything so often when Redis pushes no notices, ten times as seldom when it does. ``archives``
    are the rows of the streams that stand on them; without its archive such a stream carries nothing.
    """

    prefix: str
    shards: int
    max_entries: int
    max_age_s: float
    bytes_budget: int
    poll_s: float
    archives: Mapping[str, Archive] = field(default_factory=dict)


class Term:
    """What a leading relay holds: a lane and a store for each stream, and what tells it of changes."""

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
        self._lane_of: dict[str, Lane] = {}
        """By key of the layout: most notices are of keys that were noticed before."""
        self.row_lanes: list[RowLane] = []
        for stream in registry:
            self._carry(stream, fence)
        self.retention = Retention(
            redis,
            options.prefix,
            max_entries=options.max_entries,
            max_age_s=options.max_age_s,
            budget_bytes=options.bytes_budget,
        )
        self.inbox = Inbox(redis, options.prefix, self._stores)
        self.notices = Notices(
            [prefix for stream in registry for prefix in _prefixes(stream)],
            [f"{patterns.prefix(hints)}*" for stream in registry if (hints := _hints(stream))],
            on_key=self._on_key,
            on_message=self._on_message,
            on_reset=self._on_reset,
        )

    def _carry(self, stream: Stream, fence: int) -> None:
        """Make the store of a stream, and the lanes that fill it."""
        store = Store(
            self._redis,
            stream,
            prefix=self._options.prefix,
            shards=self._options.shards,
            max_entries=self._options.max_entries,
            fence=fence,
            known=self._known,
        )
        self._stores[stream.name] = store
        archive = self._options.archives.get(stream.name)
        if isinstance(stream.layout, Rows) and archive is not None:
            self.row_lanes.append(self._row_lane(stream.layout, store, archive))
        watch = self._watch(stream, store)
        if watch is not None:
            learn = self._learn if stream.name == "tickers" else None
            self.lanes.append(Lane(self._redis, watch, store, learn))

    async def claim(self) -> None:
        """Claim every log there is."""
        members = await ask(self._redis, "SMEMBERS", logs_key(self._options.prefix))
        listed = {tuple(member.decode().split("\n", 1)) for member in members}
        # A known log that is not listed was lost with its Redis.
        for name, partition in listed | set(self._known):
            if name in self._stores:
                await self._stores[name].hold(partition)

    async def prepare(self) -> None:
        """Read everything once."""
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
        """Keep every log within its declared retention, and tell what they hold."""
        while True:
            await self.retention.keep(self._stores.values())
            await self.retention.look(self._stores.values())
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
        known = self._lane_of.get(redis_key)
        for lane in (known,) if known else self.lanes:
            if lane.watch.notice(redis_key):
                if known is None and len(self._lane_of) < SOURCE_KEYS:
                    self._lane_of[redis_key] = lane
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

    def _row_lane(self, layout: Rows, store: Store, archive: Archive) -> RowLane:
        prefix = self._options.prefix
        return RowLane(
            self._redis,
            store,
            archive,
            notices=f"{prefix}:{layout.notices}",
            looked=f"{prefix}:{store.stream.name}:looked",
            max_age_s=self._options.max_age_s,
        )

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
