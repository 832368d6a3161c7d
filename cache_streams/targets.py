"""Targets: the outlets that one rendition's frames go to, laid out so that a delivery costs as little as it can."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import count, repeat
from typing import TypeAlias
from weakref import WeakValueDictionary

from cache_streams.outlet import DESCRIPTORS, Body, FrameSink, Outlet, framed, text_header
from cache_streams.threads import JOBS


class _Alike:
    """Outlets whose frames have the same header: their prefixes are equally long."""

    __slots__ = (
        "_descriptors",
        "_descriptors_of",
        "_different",
        "_minding",
        "_sinks",
        "gathering",
        "prefixes",
    )

    def __init__(self) -> None:
        self.prefixes: list[bytes] = []
        self.gathering: list[tuple[list[bytes], Outlet]] = []
        self._sinks: list[FrameSink] = []
        self._different: set[bytes] = set()
        self._minding: list[Outlet] = []
        self._descriptors: list[int] = []
        self._descriptors_of = -1

    def add(self, outlet: Outlet, sink: FrameSink, prefix: bytes) -> None:
        """Take one more."""
        self.prefixes.append(prefix)
        self._different.add(prefix)
        self.gathering.append((outlet.gathered, outlet))
        self._sinks.append(sink)
        if outlet.minds_silence:
            self._minding.append(outlet)

    def write(self, payloads: Sequence[bytes]) -> None:
        """Write each its frames in one piece, past the transport where the sink lets it.

        The transport's own way costs a small frame half as much again, but keeps the interpreter, which threads that wait for
        it would take at every write: while there are any, frames go that way. Nothing of a socket is touched but its
        descriptor: with hundreds of them, memory is what this loop waits for.
        """
        for outlet in self._minding:
            outlet.wrote = True
        if JOBS.under_way:
            for sink, piece in zip(self._sinks, self._pieces(payloads), strict=False):
                sink.write(piece)
            return
        write = os.write
        for place, descriptor, piece in zip(
            count(), self._known_descriptors(), self._pieces(payloads), strict=False
        ):
            try:
                taken = write(descriptor, piece)
            except OSError:  # full, ended or broken: the transport knows what follows
                taken = 0
            if taken < len(piece):
                self._sinks[place].write(piece[taken:])

    def _pieces(self, payloads: Sequence[bytes]) -> Iterable[bytes]:
        """Return what each is written; clients that chose the same prefix, as many do, are told the same."""
        made = {prefix: framed(payloads, prefix) for prefix in self._different}
        if len(made) == 1:
            return repeat(*made.values())
        return [made[prefix] for prefix in self.prefixes]

    def _known_descriptors(self) -> list[int]:
        if self._descriptors_of != DESCRIPTORS.changes:
            self._descriptors_of = DESCRIPTORS.changes
            self._descriptors = [sink.descriptor for sink in self._sinks]
        return self._descriptors


class _Roster:
    """Stands for one set of outlets, each behind its prefix: two targets with the same set have the same roster."""

    __slots__ = ("__weakref__",)


_rosters: WeakValueDictionary[frozenset[tuple[Outlet, bytes]], _Roster] = WeakValueDictionary()
"""Those that some targets have."""


class Targets:
    """Outlets with what each puts before a body. They change seldom and are written to often: nothing is looked up twice."""

    __slots__ = ("_alike", "_once", "_outlets", "_roster", "_without_sink", "count")

    def __init__(self, wanted: Iterable[tuple[Outlet, bytes]]) -> None:
        self._outlets = list(wanted)
        self._roster: _Roster | None = None
        self._once: bool | None = None
        self._alike: dict[int, _Alike] = {}
        """By the prefix' length."""
        self._without_sink: list[tuple[Outlet, bytes]] = []
        self.count = len(self._outlets)
        for outlet, prefix in self._outlets:
            if outlet.sink is None:
                self._without_sink.append((outlet, prefix))
            else:
                self._alike.setdefault(len(prefix), _Alike()).add(outlet, outlet.sink, prefix)

    def goes_with(self, other: Targets) -> bool:
        """Return whether both are the same outlets behind the same prefixes, and each of them once: then frames need no order
        but that of each outlet.
        """
        if self.count != other.count or not self._each_once():
            return False
        return self is other or self._own_roster() is other._own_roster()

    def _each_once(self) -> bool:
        if self._once is None:
            self._once = len({outlet for outlet, _ in self._outlets}) == self.count
        return self._once

    def _own_roster(self) -> _Roster:
        if self._roster is None:
            self._roster = _rosters.setdefault(frozenset(self._outlets), _Roster())
        return self._roster

    def write(self, payloads: Sequence[bytes]) -> None:
        """Write a frame of each payload to each outlet, none of which has gathered anything."""
        for alike in self._alike.values():
            alike.write(payloads)
        for outlet, prefix in self._without_sink:
            for payload in payloads:
                outlet.write(prefix, Body(payload))

    def gather(self, payload: bytes, touched: list[Outlet]) -> None:
        """Add one frame to what each outlet has gathered; outlets that had nothing are added to ``touched``."""
        body = Body(payload)
        for length, alike in self._alike.items():
            if length:
                header = text_header(length + len(payload))
                parts: Iterable[tuple[bytes, ...]] = ((header, prefix, payload) for prefix in alike.prefixes)
            else:
                parts = repeat((body.frame,))
            for (gathered, outlet), part in zip(alike.gathering, parts, strict=False):
                if not gathered:
                    touched.append(outlet)
                gathered.extend(part)
        for outlet, prefix in self._without_sink:
            outlet.write(prefix, body)


Step: TypeAlias = Sequence[tuple[Targets, bytes]]
"""Payloads in order, each with whom it goes to."""


def hand_over(step: Step) -> None:
    """Write to each outlet what a step has for it, all at once."""
    if not step:
        return
    first = step[0][0]
    if len(step) == 1 or all(targets.goes_with(first) for targets, _ in step):
        first.write([payload for _, payload in step])
        return
    touched: list[Outlet] = []
    for targets, payload in step:
        targets.gather(payload, touched)
    _write_gathered(touched)


def _write_gathered(touched: Sequence[Outlet]) -> None:
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
