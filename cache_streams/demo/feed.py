"""Writes a demo deployment into Redis at a steady pace, until told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import redis.exceptions
from redis.asyncio import Redis

from cache_streams.connections import new_redis
from cache_streams.demo.analyst import at_work
from cache_streams.demo.ownership import MarksGoneError, NotOursError, Ownership
from cache_streams.demo.scene import Scene
from cache_streams.demo.writes import Command, keys_of

DRAIN_SECOND = 59.9
"""Second of each minute at which a deployment's batch writer takes the trades out of their lists."""

_TRADING_EVERY_S = 0.5
_ACCOUNTS_EVERY_S = 2.0
_BOTS_EVERY_S = 3.0
_BEATS_EVERY_S = 10.0
_BATCH_EVERY_S = 0.01
_BATCH_COMMANDS = 1000
_BACKLOG_S = (
    1.0  # after a longer pause (a suspended machine, Redis away) the missed ticks are not made up for
)
_RETRY_S = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write: ``rate`` ticks per second over ``symbols`` symbols per exchange, the same for the same ``seed``."""

    rate: float
    symbols: int
    seed: int
    own: bool
    """Whether somebody said that this Redis is theirs to write to."""
    agent_of: str | None = None
    """Mail address of the user of whom a demo agent works, in the database; None: of nobody."""


async def run(plan: Plan, prefix: str, say: Say) -> None:
    """Write until SIGTERM or SIGINT; then let the services say good-bye.

    While Redis is away it waits, and goes on when Redis is back.
    Raises: NotOursError; redis.RedisError when Redis was not there in the first place.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    client = new_redis()
    try:
        scene = Scene(plan.seed, plan.symbols, time.time(), os.getpid())
        ownership = Ownership(client, prefix)
        await ownership.claim(own=plan.own)
        say(
            f"Demo feed: {len(scene.market.listings)} markets, {plan.rate:g} ticks/s, seed {plan.seed}. "
            "Ctrl-C or SIGTERM ends it."
        )
        async with at_work(plan.agent_of, scene.market, say) if plan.agent_of else nullcontext():
            await _write_until(stop, plan, Feed(client, ownership, scene, plan.rate), say)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        await client.aclose()


async def _write_until(stop: asyncio.Event, plan: Plan, feed: Feed, say: Say) -> None:
    """Write whatever happens to Redis; whoever calls has claimed it. Raises: NotOursError."""
    claimed = True
    while not stop.is_set():
        try:
            if not claimed:
                await feed.claim(own=plan.own)
                claimed = True
            await feed.write_until(stop)
        except (redis.exceptions.RedisError, MarksGoneError) as exc:
            claimed = False  # Redis may come back empty, or with somebody else's keys
            say(f"Demo feed: lost Redis ({type(exc).__name__}); trying again in {_RETRY_S:g} s.")
            await _wait(stop, _RETRY_S)


class Feed:
    """One stretch of writing, from the opening to the good-bye."""

    def __init__(self, client: Redis, ownership: Ownership, scene: Scene, rate: float) -> None:
        self._redis, self._ownership, self._scene, self._rate = client, ownership, scene, rate

    async def claim(self, *, own: bool) -> None:
        """Return when it may write. Raises: NotOursError, redis.RedisError."""
        await self._ownership.claim(own=own)

    async def write_until(self, stop: asyncio.Event) -> None:
        """Write until ``stop`` is set. Raises: redis.RedisError, MarksGoneError."""
        await self._write(self._scene.opening(time.time()))
        now = asyncio.get_running_loop().time
        periods = _Periods(self._scene, now())
        begun, sent = now(), 0
        drain_at = now() + _until_drain(time.time())
        while not stop.is_set():
            due = int((now() - begun) * self._rate) - sent
            if due > max(self._rate * _BACKLOG_S, 1.0):
                begun, sent, due = now(), 0, 0
            await self._write(self._scene.ticks(due, time.time()) + periods.due(now()))
            sent += due
            if now() >= drain_at:
                await self._drain()
                drain_at = now() + _until_drain(time.time())
            next_at = min(begun + (sent + 1) / self._rate, periods.next_at, drain_at)
            await _wait(stop, max(next_at - now(), _BATCH_EVERY_S))
        await self._write(self._scene.closing(time.time()))

    async def _drain(self) -> None:
        """Do as the batch writer does: read each list, then delete it; not in one step."""
        reads = [(("LRANGE", key, 0, -1), ("DEL", key)) for key in self._scene.trade_lists]
        await self._send([command for pair in reads for command in pair])

    async def _write(self, commands: Sequence[Command]) -> None:
        if commands:
            await self._ownership.confirm()
            await self._send([*self._ownership.mark(keys_of(commands)), *commands])

    async def _send(self, commands: Sequence[Command]) -> None:
        for start in range(0, len(commands), _BATCH_COMMANDS):
            async with self._redis.pipeline(transaction=False) as pipe:
                for command in commands[start : start + _BATCH_COMMANDS]:
                    pipe.execute_command(*command)
                await pipe.execute()


class _Periods:
    """What a deployment writes periodically, each at its own pace; times are those of the loop's clock."""

    def __init__(self, scene: Scene, now: float) -> None:
        self._every = {
            scene.trading: _TRADING_EVERY_S,
            scene.accounts: _ACCOUNTS_EVERY_S,
            scene.bots: _BOTS_EVERY_S,
            scene.beats: _BEATS_EVERY_S,
        }
        self._next = {work: now + every for work, every in self._every.items()}

    @property
    def next_at(self) -> float:
        """When the next of them is due."""
        return min(self._next.values())

    def due(self, now: float) -> list[Command]:
        """Return the commands of all that are due at ``now``."""
        commands: list[Command] = []
        for work, at in self._next.items():
            if at <= now:
                commands += work(time.time())
                self._next[work] = max(at + self._every[work], now)
        return commands


def _until_drain(wall: float) -> float:
    """Return the seconds until the next drain; a whole minute right after one."""
    return (DRAIN_SECOND - wall % 60) % 60 or 60.0


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return


__all__ = ["DRAIN_SECOND", "Feed", "NotOursError", "Plan", "run"]
