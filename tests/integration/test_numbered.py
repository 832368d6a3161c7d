"""A subscription by number over an archive: the law is that of every other, and the log may be trimmed, new or away."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest
from channels.layers import get_channel_layer
from redis.asyncio import Redis

from cache_streams.archive import ArchiveUnavailable, Shelf
from cache_streams.connections import ask, close_shared_redis, new_redis
from cache_streams.layers import LoopLayer
from cache_streams.log_names import partition_of
from cache_streams.metrics import ARCHIVE_READS, COLD, COLD_SUBSCRIPTIONS, SUBSCRIPTIONS
from cache_streams.numbered import NumberedSubscription
from cache_streams.outlet import Outlet
from cache_streams.relay.run import configured_relay
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.streams.agents import AGENTS, NOTICES, record_of
from cache_streams.streams.declaration import Key, Record
from cache_streams.streams.update import KeySnapshot, Update
from cache_streams.telling import Backlog
from tests.counts import count, counted
from tests.recording import FramedOutlet, RecordingOutlet

DEADLINE_S = 60.0
USER: Key = ("7",)
PAGE = 40

Outlets = type[RecordingOutlet]


class Numbers:
    """Renders an update as its number, and as negative what is told again."""

    def __init__(self, *, replayed: bool = False) -> None:
        self.sign = -1 if replayed else 1

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        raise AssertionError("nobody wants a state")

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        assert json.loads(update.data)["cursor"] == update.seq
        return (str(self.sign * update.seq).encode(),)


class Rows:
    """An archive of one key in memory; ``shown`` is how far a relay may see."""

    keeps_s = 3600.0

    def __init__(self) -> None:
        self.records: list[Record | None] = []
        self.shown: int | None = None
        self.away = False
        self.name, self.floor = "a", 0

    def add(self, times: int) -> int:
        """Add rows; return the newest number."""
        for number in range(len(self.records) + 1, len(self.records) + times + 1):
            self.records.append(record_of(event(number)))
        return len(self.records)

    def drop(self, until: int) -> None:
        """Keep nothing up to ``until``."""
        self.records[:until] = [None] * until
        self.floor = until

    async def page(self, key: Key, after: int) -> list[Record]:
        if self.away:
            raise ArchiveUnavailable
        return [record for record in self.records[after:] if record is not None][:PAGE]

    async def pages(self, after: Mapping[Key, int | None]) -> list[Record]:
        return [
            record
            for key, number in after.items()
            for record in await self.page(key, number or 0)
            if self.shown is None or (record.number or 0) <= self.shown
        ]

    async def shelf(self, key: Key) -> Shelf | None:
        return Shelf(self.name, self.floor, len(self.records)) if self.records else None

    async def rename(self, key: Key) -> None:
        self.name += "'"

    def tells(self, data: bytes, record: Record) -> bool:
        return bool(json.loads(data)["event_id"] == msgspec.to_builtins(record.value)["event_id"])

    async def grown(self, since: datetime) -> Mapping[Key, int]:
        newest = len(self.records) if self.shown is None else self.shown
        return {USER: newest} if newest else {}


def event(number: int) -> dict[str, Any]:  # Any: JSON
    return {
        "type": "agent_thinking",
        "stream": "agents",
        "version": 1,
        "event_id": str(number),
        "run_id": "r",
        "thread_id": "t",
        "user_id": USER[0],
        "agent_name": "a",
        "seq": number,
        "cursor": number,
        "timestamp": "2026-01-05T10:00:01.004Z",
        "timestamp_ms": 1,
        "reasoning": "Hm.",
    }


@pytest.fixture
async def layer(fresh_redis: EmbeddedRedis) -> AsyncIterator[LoopLayer]:
    outer: Any = get_channel_layer()  # Any: what CHANNEL_LAYERS names
    inner = outer._get_layer()
    inner.reader.start()
    yield inner
    await outer.flush()


@asynccontextmanager
async def relaying(shelf: Rows) -> AsyncIterator[None]:
    running = configured_relay({AGENTS.name: shelf})
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(DEADLINE_S):
        await running.leading.wait()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def publish(redis: Redis, shelf: Rows, times: int) -> int:
    """Add rows and tell the relay, as whoever stores events does; return the newest number."""
    newest = shelf.add(times)
    await ask(redis, "XADD", f"gw:{NOTICES}", "*", USER[0], newest)
    return newest


def follow(
    layer: LoopLayer,
    shelf: Rows,
    outlet: Outlet,
    *,
    told: int = 0,
    skipped: Callable[[int, int], None] | None = None,
    backlog: Backlog | None = None,
    reset: Callable[[int, Shelf], None] | None = None,
) -> NumberedSubscription:
    def nothing_skipped(first: int, last: int) -> None:
        raise AssertionError(f"lost {first} … {last}")

    def no_reset(told: int, shelf: Shelf) -> None:
        raise AssertionError(f"{told} is no more")

    subscription = NumberedSubscription(
        layer.reader,
        outlet,
        stream=AGENTS,
        key=USER,
        partition=partition_of(AGENTS, USER, 16),
        rendition=Numbers(),
        archive=shelf,
        told=told,
        skipped=skipped or nothing_skipped,
        reset=reset or no_reset,
        shelf=shelf.name,
        backlog=backlog,
    )
    subscription.start()
    return subscription


async def told(outlet: RecordingOutlet, until: int, *, after: int = 0) -> None:
    """Wait for the number ``until``, and insist that everything after ``after`` came once and in order."""
    await outlet.until(lambda frames: frames and abs(int(frames[-1])) >= until, DEADLINE_S)
    assert [abs(int(frame)) for frame in outlet.frames] == list(range(after + 1, until + 1))


async def hot(subscription: NumberedSubscription) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not subscription.hot:
            await asyncio.sleep(0.01)


both = pytest.mark.parametrize("outlet_class", [RecordingOutlet, FramedOutlet])


@both
async def test_joining_while_others_write_neither_misses_nor_repeats(
    redis: Redis, layer: LoopLayer, outlet_class: Outlets
) -> None:
    shelf, outlets, subscriptions, newest = Rows(), [], [], 0
    async with relaying(shelf):
        for _ in range(30):
            newest = await publish(redis, shelf, 25)
            outlets.append(outlet_class())
            subscriptions.append(follow(layer, shelf, outlets[-1]))
        for outlet in outlets:
            await told(outlet, newest)
        for subscription in subscriptions:
            await subscription.stop()


@both
async def test_a_reader_that_stops_again_and_again_is_told_everything_once(
    redis: Redis, layer: LoopLayer, outlet_class: Outlets
) -> None:
    shelf, outlet, drawn, newest = Rows(), outlet_class(), random.Random(1), 0
    before = count(COLD, "slow")
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet)
        for _ in range(60):
            newest = await publish(redis, shelf, drawn.randrange(1, 30))
            await asyncio.sleep(drawn.random() / 50)
            outlet.fill() if drawn.random() < 0.5 else outlet.drain()
        outlet.drain()
        await told(outlet, newest)
        await subscription.stop()
    assert count(COLD, "slow") > before


async def test_a_full_outlet_is_written_nothing_more(redis: Redis, layer: LoopLayer) -> None:
    shelf, outlet = Rows(), FramedOutlet()
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet)
        await told(outlet, await publish(redis, shelf, 10))
        await hot(subscription)
        outlet.fill()
        newest = await publish(redis, shelf, 500)
        other = FramedOutlet()
        beside = follow(layer, shelf, other)
        await told(other, newest)
        assert len(outlet.frames) == 10
        outlet.drain()
        await told(outlet, newest)
        await subscription.stop()
        await beside.stop()


async def test_a_flushed_redis_is_another_log_and_nothing_is_lost_or_repeated(
    redis: Redis, layer: LoopLayer
) -> None:
    shelf, outlet, newest = Rows(), FramedOutlet(), 0
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet)
        for _ in range(3):
            newest = await publish(redis, shelf, 150)
            await told(outlet, newest)
            await redis.flushall()
            newest = await publish(redis, shelf, 30)
        await told(outlet, newest)
        await subscription.stop()


async def test_while_redis_is_away_rows_are_told_from_the_archive_alone() -> None:
    with EmbeddedRedis.start() as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.REDIS_URL", own.url)
        outer: Any = get_channel_layer()  # Any: what CHANNEL_LAYERS names
        await close_shared_redis()
        layer = outer._get_layer()
        layer.reader.start()
        shelf, outlet, redis = Rows(), FramedOutlet(), new_redis()
        async with relaying(shelf):
            subscription = follow(layer, shelf, outlet)
            await told(outlet, await publish(redis, shelf, 20))
            await hot(subscription)
            with counted(COLD, "redis"):
                os.kill(own.pid, signal.SIGSTOP)
                await told(outlet, shelf.add(30))
            shelf.away = True
            newest = shelf.add(30)
            os.kill(own.pid, signal.SIGCONT)
            shelf.away = False
            await told(outlet, newest)
            await hot(subscription)
            await told(outlet, await publish(redis, shelf, 5))
            await subscription.stop()
        await redis.aclose()
        await outer.flush()
        await close_shared_redis()


async def test_rows_that_are_no_more_are_told_as_lost_with_their_exact_numbers(
    redis: Redis, layer: LoopLayer
) -> None:
    shelf, outlet, lost = Rows(), FramedOutlet(), []
    newest = shelf.add(300)
    shelf.drop(120)
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet, told=20, skipped=lambda *gap: lost.append(gap))
        await told(outlet, newest, after=120)
        await subscription.stop()
    assert lost == [(21, 120)]


async def test_a_backlog_that_is_no_more_is_done_all_the_same(redis: Redis, layer: LoopLayer) -> None:
    shelf, outlet, lost, done = Rows(), FramedOutlet(), [], []
    newest = shelf.add(50)
    shelf.drop(50)
    backlog = Backlog(newest, Numbers(replayed=True), lambda: done.append(len(outlet.frames)))
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet, skipped=lambda *gap: lost.append(gap), backlog=backlog)
        await told(outlet, await publish(redis, shelf, 3), after=50)
        await subscription.stop()
    assert (lost, done) == ([(1, 50)], [0])


@pytest.mark.parametrize("until", [0, 1, 99, 250])
async def test_what_is_told_again_looks_so_and_its_end_is_said_once(
    redis: Redis, layer: LoopLayer, until: int
) -> None:
    shelf, outlet, done = Rows(), FramedOutlet(), []
    shelf.add(until)
    backlog = Backlog(until, Numbers(replayed=True), lambda: done.append(len(outlet.frames)))
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet, backlog=backlog)
        await hot(subscription)
        await told(outlet, await publish(redis, shelf, 10))
        await subscription.stop()
    assert done == [until]
    assert [int(frame) < 0 for frame in outlet.frames] == [number < until for number in range(until + 10)]


async def test_whoever_was_told_more_than_the_log_holds_waits_for_what_follows(
    redis: Redis, layer: LoopLayer
) -> None:
    """The archive is ahead of the log for as long as the relay has not copied its rows."""
    shelf, outlet = Rows(), FramedOutlet()
    shelf.add(100)
    shelf.shown = 60
    async with relaying(shelf):
        backlog = Backlog(100, Numbers(), lambda: None)
        subscription = follow(layer, shelf, outlet, backlog=backlog)
        await told(outlet, 100)
        await hot(subscription)
        for shown in (80, 100, 101, 130):
            shelf.add(shown - len(shelf.records))
            shelf.shown = shown
            await ask(redis, "XADD", f"gw:{NOTICES}", "*", USER[0], shown)
        await told(outlet, 130)
        await subscription.stop()


async def test_what_the_reader_holds_costs_the_archive_nothing(redis: Redis, layer: LoopLayer) -> None:
    shelf, outlet = Rows(), FramedOutlet()
    async with relaying(shelf):
        first = follow(layer, shelf, outlet)
        newest = await publish(redis, shelf, 90)
        await told(outlet, newest)
        await hot(first)
        other = FramedOutlet()
        with counted(ARCHIVE_READS, AGENTS.name, times=0):
            second = follow(layer, shelf, other, told=30)
            await told(other, newest, after=30)
            await hot(second)
        await first.stop()
        await second.stop()


async def test_subscriptions_and_cold_ones_are_counted_as_long_as_there_are_any(
    redis: Redis, layer: LoopLayer
) -> None:
    def now() -> tuple[float, float]:
        return tuple(gauge.labels(AGENTS.name)._value.get() for gauge in (SUBSCRIPTIONS, COLD_SUBSCRIPTIONS))

    shelf, outlet, (all_before, cold_before) = Rows(), FramedOutlet(), now()
    async with relaying(shelf):
        subscription = follow(layer, shelf, outlet)
        assert now() == (all_before + 1, cold_before + 1)
        await told(outlet, await publish(redis, shelf, 1))
        await hot(subscription)
        assert now() == (all_before + 1, cold_before)
        await subscription.stop()
        await subscription.stop()
    assert now() == (all_before, cold_before)
