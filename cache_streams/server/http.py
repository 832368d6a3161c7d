"""The HTTP protocol that ``serve`` gives to uvicorn: its httptools class plus bounds on how a connection may begin.

uvicorn waits without end for a request that never comes whole, and says nothing to a handshake that its WebSocket
library finds too long. What of its internals is touched is named in ``tests/integration/server/test_http_seams.py``.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from http import HTTPStatus

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cache_streams.metrics import REFUSALS

HEAD_BYTES = 64 * 1024
"""Request line and headers together."""
HEADERS = 128
LINE_BYTES = 8192
"""Longer lines, and more headers, are beyond the WebSocket library below; no valid token is nearly as long."""

_pending: Counter[str] = Counter()
"""Connections by address that have not sent a whole request yet."""


class GatewayHttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol: a whole request in time, of a bounded size, from an address with few unfinished ones."""

    _address: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        limit = settings.PENDING_HANDSHAKES_PER_ADDRESS
        proxied = settings.NUM_PROXIES > 0 and address in settings.TRUSTED_PROXIES
        if limit and not proxied and _pending[address] >= limit:
            REFUSALS.labels("PENDING_HANDSHAKES").inc()
            transport.abort()
            return
        self._await_request(address)

    def data_received(self, data: bytes) -> None:
        if self._deadline is not None:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._deadline is None:
            self._await_request(self.client[0] if self.client else "")

    def on_headers_complete(self) -> None:
        self._head = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._settled()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._settled()
        headers = list(self.scope["headers"])
        lines = (len(name) + len(value) + 4 for name, value in headers)
        if len(self.url) + 16 > LINE_BYTES or max(lines, default=0) > LINE_BYTES:
            self._refuse(HTTPStatus.UNAUTHORIZED, "Invalid authentication token", "AUTH_MALFORMED")
        elif len(headers) > HEADERS:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "Request header fields too large")
        else:
            super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self._settled()
        super().connection_lost(exc)

    def _await_request(self, address: str) -> None:
        self._address, self._head = address, 0
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
        REFUSALS.labels("HANDSHAKE_TIMEOUT").inc()
        self._settled()
        self.transport.abort()

    def _refuse(self, status: HTTPStatus, text: str, code: str = "TOO_LARGE") -> None:
        """Answer what no application will see, and close; a peer that does not read it is cut by the deadline's rule."""
        REFUSALS.labels(code).inc()
        self._settled()
        body = json.dumps({"detail": text, "success": False, "error_code": code, "error": text}).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n"
        )
        if status is HTTPStatus.UNAUTHORIZED:
            head += "www-authenticate: Bearer\r\n"
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()
        self.loop.call_later(settings.HANDSHAKE_TIMEOUT_S, self.transport.abort)
