"""Fixtures of the tests on the wire: sockets of the shared live server, and a collector that writes into its Redis."""

from collections.abc import Iterator
from functools import partial

import pytest
from redis import Redis

from tests.integration.wire.collector import Collector
from tests.integration.wire.rpc_client import Connect, connected
from tests.live import LiveServer, live_server


@pytest.fixture
def connect(live_server_process: LiveServer) -> Connect:
    """Return what opens a socket: ``connect("/ws/tickers/c1", user_id=1, query="&mode=push")``."""
    return partial(connected, live_server_process)


@pytest.fixture
def collector(live_server_process: LiveServer) -> Iterator[Collector]:
    """Return who writes into the live server's Redis."""
    with Redis.from_url(live_server_process.redis_url, socket_timeout=5.0) as redis:
        yield Collector(redis)


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway for tests that need the whole cache for themselves, or stop its Redis and let it go on."""
    with live_server(tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture
def own_connect(own_server: LiveServer, own_collector: Collector) -> Connect:
    """Return what opens a socket of ``own_server``, whose cache was emptied before."""
    return partial(connected, own_server)


@pytest.fixture
def own_collector(own_server: LiveServer) -> Iterator[Collector]:
    """Return who writes into ``own_server``'s Redis, emptied of everything but the gateway's own keys."""
    with Redis.from_url(own_server.redis_url, socket_timeout=5.0) as redis:
        for key in redis.scan_iter(count=1000):
            if not key.startswith(b"gw:"):
                redis.delete(key)
        yield Collector(redis)
