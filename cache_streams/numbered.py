"""One socket's membership of one key that has an archive: hot while it keeps up, cold while it reads by number.

Where ``subscription`` stands at a position of the log, this stands at a number of the key. So it goes on where it was when
the log was trimmed, or is another one: what the reader's view does not hold, the archive does. The law is the same: in the
loop step in which nothing is left to write it becomes hot, and the reader handles one entry at a time without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec
import structlog
from redis.exceptions import RedisError

from cache_streams.archive import Archive, ArchiveUnavailable
from cache_streams.delivery import rendered
from cache_streams.followed import Followed, View
from cache_streams.log_entries import LogEntry
from cache_streams.metrics import ARCHIVE_READS, COLD, SNAPSHOTS
from cache_streams.outlet import Body, Outlet
from cache_streams.pacing import STEP_BYTES
from cache_streams.places import START
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import LogReader
from cache_streams.streams.declaration import Key, Record, Stream
from cache_streams.streams.update import Update

RETRY_S = 0.5
_encode = msgspec.json.Encoder().encode

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is told first: everything up to the number ``until`` by ``rendition``; then ``done`` is called, once."""

    until: int
    rendition: Rendition
    done: Callable[[], None]


class NumberedSubscription:
    """Membership of one key, told from the number after ``told`` on. ``skipped(first, last)``: rows that are no more."""

    prefix = b""

    def __init__(
        self,
        reader: LogReader,
        outlet: Outlet,
        *,
        stream: Stream,
        key: Key,
        partition: str,
        rendition: Rendition,
        archive: Archive,
        told: int,
        skipped: Callable[[int, int], None],
        backlog: Backlog | None = None,
    ) -> None:
        self.outlet, self.rendition = outlet, rendition
        self._reader, self._stream, self._key, self._partition = reader, stream, key, partition
        self._archive, self._skipped, self._backlog = archive, skipped, backlog
        self._told = told
        self._followed: Followed | None = None
        self._view: View | None = None
        """The view with which this became hot, while it is: it counts what the reader has delivered."""
        self._task: asyncio.Task[None] | None = None

    @property
    def told(self) -> int:
        """The number up to which the socket was told everything."""
        return self._told if self._view is None else max(self._told, self._view.states.total)

    @property
    def hot(self) -> bool:
        """Whether the reader feeds this, and nothing of its own runs."""
        return self._task is None

    def start(self) -> None:
        """Send what is missing, then every update."""
        self.outlet.listeners.add(self)
        self._run_cold()

    async def stop(self) -> None:
        """Send nothing more."""
        self.outlet.listeners.discard(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._cool()
        self._detach()

    def outlet_paused(self) -> None:
        """Go cold: the socket does not keep up. What is being delivered right now still reaches it whole."""
        self._reader.delivery.afterwards(lambda: self._go_cold("slow"))

    def epoch_changed(self) -> None:
        """Go cold: the log is another one."""
        self._reader.delivery.afterwards(lambda: self._go_cold("epoch"))

    def log_lost(self) -> None:
        """Go cold: the log cannot be read, but the archive can."""
        self._go_cold("redis")

    def is_next(self, update: Update) -> bool:
        """Return whether an update is the next to tell, while the log is behind what was told; a gap is caught up with."""
        if update.seq > self._told + 1:
            self._reader.delivery.afterwards(lambda: self._go_cold("gap"))
        return update.seq == self._told + 1

    # -- hot and cold -------------------------------------------------------------------------------------------------

    def _go_cold(self, reason: str) -> None:
        if self._view is not None and not self.outlet.closed:
            COLD.labels(reason).inc()
            self._cool()
            self._run_cold()

    def _cool(self) -> None:
        if self._view is not None and self._followed is not None:
            self._told, self._view = self.told, None
            self._followed.leave(self._key, self)

    def _run_cold(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._warm_up(), name=f"cold {self._stream.name}")

    async def _warm_up(self) -> None:
        while True:
            try:
                await self._catch_up()
            except ArchiveUnavailable:
                logger.info("subscription waits for rows", stream=self._stream.name)
            except (RedisError, OSError) as error:
                logger.info(
                    "subscription reads rows alone", stream=self._stream.name, error=type(error).__name__
                )
                with suppress(ArchiveUnavailable):
                    while await self._read_page():
                        pass
            else:
                self._task = None
                return
            await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> None:
        """Write what is missing; return in the loop step in which this became hot.

        Raises: ArchiveUnavailable, ``redis.RedisError``, OSError.
        """
        while True:
            await self.outlet.writable()
            await asyncio.sleep(0)  # only now can the transport say that it is full
            if self._behind_backlog():
                if not await self._read_page():
                    self._jump_to(self._backlog.until if self._backlog is not None else 0)
                continue
            view = await self._current()
            missing = view.states.newer(self._key, self._told)
            if missing and missing[0].seq == self._told + 1:
                await self._write(missing)
            elif view.states.total > self._told:
                if not await self._read_page():
                    self._jump_to(missing[0].seq - 1 if missing else view.states.total)
            elif not self.outlet.paused and self._join():
                return

    def _behind_backlog(self) -> bool:
        return self._backlog is not None and self._told < self._backlog.until

    async def _current(self) -> View:
        """Return the reader's view of the key. Raises ``redis.RedisError``, OSError."""
        async with asyncio.timeout(RETRY_S):  # TimeoutError is an OSError: the reader has no Redis
            await self._reader.connected.wait()
        if self._followed is None:
            self._followed = await self._reader.follow(self._stream, self._partition)
            self._followed.legs.add(self)
            self._followed.views.setdefault(self._key, View(self._stream.kind)).legs += 1
        return await self._followed.view(self._key)

    def _join(self) -> bool:
        """Become hot if the view is current and nothing of it is left to tell; return whether this did."""
        followed = self._followed
        view = followed.live_view(self._key) if followed is not None else None
        if followed is None or view is None or view.states.total > self._told:
            return False
        self._tell_backlog_done()
        SNAPSHOTS.labels("number").inc()
        seen = max(view.seen, followed.position)
        followed.join(self._key, self, seen, unless=self.is_next if self._told > view.states.total else None)
        self._view = view
        return True

    def _detach(self) -> None:
        followed, self._followed = self._followed, None
        if followed is not None:
            followed.legs.discard(self)
            followed.release(self._key)
            self._reader.unfollow(followed)

    # -- writing ------------------------------------------------------------------------------------------------------

    async def _read_page(self) -> bool:
        """Write a page of the archive; return whether there was any. Raises: ArchiveUnavailable."""
        await self.outlet.writable()
        records = await self._archive.page(self._key, self._told)
        ARCHIVE_READS.labels(self._stream.name).inc()
        updates = [_update(record) for record in records]
        if updates and updates[0].seq > self._told + 1:
            self._jump_to(updates[0].seq - 1)
        await self._write(updates)
        return bool(updates)

    async def _write(self, updates: list[Update]) -> None:
        """Write updates until the outlet is full; no more in one loop step than it can be asked to take before it says so."""
        step = 0
        for update in updates:
            if self.outlet.paused:
                return
            for payload in self._bodies(update):
                self.outlet.write(self.prefix, Body(payload))
                step += len(payload)
            self._told = update.seq
            self._tell_backlog_done()
            if step >= STEP_BYTES:
                step = 0
                await asyncio.sleep(0)

    def _bodies(self, update: Update) -> Sequence[bytes]:
        backlog = self._backlog
        rendition = (
            backlog.rendition if backlog is not None and update.seq <= backlog.until else self.rendition
        )
        return rendered(rendition, LogEntry(START, update), None)

    def _jump_to(self, number: int) -> None:
        """Go on after ``number``: the rows up to it are no more."""
        if number > self._told:
            first, self._told = self._told + 1, number
            self._skipped(first, number)
            self._tell_backlog_done()

    def _tell_backlog_done(self) -> None:
        if self._backlog is not None and not self._behind_backlog():
            done, self._backlog = self._backlog.done, None
            done()


def _update(record: Record) -> Update:
    return Update(record.key, record.number or 0, _encode(record.value), record.time, record.time or 0.0)
