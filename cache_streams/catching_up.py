"""How a cold subscription catches up: state first where it is wanted, then the log up to where the reader stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import chain

from cache_streams.batches import Batch, Passage, batched
from cache_streams.delivery import rendered
from cache_streams.leg import UNCOUNTED, KeyLeg
from cache_streams.log_entries import LogEntry
from cache_streams.metrics import SKIPPED, SNAPSHOTS
from cache_streams.outlet import Outlet
from cache_streams.pacing import PacedWriter
from cache_streams.pages import Page
from cache_streams.places import Cursor, Position, cursor_text
from cache_streams.protocol.rendition import Rendition
from cache_streams.reader import LogReader
from cache_streams.streams.declaration import Stream
from cache_streams.streams.update import KeySnapshot, Update, nothing


class CatchUp:
    """Brings the legs of one subscription from where each stands to where the reader is.

    ``off_log`` is called when the log no longer holds what has to be sent next.
    """

    def __init__(
        self,
        reader: LogReader,
        outlet: Outlet,
        stream: Stream,
        legs: Sequence[KeyLeg],
        rendition: Rendition,
        *,
        prefix: bytes,
        off_log: Callable[[], None],
    ) -> None:
        self._reader, self._outlet, self._stream, self._legs = reader, outlet, stream, legs
        self._by_log = _grouped(legs)
        self._rendition, self._off_log = rendition, off_log
        self._writer = PacedWriter(outlet, prefix, reader.pages.turns)
        self._independent = hasattr(rendition, "update_at")
        """Keys can be told anew one by one, and frames be shared; else the rendition has a state of its own."""
        self.fell_behind = False
        """What was not told is to be left out: only the newest is wanted."""
        self.skipped = 0

    @property
    def must_jump(self) -> bool:
        """Whether state has to be sent before anything else: at the start, or to a latest reader that slept."""
        return self.fell_behind or any(leg.needs_snapshot or leg.followed is None for leg in self._legs)

    async def run(self, reason: str) -> None:
        """Write what is missing; return in the loop step in which every leg has become hot. Raises ``redis.RedisError``."""
        with self._reader.pages:
            while True:
                # What was begun is finished, whatever happens meanwhile: state that is cut short would be told again
                # from its first key, to a slow reader again and again.
                await self._writer.finish()
                await self._outlet.writable()
                if self.must_jump:
                    await self.look()
                    if self.jump(reason):
                        return
                    continue
                for legs in self._by_log:
                    await self._read_on(legs)
                if self._outlet.paused or self.must_jump:
                    continue
                if self._warm():
                    return

    async def look(self) -> None:
        """See to it that the reader has a current view of every leg's keys. Raises ``redis.RedisError``."""
        for leg in self._legs:
            followed = leg.followed
            if followed is None:
                followed = await self._reader.follow(self._stream, leg.partition)
                leg.attach(followed)
            await followed.view(leg.under)

    # -- to the newest state ------------------------------------------------------------------------------------------

    def jump(self, reason: str) -> bool:
        """Write the state that is wanted as the reader holds it, without waiting; return whether every leg is hot.

        False with ``must_jump`` still true: a view is not current. False without: the state was too big for one loop
        step, the rest of it is being written, or a leg resumes; the log is read from where each leg stands.
        """
        # A rendition with state of its own must be told of all keys together, or it would forget the others.
        lagging = [leg for leg in self._legs if leg.needs_snapshot or (self.fell_behind and _lags(leg))]
        if any(leg.live_view() is None for leg in lagging):
            return False
        anew = [leg for leg in lagging if not self._independent or not _knows_changes(leg)]
        if anew and not self._independent:
            anew = list(self._legs)
        elif anew:  # a place in a log must hold for all of its keys: its legs are told alike
            logs = {leg.partition for leg in anew}
            anew = [leg for leg in lagging if leg.partition in logs]
        behind = [leg for leg in lagging if leg not in anew]
        payloads = [payload for legs in _grouped(behind) for payload in self._newest(legs)]
        keys = [key for leg in anew for key in self._state(leg)]
        if anew or not self._legs:
            SNAPSHOTS.labels("slow" if self.fell_behind else reason).inc()
            payloads += self._rendition.snapshot(keys, time.time())
        self.fell_behind = False
        self._writer.begin(batched(payloads))
        if self._writer.rest or self._outlet.paused:
            return False
        return self._warm()

    def _warm(self) -> bool:
        """Make those legs hot whose whole log has been caught up with; return whether that is all of them.

        What is written hot says a place in the log, and whoever resumes there must have been told of every leg up to it.
        """
        ready = [legs for legs in self._by_log if all(leg.hot or leg.caught_up for leg in legs)]
        for legs in ready:
            for leg in legs:
                leg.warm()
        return all(leg.hot for leg in self._legs)

    def _state(self, leg: KeyLeg) -> list[KeySnapshot]:
        """Return what a leg's keys hold, and stand there."""
        view = leg.live_view()
        if view is None:
            return []
        if leg.told > 0:
            self._skip(max(0, view.states.total - leg.told - 1))
        gone = leg.told_before - view.states.keys()
        leg.jump(view)
        cursor = cursor_text(leg.cursor) if leg.cursor is not None else ""
        taken_back = [nothing(self._stream, key, time.time(), cursor) for key in sorted(gone)]
        return [*taken_back, *view.states.snapshots(cursor)]

    def _newest(self, legs: Sequence[KeyLeg]) -> list[bytes]:
        """Return the newest change of each key of a log that changed since the socket was told, and stand there.

        All but the last say where the socket stood before: whoever is cut off between them resumes from there.
        """
        before, changes, epoch = min(leg.seen for leg in legs), list[Update](), None
        for leg in legs:
            view, followed = leg.live_view(), leg.followed
            if view is None or followed is None:
                continue
            changed = view.states.changed_since(leg.told)
            self._skip(max(0, view.states.total - leg.told - len(changed)))
            leg.jump(view)
            changes += changed
            epoch = followed.epoch
        places = [before] * (len(changes) - 1) + [min(leg.seen for leg in legs)]
        entries = [LogEntry(at, update) for at, update in zip(places, changes, strict=False)]
        return [payload for entry in entries for payload in rendered(self._rendition, entry, epoch)]

    def _skip(self, count: int) -> None:
        self.skipped += count
        if count:
            SKIPPED.labels(self._stream.name).inc(count)

    # -- from a cursor to the log's end -------------------------------------------------------------------------------

    async def resume(self, leg: KeyLeg, since: Cursor) -> bool:
        """Stand at ``since`` if the log still holds everything after it; return whether it does. Raises: as ``reaches``."""
        if leg.followed is None or not await leg.followed.reaches(since):
            return False
        leg.seen, leg.told, leg.needs_snapshot = since.position, UNCOUNTED, False
        return True

    async def _read_on(self, legs: Sequence[KeyLeg]) -> None:
        """Tell what the log holds for its legs, all of them in the log's order: each frame says a place for them all."""
        while not self.must_jump:
            waiting = [leg for leg in legs if not leg.hot and not leg.caught_up]
            followed = legs[0].followed
            if followed is None or not waiting:
                return
            epoch, after = followed.epoch, min(leg.seen for leg in waiting)
            page = await self._reader.pages.read(followed.log, epoch, after, max(leg.goal for leg in waiting))
            if page is None:  # trimmed: what comes next is gone
                self._off_log()
                for leg in waiting:
                    leg.needs_snapshot = True
                return
            if followed.epoch != epoch:
                return  # the reader told the legs to start over meanwhile
            if any(page.begins(leg.seen, leg.under) for leg in waiting):
                for leg in waiting:
                    leg.needs_snapshot = True
                return
            found = [page.after_position(leg.seen, leg.under) for leg in waiting]
            await self._writer.write(self._batches(page, waiting, found, epoch))
            for leg, own in zip(waiting, found, strict=True):
                leg.passed(len(own), page.until)
            if self._outlet.paused:
                return

    def _batches(
        self, page: Page, legs: Sequence[KeyLeg], found: Sequence[Sequence[LogEntry]], epoch: str | None
    ) -> list[Batch]:
        """Return the frames of what was found for each leg; those that many send are made and joined once."""
        if not self._independent:
            return batched(
                each for entry in _in_order(found) for each in rendered(self._rendition, entry, epoch)
            )
        if page.superseded:
            self._skip(sum(entry.position in page.superseded for entry in chain(*found)))
        if len(legs) > 1:  # few follow the same keys: only the frames are kept
            return batched(each for entry in _in_order(found) for each in self._told(page, entry, epoch))
        name = self._rendition, legs[0].under
        passage = page.passages.get(name)
        if passage is None:
            entries = page.after_position(page.after, legs[0].under)
            told = ((entry.position, self._told(page, entry, epoch)) for entry in entries)
            passage = page.passages[name] = Passage(told)
        return passage.after(legs[0].seen)

    def _told(self, page: Page, entry: LogEntry, epoch: str | None) -> Sequence[bytes]:
        if entry.position in page.superseded:
            return ()
        name: tuple[Rendition, Position] = (self._rendition, entry.position)
        payloads = page.rendered.get(name)
        if payloads is None:
            payloads = page.rendered[name] = rendered(self._rendition, entry, epoch)
        return payloads


def _grouped(legs: Sequence[KeyLeg]) -> list[list[KeyLeg]]:
    """Return the legs of each log together."""
    by_log: dict[str, list[KeyLeg]] = {}
    for leg in legs:
        by_log.setdefault(leg.partition, []).append(leg)
    return list(by_log.values())


def _in_order(found: Sequence[Sequence[LogEntry]]) -> Sequence[LogEntry]:
    return found[0] if len(found) == 1 else sorted(chain(*found), key=lambda entry: entry.position)


def _lags(leg: KeyLeg) -> bool:
    view = leg.live_view()
    return view is None or view.states.total > leg.told


def _knows_changes(leg: KeyLeg) -> bool:
    """Return whether the view can say what changed since the socket was told."""
    view = leg.live_view()
    return not leg.needs_snapshot and view is not None and leg.told >= view.states.base
