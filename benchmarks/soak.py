"""``python -m benchmarks.soak``: agents sockets for a long time; every event once and in order, no drop, and memory stays flat.

``SOAK_S`` is for how long, in seconds (1,800). Progress is printed each minute; exit code 1 when a rule does not hold.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import psutil
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.agents import API, Connection
from benchmarks.agents_live import PATH
from benchmarks.gateway import Gateway, running_gateway

SOCKETS = 20
PERIOD_S = 1.0
REPORT_S = 60.0
GROWTH = 1.1
"""Resident memory at the end, compared with that after the first report."""
PATIENCE_S = 10.0
_EVENT = {"type": "agent_thinking", "reasoning": "Need the order record before judging."}
_MEBIBYTE = 1_048_576


@dataclass(slots=True)
class Watcher:
    """One socket, and what was wrong with it."""

    connection: ClientConnection
    cursor: int = 0
    faults: list[str] = field(default_factory=list)

    async def read(self) -> None:
        """Read until the socket ends."""
        try:
            async for text in self.connection:
                frame = json.loads(text)
                if "seq" not in frame:  # no event
                    continue
                if frame["cursor"] != self.cursor + 1:
                    self.faults.append(f"{frame['cursor']} after {self.cursor}")
                self.cursor = frame["cursor"]
        except ConnectionClosed as closed:
            self.faults.append(f"closed: {closed}")


async def soak(gateway: Gateway, seconds: float) -> bool:
    """Return whether every rule held."""
    rest = await Connection.open(gateway)
    run_id = (await rest.ask("POST", f"{API}/runs/", {"agent_name": "soak"}))["run_id"]
    async with AsyncExitStack() as stack:
        headers = {"Authorization": f"Bearer {gateway.token()}"}
        url = gateway.url.replace("http", "ws", 1) + PATH + "?after=0"
        opening = (connect(url, additional_headers=headers, max_queue=None) for _ in range(SOCKETS))
        watchers = [Watcher(await stack.enter_async_context(each)) for each in opening]
        reading = [asyncio.create_task(watcher.read()) for watcher in watchers]
        began, reported, sizes = time.monotonic(), 0.0, [_resident(gateway)]
        for sent in itertools.count(2):
            await rest.ask("POST", f"{API}/runs/{run_id}/events/", _EVENT)
            elapsed = time.monotonic() - began
            if elapsed - reported >= min(REPORT_S, seconds / 2):
                reported = elapsed
                sizes.append(_resident(gateway))
                faults = sum(len(watcher.faults) for watcher in watchers)
                print(f"{elapsed:6.0f} s  {sent} events  {faults} faults  {sizes[-1]:.0f} MiB", flush=True)
            if elapsed >= seconds:
                break
            await asyncio.sleep(PERIOD_S)
        await asyncio.sleep(min(PATIENCE_S, seconds))
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    lost = [f"ended at {watcher.cursor} of {sent}" for watcher in watchers if watcher.cursor != sent]
    faults_of_all = [fault for watcher in watchers for fault in watcher.faults] + lost
    flat = sizes[-1] <= GROWTH * sizes[1]
    print("\n".join(faults_of_all[:20]) or "every event once and in order on every socket")
    print(f"{'pass' if flat else 'FAIL'}: memory {sizes[1]:.0f} to {sizes[-1]:.0f} MiB")
    return flat and not faults_of_all


def _resident(gateway: Gateway) -> float:
    """Return MiB that workers and relay hold."""
    pids = [pid for part in ("worker", "relay") for pid in gateway.pids()[part]]
    return float(sum(psutil.Process(pid).memory_info().rss for pid in pids) / _MEBIBYTE)


def main() -> int:
    """Run as long as ``SOAK_S`` says."""
    seconds = float(os.environ.pop("SOAK_S", "1800"))
    limits = {"AGENTS_SOCKETS_PER_USER": str(SOCKETS), "AGENTS_RETENTION_EVENTS": "100000000"}
    with running_gateway(**limits) as gateway:
        return 0 if asyncio.run(soak(gateway, seconds)) else 1


if __name__ == "__main__":
    sys.exit(main())
