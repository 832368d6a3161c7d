"""A network that can fall silent: forwards TCP to a server until told to hold, then nothing passes and nothing closes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Partition:
    """The way to one server. Connections made while it holds are accepted, as by a host whose packets are lost later."""

    def __init__(self, host: str, port: int) -> None:
        self._server = host, port
        self._open = asyncio.Event()
        self._open.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.port = 0

    def hold(self) -> None:
        """Let nothing pass, in either direction."""
        self._open.clear()

    def heal(self) -> None:
        """Let everything pass, what was held back included."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection(*self._server)
        for source, target in ((reader, upstream_writer), (upstream_reader, writer)):
            pump = asyncio.create_task(self._pump(source, target))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while received := await source.read(65536):
                await self._open.wait()
                target.write(received)
                await target.drain()
        except OSError:
            pass  # either end is gone; so is this way between them
        finally:
            target.close()

    async def end(self) -> None:
        """Close every connection."""
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)


@asynccontextmanager
async def partition_to(host: str, port: int) -> AsyncIterator[Partition]:
    """Forward a free port of 127.0.0.1 to a server until the block ends."""
    way = Partition(host, port)
    server = await asyncio.start_server(way.serve, "127.0.0.1", 0)
    way.port = server.sockets[0].getsockname()[1]
    try:
        yield way
    finally:
        server.close()
        await way.end()
