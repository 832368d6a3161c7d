"""What can be asked once, beside following."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from cache_streams.client.messages import Message, read_data
from cache_streams.protocol.native.frames import Ack, SnapshotAck


class Questions(ABC):
    """The questions of a gateway."""

    @abstractmethod
    async def request(self, op: str, **fields: Any) -> Ack:  # Any: JSON of a request
        """Ask the gateway something. Raises: RequestRefused, ConnectionLost."""

    async def snapshot(
        self, stream: str, **key: str | list[str]
    ) -> list[Message[Any]]:  # Any: whichever stream
        """Return the state of keys, once. Raises: RequestRefused, ConnectionLost, MalformedFrame."""
        ack = await self.request("snapshot", stream=stream, **key)
        return [
            Message(
                kind="snapshot",
                stream=each.stream,
                key=each.key,
                seq=each.seq,
                cursor=each.cursor,
                data=read_data(each.stream, "snapshot", each.data),
            )
            for each in (ack.snapshots if isinstance(ack, SnapshotAck) else ())
        ]

    async def ping(self) -> float:
        """Return how many seconds a question takes there and back. Raises: RequestRefused, ConnectionLost."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        await self.request("ping")
        return loop.time() - asked
