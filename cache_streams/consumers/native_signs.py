"""What a native socket says without being asked: heartbeats, how fresh its streams are, the token's end, the server's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings

from cache_streams.consumers.native_book import Book, Member
from cache_streams.freshness import LIVE, Freshness, FreshnessWatch, Partition
from cache_streams.outlet import Outlet
from cache_streams.protocol.native import frames

TICKS_PER_HEARTBEAT = 5
EXPIRING_S = 60.0
"""So long before a token ends its socket is told."""


class Signs:
    """Timers and listeners of one socket; ``stop`` ends them."""

    def __init__(
        self, outlet: Outlet, book: Book, watch: FreshnessWatch, say: Callable[[Any], None]
    ) -> None:  # Any: any frame
        self._outlet, self._book, self._watch, self._say = outlet, book, watch, say
        outlet.minds_silence = True
        self._quiet = 0
        self._beat: asyncio.TimerHandle | None = None
        self._expiring: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat, and to hear how fresh the logs are."""
        self._watch.listen(self._changed)
        self._tick()

    def stop(self) -> None:
        """Say nothing more."""
        self._watch.ignore(self._changed)
        for timer in (self._beat, self._expiring):
            if timer is not None:
                timer.cancel()

    def expect_end(self, expires_at: float | None) -> None:
        """Say in time that the token ends, in place of what was said to come before."""
        if self._expiring is not None:
            self._expiring.cancel()
            self._expiring = None
        if expires_at is not None:
            left_s = max(0.0, expires_at - time.time() - EXPIRING_S)
            frame = frames.TokenExpiring(expires_at=expires_at)
            self._expiring = asyncio.get_running_loop().call_later(left_s, self._say, frame)

    def draining(self, reconnect_within_s: float, deadline_s: float) -> None:
        """Say that the server is about to stop, and when to come back."""
        interval_ms = (0, round(reconnect_within_s * 1000))
        self._say(frames.Status(state="draining", reconnect_in_ms=interval_ms, deadline_s=deadline_s))

    def begun(self, members: Sequence[Member]) -> None:
        """Say of what was just subscribed to that it is not fresh, if it is not."""
        stale = {name: fresh for name in _partitions(members) if (fresh := self._watch.of(name)) is not LIVE}
        self._tell(stale)

    def _changed(self, changed: Mapping[Partition, Freshness]) -> None:
        followed = _partitions(self._book.members())
        self._tell({name: fresh for name, fresh in changed.items() if name in followed})

    def _tell(self, partitions: Mapping[Partition, Freshness]) -> None:
        for (stream, partition), fresh in partitions.items():
            age_s = round(fresh.age_s, 1)
            self._say(frames.Status(state=fresh.state, stream=stream, partition=partition, age_s=age_s))

    def _tick(self) -> None:
        """Say that the socket lives if nothing else did for a while; into a full outlet nothing is said."""
        every_s = settings.HEARTBEAT_S / TICKS_PER_HEARTBEAT
        self._beat = asyncio.get_running_loop().call_later(every_s, self._tick)
        if self._outlet.wrote:
            self._outlet.wrote, self._quiet = False, 0
            return
        self._quiet += 1
        if self._quiet >= TICKS_PER_HEARTBEAT and not self._outlet.paused:
            behind = self._behind()
            beat = frames.Heartbeat(time=time.time())
            self._say(beat if behind is None else frames.Heartbeat(time=beat.time, behind=behind))
            self._outlet.wrote, self._quiet = False, 0

    def _behind(self) -> frames.Behind | None:
        cold = [m.subscription for m in self._book.members() if not m.subscription.hot]
        if not cold:
            return None
        return frames.Behind(subscriptions=len(cold), updates=sum(each.behind() for each in cold))


def _partitions(members: Sequence[Member]) -> dict[Partition, None]:
    return {(m.wanted.stream.name, name): None for m in members for name in m.wanted.partitions}
