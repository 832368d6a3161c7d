"""The state of keys, kept by applying updates: old snapshot + update = new snapshot, as code."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable

from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Kind
from cache_streams.streams.update import KeySnapshot, Update


class KeyStates:
    """What some keys of one log hold; memory is bounded by what the log's own snapshot holds."""

    def __init__(self, kind: Kind, snapshots: Iterable[KeySnapshot] = ()) -> None:
        self._kind = kind
        self._keys: dict[Key, tuple[int, dict[str | None, Update] | deque[Update]]] = {}
        self._changed: OrderedDict[tuple[Key, str | None], tuple[int, Update]] = OrderedDict()
        self.total = 0
        """Sum of all keys' sequence numbers: grows by one with each update."""
        for snapshot in snapshots:
            held = self._nothing()
            for update in snapshot.updates:
                _put(held, update)
            self._keys[snapshot.key] = (snapshot.seq, held)
            self.total += snapshot.seq
        self.base = self.total
        """What ``total`` was at first: which keys changed before is not known."""

    def keys(self) -> frozenset[Key]:
        """Return every key that ever held anything."""
        return frozenset(self._keys)

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
        self.total += update.seq - seq
        if self._kind is not Kind.TAIL:
            name = (update.key, update.element)
            self._changed[name] = (self.total, update)
            self._changed.move_to_end(name)

    def changed_since(self, total: int) -> list[Update]:
        """Return the newest update of each key (and element) that changed after the state's total was ``total``.

        Oldest change first; of tails every entry that is still held. ``total`` must not lie before ``base``.
        """
        if self._kind is Kind.TAIL:
            entries = [update for _, held in self._keys.values() for update in _each(held)]
            entries.sort(key=lambda update: update.accepted_time)
            return entries[-(self.total - total) :] if self.total > total else []
        newest: list[Update] = []
        for at, update in reversed(self._changed.values()):
            if at <= total:
                break
            newest.append(update)
        return newest[::-1]

    def newer(self, key: Key, seq: int) -> list[Update]:
        """Return the held updates of a key with greater numbers, oldest first; those before them may be missing."""
        _, held = self._keys.get(key) or (0, self._nothing())
        return [update for update in _each(held) if update.seq > seq]

    def snapshots(self, cursor: str = "") -> list[KeySnapshot]:
        """Return the state of every key that ever held anything; ``cursor`` names where in the log that is."""
        return [KeySnapshot(key, seq, tuple(_each(held)), cursor) for key, (seq, held) in self._keys.items()]

    def _nothing(self) -> dict[str | None, Update] | deque[Update]:
        return deque(maxlen=SNAPSHOT_TAIL) if self._kind is Kind.TAIL else {}


def _put(held: dict[str | None, Update] | deque[Update], update: Update) -> None:
    if isinstance(held, dict):
        held.pop(update.element, None)  # so that elements stand in the order of their newest change
        held[update.element] = update
    else:
        held.append(update)


def _each(held: dict[str | None, Update] | deque[Update]) -> Iterable[Update]:
    return held.values() if isinstance(held, dict) else held
