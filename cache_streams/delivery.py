"""Delivery: what one step of the reader writes. A frame is made once per update, and a socket is written to once per step."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from cache_streams.followed import Group
from cache_streams.log_entries import LogEntry
from cache_streams.metrics import DELIVERED, RENDER_FAILURES
from cache_streams.places import Cursor, cursor_text
from cache_streams.protocol.rendition import Rendition, UpdateAt
from cache_streams.targets import Targets, hand_over

logger = structlog.get_logger(__name__)


class Delivery:
    """Collects what the entries of one step of the reader tell, in order, and hands it over at its end.

    Between the first entry and ``finish`` nothing else runs: whoever reads the reader's position finds that every frame
    up to there has been handed over.
    """

    def __init__(self) -> None:
        self.under_way = False
        self._step: list[tuple[Targets, bytes]] = []
        self._delivered: Counter[str] = Counter()
        self._afterwards: list[Callable[[], None]] = []

    def entry(self, group: Group, entry: LogEntry, epoch: str | None, stream: str) -> int:
        """Render an entry for every hot leg of a group that has not seen it; return the bytes rendered."""
        rendered_bytes = frames = 0
        if entry.update is None:
            return 0
        for rendition in list(group.hot):
            targets = group.targets(rendition, entry.position, entry.update)
            if not targets.count:
                continue
            for payload in rendered(rendition, entry, epoch):
                self._step.append((targets, payload))
                rendered_bytes += len(payload)
                frames += targets.count
        if frames:
            self._delivered[stream] += frames
        return rendered_bytes

    def afterwards(self, action: Callable[[], None]) -> None:
        """Do ``action`` once everything of this step has been handed over, or at once between steps."""
        if self.under_way:
            self._afterwards.append(action)
        else:
            action()

    def finish(self) -> None:
        """Hand over what was collected: one write per socket."""
        step, self._step = self._step, []
        hand_over(step)
        for stream, frames in self._delivered.items():
            DELIVERED.labels(stream).inc(frames)
        self._delivered.clear()
        self.under_way = False
        while self._afterwards:
            actions, self._afterwards = self._afterwards, []
            for action in actions:
                action()


def rendered(rendition: Rendition, entry: LogEntry, epoch: str | None) -> Sequence[bytes]:
    """Return the bodies of an entry's update; a defect of one family must not take the reader from the others."""
    if entry.update is None:
        return ()
    try:
        update_at: UpdateAt | None = getattr(rendition, "update_at", None)
        if update_at is not None:
            return update_at(entry.update, cursor_text(Cursor(epoch or "", entry.position)), time.time())
        return rendition.update(entry.update, time.time())
    except Exception:  # a defect of one family must not take the reader from the others
        logger.exception("rendition failed", rendition=type(rendition).__name__)
        RENDER_FAILURES.inc()
        return ()
