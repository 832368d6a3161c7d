"""The relay that leads is killed: how long a client waits for what was written from then on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time

from redis.asyncio import Redis

from tests.faults.cast import running, until
from tests.faults.following import NativeClient
from tests.faults.stand import Stand
from tests.faults.writing import MARKET
from tests.integration.wire.collector import fresh_name, trade
from tests.integration.wire.rpc_client import Frame

TAKEOVER_S = 3.0
"""A lease of 2 s, a standby that looks for it each 0.25 s, and what it reads before it appends."""
BEFORE_S = 3.0
DEADLINE_S = 60.0
PAUSE_S = 0.02
TICK_S = 0.01


class Timed(NativeClient):
    """Notes when each trade was told (monotonic clock), by its number."""

    def __init__(self, stand: Stand, exchange: str) -> None:
        super().__init__(stand, "every", {"trades": {"exchange": exchange, "symbol": MARKET}})
        self.told: dict[int, float] = {}

    def take(self, frame: Frame) -> None:
        super().take(frame)
        if frame["type"] == "update":
            self.told.setdefault(int(frame["data"]["trade_id"]), time.monotonic())


class Lateness:
    """How long, in sum, this process could have run and was not let: others use the machine, and the relay feels them too."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def measure(self) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.seconds += max(0.0, time.monotonic() - began - TICK_S)


async def write(stand: Stand, exchange: str, written: dict[int, float]) -> None:
    """Push trades, numbered from 1, and note when each was there."""
    async with Redis.from_url(stand.redis_url) as redis:
        number = 0
        while True:
            number += 1
            await redis.rpush(f"trades:{exchange}:BTCUSDC", json.dumps(trade(number)))  # type: ignore[misc]  # redis-py types one signature for both of its clients
            written[number] = time.monotonic()
            await asyncio.sleep(PAUSE_S)


def longest_wait(written: dict[int, float], told: dict[int, float]) -> float:
    return max(told[number] - written[number] for number in told if number in written)


async def test_a_client_is_told_the_next_trade_within_three_seconds_of_the_leaders_end(stand: Stand) -> None:
    """From SIGKILL to the first trade that was written later.

    Two delays of the machine are granted besides, both measured: how late a trade was told while nothing was wrong, and how
    long this process was kept from running since the kill.
    """
    client, written, lateness = Timed(stand, fresh_name()), dict[int, float](), Lateness()
    (line,) = client.lines
    async with running([client]):
        await until(
            lambda: [] if client.connections and line.seq is not None else ["no snapshot"], DEADLINE_S
        )
        writing = asyncio.create_task(write(stand, str(line.fields["exchange"]), written))
        began = time.monotonic()
        await until(
            lambda: [] if time.monotonic() > began + BEFORE_S and client.told else ["early"], DEADLINE_S
        )
        usual = longest_wait(written, client.told)
        leader = stand.leader()
        assert leader is not None
        async with asyncio.TaskGroup() as tasks:
            measuring = tasks.create_task(lateness.measure())
            killed, last = time.monotonic(), len(written)
            os.kill(leader, signal.SIGKILL)
            await until(lambda: [] if max(client.told) > last + 1 else ["nothing after it"], DEADLINE_S)
            measuring.cancel()
        writing.cancel()
    stand.replace_standby()
    first = min(told for number, told in client.told.items() if number > last + 1)  # one may be under way
    assert client.faults == []
    assert [line.unrecovered, line.epochs, client.connections] == [0, 0, 1]
    assert first - killed <= TAKEOVER_S + usual + lateness.seconds
