"""Clients that come back whenever they are cut, and count what they lost, were told twice, and when they were fed."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from benchmarks.gateway import CACHE
from benchmarks.sockets import RefusedError, Socket, connect
from tests.faults.stand import Stand
from tests.integration.cache_sockets import token_of

EXCHANGE, SYMBOL = "bench", "BTC/USDC"
"""The market that they follow."""


class Frame(msgspec.Struct, gc=False):
    """What of a native frame is looked at."""

    type: str = ""
    seq: int = 0
    cursor: str | None = None
    state: str = ""
    reconnect_in_ms: tuple[float, float] = (0.0, 0.0)
    subscriptions: list[dict[str, object]] = msgspec.field(default_factory=list)


_decode = msgspec.json.Decoder(Frame).decode


@dataclass
class Follower:
    """One client that comes back whenever it is cut: a native one resumes trades, another is pushed tickers."""

    stand: Stand
    native: bool
    ended: int = 0
    fed_at: float = 0.0
    """When it was first fed since it was last asked."""
    fresh: bool = True
    stale_at: float = 0.0
    lost: int = 0
    repeated: int = 0
    unrecovered: int = 0
    told: int = 0
    shares: list[float] = field(default_factory=list)
    """When it came back, as a share of the announced interval."""
    _socket: Socket | None = None
    _seq: int | None = None
    _cursor: str | None = None

    async def open(self) -> None:
        """Open the socket, and ask for what follows the last cursor."""
        path = "/api/v1/stream" if self.native else f"{CACHE}/tickers/{EXCHANGE}/{SYMBOL}"
        take = self._take_native if self.native else self._take
        server = self.stand.server
        self._socket = await connect(server.url, path, token_of(server), take)
        if self.native:
            since = {"since": self._cursor} if self._cursor else {}
            wish = {"op": "subscribe", "stream": "trades", "exchange": EXCHANGE, "symbol": SYMBOL}
            self._socket.send(json.dumps({**wish, **since}).encode())

    async def stay(self) -> None:
        """Come back whenever the socket has ended, until cancelled."""
        while True:
            if self._socket is None or self._socket.ended is not None:
                self.ended += self._socket is not None
                with suppress(RefusedError, OSError, TimeoutError):
                    await self.open()
            await asyncio.sleep(0.05)

    def _take(self, _payload: bytes, arrived: float) -> None:
        self.fed_at = self.fed_at or arrived

    def _take_native(self, payload: bytes, arrived: float) -> None:
        frame = _decode(payload)
        if frame.type == "update":
            self.fed_at = self.fed_at or arrived
            if self._seq is not None:
                self.lost += max(0, frame.seq - self._seq - 1)
                self.repeated += frame.seq <= self._seq
            self._seq, self._cursor = frame.seq, frame.cursor
        elif frame.type == "snapshot":
            self._seq, self._cursor = frame.seq, frame.cursor
        elif frame.type == "ack":
            self.unrecovered += self._cursor is not None and frame.subscriptions[0]["recovered"] is not True
        elif frame.state == "draining":
            self.told += 1
            asyncio.create_task(self._leave_soon(frame.reconnect_in_ms[1] / 1000))  # noqa: RUF006  # ends by itself
        elif frame.state in ("stale", "dead", "live"):
            self.fresh = frame.state == "live"
            if not self.fresh:
                self.stale_at = self.stale_at or arrived

    async def _leave_soon(self, within_s: float) -> None:
        share = random.random()  # no secret
        await asyncio.sleep(share * within_s)
        if self._socket is not None:
            self._socket.close()
            self.shares.append(share)
