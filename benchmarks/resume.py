"""A crowd resumes from far back at once: how soon it has everything, and what hot sockets notice meanwhile."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import redis

from benchmarks import cache, updates
from benchmarks.contest import arena
from benchmarks.gateway import Gateway
from benchmarks.processes import SERVER_CORE, pin
from benchmarks.receiver import receiving
from benchmarks.report import Findings
from benchmarks.servers import push_tickers
from benchmarks.sockets import Socket, connect
from benchmarks.trial import Load, feeding
from cache_streams.demo import writes
from cache_streams.demo.writes import Command

CROWDS = [(100, 10_000), (1_000, 1_000)]
QUICK_CROWDS = [(5, 200)]
"""Clients, and how many entries back each of them stands."""
WITHIN_S = 5.0
HOT = Load(sockets=50, rate=20, seconds=10)
HOT_P99_MS = 100.0
_CONNECTS_AT_ONCE = 50
_DEADLINE_S = 60.0
_BATCH = 500
_UPDATE = b'{"type":"update"'


@dataclass
class Client:
    """One native socket that asks for the trades of a market."""

    updates: int = 0
    first: bytes = b""
    last: bytes = b""
    acknowledged: bytes = b""
    socket: Socket | None = None

    async def open(self, gateway: Gateway) -> None:
        self.socket = await connect(gateway.url, "/api/v1/stream", gateway.token(), self._take)

    def subscribe(self, since: str | None) -> None:
        """Ask for everything after a cursor, or for state and what follows."""
        wish = {
            "op": "subscribe",
            "stream": "trades",
            "exchange": cache.EXCHANGE,
            "symbol": updates.symbol(0),
        }
        if self.socket is not None:
            self.socket.send(json.dumps(wish if since is None else {**wish, "since": since}).encode())

    @property
    def gapless(self) -> bool:
        """Whether the numbers of the first and the last update allow no gap between them."""
        first, last = (int(json.loads(frame)["seq"]) for frame in (self.first, self.last))
        return last - first + 1 == self.updates

    def _take(self, payload: bytes, _arrived: float) -> None:
        if payload.startswith(_UPDATE):
            self.updates += 1
            self.first = self.first or payload
            self.last = payload
        elif b'"op":"subscribe"' in payload:
            self.acknowledged = payload


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Let each crowd resume while other sockets are told of a market that moves."""
    found = Findings()
    server = push_tickers(gateway)
    with arena(gateway):
        pin(server.pids, [SERVER_CORE])
        for count, back in QUICK_CROWDS if quick else CROWDS:
            since = await _put_behind(gateway, back)
            clients = [Client() for _ in range(count)]
            for at in range(0, count, _CONNECTS_AT_ONCE):
                await asyncio.gather(*(each.open(gateway) for each in clients[at : at + _CONNECTS_AT_ONCE]))
            openings = [server.opening(1) for _ in range(HOT.sockets)]
            with feeding(server, HOT) as feed:
                feed.publish(0.5)  # a price that the hot sockets are given
                with receiving(server.port, openings) as hot:
                    feed.begin(2.0 if quick else HOT.seconds)
                    hot.zero()
                    took = await _resumed(clients, since, back)
                    p99 = hot.tell().p99_ms
                    feed.end()
            _judge(found, clients, back, took, p99)
            for each in clients:
                if each.socket is not None:
                    each.socket.close()
    return found


async def _put_behind(gateway: Gateway, back: int) -> str:
    """Write so many trades; return the cursor from before the first of them, once a socket has been told them all."""
    witness = Client()
    await witness.open(gateway)
    witness.subscribe(None)
    async with asyncio.timeout(_DEADLINE_S):
        await _until(lambda: witness.acknowledged)
        await asyncio.sleep(0.5)  # the snapshot is not looked at, but comes first
        for start in range(0, back, _BATCH):
            await asyncio.to_thread(_write, gateway, range(start, min(start + _BATCH, back)))
        await _until(lambda: witness.updates >= back)
    if witness.socket is not None:
        witness.socket.close()
    cursor: str | None = json.loads(witness.acknowledged)["subscriptions"][0]["cursor"]
    if cursor is None:  # the log did not exist before: it does now
        return await _put_behind(gateway, back)
    return cursor


def _write(gateway: Gateway, numbers: range) -> None:
    now = time.time()
    commands: list[Command] = []
    for number in numbers:
        stored = updates.trade(0, int(now * 1e6) + number, now)
        commands += writes.trade(cache.EXCHANGE, updates.symbol(0), stored, now)
    with redis.Redis.from_url(gateway.redis_url) as client:
        cache.send(client, commands)


async def _resumed(clients: list[Client], since: str, back: int) -> float:
    """Return after how many seconds everybody had everything."""
    began = time.monotonic()
    for each in clients:
        each.subscribe(since)
    with suppress(TimeoutError):  # then some are not complete, and the verdict says so
        async with asyncio.timeout(_DEADLINE_S):
            await _until(lambda: all(each.updates >= back for each in clients))
    return time.monotonic() - began


async def _until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110  # counts of frames, which no event would tell more cheaply
        await asyncio.sleep(0.01)


def _judge(found: Findings, clients: list[Client], back: int, took: float, p99: float) -> None:
    complete = sum(each.updates == back and each.gapless for each in clients)
    found.rows.append(
        {
            "clients": len(clients),
            "entries back": back,
            "complete": complete,
            "seconds": round(took, 2),
            "frames/s": round(sum(each.updates for each in clients) / took),
            "p99 of hot sockets, ms": round(p99, 1),
        }
    )
    crowd = f"{len(clients):,} clients from {back:,} entries back"
    found.judge(
        f"{crowd}: all complete, without a gap",
        f"{complete} of {len(clients)}",
        passed=complete == len(clients),
    )
    found.judge(f"{crowd}: within {WITHIN_S:g} s", f"{took:.2f} s", passed=took <= WITHIN_S)
    found.judge(
        f"{crowd}: hot sockets keep p99 ≤ {HOT_P99_MS:g} ms", f"{p99:.1f} ms", passed=p99 <= HOT_P99_MS
    )
