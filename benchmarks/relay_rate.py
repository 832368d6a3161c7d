"""How many updates the relay takes in, and what each costs it, from a few keys to thousands."""

from __future__ import annotations

import time
from typing import cast

import redis

from benchmarks import cache, updates
from benchmarks.contest import arena
from benchmarks.gateway import Gateway
from benchmarks.processes import OTHER_CORES, SERVER_CORE, cpu_s, pin
from benchmarks.report import Findings
from cache_streams.demo import writes
from cache_streams.demo.writes import Command
from cache_streams.log_names import LogName
from cache_streams.streams.declaration import Stream
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES

KEYS, QUICK_KEYS = (10, 100, 1_000, 10_000), (10,)
UPDATES, QUICK_UPDATES = 40_000, 1_000
RATE_MIN = 20_000
FLAT = 1.5
"""How much dearer an update of ten thousand keys may be than one of ten: a curve, not a constant, would be steeper."""
_BATCH = 500
_QUIET_S = 3.0
_DEADLINE_S = 60.0


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Write tickers, then trades, over ever more keys, as fast as Redis takes them, and wait for the log to hold them."""
    found = Findings()
    with arena(gateway):
        for stream in (TICKERS, TRADES):
            costs = [
                _measure(found, gateway, stream, keys, QUICK_UPDATES if quick else UPDATES)
                for keys in (QUICK_KEYS if quick else KEYS)
            ]
            found.judge(
                f"{stream.name}: an entry costs at {KEYS[-1]:,} keys ≤ {FLAT:g} x as much as at {KEYS[0]}",
                f"x {costs[-1] / costs[0]:.2f}",
                passed=costs[-1] <= FLAT * costs[0],
            )
    return found


def _measure(found: Findings, gateway: Gateway, stream: Stream, keys: int, count: int) -> float:
    """Write ``count`` updates over ``keys`` keys; return the relay's CPU µs for each entry that it appended."""
    relay = gateway.pids()["relay"]
    pin(relay, [SERVER_CORE])  # the core of a worker, which rests here: Redis and the writer have the other
    pin(gateway.pids()["redis"], OTHER_CORES)
    log = LogName(stream.name, cache.EXCHANGE, "gw").log
    with redis.Redis.from_url(gateway.redis_url) as client:
        _write(client, stream, keys, range(keys))  # every key exists before the clock starts
        _await_quiet(client, log)
        before, before_s, began = _appended(client, log), cpu_s(relay), time.monotonic()
        _write(client, stream, keys, range(keys, keys + count))
        ended = _await_quiet(client, log)
        entries, used = _appended(client, log) - before, cpu_s(relay) - before_s
    rate, per_core = entries / (ended - began), entries / used
    found.rows.append(
        {
            "stream": stream.name,
            "keys": keys,
            "written": count,
            "appended": entries,
            "appended/s": round(rate),
            "relay CPU µs per entry": round(used / entries * 1e6, 1),
            "entries/s of a whole core": round(per_core),
        }
    )
    found.judge(
        f"{stream.name}, {keys:,} keys: ≥ {RATE_MIN:,} updates/s",
        f"{count / (ended - began):,.0f}/s written and taken in, {per_core:,.0f} entries per CPU second of the relay",
        passed=count / (ended - began) >= RATE_MIN,
    )
    return used / entries * 1e6


def _write(client: redis.Redis, stream: Stream, keys: int, numbers: range) -> None:
    for start in range(numbers.start, numbers.stop, _BATCH):
        now = time.time()
        commands: list[Command] = []
        for number in range(start, min(start + _BATCH, numbers.stop)):
            instrument = number % keys
            if stream is TICKERS:
                stored = updates.stored(instrument, number, now)
                commands += writes.tick(cache.EXCHANGE, updates.symbol(instrument), stored)
            else:
                stored = updates.trade(instrument, int(now * 1e6) + number, now)
                commands += writes.trade(cache.EXCHANGE, updates.symbol(instrument), stored, now)
        cache.send(client, commands)


def _appended(client: redis.Redis, log: str) -> int:
    """Return how many entries the log has ever had."""
    try:
        info = cast("dict[str, int]", client.xinfo_stream(log))  # typed for its asyncio twin as well
    except redis.ResponseError:  # it does not exist yet
        return 0
    return info["entries-added"]


def _await_quiet(client: redis.Redis, log: str) -> float:
    """Return when (monotonic seconds) the log last grew, once it has not grown for a while."""
    deadline = time.monotonic() + _DEADLINE_S
    seen, since = _appended(client, log), time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < _QUIET_S:
        time.sleep(0.02)
        now = _appended(client, log)
        if now != seen:
            seen, since = now, time.monotonic()
    return since
