"""The HTTP protocol that ``serve`` gives to uvicorn: its httptools class plus bounds on how a connection may begin.

uvicorn waits without end for a request that never comes whole, and says nothing to a handshake that its WebSocket
library finds too long. What of its internals is touched is named in ``tests/integration/server/test_http_seams.py``.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from http import HTTPStatus

import structlog
from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cache_streams.metrics import REFUSALS
from cache_streams.server.forwarded import is_trusted_proxy
from cache_streams.server.peer import PeerProtocol

HEAD_BYTES = 64 * 1024
"""Request line and headers together."""
HEADERS = 128
LINE_BYTES = 8192
"""Longer lines, and more headers, are beyond the WebSocket library below; no valid token is nearly as long."""
LAST_REQUEST_S = 1.0
"""So long a worker that stops waits for the request of a connection that it accepted a moment ago: nobody else can answer it."""
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})

logger = structlog.get_logger(__name__)
_pending: Counter[str] = Counter()
"""Connections by address that have not sent a whole request yet."""


def _note_refusal(code: str, address: str | None) -> None:
    """Count and log what no application was asked about; behind a proxy the address is the proxy's."""
    REFUSALS.labels(code).inc()
    logger.info("connection refused", code=code, address=address)


class GatewayHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol: a whole request in time, of a bounded size, from an address with few unfinished ones."""

    _address: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _head = 0
    _last = b""
    _in_body = False
    _leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        limit = settings.PENDING_HANDSHAKES_PER_ADDRESS
        proxied = settings.NUM_PROXIES > 0 and is_trusted_proxy(address)
        if limit and not proxied and _pending[address] >= limit:
            _note_refusal("PENDING_HANDSHAKES", address)
            transport.abort()
            return
        self._await_request(address)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None and not self._in_body and self._goes_on(data):
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
            return
        super().data_received(data)

    def _goes_on(self, data: bytes) -> bool:
        """Return whether the head is longer than it may be; the body after it is bounded where it is read."""
        room = HEAD_BYTES - self._head
        self._head += len(data)
        if len(data) <= room:
            self._last = data[-3:]
            return False
        return b"\r\n\r\n" not in self._last + data[:room]

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_request(self.client[0] if self.client else "")

    def on_headers_complete(self) -> None:
        self._in_body = True
        super().on_headers_complete()
        if self._leaving and self._has_cycle():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._settled()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._settled()
        if self._leaving:  # a socket that opens now would be closed at once
            self.transport.close()
            return
        headers = list(self.scope["headers"])
        lines = (len(name) + len(value) + 4 for name, value in headers)
        if len(self.url) + 16 > LINE_BYTES or max(lines, default=0) > LINE_BYTES:
            self._refuse(HTTPStatus.UNAUTHORIZED, "Invalid authentication token", "AUTH_MALFORMED")
        elif len(headers) > HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
        else:
            self._hand_over(headers)
            # The parser and this object hold one another, for nothing more: 3 KB until a collection finds them.
            del self.parser

    def _hand_over(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Give the request to the WebSocket protocol as it was read, unless it is one that the library below might refuse.

        uvicorn writes it out once more, for that library to parse again.
        """
        protocol_class = self.ws_protocol_class
        plain = self.scope["method"] == "GET" and self.url.isascii()
        plain = plain and all(name not in _OF_BODIES for name, _ in headers)
        if not plain or protocol_class is None or not issubclass(protocol_class, PeerProtocol):
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = protocol_class(
            config=self.config, server_state=self.server_state, app_state=self.app_state
        )
        protocol.connection_made(self.transport)
        self.transport.set_protocol(protocol)
        protocol.begin(self.url.decode("ascii"), headers)

    def send_400_response(self, msg: str) -> None:
        """Answer in the one shape of errors what is not HTTP."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg, "BAD_REQUEST")

    def shutdown(self) -> None:
        """Answer what is under way, or about to come on a new connection, and end."""
        if not self._has_cycle() and self._deadline is not None and not self._leaving:
            self._leaving = True
            self.loop.call_later(LAST_REQUEST_S, self.shutdown)
        else:
            super().shutdown()

    def _has_cycle(self) -> bool:
        cycle: object | None = self.cycle  # None before the first request, whatever uvicorn's type says
        return cycle is not None

    def connection_lost(self, exc: Exception | None) -> None:
        self._settled()
        super().connection_lost(exc)

    def _await_request(self, address: str) -> None:
        self._address, self._head, self._last, self._in_body = address, 0, b"", False
        _pending[address] += 1
        self._deadline = self.loop.call_later(settings.HANDSHAKE_TIMEOUT_S, self._too_slow)

    def _settled(self) -> None:
        """Count the connection as pending no more: its request is whole, or it is gone."""
        if self._deadline is None:
            return
        self._deadline.cancel()
        self._deadline = None
        if self._address is not None:
            _pending[self._address] -= 1
            if _pending[self._address] <= 0:
                del _pending[self._address]

    def _too_slow(self) -> None:
        _note_refusal("HANDSHAKE_TIMEOUT", self._address)
        self._settled()
        self.transport.abort()

    def _refuse(self, status: HTTPStatus, text: str, code: str = "TOO_LARGE") -> None:
        """Answer what no application will see, and close; a peer that does not read it is cut by the deadline's rule."""
        _note_refusal(code, self._address)
        self._settled()
        told = {
            "detail": text,
            "success": False,
            "error_code": code,
            "error": text,
            "request_id": uuid.uuid4().hex,
        }
        body = json.dumps(told).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\nx-content-type-options: nosniff\r\n"
        )
        if status is HTTPStatus.UNAUTHORIZED:
            head += "www-authenticate: Bearer\r\n"
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()
        self.loop.call_later(settings.HANDSHAKE_TIMEOUT_S, self.transport.abort)
