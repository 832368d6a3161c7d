"""The family at the root, as the cache API serves it on its own: a switch, with a switch of its own for tokens."""

import asyncio
from collections.abc import Iterator

import pytest
from redis import Redis
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import InvalidStatus

from tests.integration.wire.collector import Collector, fresh_name
from tests.integration.wire.rpc_client import DEADLINE_S, Socket, connected
from tests.live import LiveServer, live_server

MARKET = "BTC/USDC"


@pytest.fixture(scope="module")
def root_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway that is also mounted at the root, without tokens there, and dispatches every operation on ``/ws``."""
    with live_server(
        tmp_path_factory.mktemp("root"),
        ROOT_MOUNT="true",
        ROOT_MOUNT_AUTH="false",
        BASE_DISPATCH="true",
        AGENTS_ALIAS_PATHS="/websocket",  # its default claims /ws, too
    ) as server:
        yield server


@pytest.fixture
def root_collector(root_server: LiveServer) -> Iterator[Collector]:
    with Redis.from_url(root_server.redis_url, socket_timeout=5.0) as redis:
        yield Collector(redis)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tickers/c",
        "/orders/c",
        "/trades/c",
        "/accounts/c",
        "/bots/c",
        "/ohlcv/c",
        "/process/c",
        "/balances/1",
    ],
)
async def test_the_root_needs_no_token_and_the_prefix_does(root_server: LiveServer, path: str) -> None:
    async with open_socket(f"{root_server.ws_url}/ws{path}", open_timeout=DEADLINE_S) as connection:
        await Socket(connection).quiet()
    with pytest.raises(InvalidStatus) as refused:
        async with asyncio.timeout(DEADLINE_S), open_socket(f"{root_server.ws_url}/api/v1/cache/ws{path}"):
            pass
    assert refused.value.response.status_code == 401


async def test_who_has_no_token_sees_markets_and_nothing_private(
    root_server: LiveServer, root_collector: Collector
) -> None:
    exchange = fresh_name()
    root_collector.tick(exchange, MARKET)
    root_collector.order(exchange, "O1")
    async with open_socket(f"{root_server.ws_url}/ws", open_timeout=DEADLINE_S) as connection:
        socket = Socket(connection)
        assert (await socket.result("get_ticker", exchange=exchange, symbol=MARKET))["price"] == 50000.0
        assert await socket.error("get_order_status", exchange=exchange, order_id="O1") == "ORDER_NOT_FOUND"
        await socket.stream("stream_tickers", exchange=exchange)
        assert (await socket.update("ticker_update"))["symbol"] == MARKET
    async with open_socket(f"{root_server.ws_url}/ws/tickers/{exchange}/{MARKET}") as connection:
        assert (await Socket(connection).receive())["price"] == 50000.0


async def test_base_dispatch_serves_every_operation_in_the_base_envelope(
    root_server: LiveServer, root_collector: Collector
) -> None:
    exchange = fresh_name()
    root_collector.tick(exchange, MARKET)
    async with connected(root_server, "/ws") as socket:
        params = {"exchange": exchange, "symbol": MARKET}
        await socket.send({"operation": "get_ticker", "request_id": "r1", "params": params})
        frame = await socket.receive()
        assert (frame["success"], frame["request_id"], frame["result"]["price"]) == (True, "r1", 50000.0)
        assert frame.keys() >= {"error", "error_code", "timestamp", "latency_ms"}
        await socket.send(
            {"operation": "get_ticker", "request_id": "r2", "params": {**params, "symbol": "X"}}
        )
        frame = await socket.receive()
        assert (frame["success"], frame["request_id"], frame["error_code"]) == (
            False,
            "r2",
            "TICKER_NOT_FOUND",
        )
