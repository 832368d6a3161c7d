"""One socket's membership of groups of one stream: hot while it keeps up, cold while it reads the log on its own.

The law: old snapshot + updates = new snapshot. A cold subscription reads up to where the reader stands and, in the same
loop step in which it has nothing left to read, becomes hot; the reader handles one entry at a time without waiting. So no
entry is missed and none is written twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError

from cache_streams.log import START, Position
from cache_streams.metrics import COLD, SNAPSHOTS
from cache_streams.outlet import Body, Outlet
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import PAGE, STEP_BYTES, Followed, LogReader
from cache_streams.streams.declaration import Key, Mode, Stream
from cache_streams.streams.update import KeySnapshot

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 2.0

logger = structlog.get_logger(__name__)


class KeyLeg:
    """Interest in what of one log begins with ``under``: a whole key, a part of one, or () for all."""

    __slots__ = (
        "_subscription",
        "followed",
        "hot",
        "outlet",
        "partition",
        "prefix",
        "rendition",
        "seen",
        "under",
    )

    def __init__(self, subscription: Subscription, partition: str, under: Key) -> None:
        self._subscription = subscription
        self.partition, self.under = partition, under
        self.outlet, self.prefix = subscription.outlet, subscription.prefix
        self.rendition = subscription.rendition
        self.followed: Followed | None = None
        self.seen: Position = START
        self.hot = False

    def epoch_changed(self) -> None:
        self._subscription.start_over("epoch")

    def warm(self) -> bool:
        """Become hot if nothing in the log is left to read; return whether it is."""
        if not self.hot and self.followed is not None and self.seen >= self.followed.position:
            self.followed.join(self.under, self, self.seen)
            self.hot = True
        return self.hot

    def cool(self) -> None:
        """Become cold where the last frame was written."""
        if self.hot and self.followed is not None:
            self.seen = self.followed.leave(self.under, self)
            self.hot = False


class Subscription:
    """Groups of one stream, rendered one way for one socket, in one mode.

    ``legs`` are (partition, what keys begin with) pairs. ``trouble`` is a frame to send once when the cache cannot be read at the start.
    """

    def __init__(
        self,
        reader: LogReader,
        outlet: Outlet,
        stream: Stream,
        legs: Sequence[tuple[str, Key]],
        rendition: Rendition,
        *,
        prefix: bytes = b"",
        trouble: bytes | None = None,
    ) -> None:
        self.outlet, self.stream, self.rendition, self.prefix = outlet, stream, rendition, prefix
        self._reader, self._trouble = reader, trouble
        self._legs = [KeyLeg(self, partition, under) for partition, under in legs]
        self._task: asyncio.Task[None] | None = None
        self._needs_snapshot, self._fell_behind = True, False

    @property
    def hot(self) -> bool:
        """Whether every leg is fed by the reader, and nothing of this subscription's own runs."""
        return self._task is None

    def start(self) -> None:
        """Send the snapshot, then every update."""
        self.outlet.listeners.add(self)
        self._run_cold("start")

    async def stop(self) -> None:
        """Send nothing more."""
        self.outlet.listeners.discard(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for leg in self._legs:
            leg.cool()
            if leg.followed is not None:
                leg.followed.legs.discard(leg)
                self._reader.unfollow(leg.followed)

    def outlet_paused(self) -> None:
        """Go cold: the socket does not keep up. What is being delivered right now still reaches it whole."""
        self._fell_behind = self.stream.mode is Mode.LATEST
        self._reader.after_entry(lambda: self._run_cold("slow"))

    def start_over(self, reason: str) -> None:
        """Send a snapshot again: what this subscription knew no longer holds."""
        self._needs_snapshot = True
        self._reader.after_entry(lambda: self._run_cold(reason))

    def _run_cold(self, reason: str) -> None:
        if self.outlet.closed:
            return
        for leg in self._legs:
            leg.cool()
        if reason != "start":
            COLD.labels(reason).inc()
        if self._task is None:
            self._task = asyncio.create_task(self._warm_up(reason), name=f"cold {self.stream.name}")

    async def _warm_up(self, reason: str) -> None:
        pause = RETRY_FIRST_S
        while True:
            try:
                await self._catch_up(reason)
            except (RedisError, OSError) as error:
                self._tell_trouble(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST_S)
            else:
                self._task = None
                return

    def _tell_trouble(self, error: Exception) -> None:
        logger.info("subscription waits for Redis", stream=self.stream.name, error=type(error).__name__)
        if self._trouble is not None:
            self.outlet.send(self._trouble)
            self._trouble = None

    async def _catch_up(self, reason: str) -> None:
        """Write what is missing; return in the loop step in which every leg has become hot."""
        while True:
            await self.outlet.writable()
            if self._needs_snapshot or self._fell_behind:
                await self._send_snapshot("slow" if self._fell_behind else reason)
            for leg in self._legs:
                if not leg.hot:
                    await self._read_on(leg)
            if self.outlet.paused or self._needs_snapshot or self._fell_behind:
                continue
            if all(leg.warm() for leg in self._legs):
                return

    async def _send_snapshot(self, reason: str) -> None:
        self._needs_snapshot = self._fell_behind = False
        try:
            keys = [snapshot for leg_keys in await self._read_snapshot() for snapshot in leg_keys]
        except (RedisError, OSError):
            self._needs_snapshot = True
            raise
        SNAPSHOTS.labels(reason).inc()
        await self._write(self.rendition.snapshot(keys, time.time()))

    async def _read_snapshot(self) -> list[tuple[KeySnapshot, ...]]:
        """Read the state of every leg; each leg then stands where its state held."""
        parts: list[tuple[KeySnapshot, ...]] = []
        for leg in self._legs:
            if leg.followed is None:
                leg.followed = await self._reader.follow(self.stream, leg.partition)
                leg.followed.legs.add(leg)
            state = await leg.followed.log.snapshot(leg.under)
            leg.seen = state.position
            parts.append(state.keys)
        return parts

    async def _read_on(self, leg: KeyLeg) -> None:
        followed = leg.followed
        if followed is None:
            return
        while leg.seen < followed.position and not self._needs_snapshot:
            until = followed.position
            page = await followed.log.range(leg.seen, until, PAGE)
            for entry in page:
                if entry.update is not None and entry.update.key[: len(leg.under)] == leg.under:
                    await self._write(self.rendition.update(entry.update, time.time()))
                leg.seen = entry.position
                if self.outlet.paused or self._fell_behind:
                    return
            if len(page) < PAGE:
                leg.seen = max(leg.seen, until)

    async def _write(self, payloads: Sequence[bytes]) -> None:
        written = 0
        for payload in payloads:
            self.outlet.write(self.prefix, Body(payload))
            written += len(payload)
            if written >= STEP_BYTES:
                written = 0
                await asyncio.sleep(0)  # only now can the transport say that it is full
                await self.outlet.writable()
