"""A relay in a thread of the test's own process, over the test's own Redis."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from cache_streams.relay.run import configured_relay
from cache_streams.streams import REGISTRY
from cache_streams.streams.declaration import Stream

DEADLINE_S = 30.0


@contextmanager
def relaying(registry: Sequence[Stream] = REGISTRY) -> Iterator[None]:
    """Run a relay that has read everything once, until the block ends."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def lead() -> None:
        relay = configured_relay()
        relay._registry = registry
        running = asyncio.create_task(relay.run())
        await relay.leading.wait()
        started.set()
        await running

    task = loop.create_task(lead())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(DEADLINE_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_S)


def eventually(condition: Callable[[], bool]) -> None:
    """Return once ``condition`` holds; fail when it does not for 30 s."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it never held"
        time.sleep(0.01)
