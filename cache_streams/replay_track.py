"""One log of a replay: whether it reaches back far enough, and its entries page by page, with proof that none is missing."""

from __future__ import annotations

from collections import deque

from cache_streams.connections import ask
from cache_streams.followed import Followed
from cache_streams.leg import KeyLeg
from cache_streams.log import Log
from cache_streams.log_entries import LogEntry
from cache_streams.places import START, Cursor, Position, entry_id, position
from cache_streams.streams.declaration import Key


class NotKept(Exception):
    """The log does not reach back as far as was asked; from ``begins_ms`` (Unix milliseconds) on it does."""

    def __init__(self, begins_ms: int) -> None:
        super().__init__(f"the log reaches back to {begins_ms} ms")
        self.begins_ms = begins_ms


class Lost(Exception):
    """What comes next is no longer in the log, or the log has other contents now."""


class Track:
    """Plays what its legs want of one log, from a place in the past up to ``until``."""

    def __init__(self, followed: Followed) -> None:
        self.followed, self.epoch, self.until = followed, followed.epoch, followed.position
        self.seen: Position = START
        """Everything up to here was taken and, once ``settle`` was called, sent."""
        self._read: Position = START
        self._taken: Position = START
        self._entries: deque[LogEntry] = deque()
        self._legs: dict[Key, list[KeyLeg]] = {}

    # -- legs ---------------------------------------------------------------------------------------------------------

    def add(self, leg: KeyLeg) -> None:
        """Play for a leg too."""
        self._legs.setdefault(leg.under, []).append(leg)

    def drop(self, leg: KeyLeg) -> None:
        """Play for a leg no more."""
        legs = self._legs.get(leg.under, [])
        if leg in legs:
            legs.remove(leg)
        if not legs:
            self._legs.pop(leg.under, None)

    @property
    def legs(self) -> list[KeyLeg]:
        """Whoever it plays for."""
        return [leg for legs in self._legs.values() for leg in legs]

    def listeners(self, entry: LogEntry) -> int:
        """Return how many legs want an entry: each sends a frame of its own, as when it is live."""
        if entry.update is None:
            return 0
        key = entry.update.key
        return sum(len(self._legs.get(key[:length], ())) for length in range(len(key) + 1))

    # -- entries ------------------------------------------------------------------------------------------------------

    async def begin(self, start: Cursor | int) -> None:
        """Stand after a cursor, or before a Unix time in milliseconds. Raises: NotKept, ``redis.RedisError``.

        The entry at ``seen`` is the proof that nothing after it is missing, so there always is one.
        """
        log = self.followed.log
        oldest, began = await _bounds(log)
        begins = max(oldest or START, began)
        if isinstance(start, Cursor):
            known = start.epoch == self.epoch and start.position <= self.until
            if not known or not await log.holds(start.position):
                raise NotKept(begins[0] + 1)
            place = start.position
        else:
            before = await _last_before(log, Position((start, 0)))
            # A log that still has the very entry its epoch began with has lost nothing: it is told from there.
            whole = oldest is not None and oldest == began
            if (before is None or before < began) and not whole:
                raise NotKept(begins[0] + 1)
            place = max(before or START, began)
        self.seen = self._read = min(place, self.until)

    async def begins_ms(self) -> int | None:
        """Return the time of the first entry to come, None if there is none. Raises: ``redis.RedisError``."""
        if self.seen >= self.until:
            return None
        first = await self.followed.log.range(self.seen, self.until, 1)
        return first[0].position[0] if first else None

    @property
    def head(self) -> LogEntry | None:
        """The next entry that a leg wants, None before the next page is read."""
        return self._entries[0] if self._entries else None

    def take(self) -> LogEntry:
        """Take the head away."""
        entry = self._entries.popleft()
        self._taken = entry.position
        return entry

    def settle(self) -> None:
        """Stand behind what was taken: it was sent."""
        self.seen = max(self.seen, self._taken if self._entries else self._read)
        for leg in self.legs:
            leg.seen = self.seen

    async def fill(self, count: int) -> bool:
        """Read until there is a head; False when there is nothing up to ``until``. Raises: Lost, ``redis.RedisError``."""
        while self.followed.epoch == self.epoch:
            if self._entries or self._read >= self.until:
                return bool(self._entries)
            page = await self.followed.log.range_from(self._read, self.until, count)
            if page is None or any(entry.epoch is not None for entry in page):
                break
            self._read = page[-1].position if len(page) == count else self.until
            self._entries.extend(entry for entry in page if self.listeners(entry))
        raise Lost


async def _bounds(log: Log) -> tuple[Position | None, Position]:
    """Return where the oldest entry stands, None for an empty log, and where the present epoch began."""
    oldest = await log.redis.xrange(log.name.log, count=1)
    (began,) = await ask(log.redis, "HMGET", log.name.pos, "began")
    return (position(oldest[0][0]) if oldest else None), position(began or b"")


async def _last_before(log: Log, at: Position) -> Position | None:
    """Return where the newest entry before ``at`` stands, None if there is none."""
    if at <= START:
        return None
    rows = await log.redis.xrevrange(log.name.log, max=f"({entry_id(at)}", count=1)
    return position(rows[0][0]) if rows else None
