"""One socket of the gateway: from its handshake to its end, with requests and their answers."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import UNSET
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from cache_streams.client.endings import ABNORMAL, Ending
from cache_streams.client.errors import ConnectionLost, RequestRefused
from cache_streams.client.messages import (
    AnyAck,
    Frame,
    MalformedFrame,
    Unknown,
    read_ack,
    read_frame,
)
from cache_streams.client.parts import Body, longest
from cache_streams.protocol.native.frames import Ack, ErrorAck, ErrorFrame, Welcome

OPEN_S = 10.0
"""A handshake and its welcome must be over by then."""
ANSWER_S = 30.0
CLOSE_S = 2.0
FRAME_BYTES_LIMIT = 16 * 1024 * 1024
SILENT_HEARTBEATS = 2.5
"""So many heartbeats without any frame: nobody is there."""
_TEXT_LIMIT = 200

Asked: TypeAlias = Body | Callable[[], Body]
Then: TypeAlias = Callable[[Ack], None] | None


class LinkEnded(Exception):
    """The socket is over, or never came to be."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(f"{ending.code} {ending.reason}")
        self.ending = ending


class Link:
    """An open socket. ``receive`` must be called for answers to arrive."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[asyncio.Future[Ack], Then]] = {}
        self._next_id = 1
        self._next_request_at = 0.0
        self._heard_at = self._loop.time()
        self._reading = True
        self._watch: asyncio.TimerHandle | None = None
        self._error: ErrorFrame | None = None
        self._leaving: asyncio.Task[None] | None = None
        self.opened_at = self._loop.time()
        self.welcome: Welcome

    @classmethod
    async def open(cls, url: str, headers: Mapping[str, str], name: str) -> Link:
        """Return a socket that was welcomed. Raises: LinkEnded."""
        try:
            async with asyncio.timeout(OPEN_S):
                socket = await connect(
                    url,
                    additional_headers=headers,
                    user_agent_header=name,
                    compression=None,
                    max_size=FRAME_BYTES_LIMIT,
                    ping_interval=None,  # heartbeats show life, also to a reader that pauses on purpose
                    close_timeout=CLOSE_S,
                )
        except (OSError, TimeoutError, WebSocketException) as fault:
            raise LinkEnded(_unopened(fault)) from None  # a cause might hold the request's headers
        link = cls(socket)
        try:
            async with asyncio.timeout(OPEN_S):
                await link._welcomed()
        except TimeoutError:
            await link.close()
            raise LinkEnded(Ending(ABNORMAL, "no welcome")) from None
        except BaseException:  # a cancelled caller, too, must leave no open socket behind
            await link.close()
            raise
        return link

    async def request(self, asked: Asked, then: Then = None) -> Ack:
        """Send a request at the server's pace and return its answer; a function is called when its turn has come.

        ``then`` is called with the answer before any frame that comes after it is received.
        Raises: RequestRefused, ConnectionLost.
        """
        pace = 1.0 / (self.welcome.limits.requests_per_s or math.inf)  # 0: there is no limit
        burst = 1.0 - pace
        at = max(self._next_request_at, self._loop.time() - burst)
        self._next_request_at = at + pace
        await asyncio.sleep(max(0.0, at - self._loop.time()))
        body = asked() if callable(asked) else asked
        number, self._next_id = self._next_id, self._next_id + 1
        text, limit = json.dumps({**body, "id": number}), self.welcome.limits.frame_bytes
        if len(text) > limit:
            raise RequestRefused.too_large(longest(body), len(text), limit)
        answer: asyncio.Future[Ack] = self._loop.create_future()
        self._waiting[number] = (answer, then)
        try:
            await self._socket.send(text)
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except ConnectionClosed:
            raise ConnectionLost("the socket ended before the answer") from None
        except TimeoutError:
            raise ConnectionLost(f"no answer to {body.get('op')} within {ANSWER_S:.0f} s") from None
        finally:
            self._waiting.pop(number, None)

    async def receive(self) -> Frame | None:
        """Return the next frame that answers no request, None for one that nobody could read. Raises: LinkEnded."""
        while True:
            self._reading = True
            try:
                text = await self._socket.recv(decode=False)
            except ConnectionClosed as closed:
                raise LinkEnded(self._ended(closed)) from None
            self._heard_at = self._loop.time()
            self._reading = False
            try:
                frame = self._read(text)
            except MalformedFrame:
                return None
            except Unknown:
                continue  # a newer server's
            if not isinstance(frame, AnyAck):
                return frame

    async def close(self) -> None:
        """End the socket, however deaf its other side."""
        if self._watch is not None:
            self._watch.cancel()
        await self._socket.close()

    def leave(self) -> None:
        """Let the socket end soon; what came before is still received."""
        self._leaving = self._loop.create_task(self.close(), name="leaving a socket")

    def _read(self, text: bytes) -> Frame:
        frame = read_frame(text)
        if isinstance(frame, AnyAck):
            self._acknowledge(frame, text)
        elif isinstance(frame, ErrorFrame):
            self._error = frame
        return frame

    def _acknowledge(self, head: AnyAck, text: bytes) -> None:
        ack = read_ack(head, text)
        answer, then = self._waiting.pop(head.id, (None, None))
        if answer is None or answer.done():
            raise MalformedFrame("an answer to no question")
        if isinstance(ack, ErrorAck):
            answer.set_exception(RequestRefused.from_ack(ack))
            return
        if then is not None:
            then(ack)
        answer.set_result(ack)

    async def _welcomed(self) -> None:
        frame = await self.receive()
        while not isinstance(frame, Welcome):
            frame = await self.receive()
        self.welcome = frame
        self._look(frame.heartbeat_s * SILENT_HEARTBEATS)

    def _look(self, silent_s: float) -> None:
        """Cut the socket when nothing was heard for so long, while somebody listened."""
        if self._reading and self._loop.time() - self._heard_at > silent_s:
            self._socket.transport.abort()
            return
        self._watch = self._loop.call_later(silent_s / 5, self._look, silent_s)

    def _ended(self, closed: ConnectionClosed) -> Ending:
        if self._watch is not None:
            self._watch.cancel()
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionLost("the socket ended before the answer"))
        told = closed.rcvd
        least_ms = UNSET if self._error is None else self._error.retry_after_ms
        least_s = 0.0 if least_ms is UNSET else least_ms / 1000
        if told is None:
            return Ending(ABNORMAL, "the connection broke", least_s=least_s)
        return Ending(told.code, told.reason, least_s=least_s)


def _unopened(fault: Exception) -> Ending:
    """Return why no socket came to be, in words of the server where it gave any."""
    if not isinstance(fault, InvalidStatus):
        reason = (
            "no answer in time" if isinstance(fault, TimeoutError) else str(fault) or type(fault).__name__
        )
        return Ending(ABNORMAL, reason[:_TEXT_LIMIT])
    status = fault.response.status_code
    after = fault.response.headers.get("Retry-After", "")
    least_s = float(after) if after.isdecimal() else 0.0
    try:
        reason = str(msgspec.json.decode(fault.response.body or b"", type=dict[str, object])["detail"])
    except (msgspec.DecodeError, KeyError):
        reason = f"HTTP {status}"
    return Ending(ABNORMAL, reason[:_TEXT_LIMIT], status=status, least_s=least_s)
