"""A WebSocket client that can break every rule: frames as bytes over a real socket."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from typing import Literal, Self

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
DEADLINE_S = 10.0
MASK = b"\x37\xfa\x21\x3d"

Frame = tuple[int, bytes]
"""Opcode and payload of a frame that the server sent."""


def frame(opcode: int, payload: bytes | str = b"", *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a masked frame as clients send them."""
    data = payload.encode() if isinstance(payload, str) else payload
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if len(data) < 126:
        head += bytes([0x80 | len(data)])
    elif len(data) < 65536:
        head += b"\xfe" + len(data).to_bytes(2, "big")
    else:
        head += b"\xff" + len(data).to_bytes(8, "big")
    mask = (MASK * (len(data) // 4 + 1))[: len(data)]
    masked = (int.from_bytes(data, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(data), "big")
    return head + MASK + masked


def message(opcode: int, *parts: bytes | str) -> bytes:
    """Return a message in as many frames as it has parts."""
    last = len(parts) - 1
    return b"".join(frame(opcode if at == 0 else CONT, part, fin=at == last) for at, part in enumerate(parts))


def closing(code: int, reason: bytes | str = b"") -> bytes:
    """Return a close frame."""
    return frame(CLOSE, code.to_bytes(2, "big") + (reason.encode() if isinstance(reason, str) else reason))


class Peer:
    """One connection; every wait ends after ``DEADLINE_S``."""

    def __init__(self, port: int, path: str, *headers: str, receive_buffer: int | None = None) -> None:
        self._socket, self._pause_s = socket.socket(), 0.0
        self._socket.settimeout(DEADLINE_S)
        if receive_buffer is not None:  # before the connect, which tells the peer
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.connect(("127.0.0.1", port))
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: localhost",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            *headers,
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self._received = b""
        while b"\r\n\r\n" not in self._received:
            self._received += self._socket.recv(65536)
        self.head, _, self._received = self._received.partition(b"\r\n\r\n")

    @property
    def port(self) -> int:
        """The client's own port, by which the server's end is found."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes, chop: int | None = None) -> None:
        """Send bytes, ``chop`` at a time; what the server does not take any more is its verdict."""
        with suppress(ConnectionError):
            for start in range(0, len(data), chop or max(len(data), 1)):
                self._socket.sendall(data[start : start + (chop or len(data))])

    def stuff(self, data: bytes) -> None:
        """Send bytes again and again until the server takes no more."""
        self._socket.settimeout(0.5)
        with suppress(TimeoutError, ConnectionError):
            while True:
                self._socket.sendall(data)

    def receive(self, pause_s: float = 0.0) -> Frame | Literal["end"]:
        """Return the next frame, or that the connection ended; ``pause_s`` are slept for each octet that came."""
        self._pause_s = pause_s
        if not self._fill(2):
            return "end"
        opcode, length, start = self._received[0] & 0x0F, self._received[1], 2
        assert self._received[0] & 0x70 == 0, "no extension was negotiated"
        assert length < 128, "a server's frames are not masked"
        if length >= 126:
            start = 4 if length == 126 else 10
            self._fill(start)
            length = int.from_bytes(self._received[2:start], "big")
        if not self._fill(start + length):
            return "end"
        payload, self._received = self._received[start : start + length], self._received[start + length :]
        return opcode, payload

    def _fill(self, count: int) -> bool:
        while len(self._received) < count:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                return False
            if not data:
                return False
            self._received += data
            time.sleep(len(data) * self._pause_s)
        return True
