"""Watches of lists: what was pushed to a tail, and bars."""

from __future__ import annotations

from collections.abc import Iterable

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


class TailWatch(Watch):
    """Lists that grow to the right."""

    def __init__(self, stream: Stream, layout: ListTail, markets: Markets, store: Store) -> None:
        super().__init__(stream)
        self._layout, self._markets, self._store = layout, markets, store
        self._readers: dict[str, tuple[Names, TailReader]] = {}
        self._dirty: set[str] = set()

    def notice(self, redis_key: str) -> bool:
        if patterns.match(self._layout.pattern, redis_key) is None:
            return False
        if redis_key in self._readers or self.admits(len(self._readers)):
            self._dirty.add(redis_key)
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        due = list(self._dirty)[:READS_AT_ONCE]
        self._dirty.difference_update(due)
        return [self._task(key) for key in due], now if self._dirty else None

    def notice_all(self) -> None:
        self._dirty.update(self._readers)

    def _task(self, redis_key: str) -> Task:
        names, reader = self._reader(redis_key)
        partition = names[self.stream.partition or ""]
        named = {**names, "symbol": self._markets.symbol(names["exchange"], names["symbol"])}
        first = self.baselining and not self._store.existed(partition)
        before = reader.position

        def position() -> tuple[str, str, str] | None:
            return (partition, redis_key, reader.position) if reader.position != before else None

        def finished(*_duration: float) -> None:
            if reader.unread:
                self._dirty.add(redis_key)

        return Task(reader.read(named, baseline=first), position, finished)

    def _reader(self, redis_key: str) -> tuple[Names, TailReader]:
        if redis_key not in self._readers:
            names = patterns.match(self._layout.pattern, redis_key) or {}  # notice() admitted it: it matches
            stored = self._store.stored_position(names[self.stream.partition or ""], redis_key)
            self._readers[redis_key] = (names, TailReader(self.stream, self._layout, redis_key, stored))
        return self._readers[redis_key]


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
        if patterns.match(self._layout.pattern, redis_key) is None:
            return False
        if redis_key in self._readers or self.admits(len(self._readers)):
            self._dirty.add(redis_key)
        return True

    def take(self, now: float, wall: float) -> tuple[list[Task], float | None]:
        due = list(self._dirty)[:READS_AT_ONCE]
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
