"""Sampling: the newest value of each changed key, at a pace that the client chose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cache_streams.delivery import rendered
from cache_streams.leg import KeyLeg
from cache_streams.log_entries import LogEntry
from cache_streams.outlet import Body, Outlet
from cache_streams.protocol.rendition import Rendition


class Sampler:
    """Looks at the reader's views of some legs every ``interval_s`` seconds, and writes what changed since."""

    def __init__(
        self, outlet: Outlet, rendition: Rendition, prefix: bytes, interval_s: float, legs: Sequence[KeyLeg]
    ) -> None:
        self._outlet, self._rendition, self._prefix = outlet, rendition, prefix
        self._interval_s, self._legs = interval_s, legs
        self._timer: asyncio.TimerHandle | None = None
        self.skipped = 0
        """Updates that a newer one of the same key replaced before a sample was taken."""

    def start(self) -> None:
        """Take the first sample after one interval."""
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._sample)

    def stop(self) -> None:
        """Take no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _sample(self) -> None:
        self.start()
        if not self._outlet.paused:  # a full outlet skips this sample; the next one holds what is newest then
            for leg in self._legs:
                self._sample_leg(leg)

    def _sample_leg(self, leg: KeyLeg) -> None:
        view, followed = leg.live_view(), leg.followed
        if view is None or followed is None or not leg.hot:
            return
        changed, before = view.states.changed_since(leg.told), leg.seen
        self.skipped += max(0, view.states.total - leg.told - len(changed))
        leg.told, leg.seen = view.states.total, max(view.seen, followed.position)
        for number, update in enumerate(changed, 1):
            # Whoever is cut off between two of them resumes from before: only the last says that all were told.
            at = leg.seen if number == len(changed) else before
            for payload in rendered(self._rendition, LogEntry(at, update), followed.epoch):
                self._outlet.write(self._prefix, Body(payload))
