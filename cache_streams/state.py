"""The state of keys, kept by applying updates: old snapshot + update = new snapshot, as code."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Kind
from cache_streams.streams.update import KeySnapshot, Update


class KeyStates:
    """What some keys of one log hold; memory is bounded by what the log's own snapshot holds."""

    def __init__(self, kind: Kind, snapshots: Iterable[KeySnapshot] = ()) -> None:
        self._kind = kind
        self._keys: dict[Key, tuple[int, dict[str | None, Update] | deque[Update]]] = {}
        for snapshot in snapshots:
            held = self._nothing()
            for update in snapshot.updates:
                _put(held, update)
            self._keys[snapshot.key] = (snapshot.seq, held)

    def apply(self, update: Update) -> None:
        """Replace, remove or append what the update says; one that the state already holds changes nothing."""
        seq, held = self._keys.get(update.key) or (0, self._nothing())
        if update.seq <= seq:
            return
        if update.deleted and isinstance(held, dict):
            held.pop(update.element, None)
        else:
            _put(held, update)
        self._keys[update.key] = (update.seq, held)

    def snapshots(self) -> list[KeySnapshot]:
        """Return the state of every key that ever held anything."""
        return [
            KeySnapshot(key, seq, tuple(held.values() if isinstance(held, dict) else held))
            for key, (seq, held) in self._keys.items()
        ]

    def _nothing(self) -> dict[str | None, Update] | deque[Update]:
        return deque(maxlen=SNAPSHOT_TAIL) if self._kind is Kind.TAIL else {}


def _put(held: dict[str | None, Update] | deque[Update], update: Update) -> None:
    if isinstance(held, dict):
        held.pop(update.element, None)  # so that elements stand in the order of their newest change
        held[update.element] = update
    else:
        held.append(update)
