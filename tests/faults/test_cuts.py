"""20,000 trades, a client that is cut every other second, a worker that is killed twice: every trade, once, in order."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal

import pytest
from redis.asyncio import Redis

from tests.faults.cast import running, until
from tests.faults.following import NativeClient
from tests.faults.stand import Stand
from tests.faults.writing import MARKET
from tests.integration.wire.collector import fresh_name, trade

TRADES = 20_000
AT_ONCE = 50
PAUSE_S = 0.04
DEADLINE_S = 200.0


async def write(redis_url: str, exchange: str) -> None:
    async with Redis.from_url(redis_url) as redis:
        for first in range(1, TRADES + 1, AT_ONCE):
            pushed = [json.dumps(trade(number)) for number in range(first, first + AT_ONCE)]
            await redis.rpush(f"trades:{exchange}:BTCUSDC", *pushed)  # type: ignore[misc]  # redis-py types one signature for both of its clients
            await asyncio.sleep(PAUSE_S)


async def cut(client: NativeClient) -> None:
    dice = random.Random(20)  # repeatable
    while True:
        await asyncio.sleep(dice.uniform(0.5, 3.0))
        client.abort()


@pytest.mark.timeout(300)
async def test_every_trade_arrives_once_and_in_order(stand: Stand) -> None:
    exchange = fresh_name()
    client = NativeClient(stand, "every", {"trades": {"exchange": exchange, "symbol": MARKET}})
    (line,) = client.lines

    def received() -> list[int]:
        return [int(each["trade_id"]) for section in line.sections for each in section]

    async with running([client]):
        await until(lambda: [] if line.seq is not None else ["no snapshot"], DEADLINE_S)
        writing, cutting = (
            asyncio.create_task(each) for each in (write(stand.redis_url, exchange), cut(client))
        )
        for share in (1, 2):
            await until(lambda: [] if len(received()) > share * TRADES // 3 else ["early"], DEADLINE_S)  # noqa: B023  # awaited in this round
            os.kill(stand.workers()[0], signal.SIGKILL)
        await writing
        await until(lambda: [] if line.seq == TRADES else [f"{line.seq} came"], DEADLINE_S)
        cutting.cancel()
    assert client.faults == []
    assert line.unrecovered == 0
    assert received() == list(range(1, TRADES + 1))
    assert client.connections > 5
