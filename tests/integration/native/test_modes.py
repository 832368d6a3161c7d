"""The three modes: what each tells a socket that reads, and one that does not read for a while."""

from __future__ import annotations

import asyncio
import itertools
import time

from tests.integration.native.client import Mirror, Native
from tests.integration.native.conftest import Open
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.integration.wire.rpc_client import DEADLINE_S

MARKET = "BTC/USDC"
BULK = "x" * 20_000
"""As an order's status: some hundreds of them fill every buffer between server and client."""
BULKY = 300


async def test_every_tells_each_change(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with native() as socket:
        await socket.subscribe("trades", exchange=exchange, symbol=MARKET)
        collector.trades(exchange, MARKET, *(trade(number) for number in range(500)))
        mirror = Mirror(every=True)
        while mirror.seq != 500:
            mirror.apply(await socket.frame())


async def test_sample_tells_the_newest_value_once_an_interval(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    interval_s = 0.3
    async with native() as socket:
        await socket.subscribe(
            "tickers", exchange=exchange, symbol=MARKET, mode="sample", interval_ms=int(interval_s * 1000)
        )
        assert (await socket.frame())["type"] == "snapshot"
        began = time.monotonic()
        last = await moving(collector, exchange, 1.5)
        seqs, price = [0], 0.0
        while price != last:
            frame = await socket.frame()
            seqs.append(frame["seq"])
            price = frame["data"]["price"]
        assert len(seqs) <= (time.monotonic() - began) / interval_s + 2
        assert max(later - earlier for earlier, later in itertools.pairwise(seqs)) > 1


async def test_a_jump_is_the_number_of_updates_left_out(native: Open, collector: Collector) -> None:
    exchange = fresh_name()
    async with native() as every, native() as sampled:
        await every.subscribe("tickers", exchange=exchange, symbol=MARKET, mode="every")
        await sampled.subscribe("tickers", exchange=exchange, symbol=MARKET, mode="sample", interval_ms=300)
        last = await moving(collector, exchange, 1.0)
        told: dict[int, float] = {}
        while not told or told[max(told)] != last:
            frame = await every.frame()
            told |= {frame["seq"]: frame["data"]["price"]} if frame["data"] else {}
        while (frame := await sampled.told(type="update"))["data"]["price"] != last:
            assert told[frame["seq"]] == frame["data"]["price"]
        assert frame["seq"] == max(told)


async def test_a_slow_reader_of_every_change_misses_none(native: Open, collector: Collector) -> None:
    exchange, bot = fresh_name(), fresh_name("bot")
    async with native() as socket:
        await fall_behind(native, socket, collector, exchange, bot)
        mirror = Mirror(every=True)
        while mirror.seq != BULKY:
            mirror.apply(await socket.told(stream="orders"))
        assert {each["order_id"] for each in mirror.data} == {f"O{number}" for number in range(BULKY)}


async def test_a_slow_reader_of_the_latest_wakes_up_on_the_newest_value(
    native: Open, collector: Collector
) -> None:
    exchange, bot = fresh_name(), fresh_name("bot")
    async with native() as socket:
        await fall_behind(native, socket, collector, exchange, bot)
        mirror = Mirror(every=False)
        while mirror.data is None or mirror.data["feeds"]["f"]["n"] != 20:
            mirror.apply(await socket.told(stream="bots"))
        assert len(mirror.updates) < 20
        (listed,) = [
            each for each in (await socket.done("list"))["subscriptions"] if each["stream"] == "bots"
        ]
        assert listed["skipped"] > 0


async def fall_behind(native: Open, socket: Native, collector: Collector, exchange: str, bot: str) -> None:
    """Subscribe to orders (every) and a bot (latest), read nothing while more changes than fits, then read on."""
    await socket.subscribe("orders", exchange=exchange, account="7")
    await socket.subscribe("bots", bot=bot)
    async with native() as other:
        await other.subscribe("orders", exchange=exchange, account="7", mode="sample", interval_ms=200)
        await other.subscribe("bots", bot=bot)
        socket.connection.transport.pause_reading()
        for number in range(BULKY):
            collector.order(exchange, f"O{number}", ex_id=7, status=BULK)
        while (await other.told(stream="orders"))["seq"] < BULKY:
            pass
        for number in range(1, 21):
            collector.bot(bot, f={"n": number})
            await other.told(stream="bots", type="update")
    socket.connection.transport.resume_reading()


async def moving(collector: Collector, exchange: str, for_s: float) -> float:
    """Let a price rise for some seconds; return the last one."""
    stop_at, price = time.monotonic() + min(for_s, DEADLINE_S), 0.0
    while time.monotonic() < stop_at:
        price += 1.0
        collector.tick(exchange, MARKET, price=price)
        await asyncio.sleep(0.01)
    return price
