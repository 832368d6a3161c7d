"""What a peer may send, and how it is known to be alive: the inbound half of the WebSocket protocol that ``serve`` uses.

uvicorn's class keeps each part of a message as an object of its own, reads text only when it is whole, answers as many
pings as come, and takes a pong that waits behind a slow reader's backlog for one that never came.
"""

from __future__ import annotations

import asyncio
import codecs
import socket
import struct
from collections.abc import Iterable

from django.conf import settings
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from cache_streams.metrics import CLOSES
from cache_streams.protocol.allowance import limit_of
from cache_streams.protocol.close_codes import MUTE, TOO_LARGE

PATIENCE = 2
"""So many times a pong may be late while what was sent before its ping is still being taken."""
_UTF_8 = codecs.getincrementaldecoder("utf-8")
_TCP_INFO = struct.Struct("24xI92xQ16xI")  # Linux: unacked segments, bytes_acked, notsent_bytes
_FAILURES: dict[int, str] = {TOO_LARGE.code: TOO_LARGE.reason, CloseCode.INVALID_DATA: "invalid_text"}


class Conversation(ServerProtocol):
    """The library's protocol, but for some things: it can begin after the request and hold its answer back; the close that
    may come amid the parts of a message (RFC 6455 §5.4) is none of its errors; and what is too large is called as the
    table of closes calls it.
    """

    holding = False
    """What is to be sent stays where it is, until something is sent after it."""

    def skip_request(self) -> None:
        """Expect frames: the request was read by somebody else."""
        self.parser = Protocol.parse(self)
        next(self.parser)

    def data_to_send(self) -> list[bytes]:
        return [] if self.holding else super().data_to_send()

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        super().fail(code, TOO_LARGE.reason if code == TOO_LARGE.code else reason)


class PeerProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol with bounds on frames, text that is read part by part, and patience with slow readers."""

    conn: Conversation
    # Defaults of the class: an idle socket has none of its own.
    _decoder: codecs.IncrementalDecoder | None = None
    _second = 0.0
    _frames_in_second = 0
    _acknowledged = 0
    _late = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # uvicorn names no class to make; this one adds methods and nothing else.
        self.conn.__class__ = Conversation

    def begin(self, target: str, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Answer a GET request that was parsed already."""
        read = Headers(
            (name.decode("ascii"), value.decode("latin-1").strip(" \t")) for name, value in headers
        )
        self.conn.skip_request()
        self.handle_connect(Request(target, read))

    def keeps_to_rate(self) -> bool:
        """Count what has come; return whether the peer may send so many frames in a second."""
        now = self.loop.time()
        if now - self._second >= 1.0:
            self._second, self._frames_in_second = now, 0
        self._frames_in_second += len(self.conn.events)
        return self._frames_in_second <= limit_of(settings.FRAMES_PER_S)

    # -- messages in parts ------------------------------------------------------------------------------------------

    def handle_text(self, event: Frame) -> None:
        if event.fin:
            super().handle_text(event)
            return
        self.curr_msg_data_type = "text"
        self._decoder = _UTF_8()
        self._begin(event)

    def handle_bytes(self, event: Frame) -> None:
        if event.fin:
            super().handle_bytes(event)
            return
        self.curr_msg_data_type = "bytes"
        self._decoder = None
        self._begin(event)

    def _begin(self, event: Frame) -> None:
        self.frames = [bytearray()]  # type: ignore[list-item]  # one that grows, whatever the number of parts
        self.handle_cont(event)

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        whole = self.frames[0]
        whole += event.data
        try:
            if self._decoder is not None:
                self._decoder.decode(event.data, final=event.fin)
        except UnicodeDecodeError:
            self.conn.send_close(CloseCode.INVALID_DATA)
            self.handle_parser_exception()
            return
        if event.fin:
            self._decoder = None
            self.frames = [bytes(whole)]
            self.send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        if self.conn.close_sent is not None:
            CLOSES.labels(_FAILURES.get(self.conn.close_sent.code, "protocol_error")).inc()
        super().handle_parser_exception()

    # -- signs of life ------------------------------------------------------------------------------------------------

    def send_keepalive_ping(self) -> None:
        self._acknowledged, self._late = self._progress()[0], 0
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        acknowledged, waiting = self._progress()
        if waiting and acknowledged > self._acknowledged and self._late < PATIENCE:
            self._acknowledged, self._late = acknowledged, self._late + 1
            self.pong_timer = self.loop.call_later(settings.PONG_TIMEOUT_S, self.keepalive_timeout)
            return
        if not self.close_sent and not self.transport.is_closing():
            CLOSES.labels(MUTE.reason).inc()
        super().keepalive_timeout()

    def taken(self) -> int | None:
        """Return the bytes that the peer's system has taken so far; None where the kernel does not tell."""
        try:
            return self._progress()[0] or None
        except OSError:  # closed meanwhile
            return None

    def _progress(self) -> tuple[int, bool]:
        """Return the bytes that the peer's system has taken so far, and whether any still wait here. Elsewhere than on Linux: 0."""
        raw: socket.socket | None = self.transport.get_extra_info("socket")
        if raw is None or not hasattr(socket, "TCP_INFO") or raw.family == socket.AF_UNIX:
            return 0, False
        info = raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        if len(info) < _TCP_INFO.size:
            return 0, False
        unacknowledged, acknowledged, unsent = _TCP_INFO.unpack(info)
        return acknowledged, bool(unacknowledged or unsent or self.transport.get_write_buffer_size())
