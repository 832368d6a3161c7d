"""Members of log-backed groups that are channels, not sockets: each update is a message in a bounded queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from cache_streams.metrics import LAYER_DROPPED
from cache_streams.outlet import Body, Outlet
from cache_streams.protocol.groups import wire_key
from cache_streams.streams.declaration import Stream
from cache_streams.streams.update import KeySnapshot, Update


class BoundedQueue(asyncio.Queue[Any]):
    """A channel's messages; when it is full a new one is dropped."""

    def put_nowait(self, item: Any) -> None:  # Any: bytes from Redis or a message made here
        try:
            super().put_nowait(item)
        except asyncio.QueueFull:
            LAYER_DROPPED.inc()


class ChannelOutlet(Outlet):
    """Delivers to a channel's queue instead of a socket: the consumer is awoken for each update."""

    def __init__(self, queue: BoundedQueue) -> None:
        super().__init__()
        self._queue = queue

    def write(self, prefix: bytes, body: Body) -> None:  # a channel has no prefix
        self._queue.put_nowait(msgspec.json.decode(body.payload))

    def close(self, code: int, reason: str) -> None:
        self.shut()

    def buffered(self) -> int:
        return 0

    def abort(self) -> None:
        self.shut()


class Messages:
    """Renders updates as Channels messages."""

    def __init__(self, stream: Stream) -> None:
        self._name = stream.name

    def snapshot(
        self, keys: Sequence[KeySnapshot], now: float
    ) -> list[bytes]:  # group_add promises updates only
        return []

    def update(self, update: Update, now: float) -> Sequence[bytes]:  # as every rendition
        head = {"type": "stream.update", "stream": self._name, "key": wire_key(update.key), "seq": update.seq}
        return (msgspec.json.encode({**head, "data": msgspec.Raw(update.data)}),)
