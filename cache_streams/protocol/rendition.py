"""How a family turns numbered changes into what follows a subscription's prefix in a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, Protocol, TypeAlias, TypeVar

import msgspec

from cache_streams.streams.update import KeySnapshot, Update

Payload = TypeVar("Payload", bound=msgspec.Struct)


class Rendition(Protocol):
    """What one subscription sends. Times (``now``) are Unix seconds.

    Renditions without state are shared: sockets with the same one and the same prefix get the same frame. The others are
    made per subscription. ``snapshot`` is given the state of every subscribed key, at the start and after each gap; what
    a rendition with state has told already it does not tell again.
    """

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the bodies to send before any update, in order."""

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the bodies that one change makes; empty when this family does not speak of it."""


UpdateAt: TypeAlias = Callable[[Update, str, float], Sequence[bytes]]
"""``update_at(update, cursor, now)``: what a rendition has instead of ``update`` if its frames say where in the log they
stand. Its keys are then independent of each other: the state of some of them can be told anew without the rest."""


class PerUpdate(Generic[Payload]):
    """A rendition without state: each change is told by itself, and a snapshot is the changes it consists of.

    ``bodies`` is given the canonical object, the change and the time; a change that left no object is not told, unless
    ``gone`` tells it.
    """

    def __init__(
        self,
        payload: type[Payload],
        bodies: Callable[[Payload, Update, float], Iterable[bytes]],
        gone: Callable[[Update, float], Iterable[bytes]] = lambda _update, _now: (),
    ) -> None:
        self._decoder = msgspec.json.Decoder(payload)
        self._bodies = bodies
        self._gone = gone

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        """Return the bodies of every change that the snapshots consist of, oldest first within a key."""
        return [body for key in keys for change in key.updates for body in self.update(change, now)]

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        """Return the bodies of one change."""
        value = payload_of(update, self._decoder)
        return tuple(self._gone(update, now) if value is None else self._bodies(value, update, now))


def payload_of(update: Update, decoder: msgspec.json.Decoder[Payload]) -> Payload | None:
    """Return the canonical object that a change left behind; None when it, or the element, is gone."""
    return None if is_gone(update) else decoder.decode(update.data)


def is_gone(update: Update) -> bool:
    """Say whether a change left no object behind."""
    return update.deleted or update.data == b"null"
