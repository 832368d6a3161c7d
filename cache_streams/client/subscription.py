"""What a program reads from: an asynchronous iterator over the messages of one subscription."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, Self, TypeVar

from msgspec.structs import replace

from cache_streams.client.buffers import Buffer, Policy
from cache_streams.client.errors import BufferOverflow, ClientError, GatewayClosed
from cache_streams.client.following import Begun, Following, Since
from cache_streams.client.messages import Message

Content = TypeVar("Content")


class Subscription(Generic[Content]):
    """Messages of one stream, over any number of connections.

    ``async for message in subscription`` ends the subscription when the loop is left; inside ``async with subscription``
    it lasts until that block ends, over as many loops as wanted. ``dropped`` counts what the buffer threw away.
    """

    def __init__(
        self,
        following: Following,
        buffer: Buffer[Message[Content]],
        *,
        over: Callable[[Subscription[Any]], None],  # Any: whichever stream
        room: Callable[[], None],
    ) -> None:
        self.following = following
        self._buffer, self._over, self._room = buffer, over, room
        self._moved = asyncio.Event()
        self._begun: asyncio.Future[Begun] = asyncio.get_running_loop().create_future()
        self._begun.add_done_callback(_seen)
        self._ended: ClientError | None = None
        self._managed = False

    @property
    def dropped(self) -> int:
        """Messages that were never read, because a newer one replaced them or the buffer was full."""
        return self._buffer.dropped

    @property
    def cursors(self) -> Since | None:
        """What to pass as ``since`` in order to continue after what was received so far."""
        return self.following.cursors()

    async def begun(self) -> Begun:
        """Return how the server took the subscription, the last time. Raises: RequestRefused, or what ended it."""
        return await asyncio.shield(self._begun)

    def unsubscribe(self) -> None:
        """Follow it no more; what waits is thrown away."""
        self.end(GatewayClosed())
        self._over(self)

    async def __aenter__(self) -> Self:
        self._managed = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self.unsubscribe()

    async def __aiter__(self) -> AsyncIterator[Message[Content]]:
        """Yield each message. Raises: BufferOverflow, RequestRefused, NotAuthorized, ConnectionLost."""
        try:
            while True:
                yield await self.get()
        except GatewayClosed:
            return
        finally:
            if not self._managed:
                self.unsubscribe()

    async def get(self) -> Message[Content]:
        """Return the next message. Raises: GatewayClosed after the end, and what ``async for`` raises."""
        while True:
            if self._buffer.overflowed:
                self.end(BufferOverflow(self.following.wish.stream, self._buffer.size))
                self._over(self)
            taken = None if self._buffer.overflowed else self._buffer.take()
            if taken is not None:
                self._room()
                message, dropped = taken
                return replace(message, missed=message.missed + dropped) if dropped else message
            if self._ended is not None:
                raise self._ended
            self._moved.clear()
            await self._moved.wait()

    def put(self, message: Message[Content]) -> None:
        """Let a message wait for its reader."""
        self._buffer.put(message.key, message, 1 + message.missed if message.kind == "update" else 0)
        self._moved.set()

    def blocks(self, *, asking: bool) -> bool:
        """Whether the socket must not be read now; twice the size may wait while somebody waits for an answer on it."""
        limit = self._buffer.size * (2 if asking else 1)
        return self._buffer.policy is Policy.BLOCK and len(self._buffer) >= limit and self._ended is None

    def started(self, begun: Begun) -> None:
        """Note that the server took the subscription."""
        if self._begun.done():
            self._begun = asyncio.get_running_loop().create_future()
        self._begun.set_result(begun)

    def end(self, error: ClientError) -> None:
        """Note why no more messages come; what waits can still be read."""
        if self._ended is None:
            self._ended = error
            if not self._begun.done():
                self._begun.set_exception(error)
        self._moved.set()


def _seen(begun: asyncio.Future[Begun]) -> None:
    """Look at the outcome, so that nobody has to."""
    if not begun.cancelled():
        begun.exception()
