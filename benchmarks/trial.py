"""One trial: a server, so many sockets, so many updates; what arrived, when, and what it cost."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec

from benchmarks.feed import Fed
from benchmarks.machine import BASE
from benchmarks.processes import OTHER_CORES, SERVER_CORE, cpu_s, pin, resident_kb
from benchmarks.receiver import Receiver, receiving
from benchmarks.servers import Server
from cache_streams.server.children import dying_with_parent

WARM_UP_S = 0.5
DRAIN_S = 2.5
"""How long after the last update those that are still under way may arrive."""
_QUIET_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """``rate`` updates/s in all, in turn over ``instruments``, each of which each of the sockets wants."""

    sockets: int
    rate: float
    seconds: float
    instruments: int = 1

    @property
    def deliveries(self) -> float:
        """Deliveries asked for, per second."""
        return self.sockets * self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one trial showed. ``cpu_us`` is the server's CPU per delivered update, ``beside_us`` that of others per update.

    ``cpu_share`` and ``receiver_share`` are shares of one core, from the first update until all had arrived.
    """

    server: str
    asked: int
    delivered: int
    cpu_us: float
    cpu_share: float
    p50_ms: float
    p99_ms: float
    frame_bytes: float
    kb_per_socket: float
    connects_s: float
    connect_us: float
    beside_us: dict[str, float]
    receiver_share: float
    late_s: float
    closed: int
    fewest: int
    most: int

    @property
    def delivered_share(self) -> float:
        return self.delivered / self.asked


class Feed:
    """A running publisher."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def publish(self, seconds: float) -> Fed:
        """Publish for so long."""
        self.begin(seconds)
        return self.end()

    def begin(self, seconds: float) -> None:
        """Begin to publish; ``end`` waits."""
        if self._process.stdin is None:
            raise RuntimeError("a feed is started with pipes")
        self._process.stdin.write(f"{seconds}\n".encode())
        self._process.stdin.flush()

    def end(self) -> Fed:
        """Wait until the publishing is over."""
        return msgspec.json.decode(self.line(), type=Fed)

    def line(self) -> bytes:
        """Return the next line that it prints."""
        line = self._process.stdout.readline() if self._process.stdout is not None else b""
        if not line:
            raise RuntimeError("the publisher has ended; why stands above")
        return line


@contextmanager
def feeding(server: Server, load: Load) -> Iterator[Feed]:
    """Run a publisher for the server until the block ends."""
    target, address = server.feed
    options = ["--rate", str(load.rate), "--instruments", str(load.instruments)]
    command = [sys.executable, "-m", "benchmarks.feed", target, address, *options]
    with subprocess.Popen(
        dying_with_parent(*command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=BASE
    ) as process:
        try:
            pin([process.pid], OTHER_CORES)
            feed = Feed(process)
            feed.line()
            yield feed
        finally:
            process.kill()


def run(server: Server, load: Load) -> Trial:
    """Open the sockets, warm up, publish, wait for what is under way, count."""
    _pin(server)
    before_kb, before_s = resident_kb(server.pids), cpu_s(server.pids)
    openings = [server.opening(load.instruments) for _ in range(load.sockets)]
    with receiving(server.port, openings, options=server.options, sample_every=_stride(load)) as receiver:
        told = receiver.told
        if told.opened < load.sockets:
            refused = f"{told.opened} of {load.sockets} sockets opened; {told.refusal}"
            raise RuntimeError(f"{server.name}: {refused}")
        connect_us = (cpu_s(server.pids) - before_s) / load.sockets * 1e6
        kb_per_socket = (resident_kb(server.pids) - before_kb) / load.sockets
        with feeding(server, load) as feed:
            feed.publish(WARM_UP_S)
            _await_quiet(receiver)  # snapshots count as well: how many come before the clock is not known
            shares, began = _Shares(server, receiver), time.monotonic()
            fed = feed.publish(load.seconds)
            asked = fed.sent * load.sockets
            _await_quiet(receiver, asked)
        window_s = time.monotonic() - began
        counted = receiver.tell()
    used, beside, receiver_s = shares.used(counted.cpu_s)
    if used <= 0:
        raise RuntimeError(f"{server.name}: its processes used no CPU: they are not those that serve")
    return Trial(
        server=server.name,
        asked=asked,
        delivered=counted.updates,
        cpu_us=used / max(counted.updates, 1) * 1e6,
        cpu_share=used / window_s,
        p50_ms=counted.p50_ms,
        p99_ms=counted.p99_ms,
        frame_bytes=counted.bytes / max(counted.updates, 1),
        kb_per_socket=kb_per_socket,
        connects_s=load.sockets / told.opened_s,
        connect_us=connect_us,
        beside_us={name: seconds / fed.sent * 1e6 for name, seconds in beside.items()},
        receiver_share=receiver_s / window_s,
        late_s=fed.late_s,
        closed=counted.closed,
        fewest=counted.fewest,
        most=counted.most,
    )


def _pin(server: Server) -> None:
    pin(server.pids, [SERVER_CORE])
    for pids in server.beside.values():
        pin(pids, OTHER_CORES)


def _stride(load: Load) -> int:
    """Return how many updates a sample stands for: up to some 100,000 samples/s are taken.

    7 has no factor in common with counts of sockets, so that all of them have their turn.
    """
    return 1 if load.deliveries <= 100_000 else 7  # noqa: PLR2004  # 100,000 is the sentence above


class _Shares:
    """CPU seconds from now on."""

    def __init__(self, server: Server, receiver: Receiver) -> None:
        self._server = server
        self._receiver_s = receiver.zero().cpu_s
        self._start = self._now()

    def _now(self) -> dict[str, float]:
        parts = {"": self._server.pids, **self._server.beside}
        return {name: cpu_s(pids) for name, pids in parts.items()}

    def used(self, receiver_s: float) -> tuple[float, dict[str, float], float]:
        """Return what the server, the processes beside it, and the receiver have used."""
        spent = {name: now - self._start[name] for name, now in self._now().items()}
        return spent.pop(""), spent, receiver_s - self._receiver_s


def _await_quiet(receiver: Receiver, expected: float = math.inf) -> None:
    """Return when all has arrived or nothing more does; after ``DRAIN_S`` in any case."""
    deadline = time.monotonic() + DRAIN_S
    seen, since = -1, time.monotonic()
    while time.monotonic() < deadline:
        updates = receiver.tell().updates
        if updates != seen:
            seen, since = updates, time.monotonic()
        if updates >= expected or time.monotonic() - since > _QUIET_S:
            return
        time.sleep(0.02)
