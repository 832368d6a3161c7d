"""Frames that leave together: joined once, for every socket that is told the same, and written in one call."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from cache_streams.outlet import Body, Outlet, framed
from cache_streams.places import Position

STEP_BYTES = 64 * 1024
"""Payload bytes after which a batch is full, and whoever writes gives the loop a turn."""


class Batch:
    """Payloads of text frames; alone (no prefix) they are framed and joined only once."""

    __slots__ = ("_joined", "payloads", "size")

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self.payloads = payloads
        self.size = sum(map(len, payloads))
        """Payload bytes."""
        self._joined: bytes | None = None

    def write(self, outlet: Outlet, prefix: bytes) -> None:
        """Queue one frame per payload, each behind ``prefix``. Never waits, never raises."""
        if outlet.sink is None:
            for payload in self.payloads:
                outlet.write(prefix, Body(payload))
            return
        outlet.wrote = True
        if prefix:
            outlet.sink.write(framed(self.payloads, prefix))
            return
        if self._joined is None:
            self._joined = framed(self.payloads)
        outlet.sink.write(self._joined)


def batched(payloads: Iterable[bytes]) -> list[Batch]:
    """Return payloads in batches, each closed by the payload that fills it."""
    batches: list[Batch] = []
    gathered: list[bytes] = []
    size = 0
    for payload in payloads:
        gathered.append(payload)
        size += len(payload)
        if size >= STEP_BYTES:
            batches.append(Batch(gathered))
            gathered, size = [], 0
    return [*batches, Batch(gathered)] if gathered else batches


class Passage:
    """What some entries of a log tell, in batches that are the same for whoever stands before them."""

    __slots__ = ("_batches", "_begins", "_payloads", "_places")

    def __init__(self, told: Iterable[tuple[Position, Sequence[bytes]]]) -> None:
        """Take what each entry tells, oldest first."""
        rows = [(place, payload) for place, payloads in told for payload in payloads]
        self._places = [place for place, _ in rows]
        self._payloads = [payload for _, payload in rows]
        self._batches = batched(self._payloads)
        self._begins: list[int] = []
        """By batch, the number of its first payload."""
        begin = 0
        for batch in self._batches:
            self._begins.append(begin)
            begin += len(batch.payloads)

    def after(self, seen: Position) -> list[Batch]:
        """Return what comes after ``seen``; only what is left of the batch in which that stands is a batch of its own."""
        first = bisect_right(self._places, seen)
        whole = bisect_left(self._begins, first)
        end = self._begins[whole] if whole < len(self._begins) else len(self._payloads)
        partly = [Batch(self._payloads[first:end])] if first < end else []
        return [*partly, *self._batches[whole:]]
