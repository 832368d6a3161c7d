"""Targets: the outlets that one rendition's frames go to, laid out so that a delivery costs as little as it can."""

from __future__ import annotations

from collections.abc import Iterable

from cache_streams.outlet import Body, Outlet, text_header


class Targets:
    """Outlets with what each puts before a body. They change seldom and are written to often: nothing is looked up twice."""

    __slots__ = ("_bare", "_prefixed", "_without_sink", "count")

    def __init__(self, wanted: Iterable[tuple[Outlet, bytes]]) -> None:
        self.count = 0
        self._bare: list[tuple[list[bytes], Outlet]] = []
        self._prefixed: dict[int, list[tuple[list[bytes], Outlet, bytes]]] = {}
        """By the prefix' length, on which the frame's header depends."""
        self._without_sink: list[tuple[Outlet, bytes]] = []
        for outlet, prefix in wanted:
            self.count += 1
            if outlet.sink is None:
                self._without_sink.append((outlet, prefix))
            elif prefix:
                self._prefixed.setdefault(len(prefix), []).append((outlet.gathered, outlet, prefix))
            else:
                self._bare.append((outlet.gathered, outlet))

    def gather(self, payload: bytes, touched: list[Outlet]) -> None:
        """Add one frame to what each outlet has gathered; outlets that had nothing are added to ``touched``."""
        body = Body(payload)
        if self._bare:
            frame = body.frame
            for gathered, outlet in self._bare:
                if not gathered:
                    touched.append(outlet)
                gathered.append(frame)
        for length, rows in self._prefixed.items():
            header = text_header(length + len(payload))
            for gathered, outlet, prefix in rows:
                if not gathered:
                    touched.append(outlet)
                gathered.extend((header, prefix, payload))
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
