"""The frame sink that ``serve`` offers to consumers: a socket's own transport, and how its conversation ends."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from websockets.protocol import Protocol

from cache_streams.outlet import CLOSED, DESCRIPTORS, LOST, Parting, Retainer, discard

if TYPE_CHECKING:
    from cache_streams.server.frames import GatewayWebSocketProtocol

CLOSE_GRACE_S = 1.0


class TransportSink:
    """The frame sink of one socket; see ``cache_streams.outlet.FrameSink``."""

    __slots__ = (
        "_protocol",
        "descriptor",
        "on_end",
        "on_pause",
        "on_resume",
        "retainer",
        "write",
    )

    def __init__(self, protocol: GatewayWebSocketProtocol) -> None:
        self._protocol = protocol
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self.on_end: Callable[[], None] | None = None
        self.retainer: Retainer | None = None
        self._write_to_transport()

    def answer_soon(self) -> None:
        """Send what the handshake is answered together with the first frame, or by itself after this step of the loop."""
        if self.is_open:
            self._write_by(self._write_with_answer)
        self._protocol.loop.call_soon(self._answer)

    def _write_with_answer(self, frame: bytes) -> None:
        self._write_to_transport()
        self.write(b"".join((*self._protocol.conn.data_to_send(), frame)))

    def _answer(self) -> None:
        if self.write == self._write_with_answer:
            self._write_with_answer(b"")

    @property
    def is_open(self) -> bool:
        """Whether frames still leave."""
        return self.write is not discard

    def end(self) -> None:
        """Let no frame follow: a close frame is out, whoever sent it."""
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()
        self._write_by(discard)

    def held(self) -> None:
        """Note that the transport holds bytes: what is written now comes after them."""
        if self.descriptor != CLOSED:
            self._write_by(self.write)
        if self.on_pause is not None:
            self.on_pause()

    def drained(self) -> None:
        """Note that the transport holds nothing any more."""
        if self.write == self._protocol.transport.write:
            self._write_to_transport()
        if self.on_resume is not None:
            self.on_resume()

    def buffered(self) -> int:
        return self._protocol.transport.get_write_buffer_size()

    def parting(self) -> Parting:
        return parting_of(self._protocol.conn)

    def taken(self) -> int | None:
        return self._protocol.taken()

    def close(self, code: int, reason: str) -> None:
        if not self.is_open:
            return
        self.end()
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
        self.end()
        self._protocol.transport.abort()

    def retain(self, retainer: Retainer) -> None:
        self.retainer = retainer
        self._protocol.retained()

    def resume_reading(self) -> None:
        protocol = self._protocol
        if protocol.read_paused and not protocol.disconnected:
            protocol.read_paused = False
            protocol.transport.resume_reading()

    def _write_to_transport(self) -> None:
        """Let frames go to the transport, and past it where nothing forbids that: bytes that it holds, or TLS, which sends its records."""
        transport = self._protocol.transport
        raw: socket.socket | None = transport.get_extra_info("socket")
        kept = transport.get_write_buffer_size() or transport.get_extra_info("sslcontext") is not None
        self._write_by(transport.write, CLOSED if raw is None or kept else raw.fileno())

    def _write_by(self, write: Callable[[bytes], None], descriptor: int = CLOSED) -> None:
        self.write, self.descriptor = write, descriptor
        DESCRIPTORS.changes += 1


def parting_of(conn: Protocol) -> Parting:
    """Return how a connection of the library ended: who sent the first close frame, and what it said."""
    if conn.close_rcvd is not None and (conn.close_sent is None or conn.close_rcvd_then_sent):
        return Parting("client", conn.close_rcvd.code, conn.close_rcvd.reason)
    if conn.close_sent is not None:
        return Parting("gateway", conn.close_sent.code, conn.close_sent.reason)
    return LOST
