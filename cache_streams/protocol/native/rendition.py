"""Snapshot and update frames of the native family, put together from the bytes that stand in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from cache_streams.protocol.groups import wire_key
from cache_streams.protocol.native.frames import Told
from cache_streams.protocol.rendition import is_gone
from cache_streams.streams.declaration import Key, Kind, Stream
from cache_streams.streams.update import KeySnapshot, Update

_NULL = b"null"
_CACHED_KEYS = 65_536
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class NativeRendition:
    """What one subscription sends.

    Those of one stream are equal, so that an update is rendered once for all of them: only snapshots tell ``sub``.
    ``exact`` is the key of a subscription to one key, which is told even if it holds nothing.
    """

    stream: Stream = field(compare=False)
    name: str = field(init=False)
    sub: int = field(compare=False)
    exact: Key | None = field(default=None, compare=False)
    replay: bool = False
    """Whether what it tells is of the past, and says so."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.stream.name)  # frozen, and all that tells two of these apart

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return one frame per key; all but the last say that ``more`` follow, so that nobody resumes between them."""
        told = list(keys)
        if self.exact is not None and not told:
            told = [KeySnapshot(self.exact, 0, ())]
        last = len(told) - 1
        return [self._frame(key, more=place < last) for place, key in enumerate(told)]

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the frame of one change whose place in the log is not known."""
        return self.update_at(update, "", now)

    def update_at(self, update: Update, cursor: str, now: float) -> Sequence[bytes]:
        """Return the frame of one change; ``cursor`` is its place in the log."""
        stamps = b"null" if update.source_time is None else b"%r" % update.source_time
        return (
            b'%b"seq":%d,"cursor":%b,"ts":[%b,%r],%b"data":%b}'
            % (
                _update_head(self.name, update.key),
                update.seq,
                _cursor(cursor),
                stamps,
                update.accepted_time,
                b'"replay":true,' if self.replay else b"",
                update.data,
            ),
        )

    def _frame(self, key: KeySnapshot, *, more: bool) -> bytes:
        return b'{"type":"snapshot","sub":%d,"stream":%b,"key":%b,"seq":%d,"cursor":%b,%b"data":%b}' % (
            self.sub,
            _encode(self.name),
            _encode(wire_key(key.key)),
            key.seq,
            _cursor(key.cursor),
            b'"more":true,' if more else b"",
            state_of(self.stream, key),
        )


def state_of(stream: Stream, key: KeySnapshot) -> bytes:
    """Return the ``data`` of a key's snapshot: null when it never held anything, a list when the stream is list-like."""
    if not key.seq:
        return _NULL
    held = [update.data for update in key.updates if not is_gone(update)]
    if stream.kind is not Kind.VALUE:
        return b"[%b]" % b",".join(held)
    return held[-1] if held else _NULL


def told(stream: Stream, key: KeySnapshot) -> Told:
    """Return a key's state as the answer to ``snapshot`` tells it."""
    state = msgspec.Raw(state_of(stream, key))
    return Told(stream=stream.name, key=wire_key(key.key), seq=key.seq, cursor=key.cursor or None, data=state)


@lru_cache(_CACHED_KEYS)
def _update_head(stream: str, key: Key) -> bytes:
    return b'{"type":"update","stream":%b,"key":%b,' % (_encode(stream), _encode(wire_key(key)))


def _cursor(text: str) -> bytes:
    return _encode(text) if text else _NULL
