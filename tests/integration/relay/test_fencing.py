"""A relay that believes it leads after its successor took over: what it appends is refused, each time and not by luck."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from cache_streams.connections import ask
from cache_streams.log import Log
from cache_streams.log_names import LogName
from cache_streams.metrics import APPEND_REFUSED
from cache_streams.places import START, position
from cache_streams.relay import lease
from cache_streams.relay.leader import Relay
from cache_streams.relay.run import configured_relay
from cache_streams.streams.trades import TRADES
from cache_streams.streams.update import Update

DEADLINE_S = 60.0
FOR_EVER_S = 3600.0
COUNT = 50
REASONS = ("fenced", "moved")


@asynccontextmanager
async def leading() -> AsyncIterator[Relay]:
    relay = configured_relay()
    task = asyncio.create_task(relay.run())
    try:
        async with asyncio.timeout(DEADLINE_S):
            await relay.leading.wait()
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def push(redis: Redis, first: int) -> None:
    for number in range(first, first + COUNT):
        facts = {"trade_id": number, "symbol": "BTC/USDC", "side": "buy", "volume": 1, "price": 2, "time": 3}
        await ask(redis, "RPUSH", "trades:kraken:BTCUSDC", json.dumps(facts))


async def logged(redis: Redis, count: int) -> list[Update]:
    """Return the updates of the log, once there are ``count`` of them."""
    log = Log(redis, LogName("trades", "kraken", "gw"), TRADES)
    async with asyncio.timeout(DEADLINE_S):
        while True:
            entries = await log.range(START, position("9" * 15), 10_000)
            updates = [entry.update for entry in entries if entry.update is not None]
            if len(updates) >= count:
                return updates
            await asyncio.sleep(0.01)


async def test_a_leader_that_does_not_know_of_its_successor_appends_nothing(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> float:
        return float(sum(APPEND_REFUSED.labels(reason)._value.get() for reason in REASONS))

    monkeypatch.setattr(
        lease, "RENEW_S", FOR_EVER_S
    )  # as one that stands still: it never looks whether it leads
    async with leading() as asleep:
        await push(redis, 1)
        await logged(redis, COUNT)
        monkeypatch.setattr(lease, "RENEW_S", 0.5)
        before = refused()
        async with leading():
            assert asleep.leading.is_set()
            await push(redis, 1 + COUNT)  # both are told of each of them, and both read
            updates = await logged(redis, 2 * COUNT)
            async with asyncio.timeout(DEADLINE_S):
                while refused() == before:
                    await asyncio.sleep(0.01)
            updates = await logged(redis, 2 * COUNT)
    assert [update.seq for update in updates] == list(range(1, 2 * COUNT + 1))
    assert [json.loads(update.data)["trade_id"] for update in updates] == [
        str(number) for number in range(1, 2 * COUNT + 1)
    ]
