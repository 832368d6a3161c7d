"""The subscriptions of one native socket: what each follows, from where it resumes, how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from msgspec import UNSET, UnsetType

from accounts.identity import Rights
from cache_streams.consumers.socket import Legs, legs_of
from cache_streams.layers import LoopLayer
from cache_streams.outlet import Outlet
from cache_streams.permissions import visible
from cache_streams.places import Cursor, cursor_text
from cache_streams.protocol.native.errors import Refused
from cache_streams.protocol.native.frames import Cursors, Ended, Listed, Replayed, Subscribed
from cache_streams.protocol.native.keys import Pattern, pattern_text, span_of, whole_key
from cache_streams.protocol.native.parts import Part, PartRendition
from cache_streams.protocol.native.rendition import NativeRendition
from cache_streams.protocol.rendition import Rendition
from cache_streams.replay import Past, Replay
from cache_streams.streams.declaration import Mode, Stream
from cache_streams.subscription import Standing, Subscription

LOG_NAME = "log:"
"""What stands before a partition's name where a cursor belongs to a log rather than to a key."""
AT_ONCE = 16
"""Subscriptions of one request that are prepared at a time."""


Name: TypeAlias = tuple[str, Pattern, Part | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription is to follow: a pattern, and the parts of logs that the user may see of it."""

    stream: Stream
    pattern: Pattern
    legs: Legs
    part: Part | None = None

    @property
    def text(self) -> str:
        """The pattern, or the part of a key, as clients read it."""
        return pattern_text(self.pattern) if self.part is None else self.part.text

    @property
    def name(self) -> Name:
        """What tells it from everything else that a socket may follow."""
        return self.stream.name, self.pattern, self.part

    @property
    def partitions(self) -> list[str]:
        """The logs that are read, each once."""
        return list(dict.fromkeys(partition for partition, _ in self.legs))


@dataclass(frozen=True, slots=True)
class Manner:
    """How a subscription is told: ``interval_ms`` only in mode SAMPLE."""

    mode: Mode
    interval_ms: int | None = None


@dataclass(slots=True)
class Member:
    """One subscription of the socket."""

    sub: int
    wanted: Wanted
    manner: Manner
    subscription: Subscription
    standings: list[Standing] = field(default_factory=list)
    replay: Replay | None = None
    past: Past | None = None

    @property
    def replaying(self) -> bool:
        """Whether its past is being told."""
        return self.replay is not None and self.replay.tells(self.subscription)

    def subscribed(self) -> Subscribed:
        """Return how the subscription begins."""
        return Subscribed(
            sub=self.sub,
            stream=self.wanted.stream.name,
            key=self.wanted.text,
            mode=self.manner.mode.value,
            recovered=_recovered(self.standings),
            cursor=self._cursors({name: self.subscription.cursor(name) for name in self.wanted.partitions}),
            replay=self._replayed(),
        )

    def _replayed(self) -> Replayed | UnsetType:
        if self.replay is None or self.past is None:
            return UNSET
        past = self.past
        return Replayed(begins_at=past.begins_at, ends_at=past.ends_at, speed=self.replay.speed)

    def listed(self) -> Listed:
        """Return how the subscription stands."""
        partitions = self.wanted.partitions
        return Listed(
            sub=self.sub,
            stream=self.wanted.stream.name,
            key=self.wanted.text,
            mode=self.manner.mode.value,
            interval_ms=UNSET if self.manner.interval_ms is None else self.manner.interval_ms,
            cursor=self._cursors({name: self.subscription.cursor(name) for name in partitions}),
            hot=self.subscription.hot and not self.replaying,
            skipped=self.subscription.skipped,
            replay=True if self.replaying else UNSET,
        )

    def ended(self) -> Ended:
        """Return which subscription is over."""
        return Ended(sub=self.sub, stream=self.wanted.stream.name, key=self.wanted.text)

    def _cursors(self, by_partition: Mapping[str, Cursor | None]) -> Cursors:
        texts = {name: cursor_text(cursor) for name, cursor in by_partition.items() if cursor is not None}
        if len(by_partition) == 1:
            return next(iter(texts.values()), None)
        return {LOG_NAME + name: text for name, text in texts.items()}


class Book:
    """All subscriptions of one socket, by number; numbers are never used twice."""

    def __init__(self, layer: LoopLayer, outlet: Outlet, lost: Callable[[], None]) -> None:
        self._layer, self._outlet, self._lost = layer, outlet, lost
        self._members: dict[int, Member] = {}
        self._numbers: dict[Name, int] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._members)

    def members(self) -> list[Member]:
        """Return every subscription, oldest first."""
        return list(self._members.values())

    def find(self, wanted: Wanted) -> Member | None:
        """Return the subscription to exactly this."""
        return self._members.get(self._numbers.get(wanted.name, 0))

    def get(self, sub: int) -> Member | None:
        """Return a subscription by its number."""
        return self._members.get(sub)

    def beyond(self, rights: Rights) -> list[Member]:
        """Return the subscriptions that follow something which ``rights`` do not allow."""
        return [member for member in self._members.values() if not _allowed(member.wanted, rights)]

    async def prepare(
        self, wanted: Sequence[Wanted], manner: Manner, since: Mapping[Name, Mapping[str, Cursor]]
    ) -> list[Member]:
        """Return new subscriptions, ready to start. Raises ``redis.RedisError``; then there are none."""
        members = [self._new(each, manner) for each in wanted]
        for first in range(0, len(members), AT_ONCE):
            step = members[first : first + AT_ONCE]
            preparing = (_prepare(member, since.get(member.wanted.name)) for member in step)
            # All of them end before any fault is raised: none may attach itself to a log after it was stopped.
            faults = [each for each in await asyncio.gather(*preparing, return_exceptions=True) if each]
            if faults:
                for member in members:
                    await member.subscription.stop()
                raise faults[0]
        return members

    async def add(self, members: Sequence[Member]) -> list[Member]:
        """Take prepared subscriptions in; return those that they take the place of, ended."""
        replaced = [old for member in members if (old := self.find(member.wanted)) is not None]
        await self.end(replaced)
        for member in members:
            self._members[member.sub] = member
            self._numbers[member.wanted.name] = member.sub
        return replaced

    async def end(self, members: Sequence[Member]) -> None:
        """End subscriptions."""
        for member in members:
            del self._members[member.sub]
            del self._numbers[member.wanted.name]
            if member.replay is not None:
                member.replay.leave(member.subscription)
            await member.subscription.stop()

    def replays(self) -> int:
        """Return how many replays run."""
        return len({id(member.replay) for member in self._members.values() if member.replaying})

    def _new(self, wanted: Wanted, manner: Manner) -> Member:
        sub, self._next = self._next, self._next + 1
        rendition: Rendition = (
            NativeRendition(wanted.stream, sub, whole_key(wanted.pattern))
            if wanted.part is None
            else PartRendition(wanted.stream, wanted.stream.name, wanted.part, sub)
        )
        subscription = self._layer.subscription(
            self._outlet,
            wanted.stream,
            wanted.legs,
            rendition,
            mode=manner.mode,
            interval_s=(manner.interval_ms or 0) / 1000,
            lost=self._lost,
        )
        return Member(sub, wanted, manner, subscription)


def wanted_of(stream: Stream, pattern: Pattern, rights: Rights) -> Wanted:
    """Return what a user may follow of a pattern. Raises: Refused ``FORBIDDEN``, also for what does not exist."""
    span = span_of(stream, pattern)
    seen = visible(stream, span.under, rights)
    own = stream.owner is not None and pattern[stream.key_fields.index(stream.owner)] is None
    if not seen and not own:
        raise Refused("FORBIDDEN", f"{stream.name} {pattern_text(pattern)}: not yours to read")
    if span.partition is not None:
        return Wanted(stream, pattern, [(span.partition, key) for key in seen])
    return Wanted(stream, pattern, [leg for key in seen for leg in legs_of(stream, key)])


def _allowed(wanted: Wanted, rights: Rights) -> bool:
    try:
        return set(wanted.legs) <= set(wanted_of(wanted.stream, wanted.pattern, rights).legs)
    except Refused:
        return False


async def _prepare(member: Member, since: Mapping[str, Cursor] | None) -> None:
    member.standings = await member.subscription.prepare(since)


def _recovered(standings: Sequence[Standing]) -> bool | None:
    """Return whether all that was asked for follows; a log that does not exist has nothing to recover."""
    if all(standing.recovered is None for standing in standings):
        return None
    return all(standing.recovered or standing.cursor is None for standing in standings)
