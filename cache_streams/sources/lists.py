"""Readers of lists: a tail that somebody else drains, and bars whose last one still changes.

Generators like those of ``readers.py``: commands out, replies in, records returned.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Generator

from cache_streams.metrics import MALFORMED, TAIL_SKIPPED
from cache_streams.sources.readers import Command, Reading, Reply, decoded, expect
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Bars, ListTail, Names, Record, Stream

PAGE = 1000
"""List elements read by one command."""
REMEMBERED_IDS = 512
"""Newest ids per list by which a repeated element is recognised."""


class TailReader:
    """Reads what was pushed to one list since the last look, exactly once, while a batch writer drains it.

    It remembers how many elements the list had and the last of them. If that one still stands where it stood, what
    follows is new; else the list was drained, and all of it is new. An element that repeats a remembered id is dropped.
    """

    def __init__(self, stream: Stream, layout: ListTail, redis_key: str, stored: str | None) -> None:
        self.stream, self.layout, self.redis_key = stream, layout, redis_key
        count, _, digest = (stored or "0:").partition(":")
        self._count, self._digest = int(count), digest
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.unread = False

    @property
    def position(self) -> str:
        """What to store, so that the next relay goes on here."""
        return f"{self._count}:{self._digest}"

    def read(self, names: Names, *, baseline: bool = False) -> Reading:
        """Return up to a page of new elements, oldest first; ``baseline``: of a list never seen, only a snapshot's worth.

        ``unread`` then says whether more stand behind them.
        """
        raws = yield from (self._newest() if baseline else self._new_elements())
        records = []
        for raw in raws:
            record = decoded(self.stream, self.layout.decode, names, raw)
            if record is not None and not self._is_repeat(record):
                records.append(record)
        return records

    def _new_elements(self) -> Generator[list[Command], list[Reply], list[bytes]]:
        page = yield from self._page(max(self._count - 1, 0))
        stands = self._count > 0 and bool(page) and _digest(page[0]) == self._digest
        if not stands and self._count > 1:
            page = yield from self._page(0)
        fresh = page[1:] if stands else page
        self.unread = len(page) == PAGE
        if fresh:
            self._count, self._digest = (self._count if stands else 0) + len(fresh), _digest(fresh[-1])
        elif not stands:
            self._count, self._digest = 0, ""
        return fresh

    def _newest(self) -> Generator[list[Command], list[Reply], list[bytes]]:
        length = ("LLEN", self.redis_key)
        while True:
            before, newest, after = yield [length, ("LRANGE", self.redis_key, -SNAPSHOT_TAIL, -1), length]
            if not expect(self.stream, newest, list):
                return []
            if before == after:  # else somebody wrote in between: the count would not belong to the elements
                break
        if newest:
            self._count, self._digest = before, _digest(newest[-1])
            TAIL_SKIPPED.labels(self.stream.name, "before_first_start").inc(before - len(newest))
        elements: list[bytes] = newest
        return elements

    def _page(self, start: int) -> Generator[list[Command], list[Reply], list[bytes]]:
        (reply,) = yield [("LRANGE", self.redis_key, start, start + PAGE - 1)]
        elements: list[bytes] = reply if expect(self.stream, reply, list) else []
        return elements

    def _is_repeat(self, record: Record) -> bool:
        trade_id = getattr(record.value, "trade_id", None)
        if trade_id is None:
            return False
        if trade_id in self._ids:
            TAIL_SKIPPED.labels(self.stream.name, "repeated_id").inc()
            return True
        self._ids[trade_id] = None
        if len(self._ids) > REMEMBERED_IDS:
            self._ids.popitem(last=False)
        return False


class BarReader:
    """Reads one list of bars: each bar that opened since the last look, and the last one's changes.

    A bar that a later one follows is closed, and so is one whose time is over. Of several elements with the same time
    the last counts; one that is older than the newest bar is out of order, and skipped.
    """

    def __init__(self, stream: Stream, layout: Bars, redis_key: str, names: Names) -> None:
        self.stream, self.layout, self.redis_key, self.names = stream, layout, redis_key, names
        self._raw: list[bytes] = []
        self._held: Record | None = None
        self._held_raw: bytes = b""

    def resume(self, last: Record) -> None:
        """Go on after ``last``, the bar that the log holds as the newest; found again, it is told, so as not to pass for gone."""
        self._held = last

    def read(self, now: float, *, baseline: bool = False) -> Reading:
        """Return changed and new bars, oldest first; ``baseline``: of a list never seen, only the newest."""
        (reply,) = yield [("LRANGE", self.redis_key, -PAGE, -1)]
        raws: list[bytes] = reply if expect(self.stream, reply, list) else []
        records = self._changed(raws, now) if raws != self._raw else []
        self._raw = raws
        if baseline and self._held is not None:
            return [self._held] if records else []
        return records

    def age(self, now: float) -> list[Record]:
        """Return the newest bar, closed, if its time has run out since the last look."""
        held = self._held
        if held is None or not self._held_raw or _closed(held):
            return []
        record = decoded(self.stream, self.layout.decode, self.names, self._held_raw, now)
        if record is None or not _closed(record):
            return []
        self._held = record
        return [record]

    def _changed(self, raws: list[bytes], now: float) -> list[Record]:
        start = _divergence(self._raw, raws)
        records: list[Record] = []
        for raw in raws[start:]:
            record = decoded(self.stream, self.layout.decode, self.names, raw, now)
            if record is not None:
                records += self._follow(record, raw)
        return records

    def _follow(self, record: Record, raw: bytes) -> list[Record]:
        held = self._held
        before = held.time if held is not None else None
        if before is not None and record.time is not None and record.time < before:
            MALFORMED.labels(self.stream.name, "out_of_order").inc()
            return []
        closing, known = [], record == held and bool(self._held_raw)
        if held is not None and record.time != before and not _closed(held) and self._held_raw:
            closed = decoded(self.stream, self.layout.decode, self.names, self._held_raw, float("inf"))
            closing = [closed] if closed is not None else []
        self._held, self._held_raw = record, raw
        return closing if known else [*closing, record]


def _closed(record: Record) -> bool:
    return bool(getattr(record.value, "closed", False))


def _divergence(before: list[bytes], after: list[bytes]) -> int:
    """Return where ``after`` stops being what ``before`` already showed, also when old elements were cut off."""
    if before and before[-1] in after:
        at = len(after) - 1 - after[::-1].index(before[-1])
        overlap = min(at + 1, len(before))
        if before[-overlap:] == after[at + 1 - overlap : at + 1]:
            return at + 1
    return next(
        (i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b),
        min(len(before), len(after)),
    )


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=12).hexdigest()
