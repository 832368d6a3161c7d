"""The frame sink over a real uvicorn and real sockets: order, pauses, and closes that reach everybody or end them."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
import websockets
from django.conf import settings
from websockets.asyncio.client import ClientConnection

from cache_streams import outlet
from cache_streams.outlet import CLOSED, EXTENSION, Body, SinkOutlet
from cache_streams.server import sink
from cache_streams.server.frames import SEND_BUFFER_BYTES, GatewayWebSocketProtocol
from cache_streams.server.sink import TransportSink
from cache_streams.targets import Targets

DEADLINE_S = 10.0
DEAF_CLOSE_S = 2.0
"""How long a client that reads nothing may keep a closed socket alive."""

Message = dict[str, Any]  # Any: an ASGI message
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
CHUNK = Body(b"x" * 8192)


@dataclass
class Served:
    """One socket as its application sees it."""

    sink: TransportSink
    send: Send
    receive: Receive
    ended: asyncio.Event

    @property
    def protocol(self) -> GatewayWebSocketProtocol:
        return self.sink._protocol

    async def disconnected(self) -> Message:
        """Return the disconnect that the application is told of."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                message = await self.receive()
                if message["type"] == "websocket.disconnect":
                    return message


class Application:
    """Accepts each socket and hands it to the test that waits for it; refuses ``/refused``."""

    def __init__(self) -> None:
        self.sockets: asyncio.Queue[Served] = asyncio.Queue()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        if scope["path"] == "/refused":
            await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b'{"error_code":"AUTH_MISSING"}'})
            return
        await send({"type": "websocket.accept"})
        sink: TransportSink = scope["extensions"][EXTENSION]
        match scope["path"]:
            case "/at-once/sink":
                SinkOutlet(sink).send(b"now")
            case "/at-once/asgi":
                await send({"type": "websocket.send", "text": "now"})
            case "/at-once/close":
                sink.close(4000, "now")
        served = Served(scope["extensions"][EXTENSION], send, receive, asyncio.Event())
        await self.sockets.put(served)
        await served.ended.wait()

    async def next(self) -> Served:
        """Return the socket that was opened last."""
        async with asyncio.timeout(DEADLINE_S):
            return await self.sockets.get()


@dataclass
class Gateway:
    application: Application
    port: int

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[tuple[ClientConnection, Served]]:
        """Connect a client that reads."""
        async with websockets.connect(f"ws://127.0.0.1:{self.port}/", compression=None) as client:
            served = await self.application.next()
            try:
                yield client, served
            finally:
                served.sink.resume_reading()  # the client's goodbye
                served.ended.set()

    @asynccontextmanager
    async def deaf(self, kept_bytes: int = 4096) -> AsyncIterator[tuple[socket.socket, Served]]:
        """Connect a client that reads its handshake and nothing more."""
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, kept_bytes)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", self.port))
            await loop.sock_sendall(
                client,
                b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += await loop.sock_recv(client, 1)
            served = await self.application.next()
            try:
                yield client, served
            finally:
                served.ended.set()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """A uvicorn of this very loop, configured as a worker's is."""
    application = Application()
    config = uvicorn.Config(
        application,
        ws=GatewayWebSocketProtocol,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve([listener]))
        async with asyncio.timeout(DEADLINE_S):
            while not server.started:
                await asyncio.sleep(0.005)
        yield Gateway(application, listener.getsockname()[1])
        server.should_exit = True
        async with asyncio.timeout(DEADLINE_S):
            await serving


async def fill(served: Served) -> SinkOutlet:
    """Write until the transport is full; return the outlet that says so."""
    full = SinkOutlet(served.sink)
    async with asyncio.timeout(DEADLINE_S):
        while not full.paused:
            full.write(b"", CHUNK)
            await asyncio.sleep(0)
    return full


async def lost(served: Served, within_s: float) -> None:
    """Wait until the connection is gone."""
    async with asyncio.timeout(within_s):
        while not served.protocol.disconnected:
            await asyncio.sleep(0.005)


async def said(port: int, path: str, ending: bytes) -> tuple[bytes, int]:
    """Return all that a client is sent up to ``ending``, and in how many segments it came."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(
            client,
            f"GET {path} HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
        )
        answer = b""
        async with asyncio.timeout(DEADLINE_S):
            while not answer.endswith(ending):
                answer += await loop.sock_recv(client, 4096)
        info = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160)
        (segments,) = struct.unpack_from("I", info, 152)  # Linux: data_segs_in
        return answer, segments


# -- opening ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", b""),
        ("/at-once/sink", b"\x81\x03now"),
        ("/at-once/asgi", b"\x81\x03now"),
        ("/at-once/close", b"\x88\x05\x0f\xa0now"),
    ],
)
async def test_the_answer_and_what_follows_at_once_are_one_write(
    gateway: Gateway, path: str, told: bytes
) -> None:
    answer, segments = await said(gateway.port, path, b"\r\n\r\n" + told)
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert segments == 1
    (await gateway.application.next()).ended.set()


# -- writing ----------------------------------------------------------------------------------------------------------


async def test_frames_of_the_sink_arrive_in_order_with_those_that_asgi_sends(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        leaving = SinkOutlet(served.sink)
        for number in range(0, 300, 3):
            leaving.send(b"%d" % number)
            await served.send({"type": "websocket.send", "text": str(number + 1)})
            leaving.write(b"%d" % ((number + 2) // 10), Body(b"%d" % ((number + 2) % 10)))
        async with asyncio.timeout(DEADLINE_S):
            received = [int(await client.recv()) for _ in range(300)]
        assert received == list(range(300))


@pytest.mark.parametrize("length", [0, 125, 126, 65535, 65536, 300_000])
async def test_a_frame_of_any_length_is_read_as_it_was_written(gateway: Gateway, length: int) -> None:
    async with gateway.reader() as (client, served):
        SinkOutlet(served.sink).send(b"x" * length)
        async with asyncio.timeout(DEADLINE_S):
            assert await client.recv() == "x" * length


async def test_the_kernel_hides_no_more_than_a_bounded_backlog(gateway: Gateway) -> None:
    async with gateway.deaf() as (_, served):
        raw = served.protocol.transport.get_extra_info("socket")
        kept = raw.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        assert kept in {SEND_BUFFER_BYTES, 2 * SEND_BUFFER_BYTES}  # Linux doubles it for its own bookkeeping
        full = await fill(served)
        written = len(CHUNK.frame)
        assert 0 < full.buffered() <= written


async def test_frames_that_go_past_the_transport_keep_their_place_among_those_that_do_not(
    gateway: Gateway,
) -> None:
    """The client reads in fits and starts: also while the transport holds bytes that the loop had no chance to send on."""
    async with gateway.deaf(65536) as (client, served):
        loop, received, expected = asyncio.get_running_loop(), bytearray(), bytearray()
        dice = random.Random(1)
        outlet, past = SinkOutlet(served.sink), 0
        targets = Targets([(outlet, b"")])
        for number in range(6000):
            payload = b"%d:" % number + b"x" * (number * 37 % 2000)
            expected += Body(payload).frame
            past += served.sink.descriptor != CLOSED
            if number % 3:
                targets.write([payload])
            else:
                outlet.send(payload)
            if dice.random() < 1 / 200:
                with suppress(BlockingIOError):
                    while True:
                        received += client.recv(65536)
            if dice.random() < 1 / 200:
                await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_S):
            while len(received) < len(expected):
                received += await loop.sock_recv(client, 65536)
        assert received == expected
        assert 0 < past < 6000
        outlet.shut()


# -- pauses -----------------------------------------------------------------------------------------------------------


async def test_a_transport_that_holds_bytes_lets_no_frame_past_it_until_it_has_drained(
    gateway: Gateway,
) -> None:
    async with gateway.deaf() as (client, served):
        own = served.protocol.transport.get_extra_info("socket").fileno()
        assert served.sink.descriptor == own
        full = await fill(served)
        assert served.sink.descriptor == CLOSED
        async with asyncio.timeout(DEADLINE_S):
            while full.paused:
                await asyncio.get_running_loop().sock_recv(client, 65536)
        assert served.protocol.transport.get_write_buffer_size() == 0
        assert served.sink.descriptor == own
        full.shut()


async def test_an_answer_that_waits_behind_older_bytes_lets_no_frame_past_them(gateway: Gateway) -> None:
    """As after an upgrade on a connection whose last HTTP answer was not read yet."""
    async with gateway.deaf() as (_, served):
        full = await fill(served)
        served.sink.answer_soon()
        full.send(b"first")
        assert full.buffered() > 0
        assert served.sink.descriptor == CLOSED
        full.shut()


async def test_a_socket_that_was_lost_has_no_descriptor(gateway: Gateway) -> None:
    async with gateway.deaf() as (client, served):
        client.close()
        await lost(served, DEADLINE_S)
        assert served.sink.descriptor == CLOSED


async def test_a_client_that_stops_reading_pauses_the_outlet_and_one_that_reads_again_resumes_it(
    gateway: Gateway,
) -> None:
    async with gateway.deaf() as (client, served):
        full = await fill(served)
        loop, resumed = asyncio.get_running_loop(), asyncio.create_task(full.writable())
        assert not resumed.done()
        async with asyncio.timeout(DEADLINE_S):
            while not resumed.done():
                await loop.sock_recv(client, 65536)
        assert not full.paused
        full.shut()


async def test_a_client_that_reads_nothing_is_cut_after_the_stall(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "STALL_TIMEOUT_S", 0.3)
    monkeypatch.setattr(outlet, "STALL_LOOK_S", 0.05)
    async with gateway.deaf() as (_, served):
        await fill(served)
        await lost(served, DEADLINE_S)
        assert (await served.disconnected())["type"] == "websocket.disconnect"


async def test_nobody_waits_for_room_in_a_connection_that_is_lost(gateway: Gateway) -> None:
    async with gateway.deaf() as (client, served):
        full = await fill(served)
        waiting = asyncio.create_task(full.writable())
        client.close()
        async with asyncio.timeout(DEADLINE_S):
            await waiting
        full.shut()


# -- closes -----------------------------------------------------------------------------------------------------------


async def test_a_close_reaches_a_reading_client_with_code_and_reason_after_what_was_written(
    gateway: Gateway,
) -> None:
    async with gateway.reader() as (client, served):
        leaving = SinkOutlet(served.sink)
        leaving.send(b"last words")
        leaving.close(1008, "Token expired")
        async with asyncio.timeout(DEADLINE_S):
            assert await client.recv() == "last words"
            await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1008, "Token expired")
        assert await served.disconnected() == {
            "type": "websocket.disconnect",
            "code": 1008,
            "reason": "Token expired",
        }
        await lost(served, DEAF_CLOSE_S)


async def test_a_deaf_client_is_ended_soon_after_a_close(gateway: Gateway) -> None:
    async with gateway.deaf() as (_, served):
        full = await fill(served)
        full.close(1008, "Token expired")
        assert (await served.disconnected())["code"] == 1008
        await lost(served, DEAF_CLOSE_S)


async def test_nothing_is_written_after_a_close_and_a_second_close_is_none(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        leaving = SinkOutlet(served.sink)
        leaving.close(1008, "first")
        leaving.send(b"too late")
        leaving.close(1011, "second")
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(websockets.ConnectionClosedError):
                await client.recv()
        assert (client.close_code, client.close_reason) == (1008, "first")


async def test_a_client_that_was_not_read_from_is_read_again_for_its_answer_to_the_close(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "CLOSE_GRACE_S", 10 * DEADLINE_S)  # only the client's answer can end it
    async with gateway.reader() as (client, served):
        await client.send("a request that nobody takes")
        async with asyncio.timeout(DEADLINE_S):
            while not served.protocol.read_paused:
                await asyncio.sleep(0.005)
        served.sink.close(1001, "server_shutdown")
        async with asyncio.timeout(DEADLINE_S):
            await client.wait_closed()
        assert client.close_code == 1001
        await lost(served, DEADLINE_S)


async def test_a_close_after_the_clients_own_is_none(gateway: Gateway) -> None:
    async with gateway.deaf() as (client, served):
        full = await fill(served)  # so that the connection cannot end at once
        await say_goodbye(client)
        assert (await served.disconnected())["code"] == 1000
        full.close(1008, "Token expired")
        full.send(b"too late")


async def test_a_client_that_says_goodbye_and_reads_nothing_is_ended_soon(gateway: Gateway) -> None:
    async with gateway.deaf() as (client, served):
        await fill(served)
        await say_goodbye(client)
        await lost(served, DEAF_CLOSE_S)


async def say_goodbye(client: socket.socket) -> None:
    payload, mask = struct.pack("!H", 1000), b"\x00\x00\x00\x00"
    await asyncio.get_running_loop().sock_sendall(client, b"\x88\x82" + mask + payload)


async def test_a_deaf_client_does_not_hold_up_the_servers_end(gateway: Gateway) -> None:
    async with gateway.deaf() as (_, served):
        await fill(served)
        served.protocol.shutdown()
        await lost(served, DEAF_CLOSE_S)


async def test_a_deaf_client_that_answers_no_ping_is_ended_soon(gateway: Gateway) -> None:
    async with gateway.deaf() as (_, served):
        await fill(served)
        served.protocol.send_keepalive_ping()
        served.protocol.keepalive_timeout()
        await lost(served, DEAF_CLOSE_S)


async def test_an_abort_ends_the_connection_at_once(gateway: Gateway) -> None:
    async with gateway.deaf() as (_, served):
        (await fill(served)).abort()
        await lost(served, DEAF_CLOSE_S)


# -- retained sockets -------------------------------------------------------------------------------------------------


class Kept:
    """What the protocol calls once the application has returned."""

    def __init__(self) -> None:
        self.frames: list[str | bytes] = []
        self.losses = 0

    def received(self, frame: str | bytes) -> None:
        self.frames.append(frame)

    def lost(self) -> None:
        self.losses += 1


async def retain(served: Served) -> Kept:
    """Retain the socket, and wait until its application has returned."""
    kept = Kept()
    served.sink.retain(kept)
    served.ended.set()
    await eventually(lambda: served.protocol.close_timer is None)
    return kept


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_retained_socket_outlives_its_application(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        await retain(served)
        SinkOutlet(served.sink).send(b"still here")
        async with asyncio.timeout(DEADLINE_S):
            assert await client.recv() == "still here"


async def test_a_retained_socket_is_read_frame_by_frame_as_each_is_answered(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        kept = await retain(served)
        await client.send("one")
        await eventually(lambda: kept.frames == ["one"])
        assert served.protocol.read_paused
        await client.send(b"two")
        served.sink.resume_reading()
        await eventually(lambda: kept.frames == ["one", b"two"])


async def test_frames_that_came_with_the_handshake_are_not_lost(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        await client.send("early")
        await eventually(lambda: served.protocol.read_paused)
        kept = await retain(served)
        assert kept.frames == ["early"]


async def test_a_message_in_parts_is_one_frame(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        kept = await retain(served)
        await client.send(["a", "b", "c"])
        await eventually(lambda: kept.frames == ["abc"])


async def test_text_that_is_none_closes_a_retained_socket_with_1007(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        kept = await retain(served)
        await client.send(b"\xff", text=True)
        await eventually(lambda: kept.losses == 1)
        assert client.close_code == 1007
        assert kept.frames == []


async def test_the_loss_of_a_retained_socket_is_told_once(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        kept = await retain(served)
        await client.close()
        await eventually(lambda: kept.losses == 1)
        assert served.protocol.disconnected
    assert kept.losses == 1


async def test_a_client_lost_before_its_socket_was_retained_is_told_as_well(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served):
        await client.close()
        await lost(served, DEADLINE_S)
        assert (await retain(served)).losses == 1


async def test_a_close_of_a_retained_socket_reaches_its_client_or_ends_it_soon(gateway: Gateway) -> None:
    async with gateway.reader() as (client, served), gateway.deaf() as (_, unheard):
        kept, unseen = await retain(served), await retain(unheard)
        (await fill(unheard)).close(1008, "Token expired")
        served.sink.close(1008, "Token expired")
        async with asyncio.timeout(DEADLINE_S):
            await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1008, "Token expired")
        await eventually(lambda: kept.losses == 1)
        await lost(unheard, DEAF_CLOSE_S)
        assert unseen.losses == 1


# -- refusals ---------------------------------------------------------------------------------------------------------


async def test_a_refusal_reaches_the_client_and_is_no_error_of_the_application(
    gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://127.0.0.1:{gateway.port}/refused")
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body) == {"error_code": "AUTH_MISSING"}
    assert [record.getMessage() for record in caplog.records] == []


async def test_a_handshake_that_is_none_is_refused_without_a_scope(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.read(-1)
    assert answer.startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()
