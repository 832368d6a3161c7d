"""What of a stream's layout must be read now: dirty keys, and how soon a costly one may be read again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field

from cache_streams.metrics import REFUSED_KEYS
from cache_streams.sources.readers import BeaconReader, HashReader, JoinedReader, Reading
from cache_streams.streams import patterns
from cache_streams.streams.declaration import Beacons, HashFields, JoinedHashes, Names, Stream

REST_S = 0.010
"""Shortest pause between two whole reads of one hash."""
REST_PER_READ = 5
"""And at least this many times as long as the read took: a big hash must not fill the relay's day."""
READS_AT_ONCE = 200
SOURCE_KEYS = 100_000
"""Keys of the layout that one watch follows; further ones are refused, and counted."""


@dataclass(slots=True)
class Task:
    """One reading to do; ``finished`` is told when (loop time) it started and ended.

    ``position`` is asked afterwards for what to store with the records: partition, name and value, or None.
    """

    reading: Reading
    position: Callable[[], tuple[str, str, str] | None] = field(default=lambda: None)
    finished: Callable[[float, float], None] | None = None


class Watch(ABC):
    """Dirty keys of one stream. ``now`` is the loop's clock for cadence, ``wall`` Unix seconds for values."""

    ages = False
    """Whether values change by time alone, so that ``tick`` must be called each second."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.baselining = True
        """Whether this is the first look of a relay at a cache that may be old."""

    @abstractmethod
    def notice(self, redis_key: str) -> bool:
        """Mark a key of the layout dirty; False if it is none of this stream's."""

    @abstractmethod
    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        """Return what may be read now, and when (loop time) the next dirty key may be, None if nothing waits."""

    @abstractmethod
    def notice_all(self) -> None:
        """Mark every known key dirty, also those that may be gone."""

    def admits(self, known: int) -> bool:
        """Return whether one more key may be followed when ``known`` are; a refusal is counted."""
        if known < SOURCE_KEYS:
            return True
        REFUSED_KEYS.labels(self.stream.name).inc()
        return False

    def tick(self) -> None:  # noqa: B027  # most layouts do not age
        """Mark dirty what the passing of a second may have changed."""


def _rest_s(took: float, took_before: float) -> float:
    """Return the pause after a read: the shorter of two counts, since one stall of the machine is no cost of a hash."""
    return max(REST_S, REST_PER_READ * min(took, took_before))


class HashWatch(Watch):
    """Hashes of values, whole or by hinted fields."""

    def __init__(self, stream: Stream, layout: HashFields) -> None:
        super().__init__(stream)
        self._layout = layout
        self._readers: dict[str, HashReader] = {}
        self._whole: set[str] = set()
        self._fields: dict[str, set[bytes]] = {}
        self._rested: dict[str, float] = {}
        self._took: dict[str, float] = {}

    def notice(self, redis_key: str) -> bool:
        if redis_key not in self._readers:
            names = patterns.match(self._layout.pattern, redis_key)
            if names is None:
                return False
            if not self.admits(len(self._readers)):
                return True
            self._readers[redis_key] = HashReader(self.stream, self._layout, redis_key, names)
        self._whole.add(redis_key)
        return True

    def hint(self, channel: str) -> bool:
        """Mark one field dirty, as a message on ``channel`` suggests; False if it is none of this stream's."""
        names = patterns.match(self._layout.hints, channel) if self._layout.hints else None
        if names is None:
            return False
        redis_key = patterns.fill(self._layout.pattern, names)
        if redis_key not in self._readers:
            return self.notice(redis_key)
        self._fields.setdefault(redis_key, set()).add(names["field"].encode())
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        due = [key for key in self._whole if self._rested.get(key, 0.0) <= now][:READS_AT_ONCE]
        tasks = []
        for key in due:
            self._whole.discard(key)
            self._fields.pop(key, None)
            tasks.append(Task(self._readers[key].read(), finished=self._rest(key)))
        for key, fields in self._fields.items():
            tasks.append(Task(self._readers[key].read(fields)))
        self._fields = {}
        waiting = [self._rested.get(key, 0.0) for key in self._whole]
        return tasks, min(waiting, default=None)

    def notice_all(self) -> None:
        self._whole.update(self._readers)

    def _rest(self, key: str) -> Callable[[float, float], None]:
        def finished(started: float, ended: float) -> None:
            took = ended - started
            self._rested[key] = ended + _rest_s(took, self._took.get(key, took))
            self._took[key] = took

        return finished


class JoinedWatch(Watch):
    """Hashes that make one picture together."""

    def __init__(self, stream: Stream, layout: JoinedHashes) -> None:
        super().__init__(stream)
        self._names = layout.names
        self._reader = JoinedReader(stream, layout)
        self._dirty, self._rested = False, 0.0
        self._took: float | None = None

    def notice(self, redis_key: str) -> bool:
        mine = redis_key in self._names
        self._dirty |= mine
        return mine

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        if not self._dirty:
            return [], None
        if self._rested > now:
            return [], self._rested
        self._dirty = False
        return [Task(self._reader.read(), finished=self._rest)], None

    def notice_all(self) -> None:
        self._dirty = True

    def _rest(self, started: float, ended: float) -> None:
        took = ended - started
        self._rested = ended + _rest_s(took, took if self._took is None else self._took)
        self._took = took


class BeaconWatch(Watch):
    """Living things and when they were last seen."""

    ages = True

    def __init__(self, stream: Stream, layout: Beacons) -> None:
        super().__init__(stream)
        self._layout = layout
        self._reader = BeaconReader(stream, layout)
        self._known: dict[str, Names] = {}
        self._things: set[str] = set()
        self._seen_known: set[str] = set()
        self._seen: set[str] = set()
        self._aging = False

    def notice(self, redis_key: str) -> bool:
        names = patterns.match(self._layout.pattern, redis_key)
        if names is not None:
            if redis_key in self._known or self.admits(len(self._known)):
                self._known[redis_key] = names
                self._things.add(redis_key)
        elif patterns.match(self._layout.seen, redis_key) is not None:
            self._seen_known.add(redis_key)
            self._seen.add(redis_key)
        else:
            return False
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        if not (self._things or self._seen or self._aging):
            return [], None
        things = {key: self._known[key] for key in self._things}
        task = Task(self._reader.read(things, self._seen, wall), finished=self._prune)
        self._things, self._seen, self._aging = set(), set(), False
        return [task], None

    def notice_all(self) -> None:
        self._things.update(self._known)
        self._seen.update(self._seen_known)

    def tick(self) -> None:
        self._aging = True

    def _prune(self, started: float, ended: float) -> None:
        self._known = {
            key: names for key, names in self._known.items() if key in self._things or self._reader.holds(key)
        }
