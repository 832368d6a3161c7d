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
from cache_streams.reader import PAGE, STEP_BYTES, Followed, LogReader, View
from cache_streams.streams.declaration import Key, Mode, Stream

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

    def attach(self, followed: Followed) -> None:
        """Belong to a log from now on: it tells of its epochs, and keeps a view for as long as a leg needs it."""
        self.followed = followed
        followed.legs.add(self)
        followed.views.setdefault(self.under, View(followed.log.stream.kind)).legs += 1

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
        self._unwritten: Sequence[bytes] = ()

    @property
    def hot(self) -> bool:
        """Whether every leg is fed by the reader, and nothing of this subscription's own runs."""
        return self._task is None

    def start(self) -> None:
        """Send the snapshot, then every update; at once if this process already follows the keys."""
        self.outlet.listeners.add(self)
        if not (self._attach_known() and self._jump("start")):
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
                leg.followed.release(leg.under)
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
            if self._must_jump():
                await self._look()
                if self._jump("slow" if self._fell_behind else reason):
                    return
                if self._must_jump():
                    continue
            await self._write_rest()
            for leg in self._legs:
                if not leg.hot:
                    await self._read_on(leg)
            if self.outlet.paused or self._must_jump():
                continue
            if all(leg.warm() for leg in self._legs):
                return

    def _must_jump(self) -> bool:
        """Return whether the state has to be sent anew before anything else: at the start, or to a latest reader that slept."""
        return self._needs_snapshot or self._fell_behind

    async def _look(self) -> None:
        """See to it that the reader has a current view of every leg's keys. Raises ``redis.RedisError``."""
        for leg in self._legs:
            followed = leg.followed
            if followed is None:
                followed = await self._reader.follow(self.stream, leg.partition)
                leg.attach(followed)
            await followed.view(leg.under)

    def _attach_known(self) -> bool:
        """Attach the legs whose keys this process follows already; return whether that is all of them."""
        for leg in self._legs:
            followed = self._reader.followed(self.stream, leg.partition)
            if followed is None or followed.live_view(leg.under) is None:
                return False
            if leg.followed is None:
                leg.attach(followed)
        return True

    def _jump(self, reason: str) -> bool:
        """Write the state as the reader holds it, without waiting; return whether every leg is hot with it.

        False with ``_needs_snapshot`` still set: a view is not current. False without: the state was too big for one
        loop step, the rest of it is being written, and the log is read from where the state held.
        """
        views = [leg.followed.live_view(leg.under) if leg.followed else None for leg in self._legs]
        keys = []
        for leg, view in zip(self._legs, views, strict=True):
            if view is None or leg.followed is None:
                return False
            leg.cool()
            leg.seen = max(view.seen, leg.followed.position)
            keys += view.states.snapshots()
        self._needs_snapshot = self._fell_behind = False
        SNAPSHOTS.labels(reason).inc()
        payloads = self.rendition.snapshot(keys, time.time())
        self._unwritten = self._write_step(payloads)
        if self._unwritten or self.outlet.paused:
            return False
        return all(leg.warm() for leg in self._legs)

    def _write_step(self, payloads: Sequence[bytes]) -> Sequence[bytes]:
        """Write as much as one loop step may; return the rest."""
        written = 0
        for number, payload in enumerate(payloads):
            if written >= STEP_BYTES:
                return payloads[number:]
            self.outlet.write(self.prefix, Body(payload))
            written += len(payload)
        return ()

    async def _write_rest(self) -> None:
        while self._unwritten and not self._must_jump():
            await asyncio.sleep(0)  # only now can the transport say that it is full
            await self.outlet.writable()
            self._unwritten = self._write_step(self._unwritten)

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
