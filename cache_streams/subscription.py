"""One socket's membership of groups of one stream: hot while it keeps up, cold while it reads the log on its own.

The law: old snapshot + updates = new snapshot. A cold subscription reads up to where the reader stands and, in the same
loop step in which it has nothing left to read, becomes hot; the reader handles one entry at a time without waiting. So no
entry is missed and none is written twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from cache_streams.catching_up import CatchUp
from cache_streams.leg import UNCOUNTED, KeyLeg
from cache_streams.metrics import COLD, COLD_SUBSCRIPTIONS, OFF_LOG, SUBSCRIPTIONS
from cache_streams.outlet import Outlet
from cache_streams.places import Cursor
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import LogReader
from cache_streams.sampling import Sampler
from cache_streams.streams.declaration import Key, Mode, Stream

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 2.0
COLD_LIMIT_S = 60.0
"""A socket that reads, but so slowly that it catches up with nothing for so long, is given up."""

_CAUSES = {
    "off_log": "the log no longer holds what was to be sent next",
    "cold_too_long": f"read so slowly that it caught up with nothing for {COLD_LIMIT_S:g} s",
}

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one log of a subscription begins: ``recovered`` says whether what was asked for since is all there."""

    partition: str
    cursor: Cursor | None
    recovered: bool | None


class Subscription:
    """Groups of one stream, rendered one way for one socket, in one mode.

    ``legs`` are (partition, what keys begin with) pairs. ``trouble`` is a frame to send once when the cache cannot be
    read at the start. ``interval_s`` is the pause between two values of one key in mode SAMPLE. ``lost`` is called
    when the log no longer holds what an *every* subscription has to send next.
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
        mode: Mode | None = None,
        interval_s: float = 0.0,
        lost: Callable[[], None] | None = None,
    ) -> None:
        self.outlet, self.stream, self.rendition, self.prefix = outlet, stream, rendition, prefix
        self.mode = mode or stream.mode
        self._reader, self._trouble, self._lost = reader, trouble, lost
        sampled = self.mode is Mode.SAMPLE
        self.legs = [KeyLeg(self, partition, under, sampled=sampled) for partition, under in legs]
        self._task: asyncio.Task[None] | None = None
        self._started = False
        self._catch_up = CatchUp(
            reader,
            outlet,
            stream,
            self.legs,
            rendition,
            prefix=prefix,
            off_log=lambda: self._give_up("off_log"),
        )
        self._sampler = Sampler(outlet, rendition, prefix, interval_s, self.legs) if sampled else None

    @property
    def hot(self) -> bool:
        """Whether every leg is fed by the reader, and nothing of this subscription's own runs."""
        return self._task is None

    @property
    def skipped(self) -> int:
        """Updates that this socket was never told, because only the newest was wanted."""
        return self._catch_up.skipped + (self._sampler.skipped if self._sampler is not None else 0)

    def cursor(self, partition: str) -> Cursor | None:
        """Return how far the socket was told of one log."""
        return next((leg.cursor for leg in self.legs if leg.partition == partition), None)

    def cursors(self) -> Iterable[tuple[str, Cursor | None]]:
        """Return each log, and how far the socket was told of it."""
        return ((leg.partition, leg.cursor) for leg in self.legs)

    def behind(self) -> int:
        """Return how many updates this socket has yet to be told, while it is cold; of what resumes that is not known."""
        views = [(leg, leg.live_view()) for leg in self.legs if not leg.hot and leg.told != UNCOUNTED]
        return sum(max(0, view.states.total - leg.told) for leg, view in views if view is not None)

    async def prepare(self, since: Mapping[str, Cursor] | None = None) -> list[Standing]:
        """Find out where to begin, before ``start``; ``since`` has a cursor by partition.

        Raises: ``redis.RedisError``, OSError.
        """
        await self._catch_up.look()
        standings = []
        for leg in self.legs:
            wanted = (since or {}).get(leg.partition)
            recovered = await self._catch_up.resume(leg, wanted) if wanted is not None else None
            view = leg.live_view()
            if not recovered and view is not None and leg.followed is not None:
                leg.seen, leg.told = max(view.seen, leg.followed.position), view.states.total
            standings.append(Standing(leg.partition, leg.cursor, recovered if since else None))
        return standings

    def start(self, *, snapshot: bool = True) -> None:
        """Send the snapshot, then every update; at once if this process already follows the keys."""
        self._started = True
        self.outlet.listeners.add(self)
        SUBSCRIPTIONS.labels(self.stream.name).inc()
        if not snapshot:
            for leg in self.legs:
                leg.needs_snapshot = False
        if self._sampler is not None:
            self._sampler.start()
        if not (self._attach_known() and self._catch_up.jump("start")):
            self._run_cold("start")

    async def stop(self) -> None:
        """Send nothing more."""
        if self in self.outlet.listeners:
            self.outlet.listeners.remove(self)
            SUBSCRIPTIONS.labels(self.stream.name).dec()
        if self._sampler is not None:
            self._sampler.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        for leg in self.legs:
            followed = leg.detach()
            if followed is not None:
                self._reader.unfollow(followed)

    def outlet_paused(self) -> None:
        """Go cold: the socket does not keep up. What is being delivered right now still reaches it whole."""
        self._catch_up.fell_behind = self.mode is not Mode.EVERY
        self._reader.delivery.afterwards(lambda: self._run_cold("slow"))

    def leg_started_over(self, *, trimmed: bool) -> None:
        """Send a snapshot again: what a leg knew of its log no longer holds.

        Within the same epoch nothing else would tell that updates of an *every* subscription are lost. Before the start
        nothing was sent, and the start finds that the state must be.
        """
        if not self._started:
            return
        if trimmed and self.mode is Mode.EVERY:
            self._give_up("off_log")
        self._reader.delivery.afterwards(lambda: self._run_cold("epoch"))

    def _run_cold(self, reason: str) -> None:
        if self.outlet.closed:
            return
        for leg in self.legs:
            leg.cool()
        if reason != "start":
            COLD.labels(reason).inc()
        if self._task is None:
            self._task = asyncio.create_task(self._warm_up(reason), name=f"cold {self.stream.name}")
            cold = COLD_SUBSCRIPTIONS.labels(self.stream.name)
            cold.inc()
            self._task.add_done_callback(lambda _: cold.dec())

    async def _warm_up(self, reason: str) -> None:
        pause = RETRY_FIRST_S
        while True:
            try:
                async with asyncio.timeout(COLD_LIMIT_S if reason == "slow" else None):
                    await self._catch_up.run(reason)
            except TimeoutError:
                self._give_up("cold_too_long")
            except (RedisError, OSError) as error:
                self._tell_trouble(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST_S)
                continue
            self._task = None
            return

    def _tell_trouble(self, error: Exception) -> None:
        logger.info("subscription waits for Redis", stream=self.stream.name, error=type(error).__name__)
        if self._trouble is not None:
            self.outlet.send(self._trouble)
            self._trouble = None

    def _give_up(self, reason: str) -> None:
        OFF_LOG.labels(reason).inc()
        self.outlet.cause = f"{self.stream.name}: {_CAUSES[reason]}"
        if self._lost is not None:
            self._lost()

    def _attach_known(self) -> bool:
        """Attach the legs whose keys this process follows already; return whether that is all of them."""
        for leg in self.legs:
            if leg.followed is None:
                followed = self._reader.followed(self.stream, leg.partition)
                if followed is None or followed.live_view(leg.under) is None:
                    return False
                leg.attach(followed)
        return all(leg.live_view() is not None for leg in self.legs)
