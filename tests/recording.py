"""An outlet that keeps what is written to it, and can be full: for tests of what stands behind every socket."""

import asyncio
from collections.abc import Callable

from cache_streams.outlet import Body, Outlet


class RecordingOutlet(Outlet):
    """Keeps each payload, prefix included; ``fill`` and ``drain`` play a reader that stops and goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []
        self.closes: list[tuple[int, str]] = []
        self._written = asyncio.Event()

    def write(self, prefix: bytes, body: Body) -> None:
        self.frames.append(prefix + body.payload)
        self._written.set()

    def close(self, code: int, reason: str) -> None:
        self.closes.append((code, reason))

    def buffered(self) -> int:
        return 1 if self.paused else 0

    def abort(self) -> None:
        self.shut()

    def fill(self) -> None:
        self._pause()

    def drain(self) -> None:
        self._resume()

    async def until(
        self, condition: Callable[[list[bytes]], object], deadline_s: float = 10.0
    ) -> list[bytes]:
        """Return the frames once ``condition`` holds for them."""
        async with asyncio.timeout(deadline_s):
            while not condition(self.frames):
                self._written.clear()
                await self._written.wait()
        return self.frames
