"""The client without ``await``, for notebooks and scripts: a loop of its own in a thread, and calls that wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from cache_streams.client import tables
from cache_streams.client.book import Counters
from cache_streams.client.connection import State
from cache_streams.client.errors import GatewayClosed
from cache_streams.client.following import Since
from cache_streams.client.gateway import Gateway
from cache_streams.client.messages import Message
from cache_streams.client.streams import Names, Options
from cache_streams.client.subscription import Subscription
from cache_streams.protocol.native.frames import Ack

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")


class BlockingSubscription:
    """Messages of one subscription; ``for message in subscription`` ends when the gateway or the subscription does."""

    def __init__(self, loop: _Loop, subscription: Subscription[Any]) -> None:  # Any: whichever stream
        self._loop, self._subscription = loop, subscription

    @property
    def dropped(self) -> int:
        """Messages that were never read, because a newer one replaced them or the buffer was full."""
        return self._subscription.dropped

    @property
    def cursors(self) -> Since | None:
        """What to pass as ``since`` in order to continue after what was received so far."""
        return self._subscription.cursors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unsubscribe()

    def __iter__(self) -> Iterator[Message[Any]]:  # Any: as above
        """Yield each message. Raises: BufferOverflow, RequestRefused, NotAuthorized, ConnectionLost."""
        while True:
            try:
                yield self.get()
            except GatewayClosed:
                return

    def get(self, timeout_s: float | None = None) -> Message[Any]:  # Any: as above
        """Return the next message. Raises: TimeoutError, GatewayClosed after the end, and what iterating raises."""
        return self._loop.run(self._next(timeout_s))

    def unsubscribe(self) -> None:
        """Follow it no more; what waits is thrown away."""
        if self._loop.running:
            self._loop.call(self._subscription.unsubscribe)

    async def _next(self, timeout_s: float | None) -> Message[Any]:  # Any: as above
        async with asyncio.timeout(timeout_s):
            return await self._subscription.get()


class BlockingGateway:
    """A gateway whose calls wait for their answers; open inside ``with``, or until ``close``."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._loop = _Loop()

    def __enter__(self) -> Self:
        """Return when the gateway has welcomed us. Raises: NotAuthorized, ConnectionLost."""
        self._loop.start()
        try:
            self._loop.run(self._gateway.__aenter__())
        except BaseException:  # also Ctrl-C while it connects: the thread must not outlive the call
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def state(self) -> State:
        """What the connection does."""
        return self._gateway.state

    @property
    def counters(self) -> Counters:
        """What happened so far, over all connections."""
        return self._gateway.counters

    def subscribe(
        self, stream: str, key: dict[str, Names] | None = None, **options: Unpack[Options]
    ) -> BlockingSubscription:
        """Follow keys of a stream, as ``Gateway.subscribe``. Raises: ValueError, or what ended the gateway."""
        subscription = self._loop.call(lambda: self._gateway.subscribe(stream, key or {}, **options))
        return BlockingSubscription(self._loop, subscription)

    def snapshot(self, stream: str, **key: Names) -> list[Message[Any]]:  # Any: whichever stream
        """Return the state of keys, once. Raises: RequestRefused, ConnectionLost, MalformedFrame."""
        return self._loop.run(self._gateway.snapshot(stream, **key))

    def frame(self, stream: str, **key: Names) -> pd.DataFrame:
        """Return the state of keys as a pandas frame. Raises: as ``snapshot``, and ImportError without pandas."""
        return tables.frame(self.snapshot(stream, **key))

    def request(self, op: str, **fields: Any) -> Ack:  # Any: JSON of a request
        """Ask the gateway something. Raises: RequestRefused, ConnectionLost."""
        return self._loop.run(self._gateway.request(op, **fields))

    def ping(self) -> float:
        """Return how many seconds a question takes there and back. Raises: RequestRefused, ConnectionLost."""
        return self._loop.run(self._gateway.ping())

    def close(self) -> None:
        """End it, and the thread."""
        if self._loop.running:
            self._loop.run(self._gateway.close())
            self._loop.stop()


class _Loop:
    """An event loop in a thread that ends with the process if nobody ends it before."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self.running = False

    def start(self) -> None:
        if self._thread.ident is not None:
            raise RuntimeError("a gateway is opened once; connect anew")
        self._thread.start()
        self.running = True

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:  # Any: what a coroutine yields to its loop
        if not self.running:
            work.close()
            raise GatewayClosed
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, work: Callable[[], Result]) -> Result:
        async def called() -> Result:
            return work()

        return self.run(called())

    def stop(self) -> None:
        self.running = False
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
