"""One reader per layout shape: which commands to send, and what their replies say has changed.

A reader does no I/O. ``read`` is a generator: it yields a list of Redis commands, is sent the list of their replies (an
exception in place of a refused one), and returns the records that differ from what it read before. The state of a
reader moves only when its generator returns, and its owner drops it when the records could not be appended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

from redis.exceptions import NoPermissionError

from cache_streams.metrics import MALFORMED
from cache_streams.streams.declaration import (
    Beacons,
    HashFields,
    JoinedHashes,
    Key,
    Malformed,
    Names,
    Record,
    Stream,
)

Field = TypeVar("Field", str, bytes)

Command: TypeAlias = tuple[str | bytes | int, ...]
Reply: TypeAlias = Any  # Any: whatever redis-py makes of a reply; each reader checks the type that it expects
Reading: TypeAlias = Generator[list[Command], list[Reply], list[Record]]


def expect(stream: Stream, reply: Reply, kind: type[Any]) -> bool:
    """Return whether ``reply`` has the type asked for; a key of another type, or a forbidden one, is counted and empty.

    Raises: any other refusal (``BUSY``, ``LOADING``): it says nothing of the key, and must not pass for its deletion.
    """
    if isinstance(reply, kind):
        return True
    forbidden = isinstance(reply, NoPermissionError)
    if isinstance(reply, Exception) and not forbidden and not str(reply).startswith("WRONGTYPE"):
        raise reply
    MALFORMED.labels(stream.name, "no_permission" if forbidden else "wrong_type").inc()
    return False


def decoded(stream: Stream, decode: Callable[..., Record], *stored: object) -> Record | None:
    """Return what ``decode`` makes of a ``stored`` value, or None after counting why it cannot be read."""
    try:
        record = decode(*stored)
    except Malformed as malformed:
        MALFORMED.labels(stream.name, malformed.reason).inc()
        return None
    if record.flaw is not None:
        MALFORMED.labels(stream.name, record.flaw).inc()
    return record


def field_text(stream: Stream, field: bytes) -> str | None:
    """Return a key or field as text; None, counted, if it is not UTF-8."""
    try:
        return field.decode()
    except UnicodeDecodeError:
        MALFORMED.labels(stream.name, "name_not_utf8").inc()
        return None


class HashReader:
    """Reads one hash whose fields are values; whole, or only the fields that hints named."""

    def __init__(self, stream: Stream, layout: HashFields, redis_key: str, names: Names) -> None:
        self.stream, self.layout, self.redis_key, self.names = stream, layout, redis_key, names
        self._raw: dict[bytes, bytes] = {}
        self._held: dict[bytes, Record] = {}

    def read(self, fields: Iterable[bytes] | None = None) -> Reading:
        """Return what changed in ``fields``, or in the whole hash if None."""
        if fields is not None:
            asked = list(fields)
            (reply,) = yield [("HMGET", self.redis_key, *asked)]
            found = (
                dict(zip(asked, reply, strict=True))
                if expect(self.stream, reply, list)
                else dict.fromkeys(asked)
            )
            gone = [field for field, raw in found.items() if raw is None and field in self._raw]
            present = {field: raw for field, raw in found.items() if raw is not None}
        else:
            (reply,) = yield [("HGETALL", self.redis_key)]
            present = reply if expect(self.stream, reply, dict) else {}
            gone = [field for field in self._raw if field not in present]
        changed = {field: raw for field, raw in present.items() if self._raw.get(field) != raw}
        records = [record for field in gone for record in self._forget(field)]
        records += [record for field, raw in changed.items() for record in self._take(field, raw)]
        return records

    def _take(self, field: bytes, raw: bytes) -> list[Record]:
        self._raw[field] = raw
        name = field_text(self.stream, field)
        if name is None:
            return []
        record = decoded(self.stream, self.layout.decode, self.names, name, raw)
        if record is None:
            return []
        before = self._held.get(field)
        self._held[field] = Record(record.key, None, record.element)
        if (
            before is not None and before.key != record.key
        ):  # an order that changed its owner leaves the old one's list
            return [before, record]
        return [record]

    def _forget(self, field: bytes) -> list[Record]:
        del self._raw[field]
        held = self._held.pop(field, None)
        return [held] if held is not None else []


class JoinedReader:
    """Reads several hashes that make one picture, and compares the pictures."""

    def __init__(self, stream: Stream, layout: JoinedHashes) -> None:
        self.stream, self.layout = stream, layout
        self._hashes: dict[str, dict[bytes, bytes]] = {}
        self._held: dict[Key, Record] = {}

    def read(self) -> Reading:
        """Return the keys whose picture changed."""
        replies = yield [("HGETALL", name) for name in self.layout.names]
        hashes = {
            name: reply if expect(self.stream, reply, dict) else {}
            for name, reply in zip(self.layout.names, replies, strict=True)
        }
        primary, *others = self.layout.names
        if all(hashes[name] == self._hashes.get(name) for name in others):
            changed = _differing(self._hashes.get(primary, {}), hashes[primary])
            part = {field: hashes[primary][field] for field in changed if field in hashes[primary]}
            names = (field_text(self.stream, field) for field in changed)
            records = self._picture(
                {**hashes, primary: part}, {(name,) for name in names if name is not None}
            )
        else:
            records = self._picture(hashes, None)
        self._hashes = hashes
        return records

    def _picture(self, hashes: dict[str, dict[bytes, bytes]], keys: set[Key] | None) -> list[Record]:
        """Return what changed of ``keys``, or of everything if None; ``hashes`` hold at least what those need."""
        texts = {name: _texts(self.stream, reply) for name, reply in hashes.items()} if keys != set() else {}
        records: list[Record] = []
        present: set[Key] = set()
        for key, record in self.layout.decode(texts).items():
            if keys is not None and key not in keys:
                continue
            if isinstance(record, Malformed):
                MALFORMED.labels(self.stream.name, record.reason).inc()
                continue
            present.add(key)
            if self._held.get(key) != record:
                if record.flaw is not None:
                    MALFORMED.labels(self.stream.name, record.flaw).inc()
                self._held[key] = record
                records.append(record)
        gone = (self._held.keys() if keys is None else keys & self._held.keys()) - present
        return records + [Record(key, None, self._held.pop(key).element) for key in gone]


class BeaconReader:
    """Reads living things (one string each) and when they were last seen; what it returns depends on the time, too."""

    def __init__(self, stream: Stream, layout: Beacons) -> None:
        self.stream, self.layout = stream, layout
        self._raw: dict[str, tuple[Names, bytes]] = {}
        self._seen: dict[str, dict[str, str]] = {}
        self._held: dict[str, Record] = {}
        self._due: dict[str, float] = {}  # when (Unix seconds) time alone changes a thing; absent for never

    def read(self, things: dict[str, Names], seen_keys: Iterable[str], now: float) -> Reading:
        """Return what changed, after re-reading ``things`` (Redis key → its names) and ``seen_keys``.

        Both may be empty: then only the passing of time is looked at. ``now`` in Unix seconds.
        """
        hashes = list(seen_keys)
        commands: list[Command] = [("GET", key) for key in things]
        replies = yield [*commands, *(("HGETALL", key) for key in hashes)]
        touched: set[str] = set()
        for (key, names), reply in zip(things.items(), replies, strict=False):
            before = self._raw.get(key)
            if reply is not None and expect(self.stream, reply, bytes):
                self._raw[key] = (names, reply)
            else:
                self._raw.pop(key, None)
            if self._raw.get(key) != before:
                touched.add(key)
        for key, reply in zip(hashes, replies[len(things) :], strict=True):
            texts = _texts(self.stream, reply) if expect(self.stream, reply, dict) else {}
            seen = {name: raw.decode(errors="replace") for name, raw in texts.items()}
            touched.update(map(self._key_of, _differing(self._seen.get(key, {}), seen)))
            self._seen[key] = seen
        touched.update(key for key, due in self._due.items() if due <= now)
        return self._evaluate(touched, now)

    def _key_of(self, name: str) -> str:
        head, _, tail = self.layout.pattern.partition("{")
        return f"{head}{name}{tail.partition('}')[2]}"

    def holds(self, redis_key: str) -> bool:
        """Return whether ``redis_key`` was there at the last look."""
        return redis_key in self._raw

    def _evaluate(self, touched: set[str], now: float) -> list[Record]:
        records: list[Record] = []
        for key in touched:
            self._due.pop(key, None)
            names, raw = self._raw.get(key, (None, b""))
            record = None
            if names is not None:
                (name,) = names.values()
                seen = next((hash_[name] for hash_ in self._seen.values() if name in hash_), None)
                record = decoded(self.stream, self.layout.decode, names, raw, seen, now)
            if record is None:
                self._raw.pop(key, None)  # counted once, not each second
                gone = self._held.pop(key, None)
                if gone is not None:
                    records.append(Record(gone.key, None, gone.element))
                continue
            due = self.layout.changes_at(record, now) if self.layout.changes_at else None
            if due is not None:
                self._due[key] = due
            if self._is_news(key, record):
                records.append(record)
        return records

    def _is_news(self, key: str, record: Record) -> bool:
        unaged = self.layout.compare(record) if self.layout.compare else record
        if self._held.get(key) == unaged:
            return False
        self._held[key] = unaged
        return True


def _differing(before: Mapping[Field, object], after: Mapping[Field, object]) -> set[Field]:
    """Return the fields that two states of a hash do not have in common."""
    return {field for field in before.keys() | after.keys() if before.get(field) != after.get(field)}


def _texts(stream: Stream, reply: dict[bytes, bytes]) -> dict[str, bytes]:
    named = ((field_text(stream, field), raw) for field, raw in reply.items())
    return {name: raw for name, raw in named if name is not None}
