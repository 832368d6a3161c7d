"""SIGTERM: every socket is told with its family's code, also one that does not read, and the gateway exits in time."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import jwt
import websockets

from tests.live import LiveServer, live_server

DEADLINE_S = 30.0


def token_of(server: LiveServer) -> str:
    claims = {"sub": "1", "user_id": 1, "exp": int(time.time()) + 600}
    return jwt.encode(claims, server.jwt_secret, algorithm="HS256")


async def closed_with(socket: websockets.ClientConnection) -> tuple[int, str]:
    async for _ in socket:
        pass
    return socket.close_code or 0, socket.close_reason or ""


async def test_every_socket_is_told_that_the_server_goes(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        url = f"{server.ws_url}/api/v1/cache/ws"
        async with asyncio.timeout(DEADLINE_S):
            paths = ["", "/tickers/c1", "/tickers/kraken/BTC/USDC", "/balances/1"] * 20
            sockets = [await websockets.connect(f"{url}{path}?token={token_of(server)}") for path in paths]
            server.process.send_signal(signal.SIGTERM)
            closes = await asyncio.gather(*map(closed_with, sockets))
            assert set(closes) == {(1001, "server_shutdown")}
            assert await asyncio.to_thread(server.process.wait, DEADLINE_S) == 0


async def test_a_socket_that_does_not_read_does_not_keep_the_server(tmp_path: Path) -> None:
    with live_server(tmp_path) as server:
        port = int(server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = (
            f"GET /api/v1/cache/ws/tickers/c1?token={token_of(server)} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        writer.write(request.encode())
        async with asyncio.timeout(DEADLINE_S):
            assert b" 101 " in await reader.readline()
            started = asyncio.get_running_loop().time()
            server.process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.process.wait, DEADLINE_S) == 0
        assert asyncio.get_running_loop().time() - started < DEADLINE_S
        writer.close()


async def test_a_draining_worker_is_not_ready_and_says_why(tmp_path: Path) -> None:
    with live_server(tmp_path, DRAIN_NOTICE_S="3") as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=DEADLINE_S) as client:
            assert (await client.get("/health/ready")).status_code == 200
            server.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(DEADLINE_S):
                while (answer := await client.get("/health/ready")).status_code == 200:
                    pass
            assert answer.status_code == 503
            assert answer.json()["reasons"] == ["this worker drains: it was asked to stop"]
            assert (await client.get("/health/live")).status_code == 200


async def test_while_a_worker_says_that_it_drains_it_still_serves(tmp_path: Path) -> None:
    with live_server(tmp_path, DRAIN_NOTICE_S="3") as server:
        url = f"{server.ws_url}/api/v1/cache/ws/tickers/c1?token={token_of(server)}"
        server.process.send_signal(signal.SIGTERM)
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client, asyncio.timeout(DEADLINE_S):
            while (await client.get(f"{server.url}/health/ready")).status_code == 200:
                pass
        async with websockets.connect(url, open_timeout=DEADLINE_S) as socket:  # a client that did not look
            assert await closed_with(socket) == (1001, "server_shutdown")
