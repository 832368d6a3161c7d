"""The law: old snapshot + updates = new snapshot; for every kind of stream, joining, falling behind and starting over."""

import asyncio
import json
import os
import random
import signal
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from channels.layers import get_channel_layer
from redis.asyncio import Redis

from cache_streams.connections import ask, new_redis
from cache_streams.consumers.socket import legs_of
from cache_streams.layers import LoopLayer
from cache_streams.log import Log
from cache_streams.log_names import LogName
from cache_streams.metrics import COLD, FOREIGN_ENTRIES
from cache_streams.places import START, Cursor, Position, cursor_text, parse_cursor, position
from cache_streams.relay.run import configured_relay
from cache_streams.server.embedded_redis import EmbeddedRedis
from cache_streams.streams.declaration import SNAPSHOT_TAIL, Key, Kind, Mode, Stream
from cache_streams.streams.orders import ORDERS
from cache_streams.streams.tickers import TICKERS
from cache_streams.streams.trades import TRADES
from cache_streams.streams.update import KeySnapshot, Update
from cache_streams.subscription import Standing, Subscription
from tests.recording import FramedOutlet, RecordingOutlet

DEADLINE_S = 60.0
MARKET = ("kraken", "BTC/USDC")


class Plain:
    """Renders each snapshot and each update as what they are, so that a test can apply them."""

    def snapshot(self, keys: Sequence[KeySnapshot], now: float) -> list[bytes]:
        held = [[[u.seq, u.element, u.data.decode()] for u in key.updates] for key in keys]
        return [json.dumps({"snapshot": held, "seqs": [key.seq for key in keys]}).encode()]

    def update(self, update: Update, now: float) -> Sequence[bytes]:
        facts = {
            "seq": update.seq,
            "element": update.element,
            "data": update.data.decode(),
            "gone": update.deleted,
        }
        return [json.dumps(facts).encode()]


class Follower:
    """A client of one key that applies what it is sent, and insists that nothing is missing or repeated."""

    def __init__(self, kind: Kind, *, gapless: bool) -> None:
        self.kind, self.gapless = kind, gapless
        self.seq = 0
        self.held: dict[Any, str] = {}
        self.snapshots = self.updates = 0

    def apply(self, frame: bytes) -> None:
        message = json.loads(frame)
        if "snapshot" in message:
            self.snapshots += 1
            rows = [row for key in message["snapshot"] for row in key]
            self.held = {self._name(seq, element): data for seq, element, data in rows}
            self.seq = max(message["seqs"], default=0)
            return
        self.updates += 1
        assert message["seq"] > self.seq, f"{message['seq']} came again or out of order after {self.seq}"
        if self.gapless:
            assert message["seq"] == self.seq + 1, f"lost {self.seq + 1} … {message['seq'] - 1}"
        self.seq = message["seq"]
        name = self._name(message["seq"], message["element"])
        self.held.pop(name, None)
        if not message["gone"]:
            self.held[name] = message["data"]
        for old in list(self.held)[:-SNAPSHOT_TAIL] if self.kind is Kind.TAIL else []:
            del self.held[old]

    def _name(self, seq: int, element: str | None) -> Any:
        return seq if self.kind is Kind.TAIL else element


async def write_tickers(redis: Redis, count: int) -> None:
    for number in range(count):
        await ask(redis, "HSET", "tickers:kraken", "BTC/USDC", json.dumps({"price": number + 1, "time": 1.0}))


async def write_trades(redis: Redis, count: int, *, first: int = 0) -> None:
    for number in range(first, first + count):
        facts = {"trade_id": number, "symbol": "BTC/USDC", "side": "buy", "volume": 1, "price": 2, "time": 3}
        await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", json.dumps(facts))


async def write_orders(redis: Redis, count: int) -> None:
    dice = random.Random(count)  # repeatable
    for number in range(count):
        order = f"O{dice.randrange(20)}"
        if dice.random() < 0.3:
            await ask(redis, "HDEL", "order_status:kraken", order)
        else:
            facts = {
                "order_id": order,
                "volume": number,
                "ex_id": 5,
                "timestamp": "2026-01-15T10:30:00+00:00",
            }
            await ask(redis, "HSET", "order_status:kraken", order, json.dumps(facts))


WRITERS = {"tickers": write_tickers, "trades": write_trades, "orders": write_orders}
CASES = [(TICKERS, MARKET), (TRADES, MARKET), (ORDERS, ("kraken", "account:5"))]


OUTLETS = [RecordingOutlet, FramedOutlet]
"""A server without a frame sink, and one that has it."""


def subscribe(
    layer: LoopLayer, stream: Stream, key: Key, outlet_class: type[RecordingOutlet] = FramedOutlet
) -> tuple[RecordingOutlet, Subscription]:
    outlet = outlet_class()
    subscription = layer.subscription(outlet, stream, legs_of(stream, key), Plain())
    subscription.start()
    return outlet, subscription


async def truth(redis: Redis, stream: Stream, key: Key) -> tuple[int, dict[Any, str]]:
    ((partition, _),) = legs_of(stream, key)
    state = await Log(redis, LogName(stream.name, partition, "gw"), stream).snapshot(key)
    follower = Follower(stream.kind, gapless=False)
    for snapshot in state.keys:
        follower.seq = snapshot.seq
        follower.held = {follower._name(u.seq, u.element): u.data.decode() for u in snapshot.updates}
    return follower.seq, follower.held


async def settled(redis: Redis, stream: Stream, key: Key) -> tuple[int, dict[Any, str]]:
    """Return the state once the relay has nothing more to say about it."""
    async with asyncio.timeout(DEADLINE_S):
        known = await truth(redis, stream, key)
        while True:
            await asyncio.sleep(0.2)
            now = await truth(redis, stream, key)
            if now == known and now[0]:
                return now
            known = now


async def follow(outlet: RecordingOutlet, kind: Kind, seq: int, *, gapless: bool) -> Follower:
    follower, applied = Follower(kind, gapless=gapless), 0

    def caught_up(frames: list[bytes]) -> bool:
        nonlocal applied
        for frame in frames[applied:]:
            follower.apply(frame)
        applied = len(frames)
        return follower.seq >= seq

    await outlet.until(caught_up, DEADLINE_S)
    return follower


@pytest.mark.usefixtures("relay")
@pytest.mark.parametrize("outlet_class", OUTLETS)
@pytest.mark.parametrize(("stream", "key"), CASES, ids=lambda case: getattr(case, "name", ""))
async def test_joining_while_others_write_neither_misses_nor_repeats(
    redis: Redis, layer: LoopLayer, stream: Stream, key: Key, outlet_class: type[RecordingOutlet]
) -> None:
    writer = asyncio.create_task(WRITERS[stream.name](redis, 1500))
    outlets: list[RecordingOutlet] = []
    subscriptions: list[Subscription] = []
    while not writer.done():
        outlet, subscription = subscribe(layer, stream, key, outlet_class)
        outlets.append(outlet)
        subscriptions.append(subscription)
        await asyncio.sleep(0.02)
    await writer
    seq, held = await settled(redis, stream, key)
    for outlet in outlets:
        follower = await follow(outlet, stream.kind, seq, gapless=True)
        assert (follower.seq, follower.held) == (seq, held)
    for subscription in subscriptions:
        await subscription.stop()


@pytest.mark.usefixtures("relay")
@pytest.mark.parametrize("outlet_class", OUTLETS)
@pytest.mark.parametrize(("stream", "key"), CASES, ids=lambda case: getattr(case, "name", ""))
async def test_a_reader_that_stops_and_goes_on_ends_on_the_same_state(
    redis: Redis, layer: LoopLayer, stream: Stream, key: Key, outlet_class: type[RecordingOutlet]
) -> None:
    outlet, subscription = subscribe(layer, stream, key, outlet_class)
    await outlet.until(bool)
    dice = random.Random(7)  # repeatable
    writer = asyncio.create_task(WRITERS[stream.name](redis, 1500))
    while not writer.done():
        outlet.fill()
        held_back = len(outlet.frames)
        await asyncio.sleep(dice.random() * 0.1)
        assert len(outlet.frames) <= held_back + 1  # what was being delivered when it filled
        outlet.drain()
        await asyncio.sleep(dice.random() * 0.1)
    await writer
    seq, held = await settled(redis, stream, key)
    follower = await follow(outlet, stream.kind, seq, gapless=stream is not TICKERS)
    assert (follower.seq, follower.held) == (seq, held)
    assert follower.snapshots > 1 if stream is TICKERS else follower.snapshots == 1
    await subscription.stop()


async def test_a_slow_latest_subscription_wakes_up_on_the_newest_value(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    outlet, subscription = subscribe(layer, TICKERS, MARKET)
    await outlet.until(bool)
    outlet.fill()
    await write_tickers(redis, 200)
    await settled(redis, TICKERS, MARKET)
    asleep = len(outlet.frames)
    outlet.drain()
    await outlet.until(lambda frames: len(frames) > asleep)
    first = json.loads(outlet.frames[asleep])
    assert json.loads(first["snapshot"][0][0][2])["price"] == 200.0
    await subscription.stop()


async def test_a_cold_subscription_has_no_task_once_it_is_hot(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    outlet, subscription = subscribe(layer, TICKERS, MARKET)
    async with asyncio.timeout(DEADLINE_S):
        while not subscription.hot:
            await asyncio.sleep(0.01)
    assert len(outlet.frames) == 1
    await subscription.stop()


async def test_a_flushed_redis_shows_as_a_new_snapshot(redis: Redis, layer: LoopLayer, relay: None) -> None:
    await write_trades(redis, 5)
    await settled(redis, TRADES, MARKET)
    outlet, subscription = subscribe(layer, TRADES, MARKET)
    await outlet.until(bool)
    await ask(redis, "FLUSHALL")
    await write_trades(redis, 3, first=100)
    seq, held = await settled(redis, TRADES, MARKET)
    follower = await follow_new_epoch(outlet)
    while follower.seq < seq:
        await asyncio.sleep(0.01)
    assert follower.held == held
    assert follower.snapshots >= 2
    await subscription.stop()


async def follow_new_epoch(outlet: RecordingOutlet) -> Follower:
    """Apply frames until a second snapshot came and its sequence is that of three trades."""
    follower = Follower(Kind.TAIL, gapless=True)
    applied = 0

    def done(frames: list[bytes]) -> bool:
        nonlocal applied
        for frame in frames[applied:]:
            follower.apply(frame)
        applied = len(frames)
        return follower.snapshots >= 2 and follower.seq == 3

    await outlet.until(done, DEADLINE_S)
    return follower


async def test_a_redis_that_stands_still_is_caught_up_with_afterwards(layer: LoopLayer) -> None:
    del layer  # this test has a Redis of its own, because it stops it
    with EmbeddedRedis.start(tcp=True) as own:
        await _stand_still(own)


async def _stand_still(own: EmbeddedRedis) -> None:
    from django.test import override_settings

    with override_settings(REDIS_URL=own.url):
        outer: Any = get_channel_layer()
        running = configured_relay()
        task = asyncio.create_task(running.run())
        async with asyncio.timeout(DEADLINE_S):
            await running.leading.wait()
        redis = new_redis()
        from cache_streams.connections import close_shared_redis

        await close_shared_redis()
        outlet, subscription = subscribe(outer._get_layer(), TRADES, MARKET)
        await outlet.until(bool)
        await write_trades(redis, 20)
        os.kill(own.pid, signal.SIGSTOP)
        await asyncio.sleep(4.0)  # longer than every timeout: the fault itself, not a wait for a result
        os.kill(own.pid, signal.SIGCONT)
        await write_trades(redis, 20, first=20)
        follower = await follow(outlet, Kind.TAIL, 40, gapless=True)
        assert (follower.updates, follower.snapshots) == (40, 1)
        await subscription.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await redis.aclose()
        await close_shared_redis()


async def test_a_market_that_appears_later_is_heard_from_its_first_update(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    outlet, subscription = subscribe(layer, TRADES, ("newex", "BTC/USDC"))
    await outlet.until(bool)
    facts = {"trade_id": 1, "symbol": "BTC/USDC", "side": "buy", "volume": 1, "price": 2, "time": 3}
    await ask(redis, "RPUSH", "trades:newex:BTCUSDC", json.dumps(facts), json.dumps({**facts, "trade_id": 2}))
    follower = await follow(outlet, Kind.TAIL, 2, gapless=True)
    assert follower.updates == 2
    await subscription.stop()


async def test_a_log_entry_that_no_relay_wrote_is_skipped_and_counted(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    outlet, subscription = subscribe(layer, TRADES, MARKET)
    await outlet.until(bool)
    await write_trades(redis, 1)
    await follow(outlet, Kind.TAIL, 1, gapless=True)
    before = FOREIGN_ENTRIES._value.get()
    log = LogName("trades", "kraken", "gw").log
    for fields in (["x", "1"], ["u", "no message pack"]):
        await ask(redis, "XADD", log, "*", *fields)
    async with asyncio.timeout(DEADLINE_S):
        while FOREIGN_ENTRIES._value.get() < before + 2:
            await asyncio.sleep(0.01)
    assert layer.reader.connected.is_set()
    await subscription.stop()


async def test_stopping_leaves_nothing_behind_in_the_reader(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    await write_tickers(redis, 1)
    subscriptions = [subscribe(layer, TICKERS, MARKET)[1] for _ in range(20)]
    async with asyncio.timeout(DEADLINE_S):
        while not all(subscription.hot for subscription in subscriptions):
            await asyncio.sleep(0.01)
    for subscription in subscriptions:
        await subscription.stop()
    assert layer.reader._followed == {}


async def test_going_cold_is_counted(redis: Redis, layer: LoopLayer, relay: None) -> None:
    before = COLD.labels("slow")._value.get()
    outlet, subscription = subscribe(layer, TICKERS, MARKET)
    await outlet.until(bool)
    outlet.fill()
    assert COLD.labels("slow")._value.get() == before + 1
    outlet.drain()
    await subscription.stop()


def test_a_numbered_change_survives_the_log() -> None:
    update = Update(
        ("kraken", "A/B"), 3, b'{"a":1}', 1.5, 2.5, element="x", extras=b"{}", size=4, deleted=True
    )
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(update), type=Update) == update


class Cursored(Plain):
    """As Plain, with the cursor of each update."""

    def update_at(self, update: Update, cursor: str, now: float) -> Sequence[bytes]:
        (frame,) = self.update(update, now)
        return [json.dumps({**json.loads(frame), "cursor": cursor}).encode()]


async def resumed(layer: LoopLayer, cursor: Cursor) -> tuple[RecordingOutlet, Subscription, Standing]:
    outlet = RecordingOutlet()
    subscription = layer.subscription(outlet, TRADES, legs_of(TRADES, MARKET), Cursored())
    (standing,) = await subscription.prepare({"kraken": cursor})
    subscription.start()
    return outlet, subscription, standing


async def cut_after(redis: Redis, layer: LoopLayer, count: int) -> Cursor:
    """Follow until ``count`` trades came, then leave; return the cursor of the last."""
    outlet = RecordingOutlet()
    subscription = layer.subscription(outlet, TRADES, legs_of(TRADES, MARKET), Cursored())
    subscription.start()
    await write_trades(redis, count)
    await outlet.until(lambda frames: len(frames) > count)
    await subscription.stop()
    return parse_cursor(json.loads(outlet.frames[-1])["cursor"])


async def test_a_cursor_is_continued_after_without_a_snapshot(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    cursor = await cut_after(redis, layer, 5)
    await write_trades(redis, 5, first=5)
    outlet, subscription, standing = await resumed(layer, cursor)
    await outlet.until(lambda frames: len(frames) == 5)
    assert standing.recovered is True
    assert [json.loads(frame)["seq"] for frame in outlet.frames] == [6, 7, 8, 9, 10]
    await subscription.stop()


MARKETS = [("kraken", "BTC/USDC"), ("kraken", "ETH/USDC")]


def two_markets(layer: LoopLayer, stream: Stream) -> tuple[RecordingOutlet, Subscription]:
    """Subscribe to two keys of one log, as whoever owns two accounts of one shard does."""
    outlet = RecordingOutlet()
    legs = [leg for key in MARKETS for leg in legs_of(stream, key)]
    assert len(legs) == 2
    return outlet, layer.subscription(outlet, stream, legs, Cursored())


def places(frames: Sequence[bytes]) -> list[Position]:
    told = [json.loads(frame) for frame in frames]
    return [parse_cursor(frame["cursor"]).position for frame in told if "cursor" in frame]


async def test_a_slow_reader_of_two_keys_of_a_log_is_told_them_in_the_logs_order(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    for _, symbol in MARKETS:  # by which the lists are known to be of these markets
        await ask(redis, "HSET", "tickers:kraken", symbol, json.dumps({"price": 1, "time": 1.0}))
    await settled(redis, TICKERS, MARKET)
    outlet, subscription = two_markets(layer, TRADES)
    subscription.start()
    await outlet.until(bool)
    outlet.fill()
    for number in range(100):
        for _, symbol in MARKETS:
            facts = {"trade_id": number, "symbol": symbol, "side": "buy", "volume": 1, "price": 2, "time": 3}
            await ask(redis, "RPUSH", f"trades:kraken:{symbol.replace('/', '')}", json.dumps(facts))
    for key in MARKETS:
        await settled(redis, TRADES, key)
    outlet.drain()
    await outlet.until(lambda frames: len(places(frames)) == 200)
    assert places(outlet.frames) == sorted(set(places(outlet.frames)))
    await subscription.stop()


async def test_a_slow_reader_of_the_latest_of_two_keys_can_resume_at_none_before_both_are_told(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    async def tick(price: float) -> None:
        for _, symbol in MARKETS:
            await ask(redis, "HSET", "tickers:kraken", symbol, json.dumps({"price": price, "time": 1.0}))
        for key in MARKETS:
            await settled(redis, TICKERS, key)

    await tick(1.0)
    outlet, subscription = two_markets(layer, TICKERS)
    subscription.start()
    await outlet.until(bool)
    outlet.fill()
    await tick(2.0)
    outlet.drain()
    await outlet.until(lambda frames: len(places(frames)) == 2)
    before, after = places(outlet.frames)
    assert before < after
    await subscription.stop()


async def test_a_cursor_beyond_this_process_reader_is_continued_after(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    """Another worker was quicker to tell it."""
    following, first = subscribe(layer, TRADES, MARKET)
    await write_trades(redis, 5)
    await following.until(lambda frames: len(frames) > 5)
    await layer.reader.stop()
    await write_trades(redis, 5, first=5)
    log = Log(redis, LogName("trades", "kraken", "gw"), TRADES)
    async with asyncio.timeout(DEADLINE_S):
        while len(entries := await log.range(START, position("9" * 15), 100)) < 11:
            await asyncio.sleep(0.01)
    epoch = entries[0].epoch
    assert epoch is not None
    resuming = asyncio.create_task(resumed(layer, Cursor(epoch, entries[8].position)))
    layer.reader.start()
    outlet, subscription, standing = await resuming
    await write_trades(redis, 1, first=10)
    await outlet.until(lambda frames: len(frames) == 3)
    assert standing.recovered is True
    assert [json.loads(frame)["seq"] for frame in outlet.frames] == [9, 10, 11]
    for each in (first, subscription):
        await each.stop()


async def test_a_cursor_of_another_epoch_is_not_recovered(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    cursor = await cut_after(redis, layer, 5)
    outlet, subscription, standing = await resumed(layer, cursor._replace(epoch="other"))
    await outlet.until(bool)
    assert standing.recovered is False
    assert "snapshot" in json.loads(outlet.frames[0])
    await subscription.stop()


async def test_a_cursor_whose_entry_was_trimmed_is_not_recovered(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    cursor = await cut_after(redis, layer, 5)
    await write_trades(redis, 300, first=5)
    await settled(redis, TRADES, MARKET)
    await ask(redis, "XTRIM", "gw:{trades:kraken}:log", "MAXLEN", "=", 10)
    _, subscription, standing = await resumed(layer, cursor)
    assert standing.recovered is False
    await subscription.stop()


async def test_a_cold_subscription_whose_log_was_trimmed_is_told_so(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    told: list[str] = []
    outlet = RecordingOutlet()
    subscription = layer.subscription(
        outlet, TRADES, legs_of(TRADES, MARKET), Cursored(), lost=lambda: told.append("lost")
    )
    subscription.start()
    await write_trades(redis, 1)
    await outlet.until(lambda frames: len(frames) == 2)
    outlet.fill()
    await write_trades(redis, 50, first=1)
    await settled(redis, TRADES, MARKET)
    await ask(redis, "XTRIM", "gw:{trades:kraken}:log", "MAXLEN", "=", 10)
    outlet.drain()
    await outlet.until(lambda frames: "snapshot" in json.loads(frames[-1]) and len(frames) > 2)
    assert told == ["lost"]
    await subscription.stop()


async def test_a_sample_skips_what_came_between_and_counts_it(
    redis: Redis, layer: LoopLayer, relay: None
) -> None:
    await write_tickers(redis, 1)
    await settled(redis, TICKERS, MARKET)
    outlet = RecordingOutlet()
    subscription = layer.subscription(
        outlet, TICKERS, legs_of(TICKERS, MARKET), Cursored(), mode=Mode.SAMPLE, interval_s=0.5
    )
    await subscription.prepare()
    subscription.start()
    await write_tickers(redis, 100)
    seq, _ = await settled(redis, TICKERS, MARKET)
    await outlet.until(lambda frames: json.loads(frames[-1]).get("seq") == seq)
    assert len(outlet.frames) <= 10
    assert subscription.skipped + len(outlet.frames) == seq
    await subscription.stop()


async def test_how_far_a_cold_socket_is_behind_is_known(redis: Redis, layer: LoopLayer, relay: None) -> None:
    outlet, subscription = subscribe(layer, TRADES, MARKET)
    await outlet.until(bool)
    outlet.fill()
    await write_trades(redis, 30)
    await settled(redis, TRADES, MARKET)
    assert subscription.behind() == 30
    outlet.drain()
    await outlet.until(lambda frames: len(frames) == 31)
    await subscription.stop()


def test_a_cursor_survives_its_text() -> None:
    cursor = Cursor("a-_Z3", Position((1795221446140, 7)))
    assert parse_cursor(cursor_text(cursor)) == cursor


@pytest.mark.parametrize("text", ["", ".", "e.1", "e.1-", ".1-2", "e.x-1", "e." + "1" * 90 + "-0"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        parse_cursor(text)
