"""What one socket was told of one key, by number: pages of an archive and updates are written after it, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec

from cache_streams.archive import Archive
from cache_streams.batches import STEP_BYTES
from cache_streams.delivery import rendered
from cache_streams.log_entries import LogEntry
from cache_streams.metrics import ARCHIVE_READS
from cache_streams.outlet import Body, Outlet
from cache_streams.places import START
from cache_streams.protocol.rendition import Rendition
from cache_streams.streams.declaration import Key, Record, Stream
from cache_streams.streams.update import Update

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is told first: everything up to the number ``until`` by ``rendition``; then ``done`` is called, once."""

    until: int
    rendition: Rendition
    done: Callable[[], None]


class Telling:
    """Writes whole updates of one key; ``told`` is the number up to which it did.

    ``skipped(first, last)`` is called for rows that are no more, before what follows them is written.
    """

    def __init__(
        self,
        outlet: Outlet,
        stream: Stream,
        key: Key,
        archive: Archive,
        *,
        prefix: bytes,
        rendition: Rendition,
        told: int,
        skipped: Callable[[int, int], None],
        backlog: Backlog | None,
    ) -> None:
        self.told = told
        self._outlet, self._stream, self._key, self._archive = outlet, stream, key, archive
        self._prefix, self._rendition = prefix, rendition
        self._skipped, self._backlog = skipped, backlog

    @property
    def behind_backlog(self) -> bool:
        """Whether something is left to tell that is told first."""
        return self._backlog is not None and self.told < self._backlog.until

    def restart(self, told: int, backlog_until: int) -> None:
        """Go on after ``told`` in rows that are others; what is left of a backlog ends at ``backlog_until``."""
        self.told = told
        if self._backlog is not None:
            self._backlog = replace(self._backlog, until=backlog_until)
            self.finish_backlog()

    async def read_page(self) -> bool:
        """Write a page of the archive; return whether there was any. Raises: ArchiveUnavailable."""
        await self._outlet.writable()
        records = await self._archive.page(self._key, self.told)
        ARCHIVE_READS.labels(self._stream.name).inc()
        updates = [_update(record) for record in records]
        if updates and updates[0].seq > self.told + 1:
            self.jump_to(updates[0].seq - 1)
        await self.write(updates)
        return bool(updates)

    async def write(self, updates: Sequence[Update]) -> None:
        """Write updates until the outlet is full; no more in one loop step than it can be asked to take before it says so."""
        step = 0
        for update in updates:
            if self._outlet.paused:
                return
            for payload in self._bodies(update):
                self._outlet.write(self._prefix, Body(payload))
                step += len(payload)
            self.told = update.seq
            self.finish_backlog()
            if step >= STEP_BYTES:
                step = 0
                await asyncio.sleep(0)

    def jump_to(self, number: int) -> None:
        """Go on after ``number``: the rows up to it are no more."""
        if number > self.told:
            first, self.told = self.told + 1, number
            self._skipped(first, number)
            self.finish_backlog()

    def jump_backlog(self) -> None:
        """Go on after the backlog: what is left of it is no more."""
        if self._backlog is not None:
            self.jump_to(self._backlog.until)

    def finish_backlog(self) -> None:
        """Say, once, that the backlog is told, if it is."""
        if self._backlog is not None and not self.behind_backlog:
            done, self._backlog = self._backlog.done, None
            done()

    def _bodies(self, update: Update) -> Sequence[bytes]:
        backlog = self._backlog
        first = backlog is not None and update.seq <= backlog.until
        rendition = backlog.rendition if backlog is not None and first else self._rendition
        return rendered(rendition, LogEntry(START, update), None)


def _update(record: Record) -> Update:
    return Update(record.key, record.number or 0, _encode(record.value), record.time, record.time or 0.0)
