"""What looking costs a worker that holds a crowd: the operators' live page left open, and /metrics being scraped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import httpx

from benchmarks.gateway import METRICS_TOKEN, Gateway
from benchmarks.processes import cpu_s
from benchmarks.receiver import Receiver, receiving
from benchmarks.report import Findings, Row
from benchmarks.servers import Server, push_tickers
from benchmarks.trial import WARM_UP_S, Load, feeding
from tests.integration.operators.operator import Operator
from tests.live import ADMIN_MAIL, PASSWORD

SOCKETS, QUICK_SOCKETS = 9_500, 50
SECONDS, QUICK_SECONDS = 12.0, 2.0
UPDATES_S = 5.0
PAGE_EVERY_S, SCRAPE_EVERY_S = 2.0, 1.0
LOOK_CPU_MS_MAX = 200.0


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Fill one worker, then let nobody look, an operator look, a scraper ask."""
    return await asyncio.to_thread(_measure, gateway, quick=quick)


def _measure(gateway: Gateway, *, quick: bool) -> Findings:
    count, seconds = (QUICK_SOCKETS, QUICK_SECONDS) if quick else (SOCKETS, SECONDS)
    server, found = push_tickers(gateway), Findings()
    openings = [server.opening(1) for _ in range(count)]
    with (
        receiving(server.port, openings) as receiver,
        Operator.logged_in_at(gateway.url, ADMIN_MAIL, PASSWORD) as operator,
    ):
        crowd = _Crowd(server, receiver, seconds)
        crowd.phase("nobody looks", lambda: None, 1.0)
        crowd.phase(f"a live page, each {PAGE_EVERY_S:g} s", partial(_look, operator), PAGE_EVERY_S)
        crowd.phase(f"a scrape, each {SCRAPE_EVERY_S:g} s", partial(_scrape, gateway), SCRAPE_EVERY_S)
    found.rows = crowd.rows
    for row in crowd.rows[1:]:
        found.judge(
            f"{count:,} sockets: {row['phase']}: CPU ≤ {LOOK_CPU_MS_MAX:g} ms a time",
            f"{row['CPU of one, ms']} ms",
            passed=float(row["CPU of one, ms"]) <= LOOK_CPU_MS_MAX,
        )
    return found


@dataclass(slots=True)
class _Crowd:
    """Open sockets of one worker that get updates."""

    server: Server
    receiver: Receiver
    seconds: float
    rows: list[Row] = field(default_factory=list)

    def phase(self, name: str, look: Callable[[], object], every_s: float) -> None:
        """Feed updates, look at intervals, and add what the worker used and how late updates came."""
        took: list[float] = []
        count = self.receiver.told.opened
        with feeding(self.server, Load(sockets=count, rate=UPDATES_S, seconds=self.seconds)) as feed:
            feed.publish(WARM_UP_S)
            self.receiver.zero()
            before_s, ends_at = cpu_s(self.server.pids), time.monotonic() + self.seconds
            feed.begin(self.seconds)
            while time.monotonic() < ends_at:
                began = time.monotonic()
                look()
                took.append(time.monotonic() - began)
                time.sleep(max(0.0, every_s - took[-1]))
            used_s = cpu_s(self.server.pids) - before_s
            feed.end()
            told = self.receiver.tell()
        quiet_s = float(self.rows[0]["worker core"]) * self.seconds if self.rows else used_s
        self.rows.append(
            {
                "sockets": count,
                "phase": name,
                "worker core": round(used_s / self.seconds, 3),
                "CPU of one, ms": round(max(0.0, used_s - quiet_s) / len(took) * 1000, 1),
                "longest wait, ms": round(1000 * max(took), 1),
                "updates": told.updates,
                "p50 ms": told.p50_ms,
                "p99 ms": told.p99_ms,
                "max ms": told.max_ms,
            }
        )


def _look(operator: Operator) -> None:
    operator.client.get("/admin/live/", headers={"HX-Request": "true"}).raise_for_status()


def _scrape(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    httpx.get(f"{gateway.url}/metrics", headers=headers, timeout=10).raise_for_status()
