"""A WebSocket client that costs little: it hands each text frame, with the moment of its arrival, to one function."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

Take = Callable[[bytes, float], None]
"""Receives a frame's payload and when (Unix seconds) its bytes were read."""

ANSWER_DEADLINE_S = 10.0
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_SHORT, _LENGTH_16, _LENGTH_64 = 125, 126, 127
_SWITCHING = b"HTTP/1.1 101 "


class RefusedError(Exception):
    """The handshake was not answered with 101; the text is the answer's first line."""


class Socket(asyncio.Protocol):
    """One open socket; ``ended`` says why it is over, None while it is open."""

    def __init__(self, take: Take) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: str | None = None
        self._take = take
        self._bytes = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.ended or f"connection lost: {exc}"
        if not self.opened.done():
            self.opened.set_exception(RefusedError(self.ended))

    def data_received(self, data: bytes) -> None:
        arrived = time.time()
        self._bytes += data
        if not self.opened.done():
            head, found, rest = self._bytes.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(_SWITCHING):
                self.opened.set_exception(RefusedError(head.partition(b"\r\n")[0].decode(errors="replace")))
                return
            self.opened.set_result(None)
            self._bytes = rest
        self._frames(arrived)

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        self._send(_TEXT, text)

    def close(self) -> None:
        """Drop the connection."""
        self.ended = self.ended or "closed by us"
        if self._transport is not None:
            self._transport.abort()

    def write(self, request: bytes) -> None:
        """Send bytes as they are."""
        if self._transport is not None:
            self._transport.write(request)

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        length = bytes([0x80 | size]) if size <= _SHORT else b"\xfe" + size.to_bytes(2, "big")
        # A mask of zeros is a mask, and leaves the payload as it is.
        self.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)

    def _frames(self, arrived: float) -> None:
        """Take every whole frame out of what has arrived; the gateway neither masks nor splits frames."""
        received, at = self._bytes, 0
        end = len(received)
        while end - at > 1:
            size, start = received[at + 1], at + 2
            if size >= _LENGTH_16:
                start += 2 if size == _LENGTH_16 else 8
                if start > end:
                    break
                size = int.from_bytes(received[at + 2 : start], "big")
            if start + size > end:
                break
            self._frame(received[at] & 0x0F, received[start : start + size], arrived)
            at = start + size
        self._bytes = received[at:]

    def _frame(self, opcode: int, payload: bytes, arrived: float) -> None:
        if opcode == _TEXT:
            self._take(payload, arrived)
        elif opcode == _PING:
            self._send(_PONG, payload)
        elif opcode == _CLOSE:
            self.ended = f"closed by the gateway: {int.from_bytes(payload[:2], 'big')} {payload[2:].decode()}"


async def connect(base_url: str, path: str, token: str, take: Take) -> Socket:
    """Open ``path`` below ``base_url`` (``http://host:port``) with ``token`` in the query.

    Raises: RefusedError, TimeoutError after 10 s.
    """
    address = urlsplit(base_url)
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path}?token={token} HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with asyncio.timeout(ANSWER_DEADLINE_S):
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: Socket(take), address.hostname or "", address.port or 80
        )
        socket.write(request.encode())
        await socket.opened
    return socket
