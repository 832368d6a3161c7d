"""A thousand sockets over two workers while Redis fails and workers are replaced: who is told, who is fed again, how soon."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from secrets import token_hex

from redis import Redis
from redis.exceptions import RedisError

from benchmarks.followers import EXCHANGE, SYMBOL, Follower
from benchmarks.gateway import Gateway
from benchmarks.report import Findings, percentile
from tests.faults.stand import Stand, standing
from tests.integration.wire.collector import Collector, trade

SOCKETS, QUICK_SOCKETS = 1000, 40
UPDATES_PER_S = 5
CONNECTS_AT_ONCE = 50
SETTLE_S = 60.0
STALE_S = 3.0
EXIT_S = 30.0
DRAIN_S, QUICK_DRAIN_S = 10, 2
TENTH_MAX = 0.2
"""Largest share of all reconnects in a tenth of the announced interval: a tenth, and what chance adds."""


# -- what happens -----------------------------------------------------------------------------------------------------


async def stopped(stand: Stand) -> None:
    stand.pause_redis()
    await asyncio.sleep(4.0)
    stand.wake_redis()


async def restarted(stand: Stand) -> None:
    stand.kill_redis()
    await asyncio.sleep(4.0)
    stand.start_redis()


async def silent(stand: Stand) -> None:
    stand.proxy.hold()
    await asyncio.sleep(6.0)
    stand.proxy.release()


FAULTS: list[tuple[str, Callable[[Stand], Awaitable[None]], float]] = [
    ("Redis stopped for 4 s", stopped, 0.5),
    ("Redis killed, started again after 4 s", restarted, 1.0),
    ("silent partition of 6 s", silent, 2.0),
]
"""Name, fault, and how soon after its end everybody is fed again."""


async def measure(gateway: Gateway, *, quick: bool) -> Findings:
    """Open the sockets of a gateway that may be broken, not ``gateway``, and let one fault after another befall them."""
    del gateway
    found = Findings()
    secrets = {name: token_hex(24) for name in ("SECRET_KEY", "JWT_SECRET_KEY")}
    count, drain_s = (QUICK_SOCKETS, QUICK_DRAIN_S) if quick else (SOCKETS, DRAIN_S)
    with (
        tempfile.TemporaryDirectory(prefix="gw-bench-") as directory,
        standing(Path(directory), drain_s=drain_s, HEARTBEAT_S="15", ENV_FILE=os.devnull, **secrets) as stand,
    ):
        followers = [Follower(stand, native=number % 2 == 0) for number in range(count)]
        for first in range(0, count, CONNECTS_AT_ONCE):
            await asyncio.gather(*(each.open() for each in followers[first : first + CONNECTS_AT_ONCE]))
        async with _fed(stand), _staying(followers):
            await _all_fed(followers)
            for name, fault, fed_s in FAULTS:
                await _befall(found, followers, name, lambda fault=fault: fault(stand), fed_s)  # type: ignore[misc]  # mypy infers no lambda with a default
            await _roll(found, stand, followers)
    natives = [each for each in followers if each.native]
    lost, repeated = sum(each.lost for each in natives), sum(each.repeated for each in natives)
    unrecovered = sum(each.unrecovered for each in natives)
    found.judge(
        "no trade is lost or repeated through all of it",
        f"{lost} lost, {repeated} repeated, {unrecovered} not recovered",
        passed=not (lost or repeated or unrecovered),
    )
    return found


async def _befall(
    found: Findings, followers: list[Follower], name: str, fault: Callable[[], Awaitable[None]], fed_s: float
) -> None:
    await _until(
        lambda: all(each.fresh for each in followers)
    )  # who was told of the last fault that it is over
    before = sum(each.ended for each in followers)
    for each in followers:
        each.stale_at = 0.0
    began = time.time()
    await fault()
    over = time.time()
    await _all_fed(followers)
    fed = [each.fed_at - over for each in followers]
    natives = [each for each in followers if each.native]
    stale = [each.stale_at - began for each in natives if each.stale_at]
    dropped = sum(each.ended for each in followers) - before
    found.rows.append(
        {
            "what": name,
            "sockets": len(followers),
            "dropped": dropped,
            "fed again after s, p50": round(percentile(fed, 0.5), 2),
            "max": round(max(fed), 2),
            "told stale": f"{len(stale)} of {len(natives)}",
            "after s, max": round(max(stale, default=0.0), 2),
        }
    )
    found.judge(f"{name}: no socket is dropped", f"{dropped}", passed=not dropped)
    found.judge(f"{name}: all fed again ≤ {fed_s:g} s later", f"{max(fed):.2f} s", passed=max(fed) <= fed_s)
    told = len(stale) == len(natives) and max(stale, default=0.0) <= STALE_S
    found.judge(f"{name}: native sockets told stale ≤ {STALE_S:g} s", f"{len(stale)}", passed=told)


async def _roll(found: Findings, stand: Stand, followers: list[Follower]) -> None:
    natives = [each for each in followers if each.native]
    old, began = set(stand.workers()), time.time()
    os.kill(stand.server.pid, signal.SIGHUP)
    async with asyncio.timeout(2 * len(old) * EXIT_S):
        while old & (workers := set(stand.workers())) or len(workers) != len(old):  # noqa: ASYNC110  # processes tell no event
            await asyncio.sleep(0.1)
    took = time.time() - began
    await _all_fed(followers)
    shares = [share for each in natives for share in each.shares]
    tenths = [sum(int(share * 10) == tenth for share in shares) / max(1, len(shares)) for tenth in range(10)]
    told = sum(each.told > 0 for each in natives)
    found.rows.append(
        {
            "what": "rolling restart",
            "sockets": len(followers),
            "dropped": 0,
            "fed again after s, p50": 0.0,
            "max": 0.0,
            "told stale": f"{told} of {len(natives)} told draining",
            "after s, max": round(took, 2),
        }
    )
    found.judge(
        "rolling restart: every native client is told",
        f"{told} of {len(natives)}",
        passed=told == len(natives),
    )
    found.judge(
        "rolling restart: reconnects are spread over the announced interval",
        f"{max(tenths):.0%} in its fullest tenth",
        passed=len(natives) < SOCKETS // 2 or max(tenths) <= TENTH_MAX,
    )
    each_s = took / len(old)
    found.judge(f"rolling restart: ≤ {EXIT_S:g} s per worker", f"{each_s:.1f} s", passed=each_s <= EXIT_S)


# -- around it --------------------------------------------------------------------------------------------------------


async def _all_fed(followers: list[Follower]) -> None:
    """Wait until everybody was fed from now on."""
    for each in followers:
        each.fed_at = 0.0
    await _until(lambda: all(each.fed_at for each in followers))


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SETTLE_S):
        while not condition():  # noqa: ASYNC110  # an event per frame would cost what is measured
            await asyncio.sleep(0.02)


@asynccontextmanager
async def _fed(stand: Stand) -> AsyncIterator[None]:
    """Write trades and ticks, through every fault, until the block ends."""
    ending = asyncio.Event()

    def write() -> None:
        number = 0
        with Redis.from_url(stand.redis_url, socket_timeout=0.2) as redis:
            collector = Collector(redis)
            while not ending.is_set():
                number += 1
                with suppress(RedisError, OSError):
                    collector.trades(EXCHANGE, SYMBOL, trade(number))
                    collector.tick(EXCHANGE, SYMBOL, price=float(number))
                time.sleep(1 / UPDATES_PER_S)

    writing = asyncio.create_task(asyncio.to_thread(write))
    try:
        yield
    finally:
        ending.set()
        await writing


@asynccontextmanager
async def _staying(followers: list[Follower]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.stay()) for each in followers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
