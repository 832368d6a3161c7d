"""Delivery: an entry is rendered once for all hot legs that send the same, and written to each without waiting."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from cache_streams.followed import Group
from cache_streams.log import LogEntry
from cache_streams.metrics import DELIVERED, RENDER_FAILURES
from cache_streams.outlet import Body
from cache_streams.places import Cursor, cursor_text
from cache_streams.protocol.rendition import Rendition, UpdateAt

logger = structlog.get_logger(__name__)


def deliver(group: Group, entry: LogEntry, epoch: str | None, stream: str) -> int:
    """Write what an entry makes to every hot leg of a group that has not seen it; return the bytes rendered."""
    written = frames = 0
    for rendition in list(group.hot):
        targets = group.targets(rendition, entry.position)
        if not targets:
            continue
        for payload in rendered(rendition, entry, epoch):
            body = Body(payload)
            written += len(payload)
            frames += len(targets)
            for leg in targets:
                leg.outlet.write(leg.prefix, body)
    if frames:
        DELIVERED.labels(stream).inc(frames)
    return written


def rendered(rendition: Rendition, entry: LogEntry, epoch: str | None) -> Sequence[bytes]:
    """Return the bodies of an entry's update; a defect of one family must not take the reader from the others."""
    if entry.update is None:
        return ()
    try:
        update_at: UpdateAt | None = getattr(rendition, "update_at", None)
        if update_at is not None:
            return update_at(entry.update, cursor_text(Cursor(epoch or "", entry.position)), time.time())
        return rendition.update(entry.update, time.time())
    except Exception:
        logger.exception("rendition failed", rendition=type(rendition).__name__)
        RENDER_FAILURES.inc()
        return ()
