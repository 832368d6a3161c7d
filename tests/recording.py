"""An outlet, and a sink below one, that keep what is written to them: for tests of what stands behind every socket."""

import asyncio
from collections.abc import Callable
from typing import Any

from cache_streams.outlet import CLOSED, LOST, Body, Outlet, Parting, Retainer


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


class RecordingSink:
    """A frame sink as a server offers one: ``left`` bytes wait until somebody reads them."""

    def __init__(self) -> None:
        self.on_pause: Any = None  # Any: a callback, set by the outlet
        self.on_resume: Any = None  # Any: as above
        self.on_end: Any = None  # Any: as above
        self.frames: list[bytes] = []
        self.take = self.frames.append
        self.closed: tuple[int, str] | None = None
        self.left = 0
        self.descriptor = CLOSED
        self.aborted = asyncio.Event()

    def write(self, frame: bytes) -> None:
        self.take(frame)

    def parting(self) -> Parting:
        return LOST if self.closed is None else Parting("gateway", *self.closed)

    def taken(self) -> int | None:
        return None

    def buffered(self) -> int:
        return self.left

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)

    def abort(self) -> None:
        self.aborted.set()

    def retain(self, retainer: Retainer) -> None:
        raise AssertionError("an outlet retains nothing")

    def resume_reading(self) -> None:
        raise AssertionError("an outlet reads nothing")


class FramedOutlet(RecordingOutlet):
    """One whose server offers a sink: what is handed over together is kept as the payloads of its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.sink = RecordingSink()
        self.sink.take = self._take

    def _take(self, frames: bytes) -> None:
        at = 0
        while at < len(frames):
            size, start = frames[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(frames[start : start + 2], "big"), start + 2
            elif size == 127:
                size, start = int.from_bytes(frames[start : start + 8], "big"), start + 8
            self.frames.append(frames[start : start + size])
            at = start + size
        self._written.set()
