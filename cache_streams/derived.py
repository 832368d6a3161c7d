"""Measured when somebody asks, rather than counted when it happens: what open sockets have not taken yet."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import REGISTRY, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cache_streams.sessions import all_sessions

WAITING = "gw_waiting_bytes"
FULL = "gw_full_sockets"


class OpenSockets(Collector):
    """Looks at every open socket of this process; 10,000 of them take a few milliseconds."""

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without numbers: registering must not look at anything."""
        return self._families(0, 0)

    def collect(self) -> Iterable[Metric]:
        """Return what waits now."""
        waiting = [session.waiting_bytes() for sessions in all_sessions() for session in sessions.everyone()]
        return self._families(sum(waiting), sum(each > 0 for each in waiting))

    def _families(self, waiting: int, full: int) -> list[Metric]:
        return [
            GaugeMetricFamily(WAITING, "Bytes that wait in this process until sockets take them.", waiting),
            GaugeMetricFamily(FULL, "Open sockets for which something waits.", full),
        ]


OPEN_SOCKETS = OpenSockets()


def register() -> None:
    """Offer the numbers with all others; once more changes nothing."""
    if WAITING not in REGISTRY._names_to_collectors:  # noqa: SLF001  # the registry tells it nowhere else
        REGISTRY.register(OPEN_SOCKETS)
