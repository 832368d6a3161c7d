"""The WebSocket protocol that ``serve`` gives to uvicorn: its sans-I/O class plus a frame sink and a handshake deadline.

What of uvicorn's internals is touched here is named in ``tests/integration/server/test_uvicorn_seams.py``.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from websockets.frames import Frame
from websockets.http11 import Request

from cache_streams.metrics import CLOSES
from cache_streams.outlet import EXTENSION
from cache_streams.protocol.close_codes import RATE_LIMITED
from cache_streams.server.peer import PeerProtocol
from cache_streams.server.sink import CLOSE_GRACE_S, TransportSink

SEND_BUFFER_BYTES = 128 * 1024
"""By default the kernel hides up to 4 MB of stale prices from us."""


class _NoQueue:
    """Takes the place of a retained socket's ASGI queue: nobody reads it any more, and empty it costs 3 KB."""

    def put_nowait(self, message: ASGIReceiveEvent) -> None:
        pass


class GatewayWebSocketProtocol(PeerProtocol):
    """uvicorn's protocol, with water marks set, the kernel's buffer bounded and the sink in the scope."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # It then says whenever it holds anything: what the sink rests on.
        self.transport.set_write_buffer_limits(high=0)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self.sink = TransportSink(self)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.handshake_complete:  # refused: there is no scope
            return
        # uvicorn's task for the application has been made but not started: it will see this scope.
        extensions: dict[str, Any] = self.scope["extensions"]  # Any: ASGI leaves extensions open
        extensions[EXTENSION] = self.sink

    def retained(self) -> None:
        """Let go of what only the handshake and the ASGI application needed."""
        while not self.queue.empty():  # frames that came with the handshake
            message = self.queue.get_nowait()
            if message["type"] == "websocket.receive" and self.sink.retainer is not None:
                text = message.get("text")
                self.sink.retainer.received(text if text is not None else message.get("bytes") or b"")
        self.queue = _NO_QUEUE
        # uvicorn closes the transport of an application that returned, unless a close is under way already.
        self.close_timer = self.loop.call_later(0, _nothing)
        del self.scope, self.request, self.response
        # Lost during the handshake: the queue's news of it went to nobody.
        if self.disconnected and self.sink.retainer is not None:
            self.sink.retainer.lost()

    async def run_asgi(self) -> None:
        await super().run_asgi()
        if self.sink.retainer is not None and not self.close_sent:
            self.close_timer = None

    def send_receive_event_to_app(self) -> None:
        if self.sink.retainer is None:
            super().send_receive_event_to_app()
            return
        frames, self.frames = self.frames, []
        if self.close_sent:
            return
        received = frames[0] if len(frames) == 1 else b"".join(frames)
        if self.curr_msg_data_type == "text":
            try:
                message: str | bytes = received.decode()
            except UnicodeDecodeError:
                self.conn.send_close(1007)
                self.handle_parser_exception()
                return
        else:
            message = bytes(received)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
        self.sink.retainer.received(message)

    def handle_events(self) -> None:
        if self.keeps_to_rate():
            super().handle_events()
            return
        self.conn.events_received()  # none of them is answered
        if not self.close_sent and not self.transport.is_closing():
            CLOSES.labels(RATE_LIMITED.reason).inc()
            self.sink.close(RATE_LIMITED.code, RATE_LIMITED.reason)
        self.transport.pause_reading()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._end_soon()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        if self.pong_timer is None:  # it has not been given more time
            self._end_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._end_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.end()
        super().connection_lost(exc)
        if self.sink.on_resume is not None:  # nobody may wait for what will never drain
            self.sink.on_resume()
        if self.sink.retainer is not None:
            self.sink.retainer.lost()

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            self.sink.end()
        self.conn.holding = message["type"] == "websocket.accept"
        await super().send(message)
        if self.conn.holding:
            self.conn.holding = False
            self.sink.answer_soon()
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = (
                True  # else uvicorn logs each refusal as an application that never answered
            )

    def pause_writing(self) -> None:
        super().pause_writing()
        self.sink.held()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.sink.drained()

    def _end_soon(self) -> None:
        """Write no more, and cut the closing connection after a grace: uvicorn waits without end for a deaf peer."""
        self.sink.end()
        if self.transport.is_closing():
            self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)


def _nothing() -> None:
    """What a timer calls that only has to exist."""


_NO_QUEUE: Any = _NoQueue()  # Any: stands where uvicorn keeps an asyncio.Queue
