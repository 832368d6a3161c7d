"""Pages of logs, read and framed once for all subscriptions of this process that catch up from the same region."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import Self

from cache_streams.batches import Passage
from cache_streams.log import Log
from cache_streams.log_entries import LogEntry
from cache_streams.metrics import LOG_PAGES
from cache_streams.places import START, Position
from cache_streams.protocol.rendition import Rendition
from cache_streams.streams.declaration import Key

PAGE = 500
PAGES_BYTES = 32 * 1024 * 1024
"""Payload bytes of all pages that are kept; a page that nobody asked for lately goes first."""
TURNS = 8
"""Subscriptions that may write in one loop step while they catch up: a crowd must not hold up the hot ones."""


class Page:
    """Every entry of a log with ``after`` < position ≤ ``until``."""

    def __init__(self, after: Position, until: Position, entries: Sequence[LogEntry]) -> None:
        self.after, self.until, self.entries = after, until, entries
        self.bytes = sum(len(entry.update.data) for entry in entries if entry.update is not None)
        self._positions = [entry.position for entry in entries]
        self._begun = [
            (e.position, e.update.key) for e in entries if e.update is not None and e.update.begins
        ]
        self._under: dict[Key, tuple[list[Position], list[LogEntry]]] = {}
        self.rendered: dict[tuple[Rendition, Position], Sequence[bytes]] = {}
        """What an entry became, by what was made of it; only of renditions that many share."""
        self.passages: dict[tuple[Rendition, Key], Passage] = {}
        """What all updates of keys that begin alike became."""
        self._superseded: frozenset[Position] | None = None

    def reaches_back_to(self, seen: Position) -> bool:
        """Return whether this page holds what comes next after ``seen``, and proves that nothing between is missing."""
        if not self.after <= seen < self.until:
            return False
        place = bisect_right(self._positions, seen)
        return seen == self.after or (place > 0 and self._positions[place - 1] == seen)

    def after_position(self, seen: Position, under: Key) -> list[LogEntry]:
        """Return the updates after ``seen`` of keys that begin with ``under``, oldest first."""
        if under not in self._under:
            kept = [e for e in self.entries if e.update is not None and e.update.key[: len(under)] == under]
            self._under[under] = [entry.position for entry in kept], kept
        positions, kept = self._under[under]
        return kept[bisect_right(positions, seen) :]

    def begins(self, seen: Position, under: Key) -> bool:
        """Return whether after ``seen`` the log begins with a key under ``under``, which had changed before."""
        return any(at > seen and key[: len(under)] == under for at, key in self._begun)

    @property
    def superseded(self) -> frozenset[Position]:
        """Updates of which only the newest matters, and that a later one of the same key in this page replaces."""
        if self._superseded is None:
            later: set[Key] = set()
            found: list[Position] = []
            for entry in reversed(self.entries):
                if entry.update is not None:
                    if entry.update.superseded and entry.update.key in later:
                        found.append(entry.position)
                    later.add(entry.update.key)
            self._superseded = frozenset(found)
        return self._superseded


class Pages:
    """The pages of one process that are kept; ``turns`` says who may write next."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str | None, Position], Page] = OrderedDict()
        self._reading: dict[str, asyncio.Lock] = {}
        self._bytes = 0
        self._readers = 0
        self.turns = asyncio.Semaphore(TURNS)

    def __enter__(self) -> Self:
        """Count somebody who catches up."""
        self._readers += 1
        return self

    def __exit__(self, *_: object) -> None:
        """Keep nothing once nobody does any more."""
        self._readers -= 1
        if not self._readers:
            self._kept.clear()
            self._reading.clear()
            self._bytes = 0

    async def read(self, log: Log, epoch: str | None, seen: Position, until: Position) -> Page | None:
        """Return a page that goes on after ``seen``; None if the log was trimmed beyond it. Raises ``redis.RedisError``."""
        name = log.name.log
        lock = self._reading.setdefault(name, asyncio.Lock())
        async with lock:  # whoever waits here finds what the first one read
            page = self._find(name, epoch, seen)
            if page is not None:
                LOG_PAGES.labels("shared").inc()
                return page
            entries = await log.range_from(seen, until, PAGE)
            if entries is None:
                return None
            LOG_PAGES.labels("read").inc()
            end = entries[-1].position if len(entries) == PAGE else until
            page = Page(seen, end, entries)
            self._keep((name, epoch, seen), page)
            return page

    def _find(self, name: str, epoch: str | None, seen: Position) -> Page | None:
        for key, page in reversed(self._kept.items()):
            if key[:2] == (name, epoch) and page.reaches_back_to(seen):
                self._kept.move_to_end(key)
                return page
        return None

    def _keep(self, key: tuple[str, str | None, Position], page: Page) -> None:
        if page.after == START or page.bytes > PAGES_BYTES:
            return  # a log's very beginning proves nothing about what was trimmed before it
        replaced = self._kept.pop(key, None)
        self._bytes += page.bytes - (replaced.bytes if replaced else 0)
        self._kept[key] = page
        while self._bytes > PAGES_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.bytes
