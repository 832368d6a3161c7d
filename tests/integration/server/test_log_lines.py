"""What a running gateway writes to its log: JSON, with the ids of request, socket and user, and without secrets."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from tests.integration.cache_sockets import opened, refusal, token_of
from tests.live import LiveServer, live_server

DEADLINE_S = 10.0
Line = dict[str, Any]  # Any: members of a log line


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("logs"), LOG_LEVEL="DEBUG") as running:
        yield running


def lines(server: LiveServer) -> list[Line]:
    """Return every log line; what `serve` says on stdout stands in the same file."""
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def line(server: LiveServer, **members: object) -> Line:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        for each in lines(server):
            if members.items() <= each.items():
                return each
        time.sleep(0.02)
    raise AssertionError(f"no line with {members}")


async def test_a_line_about_a_socket_names_it_and_its_user(server: LiveServer) -> None:
    async with opened(server, "/ws/tickers/c1", token_of(server, 2)) as socket:
        assert socket.connection.response is not None
        connection_id = socket.connection.response.headers["X-Connection-ID"]
        await socket.connection.send("{}")
        await socket.receive()
    assert line(server, event="socket closed", connection_id=connection_id)["user_id"] == 2


async def test_a_refused_handshake_is_logged_without_its_token(server: LiveServer) -> None:
    forged = jwt.encode({"user_id": 1, "exp": 1}, "k" * 32, algorithm="HS256")
    await refusal(server, "/ws/tickers/refused", forged)
    told = line(server, event="handshake refused", path="/api/v1/cache/ws/tickers/refused")
    assert told["code"] == "AUTH_INVALID"
    assert told["address"] == "127.0.0.1"
    assert forged not in server.log.read_text()


def test_a_line_about_a_request_names_it_and_its_user(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {token_of(server, 2)}", "X-Request-ID": "r-1"}
    httpx.post(f"{server.url}/health/check", headers=headers, timeout=DEADLINE_S)
    assert line(server, request_id="r-1", event="request answered")["status"] == 403
    assert line(server, request_id="r-1", event="request answered")["user_id"] == 2


def test_the_query_of_a_request_is_not_logged(server: LiveServer) -> None:
    httpx.get(f"{server.url}/nowhere?token=opaque-value", headers={"X-Request-ID": "r-2"}, timeout=DEADLINE_S)
    assert line(server, request_id="r-2", event="request answered")["path"] == "/nowhere"
    assert "opaque-value" not in server.log.read_text()
