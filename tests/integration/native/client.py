"""A client of the native family for tests: asks, waits with a deadline, and keeps what its subscriptions say."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import connect as open_socket

from tests.integration.cache_sockets import token_of
from tests.integration.wire.rpc_client import DEADLINE_S, Frame, Socket
from tests.live import LiveServer

PATH = "/api/v1/stream"
ADMIN, PLAIN = 1, 2
TAIL = 100


class Native(Socket):
    """One socket of ``/api/v1/stream``; frames that are no acknowledgement wait in their order."""

    def __init__(self, connection: Any) -> None:  # Any: as Socket's
        super().__init__(connection)
        self.welcome: Frame = {}
        self._waiting: deque[Frame] = deque()
        self._ids = itertools.count(1)

    async def request(self, op: str, **fields: object) -> Frame:
        """Return the acknowledgement of a request, whatever it says; other frames are kept."""
        number = next(self._ids)
        await self.send({"op": op, "id": number, **fields})
        while (frame := await self.receive()).get("type") != "ack" or frame.get("id") != number:
            self._waiting.append(frame)
        assert frame["op"] == op
        assert frame["time_in"] <= frame["time_out"] <= time.time() + 1.0
        return frame

    async def done(self, op: str, **fields: object) -> Frame:
        """Return the acknowledgement of a request that succeeds."""
        ack = await self.request(op, **fields)
        assert ack["ok"] is True, ack
        assert isinstance(ack["warnings"], list)
        return ack

    async def refused(self, op: str, **fields: object) -> Frame:
        """Return the acknowledgement of a request that is refused."""
        ack = await self.request(op, **fields)
        assert ack["ok"] is False, ack
        assert isinstance(ack["error"], str)
        assert isinstance(ack["retryable"], bool)
        return ack

    async def subscribe(self, stream: str, **fields: object) -> Frame:
        """Return the one subscription that a request makes."""
        (subscription,) = (await self.done("subscribe", stream=stream, **fields))["subscriptions"]
        assert isinstance(subscription, dict)
        return subscription

    async def frame(self) -> Frame:
        """Return the next frame that is no acknowledgement."""
        return self._waiting.popleft() if self._waiting else await self.receive()

    async def told(self, wanted: Callable[[Frame], object] | None = None, /, **facts: object) -> Frame:
        """Return the first frame with these facts; those before it are passed over."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.frame()
                if facts.items() <= frame.items() and (wanted is None or wanted(frame)):
                    return frame

    async def nothing_more(self) -> list[Frame]:
        """Return what was sent up to now and not yet taken."""
        await self.done("ping")
        return self.waiting()

    def waiting(self) -> list[Frame]:
        """Return what came before the last acknowledgement and was not yet taken."""
        left = list(self._waiting)
        self._waiting.clear()
        return left


class Mirror:
    """What a client knows of one key; insists on numbers without a gap where it is told that every update comes."""

    def __init__(self, *, every: bool) -> None:
        self.every = every
        self.seq: int | None = None
        self.cursor: str | None = None
        self.data: Any = None
        self.updates: list[int] = []

    def apply(self, frame: Frame) -> None:
        if frame["type"] == "snapshot":
            self.seq, self.data = frame["seq"], frame["data"]
        else:
            known = self.seq
            assert known is None or frame["seq"] > known, (known, frame)
            assert not self.every or known is None or frame["seq"] == known + 1, (known, frame)
            self.seq = frame["seq"]
            self.updates.append(frame["seq"])
            self.data = changed(frame["stream"], self.data, frame["data"])
        self.cursor = frame["cursor"]


IDS = {"orders": "order_id", "process": "process_id"}


def changed(stream: str, before: Any, change: Any) -> Any:
    """Old snapshot + update = new snapshot, as the protocol document says it."""
    if stream == "trades":
        return [*(before or []), change][-TAIL:]
    if stream in IDS:
        name = change["deleted"] if change.keys() == {"deleted"} else change[IDS[stream]]
        rest = [each for each in before or [] if each[IDS[stream]] != name]
        return rest if change.keys() == {"deleted"} else [*rest, change]
    return change


@asynccontextmanager
async def opened(
    server: LiveServer,
    user_id: int = ADMIN,
    *,
    query: str = "",
    exp: int | None = None,
    receive_buffer: int | None = None,
) -> AsyncIterator[Native]:
    """Open a socket and read its welcome."""
    token = token_of(server, user_id, exp=exp or int(time.time()) + 3600)
    async with connected(server, token, query, receive_buffer=receive_buffer) as native:
        native.welcome = await native.receive()
        assert native.welcome["type"] == "welcome"
        yield native


@asynccontextmanager
async def connected(
    server: LiveServer, token: str, query: str = "", *, receive_buffer: int | None = None
) -> AsyncIterator[Native]:
    """Open a socket; nothing is read yet. ``receive_buffer`` is what the kernel keeps of what is not read, in bytes, about."""
    url = f"{server.ws_url}{PATH}?token={token}{query}"
    own = None if receive_buffer is None else _narrow(server, receive_buffer)
    async with open_socket(
        url, compression=None, max_size=None, max_queue=None, open_timeout=DEADLINE_S, sock=own
    ) as connection:
        yield Native(connection)


def _narrow(server: LiveServer, receive_buffer: int) -> socket.socket:
    narrow = socket.socket()
    narrow.setsockopt(
        socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer
    )  # before it connects, or it grows by itself
    narrow.connect((urlsplit(server.url).hostname, urlsplit(server.url).port))
    narrow.setblocking(False)
    return narrow
