"""A worker that stops: who connected a moment before is answered; who has nothing to ask is let go."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from cache_streams.server import http
from cache_streams.server.frames import GatewayWebSocketProtocol
from cache_streams.server.http import GatewayHttpProtocol

DEADLINE_S = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)

Message = dict[str, Any]  # Any: an ASGI message


async def application(
    _scope: Message, _receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
async def connection() -> AsyncIterator[tuple[GatewayHttpProtocol, socket.socket]]:
    """A connection that was accepted and has not been asked anything yet, and its other end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
    client.setblocking(False)
    config = uvicorn.Config(application, ws=GatewayWebSocketProtocol, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_accepted_socket(
        lambda: GatewayHttpProtocol(config, ServerState(), {}), accepted
    )
    with client:
        yield protocol, client
    transport.abort()
    await asyncio.sleep(0)


async def received(client: socket.socket, ending: bytes | None = None) -> bytes:
    """Return what is sent until it ends so; None: until the connection ends."""
    loop, sent = asyncio.get_running_loop(), b""
    async with asyncio.timeout(DEADLINE_S):
        while (ending is None or not sent.endswith(ending)) and (part := await loop.sock_recv(client, 65536)):
            sent += part
    return sent


async def test_a_request_that_comes_after_the_stop_on_a_new_connection_is_answered_as_its_last(
    connection: tuple[GatewayHttpProtocol, socket.socket],
) -> None:
    protocol, client = connection
    protocol.shutdown()
    client.send(REQUEST)
    answer = await received(client)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer
    assert answer.endswith(b"ok")


async def test_a_new_connection_that_asks_nothing_is_let_go(
    connection: tuple[GatewayHttpProtocol, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "LAST_REQUEST_S", 0.05)
    protocol, client = connection
    protocol.shutdown()
    assert await received(client) == b""


async def test_no_socket_opens_on_a_worker_that_stops(
    connection: tuple[GatewayHttpProtocol, socket.socket],
) -> None:
    protocol, client = connection
    protocol.shutdown()
    client.send(UPGRADE)
    assert await received(client) == b""


async def test_a_connection_that_was_answered_before_ends_at_once(
    connection: tuple[GatewayHttpProtocol, socket.socket],
) -> None:
    protocol, client = connection
    client.send(REQUEST)
    assert (await received(client, b"ok")).startswith(b"HTTP/1.1 200 ")
    protocol.shutdown()
    assert await received(client) == b""
