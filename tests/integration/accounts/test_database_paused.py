"""PostgreSQL that stops in the middle, or is restarted: streams flow on, and all is well soon after it is back."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from itertools import pairwise

import httpx
import pytest
from redis import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.forged_tokens import GHOST, token
from tests.integration.native.client import Native, opened
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.live import ADMIN_MAIL, PASSWORD, LiveServer, live_server
from tests.postgres import TestPostgres

PAUSE_S = 10.0
GAP_S, ANSWER_S, RECOVERY_S = 2.0, 5.0, 5.0
DEADLINE_S = 20.0
TRADES_WHILE_AWAY = 200
TRADE_PAUSE_S = 0.01
MARKET = ("kraken", "BTC/USDC")
NATIVE, PUSH, RPC = "/api/v1/stream", "/api/v1/cache/ws/tickers/kraken/BTC/USDC", "/api/v1/cache/ws/tickers/c"


@pytest.fixture(scope="module")
def postgres() -> Iterator[TestPostgres]:
    server = TestPostgres.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, postgres: TestPostgres) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("paused"), workers=2, DATABASE_URL=postgres.url) as running:
        yield running


class Watch:
    """When the frames of one socket came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.times: list[float] = []

    async def listen(self) -> None:
        async for _ in self.socket:
            self.times.append(time.monotonic())

    def longest_gap(self, since: float, until: float) -> float:
        inside = [since, *(each for each in self.times if since <= each <= until), until]
        return max(after - before for before, after in pairwise(inside))


async def follow(stack: AsyncExitStack, server: LiveServer, path: str) -> Watch:
    headers = {"Authorization": f"Bearer {token(server.jwt_secret)}"}
    socket = await stack.enter_async_context(connect(server.ws_url + path, additional_headers=headers))
    if path == NATIVE:
        await socket.send(
            json.dumps({"op": "subscribe", "stream": "tickers", "exchange": MARKET[0], "symbol": MARKET[1]})
        )
    elif path == RPC:
        await socket.send(
            json.dumps({"action": "stream_tickers", "request_id": 1, "params": {"exchange": MARKET[0]}})
        )
    return Watch(socket)


async def tick_for_ever(server: LiveServer) -> None:
    """Write a price ten times a second."""
    collector, price = Collector(Redis.from_url(server.redis_url)), 1.0
    while True:
        price += 1.0
        await asyncio.to_thread(collector.tick, *MARKET, price=price)
        await asyncio.sleep(0.1)


async def answers(server: LiveServer, until: float) -> list[tuple[str, int, float]]:
    """Return status and seconds of requests of every kind, many at once, sent until a moment."""

    async def one(client: httpx.AsyncClient, name: str, number: int) -> tuple[str, int, float]:
        started = time.monotonic()
        if name == "login":
            answered = await client.post(
                "/api/v1/auth/login", data={"username": f"{number}@fullon", "password": "x"}
            )
        else:
            signed = {"Authorization": f"Bearer {token(server.jwt_secret)}"}
            answered = await client.get("/api/v1/orm/users/me", headers=signed)
        return name, answered.status_code, time.monotonic() - started

    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S, limits=limits) as client:
        asked: list[asyncio.Task[tuple[str, int, float]]] = []
        number = 0
        while time.monotonic() < until:
            for name in ("me", "me", "me", "login"):
                number += 1
                asked.append(asyncio.create_task(one(client, name, number)))
            await asyncio.sleep(0.4)
        return await asyncio.gather(*asked)


async def stranger(server: LiveServer, user_id: int) -> int:
    """Return how a handshake of somebody whom no worker has seen lately is answered; 101 when it is let in."""
    headers = {"Authorization": f"Bearer {token(server.jwt_secret, user_id=user_id)}"}
    try:
        async with connect(server.ws_url + RPC, additional_headers=headers, open_timeout=DEADLINE_S):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def until_well(server: LiveServer) -> float:
    """Return after how many seconds a login, a request and a handshake succeed."""
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
        while True:
            form = {"username": ADMIN_MAIL, "password": PASSWORD}
            login = await client.post("/api/v1/auth/login", data=form)
            signed = {"Authorization": f"Bearer {token(server.jwt_secret)}"}
            me = await client.get("/api/v1/orm/users/me", headers=signed)
            if (login.status_code, me.status_code, await stranger(server, 2)) == (200, 200, 101):
                return time.monotonic() - started
            assert time.monotonic() - started < DEADLINE_S, (login.text, me.text)
            await asyncio.sleep(0.1)


async def test_a_paused_database_stops_no_stream_and_is_told_in_time(
    server: LiveServer, postgres: TestPostgres
) -> None:
    async with AsyncExitStack() as stack:
        watches = [await follow(stack, server, path) for path in (NATIVE, PUSH, RPC) for _ in range(2)]
        tasks = [asyncio.create_task(each.listen()) for each in watches]
        tasks.append(asyncio.create_task(tick_for_ever(server)))
        while not all(len(each.times) > 5 for each in watches):
            await asyncio.sleep(0.05)
        with postgres.paused():
            since = time.monotonic()
            told = asyncio.create_task(answers(server, since + PAUSE_S - ANSWER_S))
            asked_at = time.monotonic()
            assert await stranger(server, GHOST) == 503
            assert time.monotonic() - asked_at <= ANSWER_S
            answered = await told
            await asyncio.sleep(max(0.0, since + PAUSE_S - time.monotonic()))
        well_after = await until_well(server)
        until = time.monotonic()
        assert {status for _, status, _ in answered} == {503}, answered
        assert max(seconds for _, _, seconds in answered) <= ANSWER_S
        assert well_after <= RECOVERY_S
        assert max(each.longest_gap(since, until) for each in watches) <= GAP_S
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Trades:
    """Writes trades of one exchange, numbered from 1, until the block ends; ``written`` is the newest."""

    def __init__(self, server: LiveServer, exchange: str) -> None:
        self.exchange, self.written = exchange, 0
        self._redis_url = server.redis_url

    @contextmanager
    def flowing(self) -> Iterator[None]:
        ending = threading.Event()
        thread = threading.Thread(target=self._write, args=(ending,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _write(self, ending: threading.Event) -> None:
        with Redis.from_url(self._redis_url) as redis:
            collector = Collector(redis)
            while not ending.wait(TRADE_PAUSE_S):
                collector.trades(self.exchange, MARKET[1], trade(self.written + 1))
                self.written += 1


async def receive(native: Native, numbers: list[int], until: int) -> None:
    """Take frames until a trade was told, and note the ``trade_id`` of each that is told."""
    while not numbers or numbers[-1] < until:
        frame = await native.frame()
        if frame["type"] == "snapshot":
            numbers += [int(each["trade_id"]) for each in frame["data"] or []]  # null: there is no log yet
        elif frame["type"] == "update":
            numbers.append(int(frame["data"]["trade_id"]))


async def test_a_restart_of_the_database_costs_a_native_socket_nothing(
    server: LiveServer, postgres: TestPostgres
) -> None:
    trades, received = Trades(server, fresh_name()), list[int]()
    wish = {"exchange": trades.exchange, "symbol": MARKET[1], "mode": "every"}
    async with opened(server) as native, asyncio.timeout(3 * DEADLINE_S):
        await native.subscribe("trades", **wish)
        with trades.flowing():
            await receive(native, received, 1)
            with postgres.stopped():
                assert await stranger(server, GHOST) == 503
                await receive(native, received, trades.written + TRADES_WHILE_AWAY)
            assert await until_well(server) <= RECOVERY_S
            async with opened(server, 2) as newcomer:
                await newcomer.subscribe("trades", **wish)
                after: list[int] = []
                await receive(newcomer, after, trades.written + 1)
        await receive(native, received, trades.written)
    assert received == list(range(1, received[-1] + 1))
    assert after == list(range(after[0], after[-1] + 1))
