"""A socket after its handshake, kept by the server's protocol instead of by tasks: an idle one is a few objects, no more.

Channels runs two tasks for each consumer, and a server one more. Where the server can call us for each frame, all three
end with the handshake; a task lives only while a frame is being answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from channels.exceptions import StopConsumer

from cache_streams.metrics import CONSUMER_FAILURES

Message = dict[str, Any]  # Any: an ASGI message

logger = structlog.get_logger(__name__)

_tasks: set[asyncio.Task[None]] = set()
"""What runs for retained sockets; the set owns the tasks until they are done."""


class RetainedSocket:
    """Calls a consumer for each frame and for the end, one after another; see ``cache_streams.outlet.Retainer``."""

    __slots__ = ("_answering", "_close", "_dispatch", "_resume", "_waiting")

    def __init__(
        self,
        dispatch: Callable[[Message], Awaitable[None]],
        *,
        resume: Callable[[], None],
        close: Callable[[int, str], None],
    ) -> None:
        self._dispatch, self._resume, self._close = dispatch, resume, close
        self._waiting: list[Message] = []
        self._answering = False

    def received(self, frame: str | bytes) -> None:
        """Answer a frame after those before it. The transport reads no more until all are answered."""
        kind = "text" if isinstance(frame, str) else "bytes"
        self._follow({"type": "websocket.receive", kind: frame})

    def lost(self) -> None:
        """End the consumer after what it is answering now."""
        self._waiting.clear()
        self._follow({"type": "websocket.disconnect", "code": 1006})

    def _follow(self, message: Message) -> None:
        self._waiting.append(message)
        if not self._answering:
            self._answering = True
            task = asyncio.get_running_loop().create_task(self._answer())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    async def _answer(self) -> None:
        try:
            while self._waiting:
                await self._dispatch(self._waiting.pop(0))
        except StopConsumer:
            return
        except Exception:  # a task's root: the socket is closed and counted
            logger.exception("consumer failed")
            CONSUMER_FAILURES.inc()
            self._close(1011, "internal_error")
        finally:
            self._answering = False
        self._resume()
