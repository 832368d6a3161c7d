"""Watches of lists: what was pushed to a tail, and bars."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from cache_streams.relay.store import Store
from cache_streams.relay.watches import READS_AT_ONCE, Task, Watch
from cache_streams.sources.lists import BarReader, TailReader
from cache_streams.sources.readers import Reading
from cache_streams.streams import patterns
from cache_streams.streams.declaration import Bars, ListTail, Names, Record, Stream


class Markets:
    """Unified symbols by exchange and slashless name, as the tickers of the same cache show them."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, str], str] = {}

    def learn(self, exchange: str, symbol: str) -> None:
        """Remember that ``symbol`` is a market of ``exchange``."""
        self._symbols[exchange, symbol.replace("/", "")] = symbol

    def symbol(self, exchange: str, slashless: str) -> str:
        """Return the unified symbol, or ``slashless`` itself when no ticker has it."""
        return self._symbols.get((exchange, slashless), slashless)


class _Tail:
    """One list that grows: its reader, and how a task of it ends. Thousands are read per second: nothing is made anew."""

    __slots__ = ("_dirty", "before", "key", "names", "partition", "reader", "slashless")

    def __init__(self, key: str, names: Names, partition: str, reader: TailReader, dirty: set[str]) -> None:
        self.key, self.partition, self.reader = key, partition, reader
        self.names = dict(names)
        self.slashless = names["symbol"]
        self.before, self._dirty = reader.position, dirty

    def position(self) -> tuple[str, str, str] | None:
        """Return what to store with the records, None if the reader has not moved."""
        now = self.reader.position
        return (self.partition, self.key, now) if now != self.before else None

    def finished(self, *_duration: float) -> None:
        """Look again at once if the list holds more than a page."""
        if self.reader.unread:
            self._dirty.add(self.key)


class TailWatch(Watch):
    """Lists that grow to the right."""

    def __init__(self, stream: Stream, layout: ListTail, markets: Markets, store: Store) -> None:
        super().__init__(stream)
        self._layout, self._markets, self._store = layout, markets, store
        self._tails: dict[str, _Tail] = {}
        self._dirty: set[str] = set()

    def notice(self, redis_key: str) -> bool:
        if redis_key not in self._tails:
            if patterns.match(self._layout.pattern, redis_key) is None:
                return False
            if not self.admits(len(self._tails)):
                return True
        self._dirty.add(redis_key)
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        due = list(islice(self._dirty, READS_AT_ONCE))
        self._dirty.difference_update(due)
        return [self._task(key) for key in due], now if self._dirty else None

    def notice_all(self) -> None:
        self._dirty.update(self._tails)

    def _task(self, redis_key: str) -> Task:
        tail = self._tails.get(redis_key) or self._follow(redis_key)
        tail.before, names = tail.reader.position, tail.names
        names["symbol"] = self._markets.symbol(names["exchange"], tail.slashless)
        first = self.baselining and not self._store.existed(tail.partition)
        return Task(tail.reader.read(names, baseline=first), tail.position, tail.finished)

    def _follow(self, redis_key: str) -> _Tail:
        names = patterns.match(self._layout.pattern, redis_key) or {}  # notice() admitted it: it matches
        partition = names[self.stream.partition or ""]
        stored = self._store.stored_position(partition, redis_key)
        reader = TailReader(self.stream, self._layout, redis_key, stored)
        tail = self._tails[redis_key] = _Tail(redis_key, names, partition, reader, self._dirty)
        return tail


class BarWatch(Watch):
    """Lists of bars."""

    ages = True

    def __init__(self, stream: Stream, layout: Bars, store: Store) -> None:
        super().__init__(stream)
        self._layout, self._store = layout, store
        self._readers: dict[str, BarReader] = {}
        self._dirty: set[str] = set()
        self._aging = False

    def notice(self, redis_key: str) -> bool:
        if redis_key not in self._readers:
            if patterns.match(self._layout.pattern, redis_key) is None:
                return False
            if not self.admits(len(self._readers)):
                return True
        self._dirty.add(redis_key)
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        due = list(islice(self._dirty, READS_AT_ONCE))
        self._dirty.difference_update(due)
        tasks: list[Task] = []
        if self._aging:  # first: a bar that closes must not be told after the one that followed it
            self._aging = False
            tasks += [Task(_without_io(reader.age(wall))) for reader in self._readers.values()]
        tasks += [self._task(key, wall) for key in due]
        return tasks, now if self._dirty else None

    def notice_all(self) -> None:
        self._dirty.update(self._readers)

    def tick(self) -> None:
        self._aging = True

    def _task(self, redis_key: str, wall: float) -> Task:
        baseline = False
        if redis_key not in self._readers:
            names = patterns.match(self._layout.pattern, redis_key) or {}  # notice() admitted it: it matches
            reader = self._readers[redis_key] = BarReader(self.stream, self._layout, redis_key, names)
            key = tuple(names[name] for name in self.stream.key_fields)
            last = self._store.last(key)
            if last is not None:
                reader.resume(last)
            else:
                baseline = self.baselining and not self._store.existed(self._store.partition(key))
        return Task(self._readers[redis_key].read(wall, baseline=baseline))


def _without_io(records: Iterable[Record]) -> Reading:
    """Give records that needed no command the form of a reading."""
    yield []
    return list(records)
