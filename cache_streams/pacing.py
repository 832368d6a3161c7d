"""Paced writing: no more in one loop step than a transport can be asked to take before it can say that it is full."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from cache_streams.batches import STEP_BYTES, Batch
from cache_streams.outlet import Outlet


class PacedWriter:
    """Writes batches of one subscription, all behind the same prefix, in its turn among all that catch up."""

    def __init__(self, outlet: Outlet, prefix: bytes, turns: asyncio.Semaphore) -> None:
        self._outlet, self._prefix, self._turns = outlet, prefix, turns
        self.rest: Sequence[Batch] = ()
        """What the last ``begin`` has yet to write."""

    def begin(self, batches: Sequence[Batch]) -> None:
        """Write as much as one loop step may; what is left stays in ``rest``, which must be empty before."""
        written = 0
        for number, batch in enumerate(batches):
            if written >= STEP_BYTES:
                self.rest = batches[number:]
                return
            batch.write(self._outlet, self._prefix)
            written += batch.size
        self.rest = ()

    async def write(self, batches: Sequence[Batch]) -> None:
        """Write batches as the outlet takes them; nothing while it is full. ``rest`` must be empty before."""
        self.rest = batches
        await self.finish()

    async def finish(self) -> None:
        """Write the rest as the outlet takes it."""
        while self.rest:
            await self._outlet.writable()
            async with self._turns:
                if not self._outlet.paused:
                    self.begin(self.rest)
                await asyncio.sleep(0)  # only now can the transport say that it is full
