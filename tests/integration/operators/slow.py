"""A client that does not read, and whose system keeps next to nothing for it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

from tests.integration.wire.rpc_client import token_of
from tests.live import LiveServer


@asynccontextmanager
async def narrow(gateway: LiveServer, user_id: int) -> AsyncIterator[ClientConnection]:
    """Open a native socket with the smallest buffer that the system gives."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    address = urlsplit(gateway.url)
    raw.connect((address.hostname, address.port))
    url = f"{gateway.ws_url}/api/v1/stream?token={token_of(gateway, user_id)}"
    connection = await connect(url, sock=raw, compression=None, close_timeout=0.1)
    try:
        yield connection
    finally:
        connection.transport.abort()
