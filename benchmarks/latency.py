"""From a collector's write into Redis to a client's socket, for each of the eight kinds of data."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import redis
import redis.asyncio

from benchmarks import cache, sockets
from benchmarks.deadline import until
from benchmarks.gateway import CACHE, Gateway
from benchmarks.report import Findings, milliseconds, percentile
from cache_streams.demo import writes
from cache_streams.demo.writes import Command

RATE = 10
"""Writes per second of each key."""
SECONDS, QUICK_SECONDS = 20, 2
WARM_UP = 10
"""First writes of each kind, which do not count."""
LIMIT_S = 0.025

Result = Mapping[str, Any]  # Any: results differ by kind; each kind's `mark` knows its own
Mark = float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind is written and watched.

    ``write`` makes the commands of the n-th write at a time (Unix seconds), and the mark that it leaves in the stream:
    the time itself where frames carry it, else a number that grows with each write. ``mark`` finds it in a result.
    """

    name: str
    domain: str
    action: str
    params: Mapping[str, str | int]
    write: Callable[[int, float], tuple[list[Command], Mark]]
    mark: Callable[[Result], Mark]


@dataclass(slots=True)
class Ledger:
    """Writes of one kind, oldest first, and what became of them.

    A frame that shows a later write answers for the earlier ones that no frame showed: ``superseded`` counts those.
    """

    sent: list[tuple[Mark, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    superseded: int = 0

    def wrote(self, mark: Mark, at: float) -> None:
        """Note a write at ``at`` (Unix seconds)."""
        self.sent.append((mark, at))

    def saw(self, mark: Mark, arrived: float) -> None:
        """Note a frame; one that shows nothing of ours is somebody else's."""
        waiting = self.sent[len(self.seconds) :]
        index = next((i for i, (sent, _) in enumerate(waiting) if sent == mark), None)
        if index is None:
            return
        self.superseded += index
        self.seconds += [arrived - at for _, at in waiting[: index + 1]]


_SYMBOL, _EXCHANGE = cache.market(0), cache.EXCHANGE
KINDS = [
    Kind(
        name="tickers", domain="tickers", action="stream_tickers",
        params={"exchange": _EXCHANGE, "symbols": _SYMBOL},
        write=lambda n, now: (writes.tick(_EXCHANGE, _SYMBOL, cache.tick(_SYMBOL, 60_000.0 + n, now)), now),
        mark=lambda result: result["timestamp"],
    ),
    Kind(
        name="trades", domain="trades", action="stream_trade_updates",
        params={"exchange": _EXCHANGE, "symbol": _SYMBOL},
        write=lambda n, now: (
            writes.trade(_EXCHANGE, _SYMBOL, cache.trade(_SYMBOL, cache.SIZE + n, now), now), now,
        ),
        mark=lambda result: result["timestamp"],
    ),
    Kind(
        name="orders", domain="orders", action="stream_order_queue", params={"exchange": _EXCHANGE},
        write=lambda n, now: (cache.order(cache.SIZE + n, now), cache.SIZE + n + 1),
        mark=lambda result: result["queue_length"],
    ),
    Kind(
        name="balances", domain="accounts", action="stream_balances", params={"user_id": 1},
        write=lambda _n, now: (cache.balances(1, now, now), now),
        mark=lambda result: result["balances"]["USDC"]["total"],
    ),
    Kind(
        name="positions", domain="accounts", action="stream_positions", params={"exchange": 1},
        write=lambda _n, now: (cache.positions(1, now), now),
        mark=lambda result: result["timestamp"],
    ),
    Kind(
        name="bots", domain="bots", action="stream_bot_status", params={"bot_id": "1"},
        write=lambda _n, now: (cache.bot(1, now), writes.iso(now)),
        mark=lambda result: result["bots"]["1"]["feed_1"]["timestamp"] if result["bots"] else "",
    ),
    Kind(
        name="ohlcv", domain="ohlcv", action="stream_ohlcv", params={"symbol": _SYMBOL, "timeframe": "1m"},
        write=lambda n, now: (cache.bar(_SYMBOL, cache.SIZE + n, now), now),
        mark=lambda result: result["bar"][5],
    ),
    Kind(
        name="process", domain="process", action="stream_process_health", params={},
        write=lambda n, now: (cache.process(cache.SIZE + n, now), cache.SIZE + n + 1),
        mark=lambda result: result["active_processes"],
    ),
]  # fmt: skip
"""The eight kinds, each with one key that is written."""


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Write all kinds side by side, each key ten times a second, over hashes of 500 fields, and time the frames."""
    with redis.Redis.from_url(gateway.redis_url) as client:
        cache.send(client, list(cache.everything(time.time())))
    count = WARM_UP + RATE * (QUICK_SECONDS if quick else SECONDS)
    async with redis.asyncio.Redis.from_url(gateway.redis_url) as client, asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(_measure(gateway, client, kind, count, number / len(KINDS) / RATE))
            for number, kind in enumerate(KINDS)
        ]
    return _findings({kind.name: task.result() for kind, task in zip(KINDS, running, strict=True)}, count)


async def _measure(
    gateway: Gateway, client: redis.asyncio.Redis, kind: Kind, count: int, offset_s: float
) -> Ledger:
    ledger = Ledger()
    streaming = asyncio.Event()

    def take(payload: bytes, arrived: float) -> None:
        frame = msgspec.json.decode(payload)
        result = frame.get("result")
        if result is None:
            return
        streaming.set()  # the stream's first frame: the subscription stands
        ledger.saw(kind.mark(result), arrived)

    socket = await sockets.connect(gateway.url, f"{CACHE}/{kind.domain}/bench", gateway.token(), take)
    request = {"action": kind.action, "request_id": kind.name, "params": kind.params}
    socket.send(msgspec.json.encode(request))
    async with asyncio.timeout(sockets.ANSWER_DEADLINE_S):
        await streaming.wait()
    await _write(client, kind, ledger, count, offset_s)
    await until(lambda: len(ledger.seconds) == count)
    socket.close()
    return ledger


async def _write(
    client: redis.asyncio.Redis, kind: Kind, ledger: Ledger, count: int, offset_s: float
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time() + offset_s
    for number in range(count):
        await asyncio.sleep(began + number / RATE - loop.time())
        now = time.time()
        commands, mark = kind.write(number, now)
        ledger.wrote(mark, now)
        pipeline = client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        await pipeline.execute()


def _findings(ledgers: Mapping[str, Ledger], count: int) -> Findings:
    found = Findings()
    asked = count - WARM_UP
    for name, ledger in ledgers.items():
        seconds = ledger.seconds[WARM_UP:]
        p50, p95, p99, slowest = (
            milliseconds(percentile(seconds, share)) for share in (0.5, 0.95, 0.99, 1.0)
        )
        found.rows.append(
            {
                "kind": name,
                "writes": asked,
                "arrived": len(seconds),
                "superseded": ledger.superseded,
                "p50 ms": p50,
                "p95 ms": p95,
                "p99 ms": p99,
                "max ms": slowest,
            }
        )
        found.judge(
            f"{name}: p95 of Redis write to socket ≤ {LIMIT_S * 1000:.0f} ms, every write seen",
            f"{p95} ms, {len(seconds)} of {asked}",
            passed=len(seconds) == asked and p95 <= LIMIT_S * 1000,
        )
    return found
