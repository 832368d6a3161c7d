"""Old snapshot + updates = new snapshot, for every stream, mode and family, whatever befalls the parts of the gateway."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.faults.cast import BEGIN_S, SETTLE_S, Cast, running, until
from tests.faults.stand import Stand, eventually
from tests.faults.writing import Names, Writers

pytestmark = pytest.mark.timeout(300)

AFTERWARDS_S = 1.0
"""How long writers go on when the fault is over."""
WENT_COLD = 'gw_cold_total{reason="slow"}'
RECEIVE_BUFFER = 4096
PADDING = 16_384
"""What a socket holds that is not read, in this machine's kernel too, is full after some tens of such updates."""


@dataclass
class Tried:
    """One test under way."""

    stand: Stand
    cast: Cast
    writers: Writers


Fault = Callable[[Tried], Awaitable[None]]


async def aside(action: Callable[..., object], *arguments: object) -> None:
    """Do what blocks in a thread."""
    await asyncio.to_thread(action, *arguments)


# -- the faults -------------------------------------------------------------------------------------------------------


async def sockets_aborted(tried: Tried) -> None:
    dice = random.Random(4)  # repeatable
    for _ in range(60):
        dice.choice(tried.cast.everyone).abort()
        await asyncio.sleep(0.05)


async def readers_stop(tried: Tried) -> None:
    """Native sockets are not read for a while, three times: they go cold, and hot again."""
    before = tried.stand.counted(WENT_COLD)
    for _ in range(3):
        for native in tried.cast.natives:
            native.reading.clear()
        await asyncio.sleep(1.5)
        for native in tried.cast.natives:
            native.reading.set()
        await asyncio.sleep(0.5)
    assert tried.stand.counted(WENT_COLD) > before


async def workers_killed(tried: Tried) -> None:
    for pid in tried.stand.workers():
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(2.0)
    await aside(eventually, lambda: len(tried.stand.workers()) == 2)


async def relay_killed(tried: Tried) -> None:
    leader = tried.stand.leader()
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    await aside(tried.stand.another_leads, leader)
    tried.stand.replace_standby()


async def relay_paused(tried: Tried) -> None:
    """It wakes up after its successor took over, and believes that it still leads."""
    leader = tried.stand.leader()
    assert leader is not None
    os.kill(leader, signal.SIGSTOP)
    try:
        await aside(tried.stand.another_leads, leader)
        await asyncio.sleep(1.0)  # the successor appends
    finally:
        os.kill(leader, signal.SIGCONT)
    await asyncio.sleep(1.0)


async def redis_paused(tried: Tried) -> None:
    tried.stand.pause_redis()
    try:
        await asyncio.sleep(4.0)
    finally:
        tried.stand.wake_redis()


async def redis_restarted(tried: Tried) -> None:
    await aside(tried.stand.kill_redis)
    tried.stand.start_redis()  # not in a thread, with which it would die


async def partition(tried: Tried) -> None:
    tried.stand.proxy.hold()
    try:
        await asyncio.sleep(6.0)
    finally:
        tried.stand.proxy.release()


async def rolling_restart(tried: Tried) -> None:
    stand = tried.stand
    before = {*stand.workers()}
    os.kill(stand.server.pid, signal.SIGHUP)
    await aside(eventually, lambda: len(stand.workers()) == 2 and not before & {*stand.workers()}, 150.0)


async def redis_emptied(tried: Tried) -> None:
    await aside(tried.stand.kill_redis)
    tried.stand.forget_data()
    tried.stand.start_redis()  # not in a thread, with which it would die


async def redis_restored(tried: Tried) -> None:
    """Redis comes back with what it held seconds ago."""
    await aside(tried.stand.remember_data)
    await asyncio.sleep(2.0)
    await aside(tried.stand.kill_redis)
    await aside(tried.stand.restore_data)
    tried.stand.start_redis()  # not in a thread, with which it would die


KEEPING: list[Fault] = [
    sockets_aborted,
    readers_stop,
    workers_killed,
    relay_killed,
    relay_paused,
    redis_paused,
    redis_restarted,
    partition,
    rolling_restart,
]
"""Those that lose nothing that Redis confirmed."""
LOSING: list[Fault] = [redis_emptied, redis_restored]
LASTING: list[Fault] = [redis_paused, partition]
"""Those that last longer than a value may be old without a word."""
OF_REDIS: list[Fault] = [redis_paused, redis_restarted, partition, *LOSING]


# -- the law ----------------------------------------------------------------------------------------------------------


async def tried_under(stand: Stand, fault: Fault, *, retells: bool = False) -> Tried:
    """Let everything be written and followed while ``fault`` happens; return once all of it has settled."""
    names = Names()
    slow = fault is readers_stop
    cast = Cast(stand, names, RECEIVE_BUFFER if slow else None)
    for client in cast.caches:
        client.retells = retells
    writers = Writers(stand, names, padding=PADDING if slow else 0)
    tried = Tried(stand, cast, writers)
    async with running(cast.everyone):
        await aside(writers.__enter__)
        try:
            await until(cast.untold, BEGIN_S)
            await fault(tried)
            await asyncio.sleep(AFTERWARDS_S)
        finally:
            await aside(writers.__exit__, None, None, None)
        await cast.settle(writers)
        await until(cast.stale, SETTLE_S)
    return tried


@pytest.mark.parametrize("fault", KEEPING, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_repeated_or_out_of_order_under(stand: Stand, fault: Fault) -> None:
    tried = await tried_under(stand, fault)
    assert tried.cast.faults() == []
    assert [line.name for line in tried.cast.lines if line.unrecovered or line.epochs] == []
    for line in tried.cast.lines:
        if line.name == "every trades":
            told = [int(each["trade_id"]) for section in line.sections for each in section]
            assert sorted(set(told)) == told
            # Those of the time before the first snapshot are in it.
            assert {*tried.writers.certain["deal"]} - {*told} <= {*range(told[0])}
    if fault in LASTING:
        for native in tried.cast.natives:
            states = [frame["state"] for _, frame in native.statuses if frame["stream"] == "trades"]
            assert states[0] == "stale"
            assert states[-1] == "live"
    if fault in OF_REDIS:
        assert {client.connections for client in tried.cast.everyone} == {1}


@pytest.mark.parametrize("fault", LOSING, ids=lambda fault: fault.__name__)
async def test_what_is_gone_is_told_by_an_epoch_under(stand: Stand, fault: Fault) -> None:
    tried = await tried_under(stand, fault, retells=True)
    assert tried.cast.faults() == []
    for line in tried.cast.lines:
        if line.stream == "trades":
            told = [each["trade_id"] for each in line.data]
            assert len(set(told)) == len(told)  # nothing is carried again into the new contents
    silent = [line.name for line in tried.cast.lines if not (line.epochs or line.unrecovered)]
    assert silent in ([], ["every agents"])  # rows lose nothing with Redis
    assert {client.connections for client in tried.cast.everyone} == {1}
