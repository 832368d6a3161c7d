"""How a connection may begin: whole in time, of a bounded size, few unfinished ones from one address."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live import LiveServer, live_server

DEADLINE_S = 15.0
TIMEOUT_S = 1.0
PENDING = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    directory: Path = tmp_path_factory.mktemp("http")
    with live_server(
        directory, HANDSHAKE_TIMEOUT_S=str(TIMEOUT_S), PENDING_HANDSHAKES_PER_ADDRESS=str(PENDING)
    ) as running:
        yield running


async def connected(server: LiveServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(server.url.rpartition(":")[2]))


async def everything(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(-1)
    except ConnectionResetError:
        return b""


def upgrade(path: str = "/api/v1/cache/ws", *more: str) -> bytes:
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: localhost",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_a_connection_that_says_nothing_is_cut_in_time(server: LiveServer) -> None:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        started = asyncio.get_running_loop().time()
        assert await everything(reader) == b""
        assert asyncio.get_running_loop().time() - started >= TIMEOUT_S * 0.9
        writer.close()


async def test_a_body_is_no_part_of_the_head_however_long_it_is(server: LiveServer) -> None:
    body = b" " * 1_000_000
    head = f"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        writer.write(head.encode())
        for start in range(0, len(body), 50_000):
            writer.write(body[start : start + 50_000])
            await writer.drain()
        assert (await reader.readline()).split()[1] not in (b"413", b"431")
        writer.close()


async def test_a_request_that_drips_is_cut_although_it_goes_on(server: LiveServer) -> None:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        cut = asyncio.create_task(everything(reader))
        for byte in upgrade():
            if cut.done():
                break
            writer.write(bytes([byte]))
            await asyncio.wait([cut], timeout=TIMEOUT_S / 20)
        assert await cut == b""
        writer.close()


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (upgrade("/api/v1/cache/ws?token=" + "a" * 16_384), 401, "AUTH_MALFORMED"),
        (upgrade("/api/v1/cache/ws", "Authorization: Bearer " + "a" * 16_384), 401, "AUTH_MALFORMED"),
        (upgrade("/api/v1/cache/ws", *(f"X-{n}: 1" for n in range(200))), 431, "TOO_LARGE"),
        (upgrade("/api/v1/cache/ws", "X: " + "a" * 70_000), 431, "TOO_LARGE"),
    ],
    ids=["long query token", "long header token", "many headers", "long head"],
)
async def test_a_handshake_that_is_too_long_is_answered(
    server: LiveServer, request_bytes: bytes, status: int, code: str
) -> None:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        writer.write(request_bytes)
        head, _, body = (await everything(reader)).partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == str(status).encode()
        assert json.loads(body)["error_code"] == code
        writer.close()


@pytest.mark.parametrize(
    ("method", "header", "status"),
    [
        ("GET", "X-Spaces: \t a \t ", 401),
        ("GET", "X-Latin: caf\xe9", 401),
        ("GET", "Content-Length: 0", 401),
        ("POST", "X-Spaces: a", 405),
        ("GET", "Sec-WebSocket-Version: 12", 400),
    ],
)
async def test_a_handshake_is_judged_alike_whoever_read_it(
    server: LiveServer, method: str, header: str, status: int
) -> None:
    """What is handed over as it was parsed, and what the library parses once more."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        writer.write(upgrade("/api/v1/cache/ws", header).replace(b"GET", method.encode(), 1))
        assert (await reader.readline()).split(b" ")[1] == str(status).encode()
        writer.close()


async def test_an_address_with_too_many_unfinished_handshakes_is_turned_away(server: LiveServer) -> None:
    async with asyncio.timeout(DEADLINE_S):
        held = [await connected(server) for _ in range(PENDING)]
        reader, writer = await connected(server)
        started = asyncio.get_running_loop().time()
        assert await everything(reader) == b""
        assert asyncio.get_running_loop().time() - started < TIMEOUT_S * 0.9
        for held_reader, held_writer in held:
            await everything(held_reader)  # their time is over: the address may try again
            held_writer.close()
        reader, again = await connected(server)
        again.write(upgrade())
        assert b" 401 " in await reader.readline()
        writer.close()
        again.close()


async def test_a_kept_alive_connection_has_a_deadline_for_each_request(server: LiveServer) -> None:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await connected(server)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head
        length = next(
            int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        writer.write(b"GET /health/live HTTP/1.1\r\nHost:")
        assert await everything(reader) == b""
        writer.close()
