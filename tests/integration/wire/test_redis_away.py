"""While Redis does not answer: queries say so, sockets stay open, and streams go on by themselves afterwards."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager

import pytest

from cache_streams.protocol.rpc.actions import ACTIONS, Answer
from tests.integration.wire.collector import Collector, fresh_name, position, trade
from tests.integration.wire.rpc_client import Connect, Frame, Socket
from tests.live import LiveServer

MARKET = "BTC/USDC"
PARAMS = {
    "exchange": "away", "symbol": MARKET, "symbols": [MARKET], "order_id": "O1", "bot_id": "7", "timeframe": "1m",
    "key": "away", "component": "b1",
}  # fmt: skip
ACCOUNT_PARAMS = {"user_id": 1, "exchange": 1, "currency": "USDT"}
OWN = {"ping", "health_check", "unsubscribe"}
QUERIES = [name for name, action in ACTIONS.items() if action.answer is Answer.QUERY and name not in OWN]
STREAMS = [name for name, action in ACTIONS.items() if action.answer is Answer.STREAM]


def params_of(name: str) -> Frame:
    return dict(ACCOUNT_PARAMS if ACTIONS[name].domain == "accounts" else PARAMS)


@contextmanager
def redis_stopped(server: LiveServer) -> Iterator[None]:
    """Let the server's Redis hold its breath: its connections stay open, and nothing is answered."""
    os.kill(server.redis_pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.redis_pid, signal.SIGCONT)


def write_everything(collector: Collector, round_: int) -> None:
    collector.tick("away", MARKET, price=float(round_))
    collector.trades("away", MARKET, trade(round_))
    collector.order("away", f"O{round_}")
    collector.account(1, USDT={"total": float(round_)})
    collector.positions(1, **{MARKET: position(float(round_))})
    collector.bot("7", feed={"round": round_})
    collector.bars(MARKET, "1m", [1700000000 + 60 * round_, 1, 2, 0.5, 1, 5])
    collector.process("bot", f"b{round_}")


async def told(socket: Socket, name: str, round_: int) -> None:
    """Return once the stream has told what ``write_everything`` wrote last."""
    facts: dict[str, Frame] = {
        "stream_tickers": {"price": float(round_)},
        "stream_trade_updates": {"trade_id": round_},
        "stream_order_queue": {"queue_length": round_},
        "stream_balances": {
            "balances": {"USDT": {"total": float(round_), "free": float(round_), "used": 0.0}}
        },
        "stream_positions": {"size": float(round_)},
        "stream_ohlcv": {"bar": [1700000000 + 60 * round_, 1, 2, 0.5, 1, 5]},
        "stream_process_health": {"active_processes": round_},
    }
    if name == "stream_bot_status":
        await socket.until(
            lambda frame: frame["result"]["bots"].get("7", {}).get("feed", {}).get("round") == round_
        )
    else:
        await socket.until_told(**facts[name])


async def test_every_query_says_that_the_cache_does_not_answer(
    own_connect: Connect, own_server: LiveServer, own_collector: Collector
) -> None:
    write_everything(own_collector, 1)
    async with AsyncExitStack() as stack:
        sockets = {
            name: await stack.enter_async_context(own_connect("/ws")) for name in [*QUERIES, "health_check"]
        }
        with redis_stopped(own_server):
            async with asyncio.TaskGroup() as tasks:
                asked = {
                    name: tasks.create_task(socket.ask(name, **params_of(name)))
                    for name, socket in sockets.items()
                }
            for name in QUERIES:
                frame = asked[name].result()
                assert (name, frame.get("error_code"), frame["success"]) == (name, "CACHE_ERROR", False)
                assert frame["action"] == name
            health = asked["health_check"].result()["result"]
            assert (health["websocket"]["status"], health["cache"]["status"]) == ("healthy", "unhealthy")
        for name, socket in sockets.items():
            # The first questions may still be asked over a connection that broke.
            while (answer := await socket.ask(name, **params_of(name))).get("error_code") == "CACHE_ERROR":
                pass
            assert name in QUERIES or answer["result"]["cache"]["status"] == "healthy"


async def test_sockets_answer_and_open_while_redis_is_away(
    own_connect: Connect, own_server: LiveServer
) -> None:
    async with own_connect("/ws/tickers/c") as before:
        with redis_stopped(own_server):
            await before.quiet()
            async with own_connect("/ws/orders/c") as during:
                await during.quiet()
                frame = await during.ask("get_order_status")
                assert frame["error_code"] == "INVALID_PARAMS"


async def test_running_streams_go_on_by_themselves(
    own_connect: Connect, own_server: LiveServer, own_collector: Collector
) -> None:
    async with AsyncExitStack() as stack:
        sockets = {name: await stack.enter_async_context(own_connect("/ws")) for name in STREAMS}
        write_everything(own_collector, 1)
        for name, socket in sockets.items():
            await socket.stream(name, **params_of(name))
            await told(socket, name, 1)
        with redis_stopped(own_server):
            frame = await sockets["stream_tickers"].answer_to("get_ticker", **PARAMS)
            assert frame["error_code"] == "CACHE_ERROR"
        write_everything(own_collector, 2)
        for name, socket in sockets.items():
            await told(socket, name, 2)


async def test_a_stream_that_starts_meanwhile_is_confirmed_warned_of_and_begins_afterwards(
    own_connect: Connect, own_server: LiveServer, own_collector: Collector
) -> None:
    exchange = fresh_name()
    async with own_connect("/ws/tickers/c") as socket:
        with redis_stopped(own_server):
            await socket.stream("stream_tickers", exchange=exchange, symbols=[MARKET])
            trouble = await socket.receive()
            assert (trouble["request_id"], trouble["success"], trouble["error_code"]) == (
                "s1",
                False,
                "CACHE_ERROR",
            )
        own_collector.tick(exchange, MARKET, price=9.0)
        assert (await socket.update("ticker_update"))["price"] == 9.0


@pytest.mark.parametrize("path", ["BTC/USDC", "BTC-USDC"])
async def test_push_sockets_are_silent_meanwhile_and_go_on(
    own_connect: Connect, own_server: LiveServer, own_collector: Collector, path: str
) -> None:
    first, second = fresh_name(), fresh_name()
    own_collector.tick(first, MARKET, price=1.0)
    own_collector.tick(second, MARKET, price=1.0)
    async with own_connect(f"/ws/tickers/{first}/{path}") as open_before:
        assert (await open_before.receive())["price"] == 1.0
        async with AsyncExitStack() as stack:
            with redis_stopped(own_server):
                late = await stack.enter_async_context(own_connect(f"/ws/tickers/{second}/{path}"))
                for socket in (open_before, late):
                    # A question lasts as long as it takes to give up, and nothing else is sent meanwhile.
                    assert await socket.error("get_ticker", **PARAMS) == "CACHE_ERROR"
            assert (await late.receive())["price"] == 1.0
        own_collector.tick(first, MARKET, price=2.0)
        assert (await open_before.receive())["price"] == 2.0


@pytest.mark.parametrize("name", ["is_blocked", "get_bots"])
async def test_a_redis_that_refuses_to_answer_is_not_taken_for_an_empty_one(
    own_connect: Connect, own_collector: Collector, name: str
) -> None:
    own_collector.do("HSET", "block_exchange", f"away:{MARKET}", "7")
    async with own_connect("/ws/bots/c") as socket:
        own_collector.do("ACL", "SETUSER", "default", "-hgetall")
        try:
            frame = await socket.ask(name, **PARAMS)
        finally:
            own_collector.do("ACL", "SETUSER", "default", "+@all")
        assert frame.get("error_code") == "CACHE_ERROR"
