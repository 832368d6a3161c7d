"""What the documents show is so: each block is run against a gateway, or says above itself why it cannot be."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from cache_streams.demo import writes
from tests.e2e.fenced_blocks import Block, blocks
from tests.live import BASE, LiveServer, live_server

DEADLINE_S = 30.0
ENDS_WITHIN_S = 15.0
CACHE = "/api/v1/cache/ws"
Json = dict[str, Any]  # Any: JSON, whose shape is what is tested


def shape(value: object) -> object:
    """Return the names of all members, whatever their values."""
    if isinstance(value, dict):
        return tuple(sorted((name, shape(each)) for name, each in value.items()))
    return [shape(each) for each in value[:1]] if isinstance(value, list) else "value"


def named(block: Block) -> str:
    return block.place


def answers(block: Block) -> bool:
    """Return whether a block shows what the gateway says, not what it is asked."""
    body = json.loads(block.text)
    asked = ("op" in body) or ("entries" in body) or ("params" in body)
    return not asked


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway over a cache that holds what the documents speak of."""
    with live_server(tmp_path_factory.mktemp("documents"), CACHE_PUBLISH="true") as server:
        with redis.Redis.from_url(server.redis_url) as client:
            for command in cached(time.time()):
                client.execute_command(*command)
        yield server


def cached(now: float) -> list[writes.Command]:
    tick = {"price": 50000.0, "bid": 49999.0, "ask": 50001.0, "last": 50000.0, "volume": 12.5, "time": now}
    trade = {"trade_id": 1, "symbol": "BTC/USDC", "side": "buy", "price": 50000.0, "volume": 0.1, "time": now}
    order = {"order_id": "O1", "symbol": "BTC/USDC", "side": "buy", "volume": 0.5, "final_volume": 0.1}
    held = {"USDT": {"total": 10000.0, "free": 8500.0, "used": 1500.0}, "date": writes.iso(now)}
    return [
        *writes.tick("kraken", "BTC/USDC", {"exchange": "kraken", "symbol": "BTC/USDC", **tick}),
        *writes.tick("kraken", "ETH/USDC", {"exchange": "kraken", "symbol": "ETH/USDC", **tick}),
        *writes.trade("kraken", "BTC/USDC", trade, now),
        *writes.order(
            "kraken", "O1", {**order, "status": "open", "order_type": "market", "timestamp": writes.iso(now)}
        ),
        *writes.account("1", held, {}),
    ]


@pytest.fixture(scope="module")
def token(served: LiveServer) -> str:
    return served.manage("token", "--user", "admin@fullon").strip()


async def said(
    server: LiveServer, path: str, *requests: Json, count: int = 1, **options: Any
) -> list[Json]:  # Any: websockets' own
    """Return the first frames of a socket after ``requests``."""
    async with (
        asyncio.timeout(DEADLINE_S),
        connect(f"{server.ws_url}{path}", proxy=None, **options) as socket,
    ):
        for request in requests:
            await socket.send(json.dumps(request))
        return [json.loads(await socket.recv()) for _ in range(count)]


async def refused(server: LiveServer) -> Json:
    with pytest.raises(InvalidStatus) as refusal:
        await said(server, f"{CACHE}/tickers/c1")
    body: Json = json.loads(refusal.value.response.body)
    return body


@pytest.fixture(scope="module")
def told(served: LiveServer, token: str) -> list[Json]:
    """What the gateway says in the situations that the documents describe."""
    return asyncio.run(situations(served, token))


async def situations(served: LiveServer, token: str) -> list[Json]:
    headers: Json = {"additional_headers": {"Authorization": f"Bearer {token}"}}
    ask = {"action": "get_ticker", "request_id": "r1", "params": {"exchange": "kraken", "symbol": "BTC/USDC"}}
    unknown = ask | {"params": {"exchange": "kraken", "symbol": "NO/SUCH"}}
    follow = {
        "action": "stream_tickers",
        "request_id": "s1",
        "params": {"exchange": "kraken", "symbol": "BTC/USDC"},
    }
    pushed = ("tickers/kraken/BTC%2FUSDC", "trades/kraken/BTC%2FUSDC", "orders/kraken", "balances/1")
    async with httpx.AsyncClient(base_url=served.url, headers=headers["additional_headers"]) as client:
        ticker = await client.get("/api/v1/cache/tickers/kraken/BTC/USDC")
    return [
        await refused(served),
        *await said(
            served,
            f"{CACHE}/tickers/c1",
            origin=served.url,
            additional_headers={"Authorization": "Bearer a.b.c"},
        ),
        *await said(served, CACHE, ask, unknown, count=2, **headers),
        *await said(served, f"{CACHE}/tickers/c1", follow, count=2, **headers),
        *await said(
            served, CACHE, {"operation": "ping", "request_id": "b1"}, {"operation": 7}, count=2, **headers
        ),
        *[frame for path in pushed for frame in await said(served, f"{CACHE}/{path}", **headers)],
        ticker.json(),
    ]


def test_there_are_blocks_of_every_language() -> None:
    assert all(blocks(language) for language in ("sh", "python", "json"))


@pytest.mark.parametrize("block", [b for b in blocks("json") if answers(b)], ids=named)
async def test_the_gateway_says_what_is_shown(told: list[Json], block: Block) -> None:
    assert shape(json.loads(block.text)) in [shape(each) for each in told]


@pytest.mark.parametrize("block", [b for b in blocks("json") if not answers(b)], ids=named)
async def test_the_gateway_takes_what_is_shown(served: LiveServer, token: str, block: Block) -> None:
    request = json.loads(block.text)
    headers = {"Authorization": f"Bearer {token}"}
    if "entries" in request:
        async with httpx.AsyncClient(base_url=served.url, headers=headers) as client:
            answer = await client.post("/api/v1/cache/tickers", json=request)
        assert answer.is_success, answer.text
    elif "op" in request:
        welcome, ack = await said(served, "/api/v1/stream", request, count=2, additional_headers=headers)
        assert welcome["type"] == "welcome"
        assert ack["ok"] is True, ack
    else:
        (answered,) = await said(served, CACHE, request, additional_headers=headers)
        assert answered["success"] is True, answered


@pytest.mark.parametrize("block", blocks("sh", "python"), ids=named)
def test_what_is_shown_runs(served: LiveServer, token: str, tmp_path: Path, block: Block) -> None:
    text = block.text.replace("localhost:8000", served.url.removeprefix("http://"))
    program = [sys.executable, "-u", "-c"] if block.language == "python" else ["bash", "-euc"]
    text = text.replace(".venv/bin/python", f"{sys.executable} -u")
    environment = {**served.environment, "WS_BASE_URL": f"{served.ws_url}/api/v1/cache", "TOKEN": token}
    output, errors = tmp_path / "output", tmp_path / "errors"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen([*program, text], cwd=BASE, env=environment, stdout=out, stderr=err)
    try:
        ended_well = process.wait(ENDS_WITHIN_S) == 0
    except subprocess.TimeoutExpired:  # it runs until it is ended: then it must have shown something
        process.kill()
        process.wait()
        ended_well = bool(output.read_bytes())
    assert ended_well, output.read_text() + errors.read_text()
