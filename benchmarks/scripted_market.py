"""A gateway's socket with a script: what the gateway says passes through, and more prices than it would ever send."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

_TEXT = 0x81  # a whole text frame
_LONG = 126  # two bytes of length follow
Json = dict[str, Any]  # Any: JSON as the gateway sent it


class ScriptedMarket:
    """Stands between a page and its gateway; ``play`` adds updates of every ticker whose snapshot passed by."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._page: ServerConnection | None = None
        self._tickers: dict[str, Json] = {}
        self.url = ""

    @property
    def symbols(self) -> int:
        """How many tickers the page has got."""
        return len(self._tickers)

    async def play(self, rounds_per_s: float, seconds: float) -> int:
        """Send an update of each ticker ``rounds_per_s`` times a second; return how many were sent."""
        if self._page is None:
            raise LookupError("No page has connected yet.")
        begun, rounds, sent = time.monotonic(), 0, 0
        while time.monotonic() - begun < seconds:
            if self._page.transport.get_write_buffer_size() == 0:  # a page that is late gets no queue besides
                self._page.transport.write(
                    b"".join(_frame(self._moved(frame)) for frame in self._tickers.values())
                )
                sent += len(self._tickers)
            rounds += 1
            await asyncio.sleep(max(0.0, begun + rounds / rounds_per_s - time.monotonic()))
        return sent

    def _moved(self, frame: Json) -> bytes:
        frame["seq"] += 1
        frame["data"]["price"] = round(frame["data"]["price"] * (1.001 if frame["seq"] % 2 else 0.999), 2)
        frame["data"]["time"] = now = time.time()
        return json.dumps(frame | {"ts": [now, now]}).encode()

    async def _serve(self, page: ServerConnection) -> None:
        self._page = page
        path = page.request.path if page.request else ""  # there is one, once it is served
        async with connect(f"{self._gateway}{path}", compression=None, max_size=None, proxy=None) as gateway:
            asking = asyncio.create_task(_pass_on(page, gateway))
            try:
                async for message in gateway:
                    await page.send(message)
                    self._take(str(message))
            except ConnectionClosed:
                return  # the page has gone, or is loaded anew
            finally:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)

    def _take(self, message: str) -> None:
        frame = json.loads(message)
        if frame["type"] == "snapshot" and frame["stream"] == "tickers" and frame["data"]:
            kept = ("stream", "key", "seq", "cursor", "data")
            self._tickers[frame["key"]] = {"type": "update", **{name: frame[name] for name in kept}}


async def _pass_on(page: ServerConnection, gateway: ClientConnection) -> None:
    async for message in page:
        await gateway.send(message)


def _frame(payload: bytes) -> bytes:
    # A ticker has more than 125 bytes, and far less than 64 KiB.
    return bytes((_TEXT, _LONG)) + len(payload).to_bytes(2, "big") + payload


def _first(_page: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Take the subprotocol that the page offers first: browsers give up without an answer."""
    return offered[0] if offered else None


@asynccontextmanager
async def scripted_market(gateway: str) -> AsyncIterator[ScriptedMarket]:
    """Serve a market in front of the gateway at ``gateway`` (``ws://host:port``)."""
    market = ScriptedMarket(gateway)
    async with serve(market._serve, "127.0.0.1", 0, compression=None, select_subprotocol=_first) as server:  # noqa: SLF001  # its own server
        market.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield market
