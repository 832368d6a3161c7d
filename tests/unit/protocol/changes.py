"""Changes and snapshots as the log holds them, for the tests of renditions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from cache_streams.streams.declaration import Key
from cache_streams.streams.update import KeySnapshot, Update

NOW = 1_800_000_000.0


def change(
    key: Key,
    value: msgspec.Struct | None,
    *,
    extras: Mapping[str, object] | None = None,
    element: str | None = None,
    size: int | None = None,
) -> Update:
    """Return a change of ``key``; value None: the value, or ``element``, is gone."""
    gone = {"deleted": element} if value is None and element is not None else value
    return Update(
        key=key,
        seq=1,
        data=msgspec.json.encode(gone),
        source_time=None,
        accepted_time=NOW,
        element=element,
        extras=None if extras is None else msgspec.json.encode(extras),
        size=size,
        deleted=value is None,
    )


def snapshot(key: Key, *changes: Update) -> KeySnapshot:
    return KeySnapshot(key, len(changes), changes)
