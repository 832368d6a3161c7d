"""One log that this process reads: its hot legs by what they send, and the state of the keys they asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from cache_streams.log import Log
from cache_streams.outlet import Outlet
from cache_streams.pages import PAGE
from cache_streams.places import START, Cursor, Position
from cache_streams.protocol.rendition import Rendition
from cache_streams.state import KeyStates
from cache_streams.streams.declaration import Key, Kind
from cache_streams.streams.update import Update
from cache_streams.targets import Targets

REACH_S = 2.0
"""A reader that does not come within this to where another one stood has no Redis."""


class Leg(Protocol):
    """One subscription's interest in one key of a log, or in every key that begins alike."""

    outlet: Outlet
    prefix: bytes
    rendition: Rendition

    @property
    def under(self) -> Key:
        """What the keys begin with that it is interested in."""

    def epoch_changed(self, before: frozenset[Key]) -> None:
        """The log's contents are not those that this leg knew: start again from a snapshot; it knew the keys ``before``."""

    def log_trimmed(self, before: frozenset[Key]) -> None:
        """What came next in the log was dropped before it was read: it is lost, and then as ``epoch_changed``."""

    def log_lost(self) -> None:
        """The log cannot be read until Redis is back."""


class Group:
    """Hot legs of one key, by what they send, so that a frame is rendered once for all that send the same."""

    __slots__ = ("_targets", "ahead", "hot", "unless")

    def __init__(self) -> None:
        self.hot: dict[Rendition, dict[Leg, None]] = {}
        self.ahead: dict[Leg, Position] = {}
        self.unless: dict[Leg, Callable[[Update], bool]] = {}
        """Legs that were told more than the log holds, and what says that it has caught up with them."""
        self._targets: dict[Rendition, Targets] = {}

    def add(self, leg: Leg) -> None:
        """Give a leg every entry from now on."""
        self.hot.setdefault(leg.rendition, {})[leg] = None
        self._targets.pop(leg.rendition, None)

    def remove(self, leg: Leg) -> None:
        """Give a leg nothing more."""
        legs = self.hot[leg.rendition]
        del legs[leg]
        self._targets.pop(leg.rendition, None)
        self.unless.pop(leg, None)
        if not legs:
            del self.hot[leg.rendition]

    def targets(self, rendition: Rendition, at: Position, update: Update) -> Targets:
        """Return whoever has not seen the entry ``at`` yet: a new leg may have read past the reader."""
        for leg, seen in list(self.ahead.items()):
            if at > seen:
                del self.ahead[leg]
        legs = self.hot[rendition]
        for leg, caught_up in list(self.unless.items()):
            if leg in legs and leg not in self.ahead and caught_up(update):
                del self.unless[leg]
        if self.ahead or self.unless:
            return _targets(leg for leg in legs if leg not in self.ahead and leg not in self.unless)
        targets = self._targets.get(rendition)
        if targets is None:
            targets = self._targets[rendition] = _targets(legs)
        return targets


def _targets(legs: Iterable[Leg]) -> Targets:
    return Targets((leg.outlet, leg.prefix) for leg in legs)


class View:
    """The state of the keys that begin alike, kept current by the reader once ``live``; so a join asks Redis nothing."""

    __slots__ = ("legs", "live", "loading", "seen", "states")

    def __init__(self, kind: Kind) -> None:
        self.states = KeyStates(kind)
        self.seen = START
        self.live = False
        self.loading = asyncio.Lock()
        self.legs = 0


class Followed:
    """One log that this process reads: how far, under which epoch, and for whom."""

    def __init__(self, log: Log, epoch: str | None, position: Position) -> None:
        self.log, self.epoch, self.position = log, epoch, position
        self.groups: dict[Key, Group] = {}
        """By what the keys begin with: a whole key, a part of it, or () for the whole log."""
        self.legs: set[Leg] = set()
        """Every leg of this log, hot or cold: all of them must hear of a new epoch."""
        self.views: dict[Key, View] = {}
        self.sampled_at = 0.0
        """When the hops of this log were last timed, on the monotonic clock."""
        self._read_on = asyncio.Event()

    def read_on(self) -> None:
        """Wake whoever waits for the reader to come further."""
        self._read_on.set()
        self._read_on.clear()

    async def reaches(self, since: Cursor) -> bool:
        """Return whether the log holds everything after ``since``; another worker's reader may have been quicker: wait for ours.

        Raises: ``redis.RedisError``, TimeoutError.
        """
        if since.epoch != self.epoch:
            return False
        if since.position != self.position and not await self.log.holds(since.position):
            return False
        async with asyncio.timeout(REACH_S):
            while self.position < since.position and self.epoch == since.epoch:
                await self._read_on.wait()
        return self.epoch == since.epoch

    def start_over(self, *, trimmed: bool = False) -> None:
        """Forget the state of every key, and tell all legs; ``trimmed``: what comes next is gone, the rest holds."""
        views, self.views = self.views, {}
        for under, old in views.items():
            self.views[under] = View(self.log.stream.kind)
            self.views[under].legs = old.legs
        before = {under: old.states.keys() for under, old in views.items()}
        for leg in list(self.legs):
            (leg.log_trimmed if trimmed else leg.epoch_changed)(before.get(leg.under, frozenset()))

    def begin(self, key: Key) -> None:
        """Tell the legs of a key, of which the log knew nothing, to send its state: it begins with a later number than 1."""
        for leg in list(self.legs):
            if key[: len(leg.under)] == leg.under:
                leg.epoch_changed(frozenset())

    def live_view(self, under: Key) -> View | None:
        """Return the view of ``under`` if it is current; it then stands where the reader stands, or beyond."""
        view = self.views.get(under)
        return view if view is not None and view.live else None

    async def view(self, under: Key) -> View:
        """Return the current view of ``under``, loading it if nobody has. Raises ``redis.RedisError``."""
        while True:
            view = self.views.setdefault(under, View(self.log.stream.kind))
            async with view.loading:
                if not view.live:
                    await self._load(view, under)
            if self.views.get(under) is view:  # else an epoch changed while it was loaded
                return view

    def release(self, under: Key) -> None:
        """Forget a view that no leg needs any more."""
        view = self.views.get(under)
        if view is not None:
            view.legs -= 1
            if view.legs <= 0:
                del self.views[under]

    async def _load(self, view: View, under: Key) -> None:
        state = await self.log.snapshot(under)
        if self.epoch is None:
            # Born since the reader looked. Were these contents replaced before it looks again, nobody would notice.
            self.epoch = state.epoch
        states, seen = KeyStates(self.log.stream.kind, state.keys), state.position
        while seen < self.position:
            until = self.position
            page = await self.log.range(seen, until, PAGE)
            for entry in page:
                if entry.update is not None and entry.update.key[: len(under)] == under:
                    states.apply(entry.update)
            seen = page[-1].position if len(page) == PAGE else until
        # From this loop step on the reader keeps it: nothing was read in between.
        view.states, view.seen, view.live = states, seen, True

    def join(
        self, under: Key, leg: Leg, seen: Position, unless: Callable[[Update], bool] | None = None
    ) -> None:
        """Make a leg hot that has seen everything up to ``seen``, which may be beyond where the reader stands.

        ``unless``: the leg is given nothing before that returns True for an update.
        """
        group = self.groups.setdefault(under, Group())
        group.add(leg)
        if unless is not None:
            group.unless[leg] = unless
        if seen > self.position:
            group.ahead[leg] = seen

    def leave(self, under: Key, leg: Leg) -> Position:
        """Make a leg cold; return the position of the last entry that it was given."""
        group = self.groups[under]
        group.remove(leg)
        seen = group.ahead.pop(leg, self.position)
        if not group.hot:
            del self.groups[under]
        return seen
