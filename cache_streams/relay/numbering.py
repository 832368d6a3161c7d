"""Numbering: compares records with the last known values and gives each change its place in its key's sequence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from cache_streams.log import Claimed, LogSnapshot
from cache_streams.log_names import key_text
from cache_streams.metrics import REFUSED_KEYS
from cache_streams.protocol.groups import NameTooLong, group_name
from cache_streams.streams.declaration import Key, Kind, Record, Stream
from cache_streams.streams.update import Update

KEYS_PER_LOG = 50_000
"""Keys that one log carries; values of further keys are refused, and counted."""

Content = tuple[bytes, bytes | None]

_JSON = msgspec.json.Encoder()


class Numbering:
    """What one log last said about each key. Forget it when an append failed: Redis knows better."""

    def __init__(self, stream: Stream, claimed: Claimed, snapshot: LogSnapshot) -> None:
        self.stream = stream
        self._seqs = dict(claimed.seqs)
        self._last: dict[str, dict[str | None, tuple[Record, Content]]] = {}
        for key in snapshot.keys:
            text = key_text(key.key)
            self._seqs[text] = key.seq
            held = self._last.setdefault(text, {})
            if stream.kind is not Kind.TAIL:
                for update in key.updates:
                    gone = Record(update.key, None, update.element)
                    held[update.element] = (gone, (update.data, update.extras))

    def number(self, records: Iterable[Record], now: float) -> list[Update]:
        """Return the updates that ``records`` amount to; what equals the last value is none. ``now``: Unix seconds."""
        numbered = (self._number(record, now) for record in records)
        updates = [update for update in numbered if update is not None]
        return _chained(updates) if self.stream.kind is Kind.COLLECTION else updates

    def missing_from(self, seen: Mapping[str, set[str | None]]) -> list[Record]:
        """Return deletions of everything held that is not in ``seen`` (key text → elements)."""
        return [
            gone
            for text, held in self._last.items()
            for element, (gone, _) in held.items()
            if element not in seen.get(text, ())
        ]

    def seq(self, key: Key) -> int:
        """Return the number of the newest change of ``key`` that the log holds, 0 when it never held any."""
        return self._seqs.get(key_text(key), 0)

    def forget(self, key: Key) -> None:
        """Take it that the log never held anything of ``key``."""
        self._seqs.pop(key_text(key), None)
        self._last.pop(key_text(key), None)

    def last(self, key: Key) -> Record | None:
        """Return the single value held for ``key`` as the record it was, None if there is none."""
        held = self._last.get(key_text(key), {}).get(None)
        if held is None:
            return None
        data, extras = held[1]
        value = msgspec.json.decode(data, type=self.stream.payload)
        return Record(
            key,
            value,
            extras=msgspec.json.decode(extras) if extras else None,
            time=getattr(value, "time", None),
        )

    def _number(self, record: Record, now: float) -> Update | None:
        text = key_text(record.key)
        if record.number is not None and record.number <= self._seqs.get(text, 0):
            return None  # carried already, by a relay before this one
        held = self._last.get(text)
        if held is None:
            if record.value is None or not self._admits(record):
                return None
            held = self._last[text] = {}
        before = held.get(record.element)
        if record.value is None:
            return self._gone(record, text, held, now) if before else None
        content = (_JSON.encode(record.value), _JSON.encode(record.extras) if record.extras else None)
        if self.stream.kind is not Kind.TAIL:
            if before is not None and before[1] == content:
                return None
            held[record.element] = (Record(record.key, None, record.element), content)
        superseded = getattr(record.value, "closed", None) is False
        return self._update(record, text, content, now, size=self._size(held), superseded=superseded)

    def _gone(
        self, record: Record, text: str, held: dict[str | None, tuple[Record, Content]], now: float
    ) -> Update:
        del held[record.element]
        collection = self.stream.kind is Kind.COLLECTION
        content = (_JSON.encode({"deleted": record.element}) if collection else b"null", None)
        return self._update(record, text, content, now, size=self._size(held), deleted=True)

    def _update(  # one argument per thing that differs between the two callers
        self,
        record: Record,
        text: str,
        content: Content,
        now: float,
        *,
        size: int | None,
        deleted: bool = False,
        superseded: bool = False,
    ) -> Update:
        seq = self._seqs.get(text, 0) + 1 if record.number is None else record.number
        begins = seq > 1 and text not in self._seqs
        self._seqs[text] = seq
        return Update(
            key=record.key,
            seq=seq,
            data=content[0],
            source_time=record.time,
            accepted_time=now,
            element=record.element,
            extras=content[1],
            size=size,
            deleted=deleted,
            superseded=superseded,
            begins=begins,
        )

    def _size(self, held: Mapping[str | None, object]) -> int | None:
        return len(held) if self.stream.kind is Kind.COLLECTION else None

    def _admits(self, record: Record) -> bool:
        try:
            group_name(self.stream.name, record.key)
        except NameTooLong:
            REFUSED_KEYS.labels(self.stream.name).inc()
            return False
        if len(self._last) >= KEYS_PER_LOG:
            REFUSED_KEYS.labels(self.stream.name).inc()
            return False
        return True


def _chained(updates: list[Update]) -> list[Update]:
    """Mark every update of a reading that another of the same key follows."""
    followed: set[Key] = set()
    for index in range(len(updates) - 1, -1, -1):
        if updates[index].key in followed:
            updates[index] = msgspec.structs.replace(updates[index], more=True)
        followed.add(updates[index].key)
    return updates
