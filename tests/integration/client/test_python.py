"""The Python client against a real gateway: types, buffers, questions, ends."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from cache_streams.client import (
    BlockingGateway,
    BufferOverflow,
    GatewayClosed,
    NotAuthorized,
    Policy,
    RequestRefused,
    connect,
)
from cache_streams.client.gateway import Gateway
from cache_streams.client.subscription import Subscription
from cache_streams.streams.accounts import Account
from cache_streams.streams.bots import Bot
from cache_streams.streams.ohlcv import Bar
from cache_streams.streams.orders import Order
from cache_streams.streams.positions import Positions
from cache_streams.streams.process import Process
from cache_streams.streams.tickers import Ticker
from cache_streams.streams.trades import Trade
from tests.integration.cache_sockets import token_of
from tests.integration.native.client import PLAIN
from tests.integration.wire.collector import Collector, fresh_account, fresh_name, position, trade
from tests.live import LiveServer

MARKET = "BTC/USDC"
DEADLINE_S = 10.0
Any_ = Any  # Any: whichever stream


@pytest.fixture
def gateway(live_server_process: LiveServer) -> Gateway:
    return connect(live_server_process.url, token=lambda: token_of(live_server_process))


async def first(subscription: Subscription[Any_]) -> Any_:
    """Return the first object that a subscription tells, out of its list if it is one."""
    async with asyncio.timeout(DEADLINE_S), subscription:
        async for message in subscription:
            if message.data:
                return message.data[0] if isinstance(message.data, list) else message.data
    raise AssertionError("it ended without a word")


async def read_slowly(subscription: Subscription[Any_]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await asyncio.sleep(0.05)  # slow on purpose
            await subscription.get()


EXCHANGE, ACCOUNT, BOT, SYMBOL, KIND = (
    fresh_name(),
    fresh_account(),
    fresh_name("b"),
    fresh_name("S"),
    fresh_name("p"),
)
STREAMS: list[tuple[type, Callable[[Collector], object], Callable[[Gateway], Subscription[Any_]]]] = [
    (Ticker, lambda it: it.tick(EXCHANGE, MARKET), lambda gateway: gateway.tickers(EXCHANGE, MARKET)),
    (
        Trade,
        lambda it: it.trades(EXCHANGE, MARKET, trade(1)),
        lambda gateway: gateway.trades(EXCHANGE, [MARKET]),
    ),
    (
        Order,
        lambda it: it.order(EXCHANGE, "O1", ex_id=str(ACCOUNT)),
        lambda gateway: gateway.orders(EXCHANGE),
    ),
    (
        Account,
        lambda it: it.account(ACCOUNT, BTC={"total": 1.0, "free": 1.0, "used": 0.0}),
        lambda gateway: gateway.accounts(str(ACCOUNT)),
    ),
    (
        Positions,
        lambda it: it.positions(ACCOUNT, **{MARKET: position(1.0)}),
        lambda gateway: gateway.positions(str(ACCOUNT)),
    ),
    (Bot, lambda it: it.bot(BOT, feed={"status": "running"}), lambda gateway: gateway.bots(BOT)),
    (
        Bar,
        lambda it: it.bars(SYMBOL, "1m", [time.time() // 60 * 60, 1.0, 2.0, 0.5, 1.5, 3.0]),
        lambda gateway: gateway.ohlcv(SYMBOL, "1m"),
    ),
    (Process, lambda it: it.process("bot", KIND), lambda gateway: gateway.process("bot")),
]


@pytest.mark.parametrize(
    ("wanted", "write", "follow"), STREAMS, ids=lambda each: getattr(each, "__name__", "")
)
async def test_each_stream_tells_objects_of_its_type(
    gateway: Gateway,
    collector: Collector,
    wanted: type,
    write: Callable[[Collector], object],
    follow: Callable[[Gateway], Subscription[Any_]],
) -> None:
    write(collector)
    async with gateway:
        assert isinstance(await first(follow(gateway)), wanted)


async def test_a_reader_that_is_slower_than_the_trades_loses_none(
    gateway: Gateway, collector: Collector
) -> None:
    exchange, count = fresh_name(), 600
    async with gateway, gateway.trades(exchange, MARKET, buffer=5) as trades:
        await trades.begun()
        collector.trades(exchange, MARKET, *(trade(number) for number in range(count)))
        seqs: list[int] = []
        async with asyncio.timeout(DEADLINE_S):
            while not seqs or seqs[-1] < count:
                message = await trades.get()
                seqs += range(1, message.seq + 1) if message.kind == "snapshot" else [message.seq]
                await asyncio.sleep(0)
    assert seqs == list(range(1, count + 1))
    assert trades.dropped == 0


async def test_latest_gives_a_slow_reader_the_newest_and_says_what_it_missed(
    gateway: Gateway, collector: Collector
) -> None:
    exchange = fresh_name()
    async with gateway, gateway.tickers(exchange, MARKET, mode="every", policy=Policy.LATEST) as ticks:
        await ticks.begun()
        collector.tick(exchange, MARKET, price=1.0)
        async with asyncio.timeout(DEADLINE_S):
            while not (message := await ticks.get()).data:
                pass
            for price in range(2, 52):
                collector.tick(exchange, MARKET, price=float(price))
            read, missed = message.seq, 0
            while message.data.price < 51.0:
                message = await ticks.get()
                read, missed = read + 1, missed + message.missed
                await asyncio.sleep(0.05)  # a slow reader, on purpose
    assert message.seq == read + missed
    assert missed > 0
    assert ticks.dropped == missed


async def test_a_thousand_keys_with_cursors_are_resumed(gateway: Gateway, collector: Collector) -> None:
    exchange = fresh_name()
    symbols = [f"SYMBOL-WITH-A-LONG-NAME-{number:04}/USDC" for number in range(1_000)]
    collector.tick(exchange, symbols[0], price=1.0)
    async with asyncio.timeout(DEADLINE_S * 3), gateway:
        async with gateway.tickers(exchange, symbols[0]) as tickers:
            while (cursor := (await tickers.get()).cursor) is None:
                pass  # the relay has not taken it yet
        since = {f"{exchange}:{symbol}": cursor for symbol in symbols}
        async with gateway.tickers(exchange, symbols, since=since) as tickers:
            assert (await tickers.begun()).recovered is True
            collector.tick(exchange, symbols[-1], price=2.0)
            assert (await tickers.get()).key == f"{exchange}:{symbols[-1]}"
    assert gateway.counters.connections == 1


async def test_raise_ends_a_subscription_that_is_not_read(gateway: Gateway, collector: Collector) -> None:
    exchange = fresh_name()
    async with gateway, gateway.trades(exchange, MARKET, policy=Policy.RAISE, buffer=3) as trades:
        await trades.begun()
        collector.trades(exchange, MARKET, *(trade(number) for number in range(50)))
        with pytest.raises(BufferOverflow, match="3 messages were waiting"):
            await read_slowly(trades)


async def test_a_snapshot_is_asked_once(gateway: Gateway, collector: Collector) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=7.0)
    async with gateway:
        async with asyncio.timeout(DEADLINE_S):
            while not (told := await gateway.snapshot("tickers", exchange=exchange, symbol="*")):
                await asyncio.sleep(0.02)
    assert [(each.key, each.data.price) for each in told] == [(f"{exchange}:{MARKET}", 7.0)]


async def test_what_is_not_theirs_is_refused_to_the_reader(live_server_process: LiveServer) -> None:
    async with connect(live_server_process.url, token=token_of(live_server_process, PLAIN)) as gateway:
        with pytest.raises(RequestRefused, match="FORBIDDEN") as refused:
            await first(gateway.accounts(str(fresh_account())))
    assert not refused.value.retryable


async def test_a_token_that_ends_soon_is_replaced_without_a_new_socket(
    live_server_process: LiveServer,
) -> None:
    ends = itertools.chain([3], itertools.repeat(600))
    gateway = connect(
        live_server_process.url,
        token=lambda: token_of(live_server_process, exp=int(time.time()) + next(ends)),
    )
    async with gateway:
        began = time.time()
        async with asyncio.timeout(DEADLINE_S):
            while time.time() < began + 4.0:  # beyond the end of the first token
                await gateway.ping()
                await asyncio.sleep(0.2)
        assert gateway.counters.connections == 1


async def test_a_refused_token_is_named_and_not_shown(live_server_process: LiveServer) -> None:
    with pytest.raises(NotAuthorized) as refused:
        async with connect(live_server_process.url, token="a.secret.b"):
            pass
    assert "secret" not in str(refused.value)


def test_without_await_a_snapshot_and_a_subscription_are_read(
    live_server_process: LiveServer, collector: Collector
) -> None:
    exchange = fresh_name()
    collector.tick(exchange, MARKET, price=7.0)
    with BlockingGateway(connect(live_server_process.url, token=token_of(live_server_process))) as gateway:
        with gateway.subscribe("tickers", {"exchange": exchange, "symbol": MARKET}) as ticks:
            while (message := ticks.get(timeout_s=DEADLINE_S)).data is None:
                pass
            assert message.data.price == 7.0
            frame = gateway.frame("tickers", exchange=exchange, symbol="*")
            assert list(frame["price"]) == [7.0]
            with pytest.raises(TimeoutError):
                ticks.get(timeout_s=0.05)
            assert ticks.cursors is not None
        assert gateway.ping() > 0
        assert gateway.state.name == "open"
        with pytest.raises(RequestRefused, match="UNKNOWN_STREAM"):
            gateway.snapshot("weather", place="here")


def test_without_await_iterating_ends_with_the_gateway(live_server_process: LiveServer) -> None:
    with BlockingGateway(connect(live_server_process.url, token=token_of(live_server_process))) as gateway:
        ticks = gateway.subscribe("tickers", {"exchange": fresh_name(), "symbol": "*"})
    assert list(ticks) == []
    with pytest.raises(GatewayClosed):
        gateway.ping()


def test_without_await_a_refused_token_leaves_no_thread(live_server_process: LiveServer) -> None:
    gateway = BlockingGateway(connect(live_server_process.url, token="a.b.c"))
    with pytest.raises(NotAuthorized), gateway:
        pass
    with pytest.raises(RuntimeError, match="opened once"), gateway:
        pass
