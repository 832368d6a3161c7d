"""A socket's outlet: where frames leave. Writing never waits; a full outlet says so, and its subscriptions go cold."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple, Protocol

from django.conf import settings

from cache_streams.metrics import CLOSES

STALL_LOOK_S = 1.0
"""How often a full outlet is looked at: one that drains not one byte for ``STALL_TIMEOUT_S`` has a dead reader."""

EXTENSION = "gateway.frames"
"""Key of ``scope["extensions"]`` under which a server offers its frame sink."""


class Body:
    """The end of a frame's payload, shared by every socket it goes to; alone (no prefix) it is framed only once."""

    __slots__ = ("_frame", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The whole WebSocket frame, header included."""
        if self._frame is None:
            self._frame = text_header(len(self.payload)) + self.payload
        return self._frame


def text_header(length: int) -> bytes:
    """Return the header of an unmasked, final text frame with a payload of ``length`` bytes (RFC 6455 §5.2)."""
    if length < 126:  # noqa: PLR2004  # the RFC's own numbers
        return bytes((0x81, length))
    if length < 65536:  # noqa: PLR2004
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


CLOSED = -1
"""A descriptor that no socket has: writing to it fails."""


class Descriptors:
    """Counts how often the descriptor of any sink has changed: whoever keeps some asks again."""

    def __init__(self) -> None:
        self.changes = 0


DESCRIPTORS = Descriptors()
"""Those of this process."""


def framed(payloads: Iterable[bytes], prefix: bytes = b"") -> bytes:
    """Return one frame per payload, each behind ``prefix``, all in one piece."""
    parts: list[bytes] = []
    for payload in payloads:
        parts += (text_header(len(prefix) + len(payload)), prefix, payload)
    return b"".join(parts)


def discard(_frame: bytes) -> None:
    """Take the place of a sink's ``write`` once its close frame is out: nothing may follow it."""


class Parting(NamedTuple):
    """Who ended a socket (``gateway``, ``client``, or ``neither``: it was lost), and the close frame that said so."""

    by: Literal["gateway", "client", "neither"]
    code: int
    reason: str


LOST = Parting("neither", 1006, "")
"""A connection that ended without a close frame (RFC 6455 §7.1.5)."""


class Retainer(Protocol):
    """What a server's protocol calls once a socket is its own to keep."""

    def received(self, frame: str | bytes) -> None:
        """Take a whole inbound message; nothing more is read until ``resume_reading``."""

    def lost(self) -> None:
        """The connection is gone."""


class FrameSink(Protocol):
    """What a server offers under ``EXTENSION``: the socket's own transport."""

    on_pause: Callable[[], None] | None
    on_resume: Callable[[], None] | None
    on_end: Callable[[], None] | None
    """Called once, when the end begins and what waits is still known."""

    def parting(self) -> Parting:
        """Return how the socket ended, as far as it has."""

    @property
    def write(self) -> Callable[[bytes], None]:
        """Hand whole frames to the transport; after the close they are dropped."""

    @property
    def descriptor(self) -> int:
        """The socket's own descriptor while the transport holds nothing, so that a frame may go past it; else ``CLOSED``.

        Each change of it is counted in ``DESCRIPTORS`` before another socket can be given the same number.
        """

    def buffered(self) -> int:
        """Return how many bytes the transport still holds."""

    def taken(self) -> int | None:
        """Return how many bytes the peer's system has taken so far, None where the kernel does not tell."""

    def close(self, code: int, reason: str) -> None:
        """Send a close frame as far as the peer reads, and end the connection soon in any case."""

    def abort(self) -> None:
        """End the connection now; what is buffered is lost."""

    def retain(self, retainer: Retainer) -> None:
        """Keep the socket when the ASGI application returns, and call ``retainer`` from now on."""

    def resume_reading(self) -> None:
        """Read on: what was received is answered."""


class Outlet(ABC):
    """Where frames of one socket leave, and who must know when it is full."""

    sink: FrameSink | None = None
    """The socket's own transport, where the server offers one."""

    def __init__(self) -> None:
        self.gathered: list[bytes] = []
        """Frames of one step of the reader, which hands them to ``sink`` together: see ``delivery``."""
        self.on_end: Callable[[], None] | None = None
        """Called once, when the end begins and what waits is still known."""
        self.cause = ""
        """Why whoever writes here gave the socket up, where no close frame says it."""
        self.paused = False
        self.closed = False
        self.minds_silence = False
        """Whether somebody wants to know of ``wrote``; said before anything is subscribed to."""
        self.wrote = False
        """Set by every frame of an outlet that minds silence; whoever waits for that clears it."""
        self.listeners: set[PauseListener] = set()
        self._drained = asyncio.Event()
        self._drained.set()
        self._stall: asyncio.TimerHandle | None = None
        self._backlog, self._progress_at = 0, 0.0

    @abstractmethod
    def write(self, prefix: bytes, body: Body) -> None:
        """Queue one text frame whose payload is ``prefix`` + the body's. Never waits, never raises."""

    @abstractmethod
    def close(self, code: int, reason: str) -> None:
        """Close the socket without waiting for a peer that may be deaf."""

    @abstractmethod
    def buffered(self) -> int:
        """Return the bytes that still wait in this process."""

    def parting(self) -> Parting:
        """Return how the socket ended, as far as it has; an outlet that is no socket's never does."""
        return LOST

    def taken(self) -> int | None:
        """Return the bytes that the peer's system has taken, None where nobody knows."""
        return self.sink.taken() if self.sink is not None else None

    @abstractmethod
    def abort(self) -> None:
        """Cut the socket."""

    def send(self, payload: bytes) -> None:
        """Queue one text frame for this socket alone."""
        self.write(b"", Body(payload))

    async def writable(self) -> None:
        """Wait until the outlet is not full. A cut outlet counts as writable: there is nothing to wait for."""
        await self._drained.wait()

    def _pause(self) -> None:
        if self.paused or self.closed:
            return
        self.paused = True
        self._drained.clear()
        loop = asyncio.get_running_loop()
        self._backlog, self._progress_at = self.buffered(), loop.time()
        self._stall = loop.call_later(STALL_LOOK_S, self._look)
        for listener in list(self.listeners):
            listener.outlet_paused()

    def _resume(self) -> None:
        self.paused = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self._drained.set()

    def _look(self) -> None:
        """Cut a reader that drained nothing for ``STALL_TIMEOUT_S``; anything drained is a sign of life."""
        loop = asyncio.get_running_loop()
        left = self.buffered()
        if left < self._backlog:
            self._progress_at = loop.time()
        self._backlog = left
        if loop.time() - self._progress_at >= settings.STALL_TIMEOUT_S:
            CLOSES.labels("stalled").inc()
            self.cause = f"its reader took nothing for {settings.STALL_TIMEOUT_S:g} s"
            self.abort()
            return
        self._stall = loop.call_later(STALL_LOOK_S, self._look)

    def shut(self) -> None:
        """Forget timers and waiters: the socket is gone."""
        self.closed = True
        self.on_end = None
        self._resume()

    def _end_begins(self) -> None:
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()


class PauseListener(Protocol):
    """Somebody who writes to an outlet and must stop when it is full."""

    def outlet_paused(self) -> None:
        """Write nothing more until ``writable`` returns."""


class SinkOutlet(Outlet):
    """Writes frames straight to the transport that the server put into the scope."""

    def __init__(self, sink: FrameSink) -> None:
        super().__init__()
        self.sink: FrameSink = sink
        sink.on_pause, sink.on_resume = self._pause, self._resume
        sink.on_end = self._end_begins

    def parting(self) -> Parting:
        return self.sink.parting()

    def write(self, prefix: bytes, body: Body) -> None:
        self.wrote = True
        if prefix:
            payload = prefix + body.payload
            self.sink.write(text_header(len(payload)) + payload)
        else:
            self.sink.write(body.frame)

    def buffered(self) -> int:
        return self.sink.buffered()

    def close(self, code: int, reason: str) -> None:
        self.sink.close(code, reason)

    def abort(self) -> None:
        self.sink.abort()

    def shut(self) -> None:
        super().shut()
        self.sink.on_pause = self.sink.on_resume = self.sink.on_end = None
