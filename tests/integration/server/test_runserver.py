"""``manage.py runserver``: Daphne for development, with a relay in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import redis
import websockets
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from cache_streams.server.children import dying_with_parent
from cache_streams.server.embedded_redis import EmbeddedRedis
from tests.conftest import TokenFactory
from tests.live import _PREPARE, ADMIN_MAIL, BASE, PASSWORD, _manage

DEADLINE_S = 30.0
FRAME_DEADLINE_S = 5.0
LEASE = "gw:{relay}:lease"
TICKERS = "/api/v1/cache/ws/tickers/kraken/BTC/USDC"


@dataclass
class Development:
    """A running ``runserver`` with a Redis and a database of its own."""

    process: subprocess.Popen[bytes]
    port: int
    redis: redis.Redis

    def connect(self, path: str, *offered: str) -> ClientConnection:
        subprotocols = [Subprotocol(entry) for entry in offered] or None
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", subprotocols=subprotocols, open_timeout=FRAME_DEADLINE_S
        )

    def write_ticker(self, price: float) -> None:
        """Store a tick as a collector does."""
        tick = json.dumps({"symbol": "BTC/USDC", "exchange": "kraken", "price": price, "time": time.time()})
        self.redis.hset("tickers:kraken", "BTC/USDC", tick)
        self.redis.publish("ticker_updates:kraken:BTC/USDC", tick)


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def listening_port(process: subprocess.Popen[bytes]) -> int | None:
    connections = psutil.Process(process.pid).net_connections(kind="tcp")
    return next((c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN), None)


@contextmanager
def development(directory: Path, *, lease: str | None = None) -> Iterator[Development]:
    """Run ``runserver`` below ``directory``; ``lease``: somebody else is the relay already."""
    with EmbeddedRedis.start(tcp=True) as server, redis.Redis.from_url(server.url) as client:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "fullon_master.settings",
            "REDIS_URL": server.url,
            "DATABASE_URL": f"sqlite:///{directory / 'runserver.sqlite3'}",
            "ADMIN_MAIL": ADMIN_MAIL,
            "ADMIN_PASSWORD": PASSWORD,
        }
        _manage(environment, "shell", "--verbosity=0", "-c", _PREPARE)
        if lease is not None:
            client.set(LEASE, lease)
        log = directory / "runserver.log"
        command = [sys.executable, str(BASE / "manage.py"), "runserver", "--noreload", "127.0.0.1:0"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                dying_with_parent(*command), stdout=output, stderr=output, env=environment, cwd=BASE
            )
        try:
            assert eventually(lambda: process.poll() is not None or listening_port(process) is not None)
            assert process.poll() is None, log.read_text()
            port = listening_port(process)
            assert port is not None
            yield Development(process, port, client)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(DEADLINE_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Development]:
    with development(tmp_path_factory.mktemp("runserver")) as running:
        assert eventually(lambda: bool(running.redis.exists(LEASE)))
        yield running


def status_of_refusal(server: Development, path: str, *offered: str) -> int:
    with pytest.raises(websockets.InvalidStatus) as refused:
        server.connect(path, *offered)
    return refused.value.response.status_code


def test_it_answers_http(server: Development) -> None:
    assert httpx.get(f"http://127.0.0.1:{server.port}/health", timeout=FRAME_DEADLINE_S).status_code == 200


def test_a_program_without_a_token_is_refused_with_403(server: Development) -> None:
    assert status_of_refusal(server, TICKERS) == 403


def test_an_unknown_path_is_refused_at_once(server: Development, token: TokenFactory) -> None:
    assert status_of_refusal(server, f"/nowhere?token={token()}") == 403


def test_a_browser_without_a_token_is_told_why(server: Development) -> None:
    with server.connect(TICKERS, "jwt-auth") as client:
        assert client.subprotocol == "jwt-auth"
        assert json.loads(client.recv(FRAME_DEADLINE_S))["error_code"] == "AUTH_MISSING"
        with pytest.raises(websockets.ConnectionClosed):
            client.recv(FRAME_DEADLINE_S)
        assert (client.close_code, client.close_reason) == (1008, "auth_missing")


def test_a_stored_tick_arrives_and_so_does_the_next(server: Development, token: TokenFactory) -> None:
    server.write_ticker(50_000.0)
    with server.connect(f"{TICKERS}?token={token()}") as client:
        assert price_until(client, 50_000.0)
        server.write_ticker(50_001.0)
        assert price_until(client, 50_001.0)


def price_until(client: ClientConnection, price: float) -> bool:
    deadline = time.monotonic() + FRAME_DEADLINE_S
    while time.monotonic() < deadline:
        frame = json.loads(client.recv(FRAME_DEADLINE_S))
        if frame.get("price") == price:
            return True
    return False


def test_a_socket_ends_with_its_token_and_says_so(server: Development, token: TokenFactory) -> None:
    with server.connect(f"{TICKERS}?token={token(exp=int(time.time()) + 2)}") as client:
        while client.close_code is None:
            with suppress(websockets.ConnectionClosed):
                client.recv(FRAME_DEADLINE_S)
        assert (client.close_code, client.close_reason) == (1008, "Token expired")


def test_a_subprotocol_that_only_decoding_makes_ours_is_refused_and_poisons_nothing(
    server: Development, token: TokenFactory
) -> None:
    """Daphne decodes the list; an answer that was not offered byte for byte would stop its error handling for good."""
    for _ in range(3):
        assert status_of_refusal(server, f"{TICKERS}?token={token()}", "jwt%2Dauth") == 403
    assert status_of_refusal(server, f"/nowhere?token={token()}") == 403
    server.write_ticker(50_002.0)
    with server.connect(f"{TICKERS}?token={token()}") as client:
        assert price_until(client, 50_002.0)


def test_an_interrupt_ends_it_and_frees_the_lease_for_a_successor(tmp_path: Path) -> None:
    with development(tmp_path) as running:
        assert eventually(lambda: bool(running.redis.exists(LEASE)))
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(DEADLINE_S) == 0
        assert not running.redis.exists(LEASE)


def test_it_leaves_the_lease_to_another_relay_until_that_one_is_gone(tmp_path: Path) -> None:
    with development(tmp_path, lease="somebody") as running:
        assert httpx.get(f"http://127.0.0.1:{running.port}/health", timeout=DEADLINE_S).status_code == 200
        assert running.redis.get(LEASE) == b"somebody"
        running.redis.delete(LEASE)
        assert eventually(lambda: bool(running.redis.exists(LEASE)))
