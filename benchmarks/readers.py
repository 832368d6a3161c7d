"""Sockets of the push family that keep account of what arrives at them."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from benchmarks import cache, sockets
from benchmarks.gateway import CACHE, Gateway
from benchmarks.sockets import Socket


class Tick(msgspec.Struct, frozen=True):
    """What identifies a ticker's state, in the cache as in a frame."""

    price: float
    time: float


class _Trade(msgspec.Struct, frozen=True):
    trade_id: int
    time: float


TICK = msgspec.json.Decoder(Tick)
_TRADE = msgspec.json.Decoder(_Trade)


@dataclass(slots=True)
class Reader:
    """One socket on the trades or the ticker of a market; ``seconds`` from each update's own time to its arrival."""

    symbol: str
    trades: bool
    trade_ids: list[int] = field(default_factory=list)
    last: Tick | None = None
    seconds: list[float] = field(default_factory=list)
    _socket: Socket | None = None

    async def open(self, gateway: Gateway) -> None:
        """Connect. Raises: RefusedError, TimeoutError."""
        kind = "trades" if self.trades else "tickers"
        path = f"{CACHE}/{kind}/{cache.EXCHANGE}/{self.symbol}"
        self._socket = await sockets.connect(gateway.url, path, gateway.token(), self._take)

    def close(self) -> None:
        """Drop the connection."""
        if self._socket is not None:
            self._socket.close()

    @property
    def ended(self) -> str | None:
        """Why the socket is over, None while it is open."""
        return self._socket.ended if self._socket is not None else "never opened"

    def _take(self, payload: bytes, arrived: float) -> None:
        if self.trades:
            trade = _TRADE.decode(payload)
            self.trade_ids.append(trade.trade_id)
            self.seconds.append(arrived - trade.time)
        else:
            self.last = TICK.decode(payload)
            self.seconds.append(arrived - self.last.time)
