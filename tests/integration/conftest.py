"""Fixtures of the integration tests: a second gateway with other settings, and collectors that write into their Redis."""

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.integration.wire.collector import Collector
from tests.live import LiveServer, live_server


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
