"""``/api/v1/stream``: which partitions a stream has, and the bars before the present one."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis.asyncio
from websockets.asyncio.client import connect

from tests.live import ADMIN_MAIL, LiveServer

Answer = dict[str, Any]  # Any: JSON
Ask = Callable[..., Awaitable[Answer]]


@pytest.fixture
async def cache(live_server_process: LiveServer) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(live_server_process.redis_url) as client:
        yield client


@pytest.fixture
async def ask(live_server_process: LiveServer) -> AsyncIterator[Ask]:
    token = live_server_process.manage("token", "--user", ADMIN_MAIL).strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"{live_server_process.ws_url}/api/v1/stream", additional_headers=headers) as socket:

        async def request(**fields: Any) -> Answer:  # Any: whatever a client may send
            await socket.send(json.dumps(fields))
            while True:
                frame: Answer = json.loads(await socket.recv())
                if frame["type"] == "ack":
                    return frame

        yield request


async def test_partitions_names_an_exchange_once_it_has_a_ticker(
    ask: Ask, cache: redis.asyncio.Redis
) -> None:
    await cache.hset("tickers:ex_named", "BTC/USDC", json.dumps({"price": 1.5, "time": 1.0}))  # type: ignore[misc]  # redis-py types one signature for both of its clients
    answer = await ask(op="partitions", stream="tickers")
    while "ex_named" not in answer["partitions"]:  # the test's own time limit is the deadline
        answer = await ask(op="ping") and await ask(op="partitions", stream="tickers")
    assert answer["ok"] is True
    assert answer["partitions"] == sorted(answer["partitions"])


async def test_a_stream_without_partitions_says_that_it_has_none(ask: Ask) -> None:
    answer = await ask(op="partitions", stream="bots")
    assert (answer["ok"], answer["error_code"], answer["field"]) == (False, "INVALID_PARAMS", "stream")


async def test_history_is_the_newest_bars_oldest_first(ask: Ask, cache: redis.asyncio.Redis) -> None:
    bars = [[60 * n, 1.0, 2.0, 0.5, float(n), 3.0] for n in range(1, 6)]
    await cache.rpush("ohlcv:OLD/USDC:1m", *map(json.dumps, bars))  # type: ignore[misc]  # as above
    answer = await ask(op="snapshot", stream="ohlcv", symbol="OLD/USDC", timeframe="1m", history=3)
    (told,) = answer["snapshots"]
    assert [(bar["time"], bar["close"]) for bar in told["history"]] == [(180, 3.0), (240, 4.0), (300, 5.0)]
    assert all(bar["closed"] for bar in told["history"])


async def test_a_market_without_bars_has_an_empty_history(ask: Ask) -> None:
    answer = await ask(op="snapshot", stream="ohlcv", symbol="NONE/USDC", timeframe="1m", history=10)
    assert answer["snapshots"][0]["history"] == []


async def test_without_being_asked_for_history_is_not_told(ask: Ask) -> None:
    answer = await ask(op="snapshot", stream="ohlcv", symbol="NONE/USDC", timeframe="1m")
    assert "history" not in answer["snapshots"][0]


@pytest.mark.parametrize(
    "asked",
    [
        {"stream": "ohlcv", "symbol": "A/B", "timeframe": "1m", "history": 1001},
        {"stream": "ohlcv", "symbol": "A/B", "timeframe": "1m", "history": 0},
        {"stream": "ohlcv", "symbol": "*", "timeframe": "1m", "history": 10},
        {"stream": "bots", "bot": "1", "history": 10},
    ],
)
async def test_a_history_that_there_is_not_names_the_field(ask: Ask, asked: Answer) -> None:
    answer = await ask(op="snapshot", **asked)
    assert (answer["ok"], answer["error_code"], answer["field"]) == (False, "INVALID_PARAMS", "history")
