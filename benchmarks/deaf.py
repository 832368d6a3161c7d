"""Deaf sockets among healthy ones: what the healthy ones notice, what the deaf ones cost, how fresh a woken one is."""

from __future__ import annotations

import time

from benchmarks.contest import arena
from benchmarks.gateway import Gateway
from benchmarks.processes import OTHER_CORES, SERVER_CORE, pin, resident_kb
from benchmarks.receiver import Receiver, Told, receiving
from benchmarks.report import Findings
from benchmarks.servers import Server, push_tickers
from benchmarks.trial import WARM_UP_S, Load, feeding

LOAD = Load(sockets=400, rate=500, seconds=8)
QUICK = Load(sockets=20, rate=50, seconds=1)
DEAF, QUICK_DEAF = 100, 5
SLOWER_MAX = 2.0
KB_PER_DEAF_MAX = 128.0
AGE_MAX_S = 1.0
_AWAKE_S = 3.0


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Publish to healthy sockets, then to the same beside deaf ones, then let the deaf ones read."""
    load, deaf = (QUICK, QUICK_DEAF) if quick else (LOAD, DEAF)
    server = push_tickers(gateway)
    with arena(gateway):
        pin(server.pids, [SERVER_CORE])
        for pids in server.beside.values():
            pin(pids, OTHER_CORES)
        healthy = [server.opening(1) for _ in range(load.sockets)]
        with feeding(server, load) as feed:
            feed.publish(WARM_UP_S)  # so that the market has a price
        with receiving(server.port, healthy) as receiver:
            alone, _ = _heard(server, load, receiver)
            before_kb = resident_kb(server.pids)
            openings = [server.opening(1) for _ in range(deaf)]
            with receiving(server.port, openings, options="d") as sleepers:
                beside, woken = _heard(server, load, receiver, sleepers)
                per_deaf = (resident_kb(server.pids) - before_kb) / deaf
    return _findings(alone, beside, woken, per_deaf, deaf)


def _heard(
    server: Server, load: Load, receiver: Receiver, sleepers: Receiver | None = None
) -> tuple[Told, Told]:
    """Return what the healthy sockets heard, and what the deaf ones did once they were woken."""
    with feeding(server, load) as feed:
        feed.publish(WARM_UP_S)
        receiver.zero()
        feed.publish(load.seconds)
        heard = receiver.tell()
        if sleepers is None:
            return heard, heard
        feed.begin(_AWAKE_S)
        sleepers.wake()
        feed.end()
        time.sleep(AGE_MAX_S)  # what was fresh when it arrived has arrived by now
        return heard, sleepers.tell()


def _findings(alone: Told, beside: Told, woken: Told, per_deaf: float, deaf: int) -> Findings:
    found = Findings()
    for name, told in (("healthy alone", alone), (f"healthy beside {deaf} deaf", beside)):
        found.rows.append(
            {
                "sockets": name,
                "open": told.opened - told.closed,
                "updates": told.updates,
                "p50 ms": told.p50_ms,
                "p99 ms": told.p99_ms,
            }
        )
    ratio = beside.p99_ms / max(alone.p99_ms, 1e-3)
    found.judge(
        f"p99 of the healthy ≤ {SLOWER_MAX:g} x that without the deaf",
        f"{ratio:.2f}",
        passed=ratio <= SLOWER_MAX,
    )
    found.judge(
        f"memory ≤ + {KB_PER_DEAF_MAX:g} KB per deaf socket",
        f"{per_deaf:.1f} KB",
        passed=per_deaf <= KB_PER_DEAF_MAX,
    )
    found.judge(
        f"every deaf reader that wakes up gets a price that is ≤ {AGE_MAX_S:g} s old",
        f"{woken.fresh} of {deaf}, the last {woken.fresh_s:.2f} s after waking; {woken.closed} were cut",
        passed=woken.fresh == deaf,
    )
    return found
