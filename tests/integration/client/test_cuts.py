"""Both clients against a real gateway whose connections are cut again and again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from tests.conformance.drivers import Client, Event, NodeDriver, node_driver, run_python
from tests.integration.cache_sockets import token_of
from tests.integration.client.cutting_proxy import CuttingProxy, cutting_proxy
from tests.integration.wire.collector import Collector, fresh_name, trade
from tests.live import LiveServer

pytestmark = pytest.mark.asyncio(loop_scope="module")
MARKET = "BTC/USDC"
DEADLINE_S = 60.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def node() -> AsyncIterator[NodeDriver]:
    async with node_driver() as driver:
        yield driver


@pytest_asyncio.fixture(loop_scope="module")
async def proxy(live_server_process: LiveServer) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(live_server_process.ws_url) as proxy:
        yield proxy


@dataclass(frozen=True)
class Line:
    """A client's way to a gateway: which client, and a proxy that is cut all the time."""

    run: Any  # Any: either driver
    proxy: CuttingProxy
    token: str

    async def told(
        self,
        asked: Mapping[str, object],
        write: Callable[[], Awaitable[None]],
        enough: Callable[[list[Event]], bool],
    ) -> list[Event]:
        """Return what a client was told while ``write`` wrote and the proxy cut."""
        events: list[Event] = []

        async def played() -> None:
            cutting = asyncio.create_task(self.proxy.cut_now_and_then(0.1, 0.4, seed=7))
            try:
                async with asyncio.timeout(DEADLINE_S):
                    while not any(each["event"] == "begun" for each in events):
                        await asyncio.sleep(0.01)
                    await write()
                    while not enough(messages(events)):
                        await asyncio.sleep(0.01)
            finally:
                cutting.cancel()

        client: Client = {"token": self.token, "subscribe": [asked]}
        url = f"ws://127.0.0.1:{self.proxy.port}/api/v1/stream"
        return list(await self.run(url, client, played, lambda _: True, events=events))


def messages(events: list[Event]) -> list[Event]:
    return [each for each in events if each["event"] == "message"]


@pytest.fixture(params=["python", "typescript"])
def line(
    request: pytest.FixtureRequest, node: NodeDriver, proxy: CuttingProxy, live_server_process: LiveServer
) -> Line:
    run = run_python if request.param == "python" else node.run
    return Line(run, proxy, token_of(live_server_process))


async def test_every_trade_is_told_once_and_in_order(line: Line, collector: Collector) -> None:
    exchange, count = fresh_name(), 1200

    async def write() -> None:
        for first in range(1, count + 1, 20):
            collector.trades(exchange, MARKET, *(trade(number) for number in range(first, first + 20)))
            await asyncio.sleep(0.02)

    def all_told(told: list[Event]) -> bool:
        return bool(told) and told[-1]["seq"] == count

    asked = {"stream": "trades", "exchange": exchange, "symbol": MARKET}
    events = await line.told(asked, write, all_told)
    first, *rest = messages(events)
    seqs = [*range(1, first["seq"] + 1), *(each["seq"] for each in rest)]
    assert seqs == list(range(1, count + 1))
    (over,) = [each for each in events if each["event"] == "over"]
    assert over["counters"]["unrecovered"] == 0
    assert over["counters"]["connections"] > 3
    assert line.proxy.cuts >= 3


async def test_a_sample_ends_on_the_newest_value_of_each_market(line: Line, collector: Collector) -> None:
    exchange, markets = fresh_name(), [f"M{number}/USD" for number in range(8)]

    async def write() -> None:
        for price in range(1, 121):
            for market in markets:
                collector.tick(exchange, market, price=float(price))
            await asyncio.sleep(0.01)

    def newest(told: list[Event]) -> bool:
        prices = {each["key"]: each["data"]["price"] for each in told if each["data"] is not None}
        return len(prices) == len(markets) and set(prices.values()) == {120.0}

    asked = {"stream": "tickers", "exchange": exchange, "symbol": "*", "mode": "sample", "interval_ms": 50}
    told = messages(await line.told(asked, write, newest))
    assert newest(told)
    for market in markets:
        seqs = [each["seq"] for each in told if each["key"] == f"{exchange}:{market}"]
        assert seqs == sorted(set(seqs)), "told twice, or out of order"
