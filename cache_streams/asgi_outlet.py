"""The outlet of a server that offers no frame sink, as Daphne: plain ASGI, with the same bounds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from cache_streams.outlet import LOST, Body, Outlet, Parting

HIGH_WATER_BYTES = 64 * 1024
LOW_WATER_BYTES = 16 * 1024


class AsgiOutlet(Outlet):
    """Sends through plain ASGI where the server offers no frame sink: a bounded outbox and one task that empties it."""

    def __init__(self, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:  # Any: an ASGI message
        super().__init__()
        self._send = send
        self._outbox: deque[str | tuple[int, str]] = deque()
        self._bytes = 0
        self._parting = LOST
        self._filled = asyncio.Event()
        self._sender = asyncio.create_task(self._run())

    def write(self, prefix: bytes, body: Body) -> None:
        if self.closed:
            return
        self.wrote = True
        payload = prefix + body.payload
        self._outbox.append(payload.decode())
        self._bytes += len(payload)
        self._filled.set()
        if self._bytes > HIGH_WATER_BYTES:
            self._pause()

    def buffered(self) -> int:
        return self._bytes

    def parting(self) -> Parting:
        return self._parting

    def close(self, code: int, reason: str) -> None:
        self._end_begins()
        if self._parting is LOST:
            self._parting = Parting("gateway", code, reason)
        self._outbox.append((code, reason))
        self._filled.set()

    def abort(self) -> None:
        self._end_begins()
        self._outbox.clear()
        self._sender.cancel()
        self.shut()

    def shut(self) -> None:
        super().shut()
        self._sender.cancel()

    async def _run(self) -> None:
        try:
            await self._empty()
        except OSError:  # how ASGI says that the client is gone; the consumer hears of it by its disconnect
            Outlet.shut(self)

    async def _empty(self) -> None:
        while True:
            while self._outbox:
                message = self._outbox.popleft()
                if isinstance(message, tuple):
                    await self._send({"type": "websocket.close", "code": message[0], "reason": message[1]})
                    return
                await self._send({"type": "websocket.send", "text": message})
                self._bytes -= len(message.encode())
                if self.paused and self._bytes <= LOW_WATER_BYTES:
                    self._resume()
            self._filled.clear()
            await self._filled.wait()
