"""What a subscription knows of each key: numbers for order, cursors for coming back."""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping

import msgspec

KEYS_LIMIT = 65_536
"""Keys that are remembered at most; of one that was forgotten neither repeats nor gaps are noticed."""
CURSORS_LIMIT = 256
"""Cursors by key that one request may carry; the server needs the newest one of each log, and logs are few."""


class Verdict(enum.Enum):
    """What an update is, after what came before it."""

    NEWS = enum.auto()
    REPEATED = enum.auto()
    GAP = enum.auto()


class Place(msgspec.Struct, frozen=True, gc=False):
    """The last change of a key: its number, and where in the log it stands."""

    seq: int
    cursor: str | None


class Tracking:
    """The keys of one server subscription.

    ``lossless``: every change is sent, so that a jump of the number is a loss. ``newest`` is the cursor of the newest
    whole state, ``begun`` says whether anything was told.
    """

    def __init__(self, *, lossless: bool) -> None:
        self.newest: str | None = None
        self.begun = False
        self._lossless = lossless
        self._places: dict[str, Place] = {}
        self._batch: dict[str, Place] | None = None
        self._starts: dict[str, str] = {}

    def snapshot(self, key: str, place: Place, *, more: bool) -> None:
        """Take a snapshot in. Several in a row, all but the last with ``more``, are one state; it replaces what was known."""
        self.begun = True
        if self._batch is None:
            self._batch = {}
        self._batch[key] = place
        if not more:
            self._places, self._batch, self.newest = self._batch, None, place.cursor

    def missed(self, key: str, seq: int) -> int:
        """Return how many changes of a key lie between the last one and this."""
        last = self._places.get(key)
        return 0 if last is None else seq - last.seq - 1

    def update(self, key: str, place: Place) -> Verdict:
        """Judge an update, and take it in unless it is a repetition or follows a gap."""
        missed = self.missed(key, place.seq)
        if missed < 0:
            return Verdict.REPEATED
        if missed and self._lossless:
            return Verdict.GAP
        self.take(key, place)
        return Verdict.NEWS

    def take(self, key: str, place: Place) -> None:
        """Take an update in, whatever came before it."""
        self.begun = True
        self._places.pop(key, None)
        self._places[key] = place
        if len(self._places) > KEYS_LIMIT:
            del self._places[next(iter(self._places))]
        if place.cursor is not None and self._batch is None:
            self.newest = place.cursor

    @property
    def placed(self) -> bool:
        """Whether there is a place to continue from."""
        return self.newest is not None or bool(self._starts)

    def start_at(self, cursors: str | Mapping[str, str]) -> None:
        """Begin without a state, at the place that the server named, or at one in each log."""
        if not isinstance(cursors, str):
            self._starts = {**cursors, **self._starts}
        elif self.newest is None:
            self.newest = cursors

    def interrupt(self) -> None:
        """Forget a state that was cut short: the next one begins where the last whole one ended."""
        self._batch = None

    def cursor_of(self, key: str) -> str | None:
        """Return the cursor of a key's last change, from which a gap behind it can be filled."""
        place = self._places.get(key)
        return None if place is None else place.cursor

    def cursors(self) -> dict[str, str]:
        """Return cursors of the keys that changed last, for subscriptions that read several logs."""
        recent = itertools.islice(reversed(self._places.items()), CURSORS_LIMIT)
        return {**self._starts, **{key: place.cursor for key, place in recent if place.cursor is not None}}
