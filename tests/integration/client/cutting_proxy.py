"""A way to a server that can be cut: connections through it end from one moment to the next, without a close frame."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """Passes bytes on; ``cut`` aborts every connection. ``port`` is where it listens."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.cuts = 0
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        self.cuts += bool(self._writers)
        for writer in self._writers:
            writer.transport.abort()

    async def cut_now_and_then(self, least_s: float, most_s: float, seed: int) -> None:
        """Cut at odd moments until cancelled."""
        moments = random.Random(seed)
        while True:
            await asyncio.sleep(moments.uniform(least_s, most_s))
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, onwards = await asyncio.open_connection(*self._target)
        self._writers |= {writer, onwards}
        try:
            await asyncio.gather(_copy(reader, onwards), _copy(there, writer))
        finally:
            self._writers -= {writer, onwards}
            writer.transport.abort()
            onwards.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while part := await reader.read(65536):
            writer.write(part)
            await writer.drain()
    writer.transport.abort()


@asynccontextmanager
async def cutting_proxy(ws_url: str) -> AsyncIterator[CuttingProxy]:
    """Run a proxy in front of a server."""
    parts = urlsplit(ws_url)
    assert parts.hostname is not None
    assert parts.port is not None
    proxy = CuttingProxy(parts.hostname, parts.port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()
