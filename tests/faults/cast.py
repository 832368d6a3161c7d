"""Everybody who follows one test's keys: each stream in each mode on native sockets, the RPC and push families, agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.faults.following import AgentClient, CacheClient, Client, Line, NativeClient
from tests.faults.stand import Stand
from tests.faults.writing import MARKET, PROCESS_KIND, Names, Writers

SETTLE_S = 60.0
BEGIN_S = 60.0
MODES = ("every", "latest", "sample")


def wishes(names: Names) -> dict[str, Mapping[str, object]]:
    market = {"exchange": names.exchange, "symbol": MARKET}
    return {
        "tickers": market,
        "trades": market,
        "orders": {"exchange": names.exchange, "account": "7"},
        "accounts": {"account": str(names.account)},
        "positions": {"account": str(names.account)},
        "bots": {"bot": names.bot},
        "ohlcv": {"symbol": names.symbol, "timeframe": "1m"},
        "process": {"type": PROCESS_KIND},
    }


class Cast:
    """The clients of one test; ``receive_buffer`` is that of the native sockets, in bytes."""

    def __init__(self, stand: Stand, names: Names, receive_buffer: int | None = None) -> None:
        self.stand, self.names = stand, names
        every = {**wishes(names), "agents": {"user": "1"}}
        self.natives = [
            NativeClient(stand, mode, every if mode == "every" else wishes(names), receive_buffer)
            for mode in MODES
        ]
        exchange, account = names.exchange, names.account
        self.caches = [
            CacheClient(stand, "/ws/tickers/f", "stream_tickers", exchange=exchange),
            CacheClient(stand, "/ws/trades/f", "stream_trade_updates", exchange=exchange, symbol=MARKET),
            CacheClient(stand, "/ws/orders/f", "stream_order_queue", exchange=exchange),
            CacheClient(stand, "/ws/accounts/f", "stream_balances", user_id=account),
            CacheClient(stand, "/ws/accounts/f", "stream_positions", exchange=account),
            CacheClient(stand, "/ws/bots/f", "stream_bot_status", bot_id=names.bot),
            CacheClient(stand, "/ws/ohlcv/f", "stream_ohlcv", symbol=names.symbol, timeframe="1m"),
            CacheClient(stand, "/ws/process/f", "stream_process_health"),
            CacheClient(stand, f"/ws/tickers/{exchange}/{MARKET}"),
            CacheClient(stand, f"/ws/trades/{exchange}/{MARKET}"),
            CacheClient(stand, f"/ws/orders/{exchange}?mode=push"),
            CacheClient(stand, f"/ws/balances/{account}"),
            CacheClient(stand, f"/ws/positions/{account}"),
        ]
        self.agents = AgentClient(stand)
        self.everyone: list[Client] = [*self.natives, *self.caches, self.agents]

    @property
    def lines(self) -> list[Line]:
        return [line for native in self.natives for line in native.lines]

    def faults(self) -> list[str]:
        return [fault for client in self.everyone for fault in client.faults]

    def stale(self) -> list[str]:
        """Return what native clients were last told to be stale; trades have no rhythm that writers could miss."""
        last = [
            {frame["stream"]: frame["state"] for _, frame in native.statuses if "stream" in frame}
            for native in self.natives
        ]
        return [state for states in last if (state := states.get("trades", "live")) != "live"]

    def untold(self) -> list[str]:
        """Return who was told nothing yet."""
        lines = [f"{line.name} {line.__dict__}" for line in self.lines if not line.seq]
        caches = [client.path for client in self.caches if not client.known]
        return [*lines, *self.faults(), *caches, *([] if self.agents.cursors else ["agents"])]

    async def settle(self, writers: Writers) -> None:
        """Wait until everybody knows what the cache and the rows hold now, as somebody new is told it."""

        def wrong() -> list[str]:
            assert self.faults() == [], self.faults()
            return self._wrong_ends(writers)

        await until(wrong, SETTLE_S)
        for line in self.lines:
            if line.stream != "agents":
                await self._settle_line(line)
        await self._settle_caches()

    def _wrong_ends(self, writers: Writers) -> list[str]:
        last = {name: numbers[-1] for name, numbers in writers.certain.items()}
        wrong = [
            f"{line.name}: {line.data}"
            for line in self.lines
            if not line.data or not SHOWS[line.stream](line.data, last)
        ]
        return [*wrong, *(["agents"] if len(self.agents.cursors) < writers.events else [])]

    async def _settle_line(self, line: Line) -> None:
        """Insist that the client's state is that of a new snapshot; it is another one while something changes by age."""
        known: dict[str, Any] = {}  # Any: of whichever stream

        async def differs() -> bool:
            known["new"] = normal(await self._snapshot(line))
            return bool(known["new"] != normal(line.data))

        deadline = time.monotonic() + SETTLE_S
        while await differs():
            assert time.monotonic() < deadline, f"{line.name}: {line.data} is not {known['new']}"
            await asyncio.sleep(0.1)

    async def _snapshot(self, line: Line) -> Any:  # Any: as above
        fresh = NativeClient(self.stand, line.mode, {line.stream: line.fields})
        async with running([fresh]):
            await until(lambda: [] if fresh.lines[0].seq is not None else ["no snapshot"], SETTLE_S)
            return fresh.lines[0].data

    async def _settle_caches(self) -> None:
        fresh = Cast(self.stand, self.names).caches
        async with running(fresh):

            def differ() -> list[str]:
                return [
                    f"{old.path}: {old.known} is not {new.known}"
                    for old, new in zip(self.caches, fresh, strict=True)
                    if not new.known or any(old.known.get(name) != each for name, each in new.known.items())
                ]

            await until(differ, SETTLE_S)


SHOWS: dict[str, Callable[[Any, Mapping[str, int]], bool]] = {  # Any: data of whichever stream
    "tickers": lambda data, last: data["price"] == last["tick"],
    "trades": lambda data, last: data[-1]["trade_id"] == str(last["deal"]),
    "orders": lambda data, last: f"O{last['order']}" in {each["order_id"] for each in data},
    "accounts": lambda data, last: data["balances"]["X"]["total"] == last["account"],
    "positions": lambda data, last: data["positions"][0]["volume"] == last["holding"],
    "bots": lambda data, last: data["feeds"]["f"]["n"] == last["bot"],
    "ohlcv": lambda data, last: data["close"] == last["bar"],
    "process": lambda data, last: str(last["process"]) in {each["message"] for each in data},
    "agents": lambda data, last: True,
}
"""Whether a stream's state is what was written last."""


def normal(data: Any) -> Any:  # Any: as above
    """Return a state without its order where it has none, and without ages."""
    if isinstance(data, list):
        return sorted((normal(each) for each in data), key=repr)
    if isinstance(data, dict):
        return {name: value for name, value in data.items() if name not in ("age_s", "stale")}
    return data


@asynccontextmanager
async def running(clients: list[Any]) -> AsyncIterator[None]:  # Any: Client, of whichever kind
    """Run clients until the block ends."""
    tasks = {asyncio.create_task(client.run()): client for client in clients}
    for task, client in tasks.items():
        task.add_done_callback(lambda task, client=client: _blame(task, client))  # type: ignore[misc]  # mypy infers no lambda with a default
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _blame(task: asyncio.Task[None], client: Client) -> None:
    """Note that a client failed by itself: it follows nothing any more."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        client.blame(repr(error))


async def until(wrong: Callable[[], list[str]], deadline_s: float) -> None:
    """Wait until nothing is wrong."""
    deadline = time.monotonic() + deadline_s
    while left := wrong():
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)
