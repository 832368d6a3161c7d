"""Clients that follow everything through every fault, come back by themselves, and insist on the law."""

from __future__ import annotations

import asyncio
import json
import socket
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.faults.stand import Stand
from tests.integration.cache_sockets import token_of
from tests.integration.native.client import TAIL, changed
from tests.integration.wire.rpc_client import CACHE, Frame

RETRY_S = 0.1
OPEN_TIMEOUT_S = 10.0
APPENDED = ("trades", "agents")
VOLATILE = {"timestamp", "age_s", "stale", "updated", "heartbeat", "last_update"}


class Client(ABC):
    """One socket that is opened again whenever it ends; what broke the law stands in ``faults``."""

    def __init__(self, stand: Stand, path: str, receive_buffer: int | None = None) -> None:
        self.stand, self.path, self._receive_buffer = stand, path, receive_buffer
        self.connections = 0
        self.faults: list[str] = []
        self.statuses: list[tuple[float, Frame]] = []
        self._connection: ClientConnection | None = None
        self.reading = asyncio.Event()
        self.reading.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(WebSocketException, InvalidHandshake, OSError, TimeoutError, EOFError):
                async with connect(
                    self._url(),
                    sock=self._socket(),
                    compression=None,
                    max_size=None,
                    max_queue=4,
                    ping_interval=None,
                    open_timeout=OPEN_TIMEOUT_S,
                ) as connection:
                    self._connection = connection
                    self.connections += 1
                    await self._follow(connection)
            await asyncio.sleep(RETRY_S)

    def abort(self) -> None:
        """Cut the socket without a word."""
        if self._connection is not None:
            self._connection.transport.abort()

    def _socket(self) -> socket.socket:
        connecting = socket.socket()
        if self._receive_buffer is not None:  # before the connect, which tells the peer
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        connecting.connect(("127.0.0.1", self.stand.server.port))
        return connecting

    def _url(self) -> str:
        server = self.stand.server
        mark = "&" if "?" in self.path else "?"
        return f"{server.ws_url}{self.path}{mark}token={token_of(server)}"

    async def _follow(self, connection: ClientConnection) -> None:
        await self.opened(connection)
        while True:
            await self.reading.wait()
            frame = json.loads(await connection.recv())
            self.take(frame)

    async def opened(self, connection: ClientConnection) -> None:  # noqa: B027  # some clients ask for nothing
        """Ask for what is to be followed."""

    @abstractmethod
    def take(self, frame: Any) -> None:  # Any: JSON of any shape
        """Take the next frame in."""

    def blame(self, what: str) -> None:
        self.faults.append(f"{self.path}: {what}")


class Line:
    """What a client knows of one native subscription."""

    def __init__(self, stream: str, mode: str, fields: Mapping[str, object]) -> None:
        self.stream, self.mode, self.fields = stream, mode, fields
        self.cursor: str | None = None
        self.seq: int | None = None
        self.data: Any = None  # Any: of whichever stream
        self.starts = True
        """The next frame may be a snapshot that follows from nothing: the first, or after what was not recovered."""
        self.unrecovered = 0
        self.epochs = 0
        self.sections: list[list[Frame]] = [[]]
        """Updates, in sections that are each told to be without a gap."""

    @property
    def name(self) -> str:
        return f"{self.mode} {self.stream}"

    def begin(self, recovered: bool | None) -> None:
        """Take in how the subscription stands on a new socket."""
        if self.cursor is None or recovered is not True:
            self.unrecovered += self.cursor is not None
            self._anew()

    def _anew(self) -> None:
        self.starts = True
        self.sections.append([])

    def take(self, frame: Frame) -> str | None:
        """Apply a frame; return what is wrong with it."""
        other = bool(self.cursor and frame["cursor"] and epoch(self.cursor) != epoch(frame["cursor"]))
        if frame["type"] == "snapshot":
            return self._begin_at(frame, other=other)
        if other:
            return f"the epoch changed without a snapshot: {self.cursor} {frame['cursor']}"
        wrong = self._wrong_number(frame["seq"])
        self.seq, self.starts = frame["seq"], False
        self.cursor = frame["cursor"] or self.cursor
        self.data = (
            [*(self.data or []), frame["data"]][-TAIL:]
            if self.stream in APPENDED
            else changed(self.stream, self.data, frame["data"])
        )
        self.sections[-1].append(frame["data"])
        return wrong

    def _begin_at(self, frame: Frame, *, other: bool) -> str | None:
        wrong = None
        if other or (self.cursor and not frame["cursor"]):  # a log that is not there yet has no place in it
            self.epochs += 1
            self._anew()
        elif self.stream == "agents" and self.seq == 0:
            pass  # events older than the log were taken into it: of nothing nothing can be lost
        elif self.mode == "every" and not self.starts and self.cursor is not None:
            wrong = f"a snapshot within the epoch {self.cursor}: what was lost was not told"
        self.seq, self.data, self.starts = frame["seq"], frame["data"], False
        self.cursor = frame["cursor"]
        return wrong

    def _wrong_number(self, seq: int) -> str | None:
        if self.seq is None:
            return None if self.starts else f"{seq} without a snapshot"
        if seq <= self.seq:
            return f"{seq} after {self.seq}: repeated or out of order"
        superseding = self.stream == "ohlcv"  # of an open bar only the newest state is told to who resumes
        if self.mode == "every" and not superseding and seq != self.seq + 1:
            return f"{seq} after {self.seq}: lost"
        return None


def epoch(cursor: str) -> str:
    return cursor.rpartition(".")[0]


class NativeClient(Client):
    """Many subscriptions in one mode on one socket; resumes each of them."""

    def __init__(
        self,
        stand: Stand,
        mode: str,
        wishes: Mapping[str, Mapping[str, object]],
        receive_buffer: int | None = None,
    ) -> None:
        super().__init__(stand, "/api/v1/stream", receive_buffer)
        self.lines = [Line(stream, mode, fields) for stream, fields in wishes.items()]
        self._by_key: dict[tuple[str, str], Line] = {}

    async def opened(self, connection: ClientConnection) -> None:
        self._by_key = {}
        for number, line in enumerate(self.lines):
            pace = {"interval_ms": 100} if line.mode == "sample" else {}
            since = {"since": line.cursor} if line.cursor else {}
            body = {"op": "subscribe", "id": number, "stream": line.stream, "mode": line.mode}
            await connection.send(json.dumps({**body, **line.fields, **pace, **since}))

    def take(self, frame: Frame) -> None:
        kind = frame["type"]
        if kind in ("snapshot", "update"):
            line = self._by_key[frame["stream"], frame["key"]]
            wrong = line.take(frame)
            if wrong:
                self.blame(f"{line.name}: {wrong}")
        elif kind == "status" and "stream" in frame:
            self.statuses.append((asyncio.get_running_loop().time(), frame))
        elif kind == "ack" and frame["ok"]:
            (begun,) = frame["subscriptions"]
            line = self.lines[frame["id"]]
            line.begin(begun["recovered"])
            self._by_key[line.stream, begun["key"]] = line
        elif kind == "ack" and not frame["retryable"]:
            self.blame(f"refused: {frame}")
        elif kind == "ack":
            self.abort()  # the cache cannot be read just now: come again


class CacheClient(Client):
    """A socket of the RPC or push family: the newest object of each symbol, and every trade in order."""

    def __init__(self, stand: Stand, path: str, action: str = "", **params: object) -> None:
        super().__init__(stand, CACHE + path)
        self._action, self._params = action, params
        self.known: dict[str, Frame] = {}
        self.trades: list[list[int]] = []
        self.retells = False
        """Whether contents are replaced, so that a snapshot tells trades again on an open socket."""

    async def opened(self, connection: ClientConnection) -> None:
        self.trades.append([])
        if self._action:
            body = {"action": self._action, "request_id": "s", "params": self._params}
            await connection.send(json.dumps(body))

    def take(self, frame: Frame | None) -> None:
        if frame is None:  # a canonical object that is no more
            self.known = {}
            return
        if "success" in frame or "error_code" in frame:
            return  # the confirmation, or that the cache is away: the stream goes on by itself
        told = frame.get("result", frame)
        if not isinstance(told, dict):
            return
        self.known[str(told.get("symbol", told.get("order_id", "")))] = stable(told)
        if "side" in told and "trade_id" in told:
            self._take_trade(int(told["trade_id"]))

    def _take_trade(self, number: int) -> None:
        section = self.trades[-1]
        if section and number <= section[-1] and not self.retells:
            self.blame(f"trade {number} after {section[-1]}: repeated or out of order")
        section.append(number)


def stable(told: Frame) -> Frame:
    """Return an object without what changes as time goes by."""
    return {
        name: stable(value) if isinstance(value, dict) else value
        for name, value in told.items()
        if name not in VOLATILE and name != "stream_key"
    }


class AgentClient(Client):
    """A console that resumes after the last event it was told."""

    def __init__(self, stand: Stand) -> None:
        super().__init__(stand, "/api/v1/cache/ws/agents/faults")
        self.cursors: list[int] = []

    def _url(self) -> str:
        after = f"&after={self.cursors[-1]}" if self.cursors else ""
        return super()._url() + after

    def take(self, frame: Frame) -> None:
        if frame.get("stream") != "agents" or "cursor" not in frame:
            return
        if self.cursors and frame["cursor"] != self.cursors[-1] + 1:
            self.blame(f"event {frame['cursor']} after {self.cursors[-1]}")
        self.cursors.append(frame["cursor"])
