"""Fixtures of the tests on the wire: sockets of the shared live server, and a collector that writes into its Redis."""

from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from redis import Redis

from tests.integration.wire.collector import Collector
from tests.integration.wire.rpc_client import Connect, Socket, connected
from tests.live import LiveServer


@pytest.fixture
def connect(live_server_process: LiveServer) -> Connect:
    """Return what opens a socket: ``connect("/ws/tickers/c1", user_id=1, query="&mode=push")``."""

    def open_path(path: str, *, user_id: int = 1, query: str = "") -> AbstractAsyncContextManager[Socket]:
        return connected(live_server_process, path, user_id=user_id, query=query)

    return open_path


@pytest.fixture
def collector(live_server_process: LiveServer) -> Iterator[Collector]:
    """Return who writes into the live server's Redis."""
    with Redis.from_url(live_server_process.redis_url, socket_timeout=5.0) as redis:
        yield Collector(redis)
