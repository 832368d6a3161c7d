"""Targets: the outlets that one rendition's frames go to, laid out so that a delivery costs as little as it can."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import count, repeat

from cache_streams.outlet import DESCRIPTORS, Body, FrameSink, Outlet, text_header
from cache_streams.threads import JOBS


class _Alike:
    """Outlets whose frames have the same header: their prefixes are equally long."""

    __slots__ = ("_descriptors", "_descriptors_of", "_minding", "_sinks", "gathering", "prefixes")

    def __init__(self) -> None:
        self.prefixes: list[bytes] = []
        self.gathering: list[tuple[list[bytes], Outlet]] = []
        self._sinks: list[FrameSink] = []
        self._minding: list[Outlet] = []
        self._descriptors: list[int] = []
        self._descriptors_of = -1

    def add(self, outlet: Outlet, sink: FrameSink, prefix: bytes) -> None:
        """Take one more."""
        self.prefixes.append(prefix)
        self.gathering.append((outlet.gathered, outlet))
        self._sinks.append(sink)
        if outlet.minds_silence:
            self._minding.append(outlet)

    def write(self, frames: Iterable[bytes]) -> None:
        """Write each its frame, past the transport where the sink lets it.

        The transport's own way costs a small frame half as much again, but keeps the interpreter, which threads that wait for
        it would take at every write: while there are any, frames go that way. Nothing of a socket is touched but its
        descriptor: with hundreds of them, memory is what this loop waits for.
        """
        for outlet in self._minding:
            outlet.wrote = True
        if JOBS.under_way:
            for sink, frame in zip(self._sinks, frames, strict=False):
                sink.write(frame)
            return
        write = os.write
        for place, descriptor, frame in zip(count(), self._known_descriptors(), frames, strict=False):
            try:
                taken = write(descriptor, frame)
            except OSError:  # full, ended or broken: the transport knows what follows
                taken = 0
            if taken < len(frame):
                self._sinks[place].write(frame[taken:])

    def _known_descriptors(self) -> list[int]:
        if self._descriptors_of != DESCRIPTORS.changes:
            self._descriptors_of = DESCRIPTORS.changes
            self._descriptors = [sink.descriptor for sink in self._sinks]
        return self._descriptors


class Targets:
    """Outlets with what each puts before a body. They change seldom and are written to often: nothing is looked up twice."""

    __slots__ = ("_alike", "_without_sink", "count")

    def __init__(self, wanted: Iterable[tuple[Outlet, bytes]]) -> None:
        self.count = 0
        self._alike: dict[int, _Alike] = {}
        """By the prefix' length."""
        self._without_sink: list[tuple[Outlet, bytes]] = []
        for outlet, prefix in wanted:
            self.count += 1
            if outlet.sink is None:
                self._without_sink.append((outlet, prefix))
            else:
                self._alike.setdefault(len(prefix), _Alike()).add(outlet, outlet.sink, prefix)

    def write(self, payload: bytes) -> None:
        """Write one frame to each outlet, none of which has gathered anything."""
        body = Body(payload)
        for length, alike in self._alike.items():
            if length:
                header = text_header(length + len(payload))
                alike.write([header + prefix + payload for prefix in alike.prefixes])
            else:
                alike.write(repeat(body.frame))
        for outlet, prefix in self._without_sink:
            outlet.write(prefix, body)

    def gather(self, payload: bytes, touched: list[Outlet]) -> None:
        """Add one frame to what each outlet has gathered; outlets that had nothing are added to ``touched``."""
        body = Body(payload)
        for length, alike in self._alike.items():
            if length:
                header = text_header(length + len(payload))
                parts: Iterable[tuple[bytes, ...]] = [(header, prefix, payload) for prefix in alike.prefixes]
            else:
                parts = repeat((body.frame,))
            for (gathered, outlet), part in zip(alike.gathering, parts, strict=False):
                if not gathered:
                    touched.append(outlet)
                gathered.extend(part)
        for outlet, prefix in self._without_sink:
            outlet.write(prefix, body)


def hand_over(touched: list[Outlet]) -> None:
    """Write what each outlet has gathered, all at once."""
    joined_of: list[bytes] = []
    joined = b""
    for outlet in touched:
        gathered = outlet.gathered
        # Sockets of one market gather the very same frames: comparing is cheaper than joining again.
        if gathered != joined_of:
            joined_of = gathered.copy()
            joined = gathered[0] if len(gathered) == 1 else b"".join(gathered)
        gathered.clear()
        outlet.wrote = True
        if outlet.sink is not None:
            outlet.sink.write(joined)
