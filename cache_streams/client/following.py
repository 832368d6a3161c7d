"""One thing that a program follows: what it asks, what it was told, and from where it continues. Knows no socket."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from cache_streams.client.messages import Message, SnapshotFrame, UpdateFrame, read_data
from cache_streams.client.tracking import Place, Tracking, Verdict
from cache_streams.protocol.native.frames import Subscribed

Since: TypeAlias = str | Mapping[str, str]
"""The cursor to continue after, or one per key."""

_JUMPING = frozenset({"ohlcv"})
"""Open bars are left out when a newer one exists, in every mode: a jump of their number is no loss."""


class Fault(enum.Enum):
    """What was noticed instead of a message."""

    REPEATED = enum.auto()
    GAP = enum.auto()
    HELD_BACK = enum.auto()
    """It comes again: the gap before it is being asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to follow, as the program said it. ``fields`` are the stream's key fields and options of the request."""

    stream: str
    fields: Mapping[str, Any] = field(default_factory=dict)  # Any: JSON of a request
    since: Since | None = None
    replay: Mapping[str, Any] | None = None  # Any: as above


@dataclass(frozen=True, slots=True)
class Begun:
    """How a subscription began, first or again. ``recovered`` is None when nothing was to be resumed."""

    resumed: bool
    recovered: bool | None
    warnings: tuple[str, ...] = ()

    def with_part(self, part: Begun) -> Begun:
        """Return what this and a further part of the same request came to."""
        known = [each.recovered for each in (self, part) if each.recovered is not None]
        recovered = all(known) if known else None
        return Begun(self.resumed or part.resumed, recovered, self.warnings + part.warnings)


class Following:
    """The state of one subscription over any number of connections."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.followed: dict[str, Tracking] = {}
        """By what the server calls a key: ``kraken:BTC/USDC``, ``kraken:*``."""
        self._since = wish.since
        self._many_logs: set[str] = set()
        self._replaying = wish.replay is not None
        self._healing: tuple[str, str] | None = None
        self._held: set[str] = set()
        """Patterns whose changes come again, once the server is asked."""
        self._begun: Begun | None = None
        self._partly = False
        self._healed: tuple[str, int] | None = None
        self._lost: set[str] = set()
        self._all_lost = False

    def request(self) -> dict[str, Any]:  # Any: JSON of a request
        """Return what to ask the server now: from where the last whole state ended, if there was one."""
        self._begun = None
        for pattern, tracking in self.followed.items():
            tracking.interrupt()
            if (tracking.begun or self._stateless) and not tracking.placed:
                # It began, and there is no place to continue from: nobody knows that nothing happened since.
                self._lost.add(pattern)
        body = {"op": "subscribe", "stream": self.wish.stream, **self.wish.fields}
        if self._lost:
            body.pop("snapshot", None)  # what was missed is replaced by the state
        since = self._resume()
        if self._replaying and self.wish.replay is not None:
            again = {"from": since} if isinstance(since, str) else {}
            return {**body, "replay": {**self.wish.replay, **again}}
        return body if since is None else {**body, "since": since}

    def forget(self) -> None:
        """Give every cursor up: the server does not know them."""
        self._all_lost = True
        self.followed.clear()
        self._since = None

    def begun(self, subscriptions: list[Subscribed], warnings: list[str], *, more: bool = False) -> Begun:
        """Take the server's answer in, or one of several if there are ``more``; return what they came to so far."""
        known = any(each.key in self.followed for each in subscriptions)
        resumed = known or self._all_lost or self._since is not None
        recovered = True if resumed else None
        for each in subscriptions:
            if not isinstance(each.cursor, str | None):
                self._many_logs.add(each.key)
            if each.key not in self.followed:
                lossless = each.mode == "every" and each.stream not in _JUMPING
                self.followed[each.key] = Tracking(lossless=lossless)
            if each.recovered is False or each.key in self._lost or self._all_lost:
                self._lost.add(each.key)
                recovered = False
            elif self._stateless and each.cursor is not None:
                self.followed[each.key].start_at(
                    each.cursor
                )  # where a state comes, its own frames say the place
            self._held.discard(each.key)
            if self._healing is not None and self._healing[0] == each.key:
                self._healing = None
        self._all_lost, self._partly = self._all_lost and more, more
        begun = Begun(resumed, recovered, tuple(warnings))
        self._begun = begun if self._begun is None else self._begun.with_part(begun)
        return self._begun

    @property
    def _stateless(self) -> bool:
        return self.wish.fields.get("snapshot") is False

    def live(self, pattern: str, *, recovered: bool) -> None:
        """Replay has reached the present; unless ``recovered`` a state follows, because some of the past was lost meanwhile."""
        self._replaying = False
        if not recovered:
            self._lost.add(pattern)

    def snapshot(self, pattern: str, frame: SnapshotFrame) -> Message[Any]:  # Any: data of whichever stream
        """Return the state that a frame tells. Raises: MalformedFrame."""
        data = read_data(frame.stream, "snapshot", frame.data)
        if pattern in self.followed:
            self.followed[pattern].snapshot(frame.key, Place(frame.seq, frame.cursor), more=frame.more)
        lost = pattern in self._lost
        if not frame.more:
            self._lost.discard(pattern)
        return Message(
            kind="snapshot",
            stream=frame.stream,
            key=frame.key,
            seq=frame.seq,
            cursor=frame.cursor,
            data=data,
            recovered=False if lost else None,
            more=frame.more,
            replay=frame.replay,
        )

    def update(self, pattern: str, frame: UpdateFrame) -> Message[Any] | Fault:  # Any: as above
        """Return the change that a frame tells, or why it is none. Raises: MalformedFrame."""
        tracking = self.followed.get(pattern)
        if tracking is None or pattern in self._held:
            return Fault.HELD_BACK
        data = read_data(frame.stream, "update", frame.data)
        missed, place = tracking.missed(frame.key, frame.seq), Place(frame.seq, frame.cursor)
        verdict = tracking.update(frame.key, place)
        if verdict is Verdict.REPEATED:
            return Fault.REPEATED
        if verdict is Verdict.GAP:
            if self._healed != (frame.key, frame.seq - missed):
                self._healed = (frame.key, frame.seq - missed)
                self._healing, self._held = (pattern, frame.key), set(self.followed)
                return Fault.GAP
            tracking.take(frame.key, place)  # asked for already: it is not to be had
        source_time, relay_time = frame.ts
        return Message(
            kind="update",
            stream=frame.stream,
            key=frame.key,
            seq=frame.seq,
            cursor=frame.cursor,
            data=data,
            source_time=source_time,
            relay_time=relay_time,
            missed=missed,
            replay=frame.replay,
        )

    def cursors(self) -> Since | None:
        """Return what to pass as ``since`` to continue here, in this process or another; None before the first state."""
        return self._known()

    def _resume(self) -> Since | None:
        """Return from where to continue: what has not moved yet stands where the program said."""
        known, first = self._known(), self._since
        if known is None or first is None or isinstance(known, str):
            return known or first
        return {**(dict.fromkeys(self.followed, first) if isinstance(first, str) else first), **known}

    def _known(self) -> Since | None:
        known: dict[str, str] = {}
        for pattern, tracking in self.followed.items():
            behind = self._behind(pattern, tracking)
            if pattern in self._many_logs:
                known |= behind or tracking.cursors()
            else:
                cursor = next(iter(behind.values()), None) or tracking.newest
                if cursor is not None:
                    known[pattern] = cursor
        if len(self.followed) == 1 and not self._many_logs and not self._partly:
            return next(iter(known.values()), None)
        return known or None

    def _behind(self, pattern: str, tracking: Tracking) -> dict[str, str]:
        """Return from where a gap in this pattern is to be filled."""
        if self._healing is None or self._healing[0] != pattern:
            return {}
        cursor = tracking.cursor_of(self._healing[1])
        return {} if cursor is None else {self._healing[1]: cursor}
