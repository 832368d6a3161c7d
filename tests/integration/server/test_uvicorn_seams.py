"""What of uvicorn's internals ``cache_streams/server/frames.py`` rests on: a failure here says what to read after an upgrade."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import pytest
import uvicorn
import uvloop
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.server import ServerProtocol

from cache_streams.server.peer import Conversation

DEADLINE_S = 5.0
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
GOODBYE = b"\x88\x82\x00\x00\x00\x00\x03\xe8"

Message = dict[str, Any]  # Any: an ASGI message


class Spied(WebSocketsSansIOProtocol):
    """Notes what holds at the moment in which our subclass steps in."""

    begun = False
    scope_after_connect: Message | None = None
    begun_after_connect: bool | None = None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        self.scope_after_connect = None if self.handshake_complete else dict(self.scope)
        self.begun_after_connect = self.begun


class Connected:
    """uvicorn's protocol on one end of a socket pair, the test on the other."""

    def __init__(self, protocol: Spied, client: socket.socket) -> None:
        self.protocol, self.client = protocol, client
        self.steps: asyncio.Queue[Message] = asyncio.Queue()
        self.opened = asyncio.Event()
        self.complete_after_send = False

    async def application(
        self, scope: Message, receive: Callable[..., Any], send: Callable[..., Any]
    ) -> None:
        self.protocol.begun = True
        await receive()
        while True:
            message = await self.steps.get()
            if message["type"] == "end":
                return
            await send(message)
            self.complete_after_send = self.protocol.handshake_complete
            self.opened.set()

    async def talk(self, *messages: Message) -> None:
        for message in messages:
            self.opened.clear()
            self.steps.put_nowait(message)
            async with asyncio.timeout(DEADLINE_S):
                await self.opened.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                await asyncio.sleep(0.005)


@pytest.fixture
async def connected() -> AsyncIterator[Connected]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()

    async def application(scope: Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await pair.application(scope, receive, send)

    config = uvicorn.Config(application, ws=WebSocketsSansIOProtocol, lifespan="off", log_config=None)
    config.load()
    _, protocol = await loop.connect_accepted_socket(lambda: Spied(config, ServerState(), {}), ours)
    pair = Connected(protocol, theirs)
    with theirs:
        yield pair
        pair.steps.put_nowait({"type": "end"})
        protocol.transport.abort()
        await pair.until(lambda: protocol.disconnected and not protocol.tasks)


@pytest.mark.parametrize(
    ("attribute", "kind", "check"),
    [
        ("conn", ServerProtocol, "conn.send_close and conn.data_to_send make our close frame"),
        ("queue", asyncio.Queue, "the application learns of our close through this queue"),
        ("close_sent", bool, "nothing may be written after a close; uvicorn and we share this flag"),
        ("disconnected", bool, "nothing may be written to a lost connection"),
        ("read_paused", bool, "reading must go on after our close, or the peer's answer is never read"),
        ("handshake_complete", bool, "tells a refused handshake from one that waits for its application"),
        (
            "close_timer",
            type(None),
            "None means that run_asgi closes the transport; our timer must be kept there",
        ),
        ("transport", asyncio.BaseTransport, "water marks are set on it, frames are written to it"),
        ("frames", list, "the parts of a message that is being received"),
        ("curr_msg_data_type", str, "whether that message is text or bytes"),
        ("pong_timer", type(None), "None unless a pong is awaited: peer.py waits again by it"),
        ("loop", asyncio.AbstractEventLoop, "our close's grace is timed by it"),
    ],
)
async def test_the_attribute_is_there_and_means_what_it_did(
    connected: Connected, attribute: str, kind: type, check: str
) -> None:
    assert isinstance(getattr(connected.protocol, attribute, "missing"), kind), (
        f"uvicorn's {attribute!r}: {check}; read frames.py beside the new websockets_sansio_impl.py"
    )


@pytest.mark.parametrize(
    "method",
    [
        "connection_made",
        "handle_connect",
        "handle_close",
        "handle_events",
        "handle_text",
        "handle_bytes",
        "handle_cont",
        "send_keepalive_ping",
        "keepalive_timeout",
        "handle_parser_exception",
        "send_receive_event_to_app",
        "run_asgi",
        "connection_lost",
        "shutdown",
        "send",
        "pause_writing",
        "resume_writing",
    ],
)
def test_the_method_that_we_extend_is_uvicorns_own(method: str) -> None:
    assert inspect.isfunction(vars(WebSocketsSansIOProtocol).get(method)), (
        f"{method}: frames.py extends it; find out what took its place"
    )


def test_a_close_timer_is_what_keeps_the_transport_when_the_application_ends() -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol.run_asgi)
    assert "if self.close_timer is None:" in source, (
        "run_asgi: an application that ends after our close must not cut the close frame off"
    )
    assert "if not self.handshake_complete:" in source, (
        "run_asgi: frames.py sets handshake_complete after a refusal, so that it is not logged as an error"
    )


async def test_the_scope_stands_after_handle_connect_and_its_application_has_not_begun(
    connected: Connected,
) -> None:
    connected.client.send(HANDSHAKE)
    await connected.until(lambda: connected.protocol.begun)
    assert connected.protocol.begun_after_connect is False, "the sink would come too late into the scope"
    assert connected.protocol.scope_after_connect is not None
    assert isinstance(connected.protocol.scope_after_connect["extensions"], dict)


async def test_a_request_handed_over_is_the_one_that_is_parsed(connected: Connected) -> None:
    connected.client.send(HANDSHAKE)
    await connected.until(lambda: connected.protocol.begun)
    lines = HANDSHAKE.decode().split("\r\n")[1:-2]
    headers = Headers((name, value) for name, _, value in (line.partition(": ") for line in lines))
    assert connected.protocol.request == Request("/", headers), (
        "the library's requests look otherwise: peer.py's begin() makes one"
    )


async def test_frames_are_read_once_the_librarys_parser_is_put_past_the_request() -> None:
    conn = ServerProtocol()
    conn.__class__ = Conversation
    assert isinstance(conn, Conversation)
    conn.skip_request()
    conn.receive_data(b"\x89\x80\x00\x00\x00\x00")
    events = conn.events_received()
    assert [type(event) for event in events] == [Frame], "skip_request() no longer leads past the handshake"


async def test_a_refused_handshake_is_complete_and_has_no_scope(connected: Connected) -> None:
    connected.client.send(HANDSHAKE.replace(b"Sec-WebSocket-Version: 13\r\n", b""))
    await connected.until(lambda: connected.protocol.handshake_complete)
    assert not hasattr(connected.protocol, "scope")


async def test_an_asgi_close_sets_what_ours_sets(connected: Connected) -> None:
    connected.client.send(HANDSHAKE)
    await connected.talk(
        {"type": "websocket.accept"}, {"type": "websocket.close", "code": 1008, "reason": "why"}
    )
    protocol = connected.protocol
    assert protocol.close_sent
    assert protocol.close_timer is not None
    assert not protocol.read_paused
    assert protocol.queue.get_nowait() == {"type": "websocket.disconnect", "code": 1008, "reason": "why"}


async def test_a_message_that_nobody_takes_pauses_reading(connected: Connected) -> None:
    connected.client.send(HANDSHAKE)
    await connected.talk({"type": "websocket.accept"})
    connected.client.send(b"\x81\x81\x00\x00\x00\x00x")
    await connected.until(lambda: connected.protocol.read_paused)


async def test_a_goodbye_closes_the_transport_before_the_connection_is_lost(connected: Connected) -> None:
    connected.client.send(HANDSHAKE)
    await connected.talk({"type": "websocket.accept"})
    protocol = connected.protocol
    seen: list[tuple[bool, bool]] = []
    closing = protocol.handle_close

    def handle_close(event: Any) -> None:  # Any: a frame
        closing(event)
        seen.append((protocol.transport.is_closing(), protocol.disconnected))

    protocol.handle_close = handle_close  # type: ignore[method-assign]  # to look at this very moment
    connected.client.send(GOODBYE)
    await connected.until(lambda: bool(seen))
    assert seen == [(True, False)], "the sink tells by transport.is_closing() that a client said goodbye"


async def test_a_refusals_body_leaves_the_handshake_incomplete(connected: Connected) -> None:
    connected.client.send(HANDSHAKE)
    await connected.talk(
        {"type": "websocket.http.response.start", "status": 401, "headers": []},
        {"type": "websocket.http.response.body", "body": b"{}"},
    )
    assert connected.protocol.close_sent
    assert not connected.complete_after_send, (
        "uvicorn completes refusals itself now: frames.py need not do it in send()"
    )
    connected.protocol.handshake_complete = (
        True  # as frames.py does, or the end of this test is logged as an error
    )


class Holding(asyncio.Protocol):
    """Notes when the transport says that it holds bytes, and whether the descriptor is still its own when it is lost."""

    def __init__(self) -> None:
        self.holds = False
        self.own_when_lost: bool | None = None
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self.transport.set_write_buffer_limits(high=0)
        self.descriptor = transport.get_extra_info("socket").fileno()
        self.inode = os.fstat(self.descriptor).st_ino

    def pause_writing(self) -> None:
        self.holds = True

    def resume_writing(self) -> None:
        self.holds = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.own_when_lost = os.fstat(self.descriptor).st_ino == self.inode
        self.lost.set()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("end", ["abort", "close", "peer"])
def test_a_transport_says_at_once_that_it_holds_bytes_and_keeps_its_descriptor_until_it_is_lost(
    loop: Callable[[], asyncio.AbstractEventLoop], end: str
) -> None:
    async def story() -> Holding:
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        running = asyncio.get_running_loop()
        with theirs:
            _, protocol = await running.connect_accepted_socket(Holding, ours)
            for _ in range(2000):
                protocol.transport.write(b"x" * 1024)
                assert protocol.holds == (protocol.transport.get_write_buffer_size() > 0), (
                    "sink.py: frames go past a transport that has not said that it holds any"
                )
                if protocol.holds:
                    await running.sock_recv(theirs, 100_000)
            async with asyncio.timeout(DEADLINE_S):
                while protocol.holds:
                    await running.sock_recv(theirs, 100_000)
            if end == "peer":
                theirs.close()
            else:
                getattr(protocol.transport, end)()
            async with asyncio.timeout(DEADLINE_S):
                await protocol.lost.wait()
        return protocol

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(story()).own_when_lost, (
            "sink.py: the descriptor was closed before connection_lost, and another socket may have its number"
        )
