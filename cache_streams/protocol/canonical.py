"""The plainest rendition: each frame is a canonical object, as REST and the SDKs show it."""

from __future__ import annotations

from collections.abc import Sequence

from cache_streams.protocol.rendition import Rendition
from cache_streams.streams.update import KeySnapshot, Update


class _Canonical:
    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return every object that the keys hold, oldest first within a key."""
        return [update.data for key in keys for update in key.updates]

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the object after the change: null for a value that is gone, ``{"deleted": id}`` for an element."""
        return (update.data,)


CANONICAL: Rendition = _Canonical()
