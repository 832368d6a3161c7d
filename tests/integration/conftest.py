"""Fixtures of the integration tests: parts of this process over a Redis, a second gateway, and collectors that write."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from channels.layers import get_channel_layer
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from cache_streams.connections import new_redis
from cache_streams.layers import LoopLayer
from cache_streams.relay.run import configured_relay
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.integration.wire.collector import Collector
from tests.live import LiveServer, live_server

LEADING_DEADLINE_S = 60.0


@pytest.fixture
async def redis(fresh_redis: EmbeddedRedis) -> AsyncIterator[AsyncRedis]:
    """A client of an empty Redis."""
    client = new_redis()
    yield client
    await client.aclose()


@pytest.fixture
async def layer(fresh_redis: EmbeddedRedis) -> AsyncIterator[LoopLayer]:
    """The channel layer of this loop."""
    outer: Any = get_channel_layer()
    yield outer._get_layer()
    await outer.flush()


@pytest.fixture
async def relay(redis: AsyncRedis) -> AsyncIterator[None]:
    """A relay that leads, in this loop."""
    running = configured_relay()
    task = asyncio.create_task(running.run())
    async with asyncio.timeout(LEADING_DEADLINE_S):
        await running.leading.wait()
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture(scope="session")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway with every switch of the cache's sockets turned away from its default."""
    with live_server(
        tmp_path_factory.mktemp("open"),
        ROOT_MOUNT="true",
        AGENTS_ALIAS_PATHS="/websocket",
        BASE_DISPATCH="true",
        CACHE_ACCESS="open",
        CACHE_PUBLISH="true",
        WS_ALLOW_QUERY_TOKEN="false",
        CORS_ALLOWED_ORIGINS="https://desk.example",
        LOG_LEVEL="DEBUG",
    ) as server:
        yield server


@pytest.fixture
def collector(live_server_process: LiveServer) -> Iterator[Collector]:
    with Redis.from_url(live_server_process.redis_url, socket_timeout=5.0) as client:
        yield Collector(client)


@pytest.fixture
def open_collector(open_server: LiveServer) -> Iterator[Collector]:
    with Redis.from_url(open_server.redis_url, socket_timeout=5.0) as client:
        yield Collector(client)
