"""One subscription's interest in one log: what of it, how far it was sent, hot or cold."""

from __future__ import annotations

from typing import Protocol

from cache_streams.followed import Followed, View
from cache_streams.outlet import Outlet
from cache_streams.places import START, Cursor, Position
from cache_streams.protocol.rendition import Rendition
from cache_streams.streams.declaration import Key

UNCOUNTED = -1
"""``told`` of a leg that resumes: how many updates the socket was told before is not known."""


class LegOwner(Protocol):
    """The subscription that a leg belongs to."""

    outlet: Outlet
    prefix: bytes
    rendition: Rendition

    def leg_started_over(self, *, trimmed: bool) -> None:
        """A leg's log is not what it was: its state must be sent again; ``trimmed``: updates are lost, in the same epoch."""


class KeyLeg:
    """Interest in what of one log begins with ``under``: a whole key, a part of one, or () for all."""

    __slots__ = (
        "_owner",
        "followed",
        "hot",
        "needs_snapshot",
        "outlet",
        "partition",
        "prefix",
        "rendition",
        "sampled",
        "seen",
        "told",
        "told_before",
        "under",
    )

    def __init__(self, owner: LegOwner, partition: str, under: Key, *, sampled: bool) -> None:
        self._owner = owner
        self.partition, self.under, self.sampled = partition, under, sampled
        self.outlet, self.prefix, self.rendition = owner.outlet, owner.prefix, owner.rendition
        self.followed: Followed | None = None
        self.seen: Position = START
        self.told = 0
        """Sum of the sequence numbers up to which the socket was told, to say how many it missed."""
        self.hot = False
        self.needs_snapshot = True
        self.told_before: frozenset[Key] = frozenset()
        """Keys of contents that are gone, of which the socket was told: those that are no more must be taken back."""

    def attach(self, followed: Followed) -> None:
        """Belong to a log from now on: it tells of its epochs, and keeps a view for as long as a leg needs it."""
        self.followed = followed
        followed.legs.add(self)
        followed.views.setdefault(self.under, View(followed.log.stream.kind)).legs += 1

    def detach(self) -> Followed | None:
        """Belong to no log any more; return which it was."""
        self.cool()
        followed, self.followed = self.followed, None
        if followed is not None:
            followed.legs.discard(self)
            followed.release(self.under)
        return followed

    def live_view(self) -> View | None:
        """Return the reader's view of this leg's keys if it is current."""
        return self.followed.live_view(self.under) if self.followed is not None else None

    def epoch_changed(self, before: frozenset[Key]) -> None:
        self._start_over(before, trimmed=False)

    def log_trimmed(self, before: frozenset[Key]) -> None:
        self._start_over(before, trimmed=True)

    def _start_over(self, before: frozenset[Key], *, trimmed: bool) -> None:
        if (
            not self.needs_snapshot
        ):  # else the socket was told nothing of them since it was last told everything
            self.told_before |= before
        self.needs_snapshot = True
        self._owner.leg_started_over(trimmed=trimmed)

    def log_lost(self) -> None:
        """Wait: what is missed meanwhile stands in the log."""

    def jump(self, view: View) -> None:
        """Stand where the reader's view stands; what lies before it need not be sent."""
        self.cool()
        if self.followed is not None:
            self.seen = max(view.seen, self.followed.position)
        self.told = view.states.total
        self.needs_snapshot, self.told_before = False, frozenset()

    @property
    def caught_up(self) -> bool:
        """Whether nothing is left to read from the log; a sample need not read it, unless it resumes."""
        by_view = self.sampled and self.told != UNCOUNTED
        return by_view or (self.followed is not None and self.seen >= self.goal)

    @property
    def goal(self) -> Position:
        """How far the log has to be read: to the reader, and to a view that is ahead of it, if it is sampled from there."""
        if self.followed is None:
            return START
        view = self.live_view() if self.sampled else None
        return max(self.followed.position, view.seen) if view is not None else self.followed.position

    def passed(self, updates: int, until: Position) -> None:
        """Stand at ``until``, after the socket was told so many updates of the log."""
        self.seen = max(self.seen, until)
        if self.told != UNCOUNTED:
            self.told += updates

    def warm(self) -> bool:
        """Become hot if nothing in the log is left to read; return whether it is. A sampled leg only looks at views."""
        if not self.hot and self.followed is not None and self.caught_up:
            view = self.live_view()
            if self.told == UNCOUNTED and view is not None:
                self.told = view.states.total
            if not self.sampled:
                self.followed.join(self.under, self, self.seen)
            self.hot = True
        return self.hot

    def cool(self) -> None:
        """Become cold where the last frame was written."""
        if not self.hot or self.followed is None:
            return
        if not self.sampled:
            self.seen = self.followed.leave(self.under, self)
            view = self.live_view()
            self.told = view.states.total if view is not None else self.told
        self.hot = False

    @property
    def cursor(self) -> Cursor | None:
        """How far the socket was told, None while the log does not exist."""
        if self.followed is None or self.followed.epoch is None:
            return None
        reader_at = self.followed.position
        as_read = self.hot and not self.sampled
        return Cursor(self.followed.epoch, max(self.seen, reader_at) if as_read else self.seen)
