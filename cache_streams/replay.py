"""Replay: the past of some subscriptions from the log, in its own order and spacing; then they go on live.

The past ends where the reader stood when the replay began. What came while it was told follows at once, up to where the
reader stands then, and there the subscriptions start as those do that resume: no entry is missed, none told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from redis.exceptions import RedisError

from cache_streams.batches import batched
from cache_streams.delivery import rendered
from cache_streams.leg import UNCOUNTED
from cache_streams.metrics import REPLAYED, REPLAYS, REPLAYS_RUNNING
from cache_streams.outlet import Outlet
from cache_streams.pacing import PacedWriter
from cache_streams.places import Cursor
from cache_streams.protocol.rendition import Rendition
from cache_streams.protocol.tempo import Tempo
from cache_streams.reader import LogReader
from cache_streams.replay_track import Lost, NotKept, Track
from cache_streams.subscription import RETRY_FIRST_S, RETRY_MOST_S, Subscription

ENTRIES = 500
"""Entries that one replay holds, over all its logs, but at least ``ENTRIES_LEAST`` of each."""
ENTRIES_LEAST = 20
BATCH = 128
"""Entries written before the clock is looked at again."""
LOOK_S = 1.0
"""How long a replay sleeps at most before it looks whether its logs are still what they were."""

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Past:
    """From when to when a replay tells, Unix seconds; None when there is nothing to tell."""

    begins_at: float | None
    ends_at: float | None


class Replay:
    """Tells the past of ``subscriptions``, which were prepared and not started, on one socket.

    ``rendition`` flags what it tells. ``live`` is called for each subscription when its past is over, right before it starts,
    with whether all of it was told.
    """

    def __init__(
        self,
        reader: LogReader,
        outlet: Outlet,
        subscriptions: Sequence[Subscription],
        *,
        rendition: Rendition,
        speed: float,
        live: Callable[[Subscription, bool], None],
    ) -> None:
        self._rendition, self._live = rendition, live
        self.speed = speed
        self._subscriptions = list(subscriptions)
        self._stream = subscriptions[0].stream.name
        self._writer = PacedWriter(outlet, b"", reader.pages.turns)
        self._tracks: list[Track] = []
        self._tempo: Tempo | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        """Whether its subscriptions are live, or gone."""
        return not self._subscriptions

    def tells(self, subscription: Subscription) -> bool:
        """Return whether the subscription's past is being told."""
        return subscription in self._subscriptions

    async def prepare(self, start: Cursor | int) -> Past:
        """Stand after a cursor, or before a Unix time in milliseconds. Raises: NotKept, ``redis.RedisError``."""
        tracks: dict[str, Track] = {}
        for leg in (leg for subscription in self._subscriptions for leg in subscription.legs):
            if leg.followed is not None and leg.followed.epoch is not None:  # else nothing was ever in it
                tracks.setdefault(leg.followed.log.name.log, Track(leg.followed)).add(leg)
        self._tracks = list(tracks.values())
        faults = []
        for track in self._tracks:
            try:
                await track.begin(start)
            except NotKept as fault:
                faults.append(fault)
        if faults:
            raise max(faults, key=lambda fault: fault.begins_ms)
        begins = [ms for track in self._tracks if (ms := await track.begins_ms()) is not None]
        for track in self._tracks:
            for leg in track.legs:
                leg.seen, leg.told, leg.needs_snapshot = track.seen, UNCOUNTED, False
        ends = max((track.until[0] for track in self._tracks), default=0)
        return Past(min(begins) / 1000, ends / 1000) if begins else Past(None, None)

    def start(self) -> None:
        """Begin to tell, if anybody still wants it."""
        if self.over:
            return
        REPLAYS_RUNNING.inc()
        self._task = asyncio.create_task(self._run(), name="replay")
        self._task.add_done_callback(lambda _: REPLAYS_RUNNING.dec())

    def leave(self, subscription: Subscription) -> None:
        """Tell one subscription nothing more; the replay ends with the last of them."""
        if not self.tells(subscription):
            return
        self._subscriptions.remove(subscription)
        for track in self._tracks:
            for leg in subscription.legs:
                track.drop(leg)
        if self.over and self._task is not None:
            REPLAYS.labels("stopped").inc()
            self._task.cancel()

    async def _run(self) -> None:
        outcome = "lost"
        try:
            await self._tell()
            for track in self._tracks:
                track.until = max(track.until, track.followed.position)
            self._tempo = None
            await self._tell(spaced=False)
            outcome = "live"
        except Lost:
            logger.info("replay lost its log", logs=[track.followed.log.name.log for track in self._tracks])
        except Exception:  # a task's root: a defect of ours must not keep the subscriptions from going live
            logger.exception("replay failed")
            outcome = "failed"
        REPLAYS.labels(outcome).inc()
        self._go_live(recovered=outcome == "live")

    def _go_live(self, *, recovered: bool) -> None:
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            for leg in subscription.legs:
                leg.needs_snapshot = leg.needs_snapshot or not recovered
            self._live(subscription, recovered)
            subscription.start()

    async def _tell(self, *, spaced: bool = True) -> None:
        """Tell what is due as it becomes due, all of it up to where each track ends. Raises: Lost."""
        while due := await self._due(spaced=spaced):
            await self._writer.write(batched(due))
            for track in self._tracks:
                track.settle()
        for track in self._tracks:
            track.settle()

    async def _due(self, *, spaced: bool) -> list[bytes]:
        """Return payloads that are due, oldest first; none when there is nothing left."""
        while True:
            tracks = [track for track in self._tracks if await self._filled(track)]
            if not tracks:
                return []
            pause = self._pause(min(_time(track) for track in tracks)) if spaced else 0.0
            if not pause:
                return self._taken(tracks, spaced=spaced)
            await asyncio.sleep(min(pause, LOOK_S))

    def _taken(self, tracks: Sequence[Track], *, spaced: bool) -> list[bytes]:
        """Take what is due from tracks that all have a head; the order is not known once one of them has none."""
        payloads: list[bytes] = []
        for _ in range(BATCH):
            track = min(tracks, key=_time)
            if spaced and self._pause(_time(track)):
                break
            entry = track.take()
            count = track.listeners(entry)
            for payload in rendered(self._rendition, entry, track.epoch):
                payloads += [payload] * count
            if track.head is None:
                break
        REPLAYED.labels(self._stream).inc(len(payloads))
        return payloads

    def _pause(self, at_ms: int) -> float:
        now = asyncio.get_running_loop().time()
        if self._tempo is None:
            self._tempo = Tempo(at_ms, self.speed, now)
        return self._tempo.pause_s(at_ms, now)

    async def _filled(self, track: Track) -> bool:
        pause = RETRY_FIRST_S
        while True:
            try:
                return await track.fill(max(ENTRIES_LEAST, ENTRIES // len(self._tracks)))
            except (RedisError, OSError) as error:
                logger.info("replay waits for Redis", error=type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MOST_S)


def _time(track: Track) -> int:
    return 0 if track.head is None else track.head.position[0]
