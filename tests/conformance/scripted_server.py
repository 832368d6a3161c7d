"""A server that does what a script says: cuts, stalls, drains, repeats, changes epoch, sends what nobody can read.

A script is a list of connections, in the order in which clients open them; each is a list of steps. A step is an object
with one of the keys of ``_Talk``; ``expect`` names fields that the client's next request must have.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("fullon.stream.v1")
STEP_DEADLINE_S = 8.0
LISTED = frozenset({"trades"})
"""Streams of ``content`` whose state is a list of what their updates tell."""
Step = Mapping[str, Any]  # Any: JSON of a script


class ScriptBroken(AssertionError):
    """The client did not do what the script expects."""


class ScriptedServer:
    """Plays ``script`` on the loop that entered it; ``played`` ends when every step of every connection was."""

    def __init__(self, script: Sequence[Mapping[str, Any]], stream: str) -> None:  # Any: JSON of a script
        self._script, self._stream = script, stream
        self._opened = 0
        self._server: Server | None = None
        self._talks: list[asyncio.Future[None]] = []
        self._marked_at = 0.0
        self.url = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._talks = [loop.create_future() for _ in self._script]
        self._server = await serve(
            self._talk,
            "127.0.0.1",
            0,
            process_request=self._request,
            select_subprotocol=lambda _connection, offered: PROTOCOL if PROTOCOL in offered else None,
            ping_interval=None,
        )
        port = next(iter(self._server.sockets)).getsockname()[1]
        self.url = f"ws://127.0.0.1:{port}/api/v1/stream"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for talk in self._talks:
            if talk.done() and not talk.cancelled():
                talk.exception()
            talk.cancel()

    async def played(self) -> None:
        """Return when the whole script was played. Raises: ScriptBroken."""
        for number, talk in enumerate(self._talks, 1):
            try:
                await asyncio.wait_for(asyncio.shield(talk), STEP_DEADLINE_S)
            except TimeoutError:
                raise ScriptBroken(f"connection {number} was not opened, or is not over") from None

    def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._opened >= len(self._script):
            return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "the script is over")
        status = self._script[self._opened].get("refuse")
        if status is None:
            return None
        self._talks[self._opened].set_result(None)
        self._opened += 1
        return connection.respond(HTTPStatus(status), json.dumps({"detail": "scripted"}))

    async def _talk(self, connection: ServerConnection) -> None:
        part, over = self._script[self._opened], self._talks[self._opened]
        self._opened += 1
        try:
            self._check_opening(connection, part)
            talk = _Talk(connection, self._stream, self._mark)
            for step in part["steps"]:
                await talk.play(step)
        except Exception as fault:  # noqa: BLE001  # whatever went wrong is what the test is told
            over.set_exception(fault)
            connection.transport.abort()
        else:
            over.set_result(None)
            await connection.wait_closed()

    def _check_opening(self, connection: ServerConnection, part: Step) -> None:
        waited_ms = (time.monotonic() - self._marked_at) * 1000
        if waited_ms < part.get("not_before_ms", 0):
            raise ScriptBroken(f"came after {waited_ms:.0f} ms, before {part['not_before_ms']}")
        if "token" in part and _credential(connection) != part["token"]:
            raise ScriptBroken(f"came with {_credential(connection)!r}, not {part['token']!r}")

    def _mark(self) -> None:
        self._marked_at = time.monotonic()


class _Talk:
    def __init__(self, connection: ServerConnection, stream: str, mark: Any) -> None:  # Any: a function
        self._connection, self._stream, self._mark = connection, stream, mark
        self._asked: dict[str, Any] = {}  # Any: JSON of a request
        self._together_now = False

    async def play(self, step: Step) -> None:
        name = next(iter(step))
        async with asyncio.timeout(STEP_DEADLINE_S):
            try:
                await getattr(self, f"_{name}")(step[name])
            except ConnectionClosed:
                raise ScriptBroken(f"the client was gone at {json.dumps(step)}") from None
            except TimeoutError:
                raise ScriptBroken(f"nothing came at {json.dumps(step)}") from None

    async def _welcome(self, given: Step) -> None:
        limits = {
            "subscriptions": 1024,
            "replays": 4,
            "requests_per_s": given.get("requests_per_s", 1000),
            "frame_bytes": given.get("frame_bytes", 65536),
        }
        await self._send(
            {
                "type": "welcome", "connection_id": "c-1", "user_id": 1, "protocol": PROTOCOL, "server_time": 0.0,
                "token_expires_at": None, "heartbeat_s": given.get("heartbeat_s", 60.0), "limits": limits,
                "streams": ["tickers"], "warnings": [], "something_new": True,
            }
        )  # fmt: skip

    async def _expect(self, wanted: Step) -> None:
        self._asked = json.loads(await self._connection.recv())
        for field, value in wanted.items():
            if self._asked.get(field) != value:
                raise ScriptBroken(
                    f"{field}: {self._asked.get(field)!r} instead of {value!r} in {self._asked}"
                )

    async def _ack(self, added: Step) -> None:
        fields = {"ok": True, "time_in": 1.0, "time_out": 1.0, "warnings": []}
        await self._send({"type": "ack", "op": self._asked["op"], "id": self._asked["id"], **fields, **added})

    async def _refusal(self, code: str) -> None:
        await self._ack({"ok": False, "error_code": code, "error": "scripted", "retryable": False})

    async def _retry(self, after_ms: int) -> None:
        facts = {"error_code": "CACHE_UNAVAILABLE", "error": "scripted", "retryable": True}
        await self._ack({"ok": False, **facts, "retry_after_ms": after_ms})

    async def _subscribed(self, entries: list[Step]) -> None:
        blank = {"stream": self._stream, "mode": "every", "recovered": None, "cursor": None}
        await self._ack({"subscriptions": [{**blank, **entry} for entry in entries]})

    async def _snapshot(self, given: Step) -> None:
        told = self._told(given)
        if told["stream"] in LISTED and "data" not in given:
            told["data"] = [told["data"]]
        await self._send({"type": "snapshot", **told})

    async def _update(self, given: Step) -> None:
        await self._send({"type": "update", "ts": [None, 1.0], **self._told(given)})

    async def _send(self, frame: Step) -> None:
        if self._together_now:
            self._connection.protocol.send_text(json.dumps(frame).encode())
        else:
            await self._connection.send(json.dumps(frame))

    async def _together(self, steps: list[Step]) -> None:
        """Send what these steps say as one packet."""
        self._together_now = True
        for step in steps:
            await self.play(step)
        self._together_now = False
        self._connection.transport.write(b"".join(self._connection.protocol.data_to_send()))

    async def _text(self, text: str) -> None:
        await self._connection.send(text)

    async def _repeat(self, given: Step) -> None:
        for _ in range(given["times"]):
            await self._send(given["frame"])
            await asyncio.sleep(given["every_ms"] / 1000)

    async def _wait_ms(self, milliseconds: int) -> None:
        await asyncio.sleep(milliseconds / 1000)

    async def _silent_ms(self, milliseconds: int) -> None:
        try:
            message = await asyncio.wait_for(self._connection.recv(), milliseconds / 1000)
        except TimeoutError:
            return
        raise ScriptBroken(f"the client said {message!r} before {milliseconds} ms had passed")

    async def _marked(self, _: bool) -> None:
        self._mark()

    async def _close(self, given: list[Any]) -> None:
        await self._connection.close(*given)

    async def _heard(self, _: bool) -> None:
        """Wait until the client's side has read everything that was sent."""
        await (await self._connection.ping())

    async def _cut(self, _: bool) -> None:
        self._connection.transport.abort()

    async def _left(self, _: bool) -> None:
        """Wait until the client goes."""
        try:
            while True:
                message = await self._connection.recv()
                raise ScriptBroken(f"the client said {message!r} instead of going")
        except ConnectionClosed:
            return

    def _told(self, given: Step) -> dict[str, Any]:
        stream = given.get("stream", self._stream)
        return {
            "stream": stream,
            "cursor": None,
            "data": content(stream, given["key"], given["seq"]),
            **given,
        }


def content(stream: str, key: str, seq: int) -> Any:  # Any: the object of whichever stream
    """Return an object whose price tells which change it is."""
    first, _, second = key.partition(":")
    market = {"exchange": first, "symbol": second, "price": float(seq), "time": 0.0}
    if stream == "trades":
        return {**market, "trade_id": str(seq), "side": None, "volume": 1.0}
    if stream == "ohlcv":
        prices = dict.fromkeys(("open", "high", "low", "close", "volume"), float(seq))
        return {"symbol": first, "timeframe": second, "time": 0.0, **prices, "closed": False}
    if stream == "accounts":
        return {"account": key, "balances": {}, "time": None}
    return market


def _credential(connection: ServerConnection) -> str | None:
    request = connection.request
    if request is None:
        return None
    if "Authorization" in request.headers:
        return request.headers["Authorization"].removeprefix("Bearer ")
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    return next((each.removeprefix("jwt.") for each in offered if each.startswith("jwt.")), None)
