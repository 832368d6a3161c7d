"""What waits between the socket and the program that reads: bounded, with a choice of what happens at the bound."""

from __future__ import annotations

import enum
from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


KEYS_LIMIT = 65_536
"""Keys of which it is remembered how much was dropped."""


class Policy(enum.Enum):
    """What happens to a message that finds the buffer full."""

    LATEST = "latest"
    """Only the newest message of each key waits; for streams whose keys hold one value."""
    DROP_OLDEST = "drop_oldest"
    """The oldest message makes room; what was dropped is counted, and the next message of its key says how much."""
    BLOCK = "block"
    """The socket is read no further until there is room: the gateway notices, and loses nothing within its retention."""
    RAISE = "raise"
    """Reading raises BufferOverflow, and the subscription ends."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Item]):
    key: str
    item: Item
    changes: int


class Buffer(Generic[Item]):
    """Messages in order of arrival, with LATEST in order of the first unread one of each key.

    ``dropped`` counts what was never read; the next message of its key comes with how many changes that were. With BLOCK a buffer may be filled beyond ``size``: whoever fills it asks
    ``full`` first.
    """

    def __init__(self, policy: Policy, size: int) -> None:
        if size < 1:
            raise ValueError("buffer: must be 1 or more")
        self.policy, self.size = policy, size
        self.dropped = 0
        self.overflowed = False
        self._waiting: OrderedDict[object, _Entry[Item]] = OrderedDict()
        self._owed: OrderedDict[str, int] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return len(self._waiting) >= self.size

    def put(self, key: str, item: Item, changes: int) -> None:
        """Let a message wait, which stands for so many changes of its key."""
        place: object = key
        if self.policy is not Policy.LATEST:
            self._count += 1
            place = self._count
        elif key in self._waiting:
            self._owe(self._waiting[key])
            self._waiting[key] = _Entry(key, item, changes)
            return
        if self.full and self.policy is not Policy.BLOCK:
            if self.policy is Policy.RAISE:
                self.overflowed = True
                return
            self._owe(self._waiting.popitem(last=False)[1])
        self._waiting[place] = _Entry(key, item, changes)

    def take(self) -> tuple[Item, int] | None:
        """Return the message that waits longest, and how many changes were dropped before it; None when there is none."""
        if not self._waiting:
            return None
        entry = self._waiting.popitem(last=False)[1]
        return entry.item, self._owed.pop(entry.key, 0)

    def _owe(self, entry: _Entry[Item]) -> None:
        self.dropped += 1
        self._owed[entry.key] = self._owed.get(entry.key, 0) + entry.changes
        if len(self._owed) > KEYS_LIMIT:
            self._owed.popitem(last=False)
