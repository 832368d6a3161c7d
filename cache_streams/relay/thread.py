"""A relay beside a development server: in a thread of its own, leading only while no other relay does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from cache_streams.relay.run import run_relay

STOP_S = 3.0


@contextmanager
def relay_thread() -> Iterator[None]:
    """Run a relay until the block ends."""
    loop = asyncio.new_event_loop()
    relay = loop.create_task(run_relay())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(relay)

    thread = threading.Thread(target=run, name="relay", daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(relay.cancel)
        thread.join(STOP_S)
