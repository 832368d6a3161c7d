"""A numbered change of one key: what stands in the log and what every family renders."""

from __future__ import annotations

from typing import Any

import msgspec

from cache_streams.streams.declaration import Extras, Key, Kind, Stream


class Update(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One change, numbered by the relay.

    ``seq`` rises by one per change of the key. ``data`` is the canonical object as JSON, ``null`` when a value is gone,
    ``{"deleted": id}`` when an element left its collection. ``size`` is the number of elements after the change
    (collections only). Times are Unix seconds. ``superseded`` marks a value that only the newest of matters, also on an
    *every* stream (the open bar).
    """

    key: Key
    seq: int
    data: bytes
    source_time: float | None
    accepted_time: float
    element: str | None = None
    extras: bytes | None = None
    size: int | None = None
    deleted: bool = False
    superseded: bool = False
    more: bool = False
    """Whether the same reading changed the key once more: counts in between never stood in the cache."""
    begins: bool = False
    """Whether the log knew nothing of the key, which had changed before: who was told of nothing is told the state."""

    def extra(self) -> Extras:
        """Return the stored facts beside the canonical object; empty when there are none."""
        return _EXTRAS.decode(self.extras) if self.extras else {}


class KeySnapshot(msgspec.Struct, frozen=True, gc=False):
    """State of one key at ``seq``: one update for a value, one per element or per tail entry otherwise, oldest first."""

    key: Key
    seq: int
    updates: tuple[Update, ...]
    cursor: str = ""
    """Where in the log this held, as clients are told it."""


def nothing(stream: Stream, key: Key, now: float, cursor: str) -> KeySnapshot:
    """Return the state of a key that held something in contents which are gone, and never did in these."""
    gone = Update(key, 0, b"null", None, now, deleted=True)
    return KeySnapshot(key, 0, (gone,) if stream.kind is Kind.VALUE else (), cursor)


_EXTRAS: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])  # Any: JSON as stored
