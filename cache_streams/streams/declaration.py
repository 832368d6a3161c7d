"""What a stream is: one declaration from which routing, groups, snapshots, permission and documents follow."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

Key: TypeAlias = tuple[str, ...]
"""Values of a stream's key fields, in the declared order: ``("kraken", "BTC/USDC")``."""

Names: TypeAlias = Mapping[str, str]
"""What the placeholders of a layout pattern stand for in one Redis key: ``{"exchange": "kraken"}``."""

Extras: TypeAlias = Mapping[
    str, Any
]  # Any: JSON as a collector stored it, passed through and never interpreted
"""Stored facts that the compatible families show and the canonical object does not carry."""


class Kind(enum.Enum):
    """How updates make a snapshot: old snapshot + updates = new snapshot."""

    VALUE = "value"
    """A key holds one object; an update replaces it."""
    COLLECTION = "collection"
    """A key holds elements by id; an update replaces or removes one of them."""
    TAIL = "tail"
    """A key holds the newest ``SNAPSHOT_TAIL`` of an endless sequence; an update appends one."""


class Mode(enum.Enum):
    """What a slow socket may miss."""

    EVERY = "every"
    LATEST = "latest"
    SAMPLE = "sample"


class Audience(enum.Enum):
    """Who may read a stream; ``CACHE_ACCESS=open`` opens all of them but SELF to everybody."""

    ANY_USER = "any_user"
    OWNER = "owner"
    STAFF = "staff"
    SELF = "self"
    """The owner alone: neither staff nor an open deployment reads somebody else's."""


class Malformed(ValueError):
    """A stored value cannot be read; ``reason`` is a fixed short label that counts it in a metric.

    The text never holds the value: it may be private.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Record:
    """One stored value after reading: what the relay compares, numbers and appends.

    ``value`` is the stream's payload, or None when the value is gone. ``element`` names the member of a collection.
    ``time`` is the source's own stamp in Unix seconds, None when it gave none. ``flaw`` is the label that counts a value
    which was read though part of it could not be. ``number`` is the ``seq`` that the source itself gave the change.
    """

    key: Key
    value: msgspec.Struct | None
    element: str | None = None
    extras: Extras | None = None
    time: float | None = None
    flaw: str | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class HashFields:
    """Each field of a Redis hash is one value; the hash is re-read and diffed when it changed.

    ``hints`` is a pub/sub channel whose ``{field}`` names a changed field, so that one field is read, not the hash.
    """

    pattern: str
    decode: Callable[[Names, str, bytes], Record]
    hints: str | None = None


@dataclass(frozen=True, slots=True)
class ListTail:
    """Each element pushed to the right of a Redis list is one value; somebody else drains the list."""

    pattern: str
    decode: Callable[[Names, bytes], Record]


@dataclass(frozen=True, slots=True)
class Bars:
    """A Redis list of bars, newest last; the last bar changes until the next one opens or its time is over."""

    pattern: str
    decode: Callable[[Names, bytes, float], Record]
    """``(names, raw, now)``: ``now`` in Unix seconds decides whether the bar is closed."""


@dataclass(frozen=True, slots=True)
class JoinedHashes:
    """Several hashes that make one picture of each key; all are re-read when one of them changed.

    A field of the first is a key; a change there is a change of that key alone.
    """

    names: tuple[str, ...]
    decode: Callable[[Mapping[str, Mapping[str, bytes]]], Mapping[Key, Record | Malformed]]


@dataclass(frozen=True, slots=True)
class Beacons:
    """One string per living thing plus hashes of when each was last seen; re-evaluated each second, because they age.

    ``compare`` takes a record's bare age away: two records that differ only there are no news.
    """

    pattern: str
    seen: str
    decode: Callable[[Names, bytes, str | None, float], Record]
    """``(names, raw, last seen ISO or None, now)``."""
    compare: Callable[[Record], Record] | None = None
    changes_at: Callable[[Record, float], float | None] | None = None
    """``(record, now)`` → when (Unix seconds) time alone changes more than its age; None for never."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of the relational database, numbered by who writes them: a key's ``seq`` is the row's own number.

    ``notices`` is the Redis Stream, below the gateway's prefix, that names a key after each commit.
    """

    notices: str


Layout: TypeAlias = HashFields | ListTail | Bars | JoinedHashes | Beacons | Rows


@dataclass(frozen=True, slots=True)
class Parts:
    """What of a key a client of the native family may ask for: ``members`` are pairs of request field and payload's field.

    Told in parts, updates are numbered by the payload's own ``number``, without gaps for each value of ``series``.
    """

    members: tuple[tuple[str, str], ...]
    series: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A kind of live values that the gateway offers.

    ``key_fields`` name the parts of a key; ``partition`` is the key field whose value names the log, None spreads
    the keys over a fixed number of shard logs. ``owner`` is the key field that says whose the value is (audiences
    OWNER and SELF). ``rhythm_s`` is the longest that the source of a whole partition is quiet while it lives; None when
    silence says nothing. ``layout`` is None for a stream that only ``group_send`` feeds.
    """

    name: str
    payload: type[msgspec.Struct]
    key_fields: tuple[str, ...]
    kind: Kind
    mode: Mode
    audience: Audience
    layout: Layout | None
    partition: str | None = None
    owner: str | None = None
    rhythm_s: float | None = None
    parts: Parts | None = None
    modes: frozenset[Mode] = frozenset(Mode)
    """What a client may choose from; ``mode`` is what it gets when it does not."""


SNAPSHOT_TAIL = 100
"""Entries in the snapshot of a ``Kind.TAIL`` key."""
