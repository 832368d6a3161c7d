"""How long an authenticated handshake takes while other sockets are open, and how soon the first message follows."""

from __future__ import annotations

import asyncio
import time

import redis

from benchmarks import cache, sockets
from benchmarks.gateway import CACHE, Gateway
from benchmarks.report import Findings, milliseconds, percentile
from cache_streams.demo import writes

OPEN = 100
CONNECTS = 300
QUICK_CONNECTS = 20
CONNECT_P95_S = 0.100
FIRST_MESSAGE_S = 1.0
_TICK_S = 0.1


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Connect one after another to a market that ticks ten times a second, with 100 sockets open on it.

    Every connect has a token of its own, so that no cache of verified tokens can help.
    """
    symbol = cache.market(0)
    path = f"{CACHE}/tickers/{cache.EXCHANGE}/{symbol}"
    with redis.Redis.from_url(gateway.redis_url) as client:
        cache.send(client, writes.tick(cache.EXCHANGE, symbol, cache.tick(symbol, 1.0, time.time())))
        others = [await sockets.connect(gateway.url, path, gateway.token(), _ignore) for _ in range(OPEN)]
        async with asyncio.TaskGroup() as tasks:
            ticking = tasks.create_task(_tick(client, symbol))
            timed = [await _connect(gateway, path) for _ in range(QUICK_CONNECTS if quick else CONNECTS)]
            ticking.cancel()
    still_open = sum(socket.ended is None for socket in others)
    for socket in others:
        socket.close()
    return _findings(timed, still_open)


async def _connect(gateway: Gateway, path: str) -> tuple[float, float]:
    """Return seconds from the start of the TCP connection to the answer 101, and to the first message."""
    token = gateway.token()
    first: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def take(_payload: bytes, _arrived: float) -> None:
        if not first.done():
            first.set_result(time.perf_counter())

    began = time.perf_counter()
    socket = await sockets.connect(gateway.url, path, token, take)
    opened = time.perf_counter()
    async with asyncio.timeout(sockets.ANSWER_DEADLINE_S):
        message = await first
    socket.close()
    return opened - began, message - began


async def _tick(client: redis.Redis, symbol: str) -> None:
    price = 1.0
    while True:
        price += 1.0
        cache.send(client, writes.tick(cache.EXCHANGE, symbol, cache.tick(symbol, price, time.time())))
        await asyncio.sleep(_TICK_S)


def _ignore(_payload: bytes, _arrived: float) -> None:
    pass


def _findings(timed: list[tuple[float, float]], still_open: int) -> Findings:
    found = Findings()
    measures = {
        "TCP connect to 101": [opened for opened, _ in timed],
        "TCP connect to first message": [message for _, message in timed],
    }
    for name, seconds in measures.items():
        shares = {f"p{share:.0%}"[:-1] + " ms": share for share in (0.50, 0.95, 0.99)}
        cells = {column: milliseconds(percentile(seconds, share)) for column, share in shares.items()}
        found.rows.append(
            {"measure": name, "connects": len(seconds), **cells, "max ms": milliseconds(max(seconds))}
        )
    p95 = percentile(measures["TCP connect to 101"], 0.95)
    slowest = max(measures["TCP connect to first message"])
    found.judge(
        f"handshake with authentication, {OPEN} sockets open: p95 < {CONNECT_P95_S * 1000:.0f} ms",
        f"{milliseconds(p95)} ms",
        passed=p95 < CONNECT_P95_S,
    )
    found.judge(
        f"first message within {FIRST_MESSAGE_S:.0f} s of every connect",
        f"slowest {milliseconds(slowest)} ms",
        passed=slowest < FIRST_MESSAGE_S,
    )
    found.judge("the other sockets stay open", f"{still_open} of {OPEN}", passed=still_open == OPEN)
    return found
