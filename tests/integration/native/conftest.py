"""Fixtures of the native family: sockets of the shared live server, and one whose Redis tests may stop or empty."""

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TypeAlias

import pytest
from redis import Redis

from tests.integration.native.client import Native, opened
from tests.integration.wire.collector import Collector
from tests.live import LiveServer, live_server

Open: TypeAlias = Callable[..., AbstractAsyncContextManager[Native]]


@pytest.fixture
def native(live_server_process: LiveServer) -> Open:
    """Return what opens a socket of the shared server: ``native(user_id=1)``."""
    return partial(opened, live_server_process)


@pytest.fixture(scope="session")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A gateway whose heart beats fast, and whose Redis tests may stop or empty."""
    with live_server(tmp_path_factory.mktemp("native"), HEARTBEAT_S="1") as server:
        yield server


@pytest.fixture
def own_native(own_server: LiveServer) -> Open:
    """Return what opens a socket of ``own_server``."""
    return partial(opened, own_server)


@pytest.fixture
def own_collector(own_server: LiveServer) -> Iterator[Collector]:
    """Return who writes into ``own_server``'s Redis."""
    with Redis.from_url(own_server.redis_url, socket_timeout=5.0) as redis:
        yield Collector(redis)
