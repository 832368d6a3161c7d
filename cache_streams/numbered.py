"""One socket's membership of one key that has an archive: hot while it keeps up, cold while it reads by number.

Where ``subscription`` stands at a position of the log, this stands at a number of the key. So it goes on where it was when
the log was trimmed, or is another one: what the reader's view does not hold, the archive does. The law is the same: in the
loop step in which nothing is left to write it becomes hot, and the reader handles one entry at a time without waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from cache_streams.archive import Archive, ArchiveUnavailable, Shelf
from cache_streams.followed import Followed, View
from cache_streams.metrics import COLD, COLD_SUBSCRIPTIONS, SNAPSHOTS, SUBSCRIPTIONS
from cache_streams.outlet import Outlet
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import LogReader
from cache_streams.streams.declaration import Key, Stream
from cache_streams.streams.update import Update
from cache_streams.telling import Backlog, Telling

RETRY_S = 0.5

logger = structlog.get_logger(__name__)


class NumberedSubscription:
    """Membership of one key, told from the number after ``told`` on.

    ``skipped(first, last)`` is called for rows that are no more, ``reset(told, shelf)`` when numbers mean other rows than they
    did: then all of ``shelf`` is told. ``shelf`` is the name under which ``told`` is meant, "" when nothing was stored yet.
    """

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
        reset: Callable[[int, Shelf], None],
        shelf: str = "",
        backlog: Backlog | None = None,
    ) -> None:
        self.outlet, self.rendition = outlet, rendition
        self._reader, self._stream, self._key, self._partition = reader, stream, key, partition
        self._telling = Telling(
            outlet,
            stream,
            key,
            archive,
            prefix=self.prefix,
            rendition=rendition,
            told=told,
            skipped=skipped,
            backlog=backlog,
        )
        self._archive, self._shelf, self._reset = archive, shelf, reset
        self._doubtful = False
        """The log began a new epoch: perhaps because the rows are others."""
        self._followed: Followed | None = None
        self._view: View | None = None
        """The view with which this became hot, while it is: it counts what the reader has delivered."""
        self._ahead = False
        """Hot, but told more than the log held: until the log has caught up nothing of it is delivered here."""
        self._task: asyncio.Task[None] | None = None

    @property
    def told(self) -> int:
        """The number up to which the socket was told everything."""
        told = self._telling.told
        return told if self._view is None or self._ahead else max(told, self._view.states.total)

    @property
    def hot(self) -> bool:
        """Whether the reader feeds this, and nothing of its own runs."""
        return self._task is None

    def start(self) -> None:
        """Send what is missing, then every update."""
        self.outlet.listeners.add(self)
        SUBSCRIPTIONS.labels(self._stream.name).inc()
        self._run_cold()

    async def stop(self) -> None:
        """Send nothing more."""
        if self in self.outlet.listeners:
            self.outlet.listeners.remove(self)
            SUBSCRIPTIONS.labels(self._stream.name).dec()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._cool()
        self._detach()

    def outlet_paused(self) -> None:
        """Go cold: the socket does not keep up. What is being delivered right now still reaches it whole."""
        self._reader.delivery.afterwards(lambda: self._go_cold("slow"))

    @property
    def under(self) -> Key:
        """The key itself."""
        return self._key

    def epoch_changed(self, before: frozenset[Key]) -> None:
        """Go cold: the log is another one."""
        self._doubtful = True
        self._reader.delivery.afterwards(lambda: self._go_cold("epoch"))

    def log_trimmed(self, before: frozenset[Key]) -> None:
        """Go cold: the archive holds what the log no longer does."""
        self.epoch_changed(before)

    def log_lost(self) -> None:
        """Go cold: the log cannot be read, but the archive can."""
        self._go_cold("redis")

    def is_next(self, update: Update) -> bool:
        """Return whether an update is the next to tell, while the log is behind what was told; a gap is caught up with."""
        following = self._telling.told + 1
        if update.seq > following:
            self._reader.delivery.afterwards(lambda: self._go_cold("gap"))
        self._ahead = update.seq != following
        return not self._ahead

    # -- hot and cold -------------------------------------------------------------------------------------------------

    def _go_cold(self, reason: str) -> None:
        if self._view is not None and not self.outlet.closed:
            COLD.labels(reason).inc()
            self._cool()
            self._run_cold()

    def _cool(self) -> None:
        if self._view is not None and self._followed is not None:
            self._telling.told, self._view = self.told, None
            self._followed.leave(self._key, self)

    def _run_cold(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._warm_up(), name=f"cold {self._stream.name}")
            cold = COLD_SUBSCRIPTIONS.labels(self._stream.name)
            cold.inc()
            self._task.add_done_callback(lambda _: cold.dec())

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
                    while await self._telling.read_page():
                        pass
            else:
                self._task = None
                return
            await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> None:
        """Write what is missing; return in the loop step in which this became hot.

        Raises: ArchiveUnavailable, ``redis.RedisError``, OSError.
        """
        telling = self._telling
        while True:
            await self.outlet.writable()
            await asyncio.sleep(0)  # only now can the transport say that it is full
            if self._doubtful:
                await self._compare_shelves()
            if telling.behind_backlog:
                if not await telling.read_page():
                    telling.jump_backlog()
                continue
            view = await self._current()
            if self._doubtful:
                continue
            missing = view.states.newer(self._key, telling.told)
            if missing and missing[0].seq == telling.told + 1:
                await telling.write(missing)
            elif view.states.total > telling.told:
                if not await telling.read_page():
                    telling.jump_to(missing[0].seq - 1 if missing else view.states.total)
            elif not self.outlet.paused and self._join():
                return

    async def _compare_shelves(self) -> None:
        """Begin again if the numbers mean other rows than those that were told. Raises: ArchiveUnavailable."""
        self._doubtful = False
        try:
            shelf = await self._archive.shelf(self._key)
        except ArchiveUnavailable:
            self._doubtful = True
            raise
        if shelf is None or shelf.name == self._shelf:
            return
        known, self._shelf = self._shelf, shelf.name
        if known or self._telling.told > shelf.last:
            self._reset(self._telling.told, shelf)
            self._telling.restart(shelf.floor, shelf.last)

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
        told = self._telling.told
        if followed is None or view is None or view.states.total > told:
            return False
        self._telling.finish_backlog()
        SNAPSHOTS.labels("number").inc()
        seen = max(view.seen, followed.position)
        self._ahead = told > view.states.total
        followed.join(self._key, self, seen, unless=self.is_next if self._ahead else None)
        self._view = view
        return True

    def _detach(self) -> None:
        followed, self._followed = self._followed, None
        if followed is not None:
            followed.legs.discard(self)
            followed.release(self._key)
            self._reader.unfollow(followed)
