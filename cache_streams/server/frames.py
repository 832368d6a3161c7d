"""The WebSocket protocol that ``serve`` gives to uvicorn: its sans-I/O class plus a frame sink and a handshake deadline.

What of uvicorn's internals is touched here is named in ``tests/integration/server/test_uvicorn_seams.py``.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from cache_streams.outlet import EXTENSION, HIGH_WATER_BYTES, LOW_WATER_BYTES

SEND_BUFFER_BYTES = 128 * 1024
"""By default the kernel hides up to 4 MB of stale prices from us."""
CLOSE_GRACE_S = 1.0


class TransportSink:
    """The frame sink of one socket; see ``cache_streams.outlet.FrameSink``."""

    __slots__ = ("_protocol", "on_pause", "on_resume")

    def __init__(self, protocol: GatewayWebSocketProtocol) -> None:
        self._protocol = protocol
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None

    def write(self, frame: bytes) -> None:
        if self._is_open():
            self._protocol.transport.write(frame)

    def buffered(self) -> int:
        return self._protocol.transport.get_write_buffer_size()

    def close(self, code: int, reason: str) -> None:
        if not self._is_open():
            return
        protocol = self._protocol
        protocol.conn.send_close(code, reason)
        protocol.transport.write(b"".join(protocol.conn.data_to_send()))
        protocol.close_sent = True
        protocol.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        protocol.close_timer = protocol.loop.call_later(CLOSE_GRACE_S, protocol.transport.abort)
        if protocol.read_paused:
            protocol.read_paused = False
            protocol.transport.resume_reading()

    def abort(self) -> None:
        self._protocol.transport.abort()

    def _is_open(self) -> bool:
        protocol = self._protocol
        # The transport closes first when the client says goodbye; what it has not read yet keeps the connection alive.
        return not (protocol.close_sent or protocol.disconnected or protocol.transport.is_closing())


class GatewayWebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with water marks set, the kernel's buffer bounded and the sink in the scope."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=HIGH_WATER_BYTES, low=LOW_WATER_BYTES)
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

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = (
                True  # else uvicorn logs each refusal as an application that never answered
            )

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._end_soon()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._end_soon()

    def shutdown(self) -> None:
        super().shutdown()
        self._end_soon()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.sink.on_pause is not None:
            self.sink.on_pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.sink.on_resume is not None:
            self.sink.on_resume()

    def _end_soon(self) -> None:
        """Cut a closing connection after a grace: uvicorn waits without end for a peer that does not read."""
        if self.transport.is_closing():
            self.loop.call_later(CLOSE_GRACE_S, self.transport.abort)
