"""Replays: the past as it was, flagged and spaced, then live without a gap; bounded, permitted, told when it is not kept."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from redis import Redis
from websockets.exceptions import ConnectionClosed

from cache_streams.protocol.tempo import GRAIN_S
from cache_streams.streams.tickers import TICKERS
from tests.integration.native.client import PLAIN, Native, opened
from tests.integration.native.conftest import Open
from tests.integration.native.past import Past, evenly, ticks_at, write, written_hour
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position
from tests.integration.wire.rpc_client import Frame
from tests.live import LiveServer, live_server

MARKET, OTHER = "BTC/USDC", "ETH/USDC"
DEADLINE_S = 60.0
AS_FAST_AS_MAY_BE = 1000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway that keeps two hours."""
    with live_server(tmp_path_factory.mktemp("replay"), LOG_MAX_AGE_S="7200", HEARTBEAT_S="1") as running:
        yield running


@pytest.fixture
def past_of(server: LiveServer) -> Open:
    return partial(opened, server)


@pytest.fixture
def redis(server: LiveServer) -> Iterator[Redis]:
    with Redis.from_url(server.redis_url, socket_timeout=10.0) as client:
        yield client


@pytest.fixture
def collector(redis: Redis) -> Collector:
    return Collector(redis)


def now_ms() -> int:
    return int(time.time() * 1000)


def ticked(redis: Redis, exchange: str, count: int, apart_ms: int, *symbols: str) -> Past:
    """Write a past of ticks: ``count`` of each symbol, by turns when there are several."""
    symbols = symbols or (MARKET,)
    end = now_ms()
    dated = [
        each
        for place, symbol in enumerate(symbols)
        for each in ticks_at(exchange, symbol, evenly(end + place, count, apart_ms))
    ]
    return write(redis, TICKERS, exchange, dated)


async def until_live(socket: Native, *subs: int) -> AsyncIterator[tuple[float, Frame]]:
    """Yield each flagged frame with when it came, until the subscriptions are told to be live."""
    left = set(subs)
    async with asyncio.timeout(DEADLINE_S):
        while left:
            frame = await socket.frame()
            if frame["type"] == "status" and "sub" in frame:
                assert (frame["state"], frame["recovered"]) == ("live", True)
                left.remove(frame["sub"])
            elif frame["type"] != "heartbeat" and frame["type"] != "status":
                assert frame["replay"] is True, frame
                yield time.monotonic(), frame


async def replayed(socket: Native, *subs: int) -> list[tuple[str, int]]:
    return [(frame["key"], frame["seq"]) async for _, frame in until_live(socket, *subs)]


def told(past: Past, *keys: str) -> list[tuple[str, int]]:
    return [(key, seq) for _, key, seq in past.entries if not keys or key in keys]


async def test_an_hour_of_the_demo_feed_is_told_a_thousand_times_as_fast_then_live(
    past_of: Open, redis: Redis, collector: Collector
) -> None:
    exchange, end = fresh_name(), now_ms()
    ticks, pushed = written_hour(redis, exchange, end)
    for stream, past in (("tickers", ticks), ("trades", pushed)):
        first_ms = past.entries[0][0]
        async with past_of() as socket:
            asked_at = time.monotonic()
            subscription = await socket.subscribe(
                stream, exchange=exchange, symbol="*",
                replay={"from": end / 1000 - 3601, "speed": AS_FAST_AS_MAY_BE},
            )  # fmt: skip
            assert subscription["replay"]["begins_at"] == first_ms / 1000
            assert subscription["replay"]["speed"] == AS_FAST_AS_MAY_BE
            frames = [each async for each in until_live(socket, subscription["sub"])]
            assert [(frame["key"], frame["seq"]) for _, frame in frames] == told(past)
            for came, frame in frames:  # never earlier than spaced; how much later is the machine's affair
                ms = int(frame["cursor"].rpartition(".")[2].partition("-")[0])
                assert came - asked_at >= (ms - first_ms) / 1000 / AS_FAST_AS_MAY_BE - GRAIN_S
            assert frames[-1][0] - asked_at >= 3.5
            market = next(key for _, key, _ in reversed(past.entries))
            symbol, last = market.partition(":")[2], max(seq for _, key, seq in past.entries if key == market)
            if stream == "tickers":
                collector.tick(exchange, symbol, price=1.0)
                live = await socket.told(type="update")
                assert (live["key"], live["seq"], live.get("replay")) == (market, last + 1, None)


def change_orders(collector: Collector, name: str, number: int) -> None:
    collector.order(name, f"O{number % 3}", ex_id="7", uid=None, volume=float(number))


def change_accounts(collector: Collector, name: str, number: int) -> None:
    collector.account(int(name), USDT={"total": float(number), "free": 0.0, "used": 0.0})


def change_positions(collector: Collector, name: str, number: int) -> None:
    collector.positions(int(name), **{"BTC/USDC": position(float(number))})


def change_bots(collector: Collector, name: str, number: int) -> None:
    collector.bot(name, feed_0={"status": "running", "position": number})


def change_bars(collector: Collector, name: str, number: int) -> None:
    collector.bars(f"{name}/X", "1m", [1_700_000_000 + 60 * number, 1.0, 2.0, 0.5, 1.5, float(number)])


def change_processes(collector: Collector, name: str, number: int) -> None:
    collector.process("bot", f"{name}.{number}")


@pytest.mark.parametrize(
    ("stream", "asked", "change"),
    [
        ("orders", {"exchange": "{name}"}, change_orders),
        ("accounts", {"account": "*"}, change_accounts),
        ("positions", {"account": "{name}"}, change_positions),
        ("bots", {"bot": "*"}, change_bots),
        ("ohlcv", {"symbol": "*", "timeframe": "1m"}, change_bars),
        ("process", {"type": "bot"}, change_processes),
    ],
)
async def test_the_frames_of_any_stream_are_those_that_were_sent_then(
    past_of: Open,
    collector: Collector,
    stream: str,
    asked: dict[str, str],
    change: Callable[[Collector, str, int], None],
) -> None:
    name, began = str(fresh_account()), time.time()
    fields: Frame = {field: value.format(name=name) for field, value in asked.items()}
    async with past_of() as live, past_of() as again:
        await live.subscribe(stream, **fields, mode="every")
        sent = []
        for number in range(1, 8):  # one after another, so that each is a change of its own
            change(collector, name, number)
            sent.append(await live.told(type="update", stream=stream))
        replay = {"from": began - 0.001, "speed": AS_FAST_AS_MAY_BE}
        sub = (await again.subscribe(stream, **fields, replay=replay))["sub"]
        then = [{**frame} async for _, frame in until_live(again, sub)]
        keys = {frame["key"] for frame in sent}
        mine = [frame for frame in then if frame["key"] in keys]
        while len(sent) < len(mine):  # a process is two keys of the cache: writing them may be two changes
            sent.append(await live.told(type="update", stream=stream))
    assert [{**frame, "replay": True} for frame in sent] == mine


async def test_a_replay_goes_on_after_a_cursor(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 20, 100)
    async with past_of() as socket:
        subscription = await socket.subscribe(
            "tickers", exchange=exchange, symbol=MARKET, replay={"from": past.cursors[4], "speed": 100}
        )
        assert (subscription["cursor"], subscription["recovered"]) == (past.cursors[4], None)
        assert await replayed(socket, subscription["sub"]) == told(past)[5:]


async def test_a_replay_from_a_time_begins_with_the_first_entry_at_or_after_it(
    past_of: Open, redis: Redis
) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 20, 100)
    async with past_of() as socket:
        subscription = await socket.subscribe(
            "tickers",
            exchange=exchange,
            symbol=MARKET,
            replay={"from": past.entries[7][0] / 1000, "speed": 1000},
        )
        assert await replayed(socket, subscription["sub"]) == told(past)[7:]


async def test_frames_are_as_far_apart_as_they_were_divided_by_the_speed(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 11, 1000)
    async with past_of() as socket:
        asked_at = time.monotonic()
        subscription = await socket.subscribe(
            "tickers",
            exchange=exchange,
            symbol=MARKET,
            replay={"from": past.entries[0][0] / 1000, "speed": 10},
        )
        came = [at - asked_at async for at, _ in until_live(socket, subscription["sub"])]
    assert all(at >= number * 0.1 - GRAIN_S for number, at in enumerate(came))
    assert len(came) == 11


async def test_several_keys_of_one_request_are_told_in_the_order_of_their_time(
    past_of: Open, redis: Redis
) -> None:
    one, other = fresh_name(), fresh_name()
    end = now_ms()
    pasts = [
        write(redis, TICKERS, exchange, ticks_at(exchange, MARKET, evenly(end + shift, 30, 100)))
        for exchange, shift in ((one, 0), (other, 50))
    ]
    wanted = sorted(itertools.chain(*(past.entries for past in pasts)))
    async with past_of() as socket:
        ack = await socket.done(
            "subscribe", stream="tickers", exchange=[one, other], symbol=MARKET,
            replay={"from": end / 1000 - 60, "speed": 50},
        )  # fmt: skip
        subs = [each["sub"] for each in ack["subscriptions"]]
        assert await replayed(socket, *subs) == [(key, seq) for _, key, seq in wanted]


async def test_what_happens_during_a_replay_is_told_once_and_in_order(
    past_of: Open, redis: Redis, collector: Collector
) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 50, 40)
    async with past_of() as socket:
        sub = (
            await socket.subscribe(
                "tickers", exchange=exchange, symbol=MARKET, mode="every",
                replay={"from": past.entries[0][0] / 1000, "speed": 2},
            )
        )["sub"]  # fmt: skip
        writing = asyncio.create_task(write_slowly(collector, exchange, 40))
        seqs = [seq for _, seq in await replayed(socket, sub)]
        while seqs[-1] < 90:
            frame = await socket.told(type="update")
            assert "replay" not in frame
            seqs.append(frame["seq"])
        await writing
    assert seqs == list(range(1, 91))


async def write_slowly(collector: Collector, exchange: str, count: int) -> None:
    """Store a new price every 50 ms: long enough for the relay to read each."""
    for number in range(count):
        collector.tick(exchange, MARKET, price=1000.0 + number)
        await asyncio.sleep(0.05)


async def test_a_past_that_was_trimmed_is_refused_with_when_it_begins(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 10, 1000)
    asked = {"stream": "tickers", "exchange": exchange, "symbol": MARKET}
    redis.xtrim(f"gw:{{tickers:{exchange}}}:log", minid=f"{past.entries[4][0]}-0", approximate=False)
    async with past_of() as socket:
        begins_at = 0.0
        for start in (past.entries[0][0] / 1000, past.cursors[0]):
            refused = await socket.refused("subscribe", **asked, replay={"from": start, "speed": 1000})
            assert (refused["error_code"], refused["field"]) == ("REPLAY_UNAVAILABLE", "replay")
            begins_at = refused["begins_at"]
            assert past.entries[4][0] <= begins_at * 1000 <= past.entries[5][0]
        assert (await socket.done("list"))["subscriptions"] == []
        again = await socket.subscribe(**asked, replay={"from": begins_at, "speed": 1000})
        assert await replayed(socket, again["sub"]) == told(past)[5:]


async def test_a_log_that_lost_nothing_is_told_from_its_birth(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 5, 100)
    async with past_of() as socket:
        subscription = await socket.subscribe(
            "tickers", exchange=exchange, symbol=MARKET, replay={"from": 0, "speed": 1000}
        )
        assert subscription["replay"]["begins_at"] == past.entries[0][0] / 1000
        assert await replayed(socket, subscription["sub"]) == told(past)


async def test_a_key_without_a_past_is_live_at_once(past_of: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with past_of() as socket:
        subscription = await socket.subscribe(
            "tickers", exchange=exchange, symbol=MARKET, replay={"from": time.time() - 60, "speed": 1}
        )
        assert subscription["replay"]["begins_at"] is None
        assert await replayed(socket, subscription["sub"]) == []
        assert (await socket.frame())["data"] is None
        collector.tick(exchange, MARKET)
        assert (await socket.told(type="update"))["seq"] == 1


async def test_a_cursor_of_other_contents_cannot_be_replayed_from(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 3, 100)
    foreign = "other." + past.cursors[0].rpartition(".")[2]
    async with past_of() as socket:
        refused = await socket.refused(
            "subscribe", stream="tickers", exchange=exchange, symbol=MARKET, replay={"from": foreign}
        )
        assert refused["error_code"] == "REPLAY_UNAVAILABLE"


async def test_what_cannot_be_a_replay_is_refused_with_the_rule(past_of: Open) -> None:
    async with past_of() as socket:
        asked = {"stream": "tickers", "exchange": [fresh_name(), fresh_name()], "symbol": MARKET}
        for replay, also, code in (
            ({"from": 1, "speed": 0}, {}, "INVALID_PARAMS"),
            ({"from": 1, "speed": 1001}, {}, "INVALID_PARAMS"),
            ({"speed": 5}, {}, "INVALID_PARAMS"),
            ("yesterday", {}, "INVALID_PARAMS"),
            ({"from": -1}, {}, "INVALID_PARAMS"),
            ({"from": time.time() * 1000}, {}, "INVALID_PARAMS"),
            ({"from": "e.1-1"}, {}, "INVALID_PARAMS"),
            ({"from": "no cursor"}, {}, "INVALID_CURSOR"),
            ({"from": 1}, {"since": "e.1-1"}, "INVALID_PARAMS"),
        ):
            request = {**asked, "replay": replay, **also}
            refused = await socket.refused("subscribe", **request)
            assert (refused["error_code"], refused["field"]) == (code, "replay"), request
            explained = await socket.done("explain", request={"op": "subscribe", **request})
            assert explained["rule"].startswith(code)


async def test_the_past_of_others_is_forbidden_as_their_present_is(past_of: Open) -> None:
    async with past_of(PLAIN) as socket:
        refused = await socket.refused(
            "subscribe", stream="accounts", account=str(fresh_account()), replay={"from": 0, "speed": 10}
        )
        assert refused["error_code"] == "FORBIDDEN"


async def test_only_so_many_replays_run_on_one_socket(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    ticked(redis, exchange, 3, 20_000)
    async with past_of() as socket:
        asked: Frame = {"stream": "tickers", "exchange": exchange, "replay": {"from": 0, "speed": 1}}
        for number in range(socket.welcome["limits"]["replays"]):
            await socket.subscribe(**asked, symbol=f"NO{number}/NE" if number else MARKET)
            if number:  # a key without a past is live at once, and takes no room
                await socket.told(type="status", state="live")
        others = [fresh_name() for _ in range(socket.welcome["limits"]["replays"] - 1)]
        for other in others:
            ticked(redis, other, 3, 20_000)
            await socket.subscribe(**{**asked, "exchange": other}, symbol=MARKET)
        refused = await socket.refused("subscribe", **asked, symbol=OTHER)
        assert (refused["error_code"], refused["field"]) == ("REPLAY_UNAVAILABLE", "replay")
        await socket.done("unsubscribe", stream="tickers", exchange=exchange, symbol=MARKET)
        await socket.subscribe(**asked, symbol=OTHER)


async def test_unsubscribing_ends_a_replay_and_leaves_the_others(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 40, 500, MARKET, OTHER)
    async with past_of() as socket:
        ack = await socket.done(
            "subscribe",
            stream="tickers",
            exchange=exchange,
            symbol=[MARKET, OTHER],
            replay={"from": 0, "speed": 10},
        )
        first, second = (each["sub"] for each in ack["subscriptions"])
        listed = (await socket.done("list"))["subscriptions"]
        assert [(each["replay"], each["hot"]) for each in listed] == [(True, False)] * 2
        await socket.frame()
        await socket.done("unsubscribe", sub=first)
        await socket.nothing_more()
        rest = await replayed(socket, second)
        assert rest
        assert rest == told(past, f"{exchange}:{OTHER}")[-len(rest) :]
        (left,) = (await socket.done("list"))["subscriptions"]
        assert (left["hot"], left.get("replay")) == (True, None)


async def test_unsubscribing_all_of_a_replay_ends_it(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    ticked(redis, exchange, 40, 500)
    async with past_of() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol=MARKET, replay={"from": 0, "speed": 10})
        await socket.frame()
        await socket.done("unsubscribe", all=True)
        await socket.nothing_more()
        await asyncio.sleep(0.3)  # six frames would be due
        assert [frame for frame in await socket.nothing_more() if frame["type"] == "update"] == []


async def test_a_client_that_stops_reading_is_told_everything_later(past_of: Open, redis: Redis) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 20_000, 100)
    async with past_of() as socket:
        subscription = await socket.subscribe(
            "tickers", exchange=exchange, symbol=MARKET, replay={"from": 0, "speed": 1000}
        )
        socket.connection.transport.pause_reading()
        await asyncio.sleep(3.0)  # the whole past would have been due in 2 s
        socket.connection.transport.resume_reading()
        assert await replayed(socket, subscription["sub"]) == told(past)


async def test_a_log_that_is_trimmed_meanwhile_is_told_as_lost_and_followed_by_a_snapshot(
    past_of: Open, redis: Redis
) -> None:
    exchange = fresh_name()
    past = ticked(redis, exchange, 2000, 20)
    async with past_of() as socket:
        sub = (
            await socket.subscribe(
                "tickers", exchange=exchange, symbol=MARKET, replay={"from": past.cursors[0], "speed": 10}
            )
        )["sub"]
        await socket.frame()
        redis.xtrim(f"gw:{{tickers:{exchange}}}:log", maxlen=10, approximate=False)
        status = await socket.told(type="status", sub=sub)
        assert (status["state"], status["recovered"]) == ("live", False)
        snapshot = await socket.frame()
        assert (snapshot["type"], snapshot["seq"]) == ("snapshot", 2000)


async def test_a_server_that_drains_tells_the_past_until_it_closes(tmp_path: Path) -> None:
    exchange = fresh_name()
    with live_server(tmp_path, LOG_MAX_AGE_S="7200", DRAIN_S="2", DRAIN_NOTICE_S="0") as server:
        with Redis.from_url(server.redis_url) as redis:
            past = ticked(redis, exchange, 1000, 100)
        async with opened(server) as socket:
            await socket.subscribe(
                "tickers", exchange=exchange, symbol=MARKET, replay={"from": 0, "speed": 5}
            )
            seqs = [(await socket.told(type="update"))["seq"]]
            server.process.send_signal(signal.SIGTERM)
            rest: list[Frame] = []
            with pytest.raises(ConnectionClosed) as closed:
                await read_on(socket, rest)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    draining = next(place for place, frame in enumerate(rest) if frame.get("state") == "draining")
    assert any(frame["type"] == "update" for frame in rest[draining:])
    seqs += [frame["seq"] for frame in rest if frame["type"] == "update"]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) < len(past.entries)


async def read_on(socket: Native, into: list[Frame]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            into.append(await socket.frame())


async def test_a_redis_that_lost_everything_meanwhile_is_told_as_lost(
    own_server: LiveServer, own_native: Open, own_collector: Collector
) -> None:
    exchange = fresh_name()
    with Redis.from_url(own_server.redis_url) as redis:
        ticked(redis, exchange, 100, 500)
    async with own_native() as socket:
        sub = (
            await socket.subscribe(
                "tickers", exchange=exchange, symbol=MARKET, replay={"from": 0, "speed": 2}
            )
        )["sub"]
        await socket.told(type="update", replay=True)
        own_collector.do("FLUSHALL")
        own_collector.tick(exchange, MARKET, price=7.0)
        status = await socket.told(type="status", sub=sub)
        assert (status["state"], status["recovered"]) == ("live", False)
        while (frame := await socket.told(stream="tickers"))["data"] is None:
            pass
        assert (frame["data"]["price"], frame.get("replay")) == (7.0, None)
