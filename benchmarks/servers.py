"""A server under measurement, the gateway or a peer: where it listens, how a socket is opened there, who feeds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import msgspec

from benchmarks import cache, updates
from benchmarks.gateway import CACHE, Gateway
from benchmarks.receiver import Opening, masked, upgrade

PUSH, TRADES, RPC, RPC_TRADES = "gateway", "gateway, trades", "gateway, RPC stream", "gateway, RPC trades"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    ``opening`` opens one socket that wants all of so many instruments; ``feed`` is target and address for
    ``benchmarks.feed``; ``pids`` are the server's own processes, ``beside`` others that the path of an update crosses.
    """

    name: str
    port: int
    pids: list[int]
    opening: Callable[[int], Opening]
    feed: tuple[str, str]
    options: str = ""
    beside: dict[str, list[int]] = field(default_factory=dict)


def push_tickers(gateway: Gateway) -> Server:
    """Return the gateway by its push socket of a market's ticker."""
    return _server(gateway, PUSH, "ticks", lambda _: _push(gateway, "tickers"))


def push_trades(gateway: Gateway) -> Server:
    """Return the gateway by its push socket of a market's trades, which may lose nothing."""
    return _server(gateway, TRADES, "trades", lambda _: _push(gateway, "trades"))


def rpc_tickers(gateway: Gateway) -> Server:
    """Return the gateway by a ticker stream of its RPC family, which may have many instruments."""
    return _server(gateway, RPC, "ticks", lambda instruments: _stream(gateway, "tickers", instruments))


def rpc_trades(gateway: Gateway) -> Server:
    """Return the gateway by a stream of one market's trades in its RPC family."""
    return _server(gateway, RPC_TRADES, "trades", lambda _: _stream(gateway, "trades", 1))


def _push(gateway: Gateway, kind: str) -> Opening:
    path = f"{CACHE}/{kind}/{cache.EXCHANGE}/{quote(updates.symbol(0), safe='')}"
    return Opening(upgrade(_port(gateway), path, _bearer(gateway)))


def _stream(gateway: Gateway, kind: str, instruments: int) -> Opening:
    symbols = [updates.symbol(number) for number in range(instruments)]
    params: dict[str, object] = {"exchange": cache.EXCHANGE}
    if kind == "tickers":
        action, params["symbols"] = "stream_tickers", symbols
    else:
        action, params["symbol"] = "stream_trade_updates", symbols[0]
    request = {"action": action, "request_id": "bench", "params": params}
    hello = masked(msgspec.json.encode(request).decode())
    return Opening(upgrade(_port(gateway), f"{CACHE}/{kind}/bench", _bearer(gateway)), hello)


def _server(gateway: Gateway, name: str, target: str, opening: Callable[[int], Opening]) -> Server:
    parts = gateway.pids()
    return Server(
        name=name,
        port=_port(gateway),
        pids=parts["worker"],
        opening=opening,
        feed=(target, gateway.redis_url),
        beside={"relay": parts["relay"], "redis": parts["redis"]},
    )


def _port(gateway: Gateway) -> int:
    return urlsplit(gateway.url).port or 0


def _bearer(gateway: Gateway) -> str:
    return f"Authorization: Bearer {gateway.token()}"


@dataclass(frozen=True, slots=True)
class Places:
    """What a peer may use: a directory of its own, and the URL of a Redis for whoever subscribes there."""

    directory: Path
    redis_url: str

    def log(self, name: str) -> Path:
        """Return where a server's output goes."""
        return self.directory / f"{name}-{os.urandom(3).hex()}.log"
