"""Going on from a cursor: what follows, what is said when it cannot, and what an epoch changes."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from redis import Redis

from tests.integration.native.client import Mirror, Native
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.live import LiveServer

MARKET = "BTC/USDC"


async def numbered(native: Open, collector: Collector, exchange: str, count: int) -> list[str]:
    """Return the cursors of ``count`` trades, once all of them are in the log."""
    async with native() as socket:
        await socket.subscribe("trades", exchange=exchange, symbol=MARKET)
        collector.trades(exchange, MARKET, *(trade(number) for number in range(1, count + 1)))
        cursors: list[str] = []
        while len(cursors) < count:
            frame = await socket.frame()
            if frame["type"] == "snapshot" and frame["seq"]:
                raise AssertionError(
                    "the log was born after it was subscribed to: there is nothing to tell yet"
                )
            cursors += [frame["cursor"]] if frame["type"] == "update" else []
        return cursors


@pytest.mark.parametrize("mode", ["every", "latest", "sample"])
async def test_all_updates_since_a_cursor_follow_and_no_snapshot(
    native: Open, collector: Collector, mode: str
) -> None:
    exchange = fresh_name()
    cursors = await numbered(native, collector, exchange, 8)
    async with native() as socket:
        subscription = await socket.subscribe(
            "trades", exchange=exchange, symbol=MARKET, mode=mode, since=cursors[2]
        )
        assert (subscription["recovered"], subscription["cursor"]) == (True, cursors[2])
        frames = [await socket.frame() for _ in range(5)]
        assert [(frame["type"], frame["seq"]) for frame in frames] == [("update", n) for n in range(4, 9)]
        collector.trades(exchange, MARKET, trade(9))
        assert (await socket.frame())["seq"] == 9


async def test_a_cursor_at_the_end_is_recovered_with_nothing_to_follow(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    cursors = await numbered(native, collector, exchange, 3)
    async with native() as socket:
        assert (await socket.subscribe("trades", exchange=exchange, symbol=MARKET, since=cursors[-1]))[
            "recovered"
        ] is True
        assert await socket.nothing_more() == []
        collector.trades(exchange, MARKET, trade(4))
        assert (await socket.frame())["seq"] == 4


async def test_a_cursor_of_other_contents_is_told_as_lost_and_followed_by_a_snapshot(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    cursors = await numbered(native, collector, exchange, 3)
    gone = "other." + cursors[1].rpartition(".")[2]
    async with native() as socket:
        subscription = await socket.subscribe("trades", exchange=exchange, symbol=MARKET, since=gone)
        assert subscription["recovered"] is False
        snapshot = await socket.frame()
        assert (snapshot["type"], snapshot["seq"], len(snapshot["data"])) == ("snapshot", 3, 3)


async def test_a_cursor_that_was_trimmed_is_told_as_lost(
    live_server_process: LiveServer, native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    cursors = await numbered(native, collector, exchange, 6)
    with Redis.from_url(live_server_process.redis_url) as redis:
        redis.xtrim(f"gw:{{trades:{exchange}}}:log", minid=cursors[4].rpartition(".")[2], approximate=False)
    async with native() as socket:
        lost = await socket.subscribe("trades", exchange=exchange, symbol=MARKET, since=cursors[1])
        assert lost["recovered"] is False
        assert (await socket.frame())["type"] == "snapshot"
    async with native() as socket:
        kept = await socket.subscribe("trades", exchange=exchange, symbol=MARKET, since=cursors[4])
        assert kept["recovered"] is True
        assert (await socket.frame())["seq"] == 6


async def test_without_since_nothing_is_said_about_recovery(native: Open) -> None:
    async with native() as socket:
        assert (await socket.subscribe("tickers", exchange=fresh_name(), symbol=MARKET))["recovered"] is None


async def test_every_key_of_a_log_is_resumed_with_the_cursor_of_its_last_frame(
    native: Open, collector: Collector
) -> None:
    exchange = fresh_name()
    async with native() as socket:
        await socket.subscribe("tickers", exchange=exchange, symbol="*", mode="every")
        collector.tick(exchange, "A/B", price=1.0)
        collector.tick(exchange, "C/D", price=1.0)
        last = [await socket.frame() for _ in range(2)][-1]
    collector.tick(exchange, "A/B", price=2.0)
    collector.tick(exchange, "C/D", price=2.0)
    async with native() as socket:
        again = await socket.subscribe(
            "tickers", exchange=exchange, symbol="*", mode="every", since=last["cursor"]
        )
        assert again["recovered"] is True
        frames = [await socket.frame() for _ in range(2)]
        assert [(frame["data"]["price"], frame["seq"]) for frame in frames] == [(2.0, 2), (2.0, 2)]


async def test_several_logs_are_resumed_with_a_cursor_for_each(native: Open, collector: Collector) -> None:
    one, other = fresh_name(), fresh_name()
    async with native() as socket:
        made = await socket.done("subscribe", stream="tickers", exchange=[one, other], symbol=[MARKET])
        assert len(made["subscriptions"]) == 2
        cursors: dict[str, str] = {}
        for exchange in (one, other):
            collector.tick(exchange, MARKET, price=1.0)
            frame = await socket.told(type="update")
            cursors[frame["key"]] = frame["cursor"]
    for exchange in (one, other):
        collector.tick(exchange, MARKET, price=2.0)
    async with native() as socket:
        again = await socket.done(
            "subscribe", stream="tickers", exchange=[one, other], symbol=[MARKET], mode="every", since=cursors
        )
        assert [each["recovered"] for each in again["subscriptions"]] == [True, True]
        seen = {(frame["key"], frame["seq"]) for frame in [await socket.frame() for _ in range(2)]}
        assert seen == {(f"{one}:{MARKET}", 2), (f"{other}:{MARKET}", 2)}


async def test_a_socket_that_is_cut_again_and_again_is_told_each_trade_once(
    native: Open, collector: Collector
) -> None:
    exchange, count = fresh_name(), 1500

    async def write() -> None:
        for number in range(count):
            collector.trades(exchange, MARKET, trade(number))
            await asyncio.sleep(0)

    seqs: list[int] = []
    cursor: str | None = None
    writer = asyncio.create_task(write())
    for life in itertools.count(1):
        async with native() as socket:
            since = {} if cursor is None else {"since": cursor, "snapshot": False}
            subscription = await socket.subscribe("trades", exchange=exchange, symbol=MARKET, **since)
            assert cursor is None or subscription["recovered"] is True
            cursor = await follow(socket, seqs, cursor, 40 * life, count)
            socket.connection.transport.abort()
        if seqs and seqs[-1] == count:
            break
    await writer
    assert seqs == list(range(1, count + 1))
    assert life > 3


async def follow(socket: Native, seqs: list[int], cursor: str | None, at_most: int, count: int) -> str | None:
    for _ in range(at_most):
        if seqs and seqs[-1] == count:
            break
        frame = await socket.frame()
        cursor = frame["cursor"] or cursor
        if frame["type"] == "update":
            seqs.append(frame["seq"])
        else:
            assert not seqs
            seqs += range(1, frame["seq"] + 1)
    return cursor


async def test_a_redis_that_lost_everything_is_a_new_epoch_told_by_a_snapshot(
    own_server: LiveServer, own_native: Open, own_collector: Collector
) -> None:
    exchange = fresh_name()
    cursors = await numbered(own_native, own_collector, exchange, 3)
    async with own_native() as socket:
        await socket.subscribe("trades", exchange=exchange, symbol=MARKET)
        mirror = Mirror(every=True)
        mirror.apply(await socket.frame())
        assert mirror.seq == 3
        own_collector.do("FLUSHALL")
        own_collector.trades(exchange, MARKET, trade(100))
        while mirror.data is None or [each["trade_id"] for each in mirror.data] != ["100"]:
            mirror.apply(await socket.told(stream="trades"))
        assert mirror.cursor is not None
        assert mirror.cursor.rpartition(".")[0] != cursors[0].rpartition(".")[0]
    async with own_native() as socket:
        again = await socket.subscribe("trades", exchange=exchange, symbol=MARKET, since=cursors[1])
        assert again["recovered"] is False
