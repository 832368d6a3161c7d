"""Catching up in a crowd: a region of a log is read and framed once for all, little is kept, and hot sockets are not held up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis.asyncio import Redis

from cache_streams import pages
from cache_streams.batches import batched
from cache_streams.layers import LoopLayer
from cache_streams.log import Log
from cache_streams.log_entries import encode_update
from cache_streams.log_names import LogName, logs_key
from cache_streams.metrics import LOG_PAGES
from cache_streams.outlet import Body
from cache_streams.pacing import PacedWriter
from cache_streams.pages import PAGE, TURNS, Pages
from cache_streams.places import START, Cursor, Position
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.streams.trades import TRADES
from cache_streams.streams.update import KeySnapshot, Update
from cache_streams.subscription import Subscription
from tests.recording import RecordingOutlet

MARKET = ("kraken", "BTC/USDC")
EPOCH = "E"
NAME = LogName("trades", "kraken", "gw")
DEADLINE_S = 60.0


@pytest.fixture
async def layer(fresh_redis: EmbeddedRedis) -> AsyncIterator[LoopLayer]:
    outer: Any = get_channel_layer()  # Any: the seam of channels_redis has no types
    yield outer._get_layer()
    await outer.flush()


@pytest.fixture
def log(redis: Redis) -> Log:
    return Log(redis, NAME, TRADES)


async def written(redis: Redis, count: int, *, size: int = 10) -> list[Position]:
    """Write a log of ``count`` updates as a relay would; return where they stand."""
    places = [Position((1_000_000 + number, 0)) for number in range(count)]
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.xadd(NAME.log, {"c": EPOCH}, id="1-0")
        for number, (ms, _) in enumerate(places, 1):
            update = Update(MARKET, number, b'"%b"' % (b"x" * size), None, ms / 1000)
            pipeline.xadd(NAME.log, {"u": encode_update(update)}, id=f"{ms}-0")
        pipeline.hset(NAME.pos, mapping={"epoch": EPOCH, "fence": "0", "id": f"{places[-1][0]}-0"})
        pipeline.hset(NAME.pos, 's:["kraken","BTC/USDC"]', str(count))
        pipeline.sadd(logs_key("gw"), "trades\nkraken")
        await pipeline.execute()
    return places


def told(how: str) -> float:
    return float(LOG_PAGES.labels(how)._value.get())


@dataclass(eq=False)
class Counting:
    """A rendition that counts what it makes; one object, so that all who send it share its frames."""

    made: list[int] = field(default_factory=list)

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        return [b"snapshot"]

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        raise AssertionError("its place in the log is known")

    def update_at(self, update: Update, cursor: str, now: float) -> Sequence[bytes]:
        self.made.append(update.seq)
        return (b"%d" % update.seq,)


async def test_a_region_that_many_ask_for_at_once_is_read_once(redis: Redis, log: Log) -> None:
    places = await written(redis, 20)
    kept, read, shared = Pages(), told("read"), told("shared")
    with kept:
        found = await asyncio.gather(*(kept.read(log, EPOCH, places[3], places[-1]) for _ in range(10)))
    assert len({id(page) for page in found}) == 1
    assert (told("read") - read, told("shared") - shared) == (1, 9)


async def test_whoever_stands_inside_a_page_is_given_it_too(redis: Redis, log: Log) -> None:
    places = await written(redis, 20)
    kept = Pages()
    with kept:
        page = await kept.read(log, EPOCH, places[3], places[-1])
        assert await kept.read(log, EPOCH, places[9], places[-1]) is page
        assert await kept.read(log, EPOCH, places[2], places[-1]) is not page
        assert await kept.read(log, "other", places[9], places[-1]) is not page


async def test_pages_follow_one_another_without_a_gap(redis: Redis, log: Log) -> None:
    places = await written(redis, 2 * PAGE + 7)
    kept, seen, taken = Pages(), places[0], []
    with kept:
        while seen < places[-1]:
            page = await kept.read(log, EPOCH, seen, places[-1])
            assert page is not None
            taken += [each.position for each in page.after_position(seen, ())]
            seen = page.until
    assert taken == places[1:]


async def test_a_log_that_was_trimmed_has_no_next_page(redis: Redis, log: Log) -> None:
    places = await written(redis, 20)
    await redis.xtrim(NAME.log, minid=f"{places[5][0]}-0", approximate=False)
    with Pages() as kept:
        assert await kept.read(log, EPOCH, places[3], places[-1]) is None
        assert await kept.read(log, EPOCH, places[5], places[-1]) is not None


async def test_nothing_is_kept_once_nobody_catches_up(redis: Redis, log: Log) -> None:
    places = await written(redis, 20)
    kept = Pages()
    with kept:
        with kept:
            first = await kept.read(log, EPOCH, places[3], places[-1])
        assert await kept.read(log, EPOCH, places[3], places[-1]) is first
    with kept:
        assert await kept.read(log, EPOCH, places[3], places[-1]) is not first


async def test_a_logs_very_beginning_is_not_kept_because_it_proves_nothing(redis: Redis, log: Log) -> None:
    places = await written(redis, 20)
    with Pages() as kept:
        first = await kept.read(log, EPOCH, START, places[-1])
        assert await kept.read(log, EPOCH, START, places[-1]) is not first


async def test_pages_take_no_more_memory_than_they_may(
    redis: Redis, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = await written(redis, 4 * PAGE, size=100)
    monkeypatch.setattr(pages, "PAGES_BYTES", 2 * PAGE * 102)
    with Pages() as kept:
        first, second, third = [
            await kept.read(log, EPOCH, places[number * PAGE], places[-1]) for number in range(3)
        ]
        assert first is not None
        assert await kept.read(log, EPOCH, places[2 * PAGE], places[-1]) is third
        assert await kept.read(log, EPOCH, places[PAGE], places[-1]) is second
        assert await kept.read(log, EPOCH, places[0], places[-1]) is not first


def resuming(layer: LoopLayer, rendition: Counting) -> Subscription:
    return layer.subscription(RecordingOutlet(), TRADES, [("kraken", MARKET)], rendition)


async def test_a_crowd_that_resumes_from_one_place_is_told_frames_that_were_made_once(
    redis: Redis, layer: LoopLayer
) -> None:
    places = await written(redis, 3 * PAGE)
    rendition, read = Counting(), told("read")
    crowd = [resuming(layer, rendition) for _ in range(30)]
    for each in crowd:
        (standing,) = await each.prepare({"kraken": Cursor(EPOCH, places[9])})
        assert standing.recovered is True
    for each in crowd:
        each.start(snapshot=False)
    async with asyncio.timeout(DEADLINE_S):
        while not all(each.hot for each in crowd):
            await asyncio.sleep(0.01)
    wanted = [b"%d" % seq for seq in range(11, 3 * PAGE + 1)]
    for each in crowd:
        assert isinstance(each.outlet, RecordingOutlet)
        assert each.outlet.frames == wanted
        await each.stop()
    assert sorted(rendition.made) == list(range(11, 3 * PAGE + 1))
    assert told("read") - read == 3


async def test_an_outlet_that_fills_while_a_page_is_read_is_told_nothing_of_it_before_it_drained(
    redis: Redis, layer: LoopLayer
) -> None:
    places = await written(redis, PAGE)
    resumed, read = resuming(layer, Counting()), told("read")
    await resumed.prepare({"kraken": Cursor(EPOCH, places[9])})
    outlet = resumed.outlet
    assert isinstance(outlet, RecordingOutlet)
    reading = layer.reader.pages._reading.setdefault(NAME.log, asyncio.Lock())
    async with asyncio.timeout(DEADLINE_S):
        async with reading:
            resumed.start(snapshot=False)
            while not reading._waiters:
                await asyncio.sleep(0)
            outlet.fill()
        while told("read") == read:
            await asyncio.sleep(0.01)
        assert not outlet.frames
        outlet.drain()
        while not resumed.hot:
            await asyncio.sleep(0.01)
    assert outlet.frames == [b"%d" % seq for seq in range(11, PAGE + 1)]
    await resumed.stop()


async def test_only_so_many_write_in_one_loop_step() -> None:
    turns = asyncio.Semaphore(TURNS)
    steps: list[int] = []

    class Stepping(RecordingOutlet):
        """Notes in which step of the loop it was written to."""

        def write(self, prefix: bytes, body: Body) -> None:
            super().write(prefix, body)
            steps.append(step)

    step = 0

    async def ticking() -> None:
        nonlocal step
        while True:
            step += 1
            await asyncio.sleep(0)

    writers = [PacedWriter(Stepping(), b"", turns) for _ in range(5 * TURNS)]
    for writer in writers:
        writer.rest = batched([b"x" * pages.PAGE])
    clock = asyncio.create_task(ticking())
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.gather(*(writer.finish() for writer in writers))
    clock.cancel()
    assert len(steps) == len(writers)
    assert max(steps.count(each) for each in set(steps)) <= TURNS


async def test_a_full_outlet_is_written_to_again_only_once_it_drained() -> None:
    outlet = RecordingOutlet()
    writer = PacedWriter(outlet, b"p:", asyncio.Semaphore(TURNS))
    writer.begin(batched([b"x" * 40_000] * 5))
    assert len(outlet.frames) == 2  # one loop step's worth
    outlet.fill()
    finishing = asyncio.create_task(writer.finish())
    await asyncio.sleep(0)
    assert len(outlet.frames) == 2
    outlet.drain()
    await finishing
    assert [frame[:3] for frame in outlet.frames] == [b"p:x"] * 5
    assert not writer.rest
