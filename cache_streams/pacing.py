"""Paced writing: no more in one loop step than a transport can be asked to take before it can say that it is full."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cache_streams.outlet import Body, Outlet

STEP_BYTES = 64 * 1024
"""Payload bytes after which the loop gets a turn."""


class PacedWriter:
    """Writes payloads of one subscription, all behind the same prefix."""

    def __init__(self, outlet: Outlet, prefix: bytes) -> None:
        self._outlet, self._prefix = outlet, prefix
        self.rest: Sequence[bytes] = ()
        """What the last ``begin`` has yet to write."""

    def begin(self, payloads: Sequence[bytes]) -> None:
        """Write as much as one loop step may; what is left stays in ``rest``, in place of what was there before."""
        written = 0
        for number, payload in enumerate(payloads):
            if written >= STEP_BYTES:
                self.rest = payloads[number:]
                return
            self._outlet.write(self._prefix, Body(payload))
            written += len(payload)
        self.rest = ()

    async def finish(self, unwanted: Callable[[], bool] = lambda: False) -> None:
        """Write the rest as the outlet takes it, unless it becomes ``unwanted``."""
        while self.rest and not unwanted():
            await asyncio.sleep(0)  # only now can the transport say that it is full
            await self._outlet.writable()
            self.begin(self.rest)
