"""What an agents socket says by itself: that it lives, and that its token ends soon."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from django.conf import settings

from cache_streams.outlet import Outlet
from cache_streams.protocol.agents.frames import Heartbeat, TokenExpiring, encode

EXPIRING_S = 60.0
TICKS_PER_HEARTBEAT = 5


class Pulse:
    """Timers of one socket; ``heartbeat`` returns the frame to send when nothing else was sent for a while."""

    def __init__(self, outlet: Outlet, heartbeat: Callable[[], Heartbeat]) -> None:
        self._outlet, self._heartbeat = outlet, heartbeat
        outlet.minds_silence = True
        self._loop = asyncio.get_running_loop()
        self._quiet = 0
        self._expiring: asyncio.TimerHandle | None = None
        self._beat = self._next()

    def stop(self) -> None:
        """Say no more."""
        self._beat.cancel()
        if self._expiring is not None:
            self._expiring.cancel()

    def expect_end(self, expires_at: float | None, moment: str) -> None:
        """Say a minute before that the token ends at ``moment``, ``expires_at`` in Unix seconds; None for never."""
        if self._expiring is not None:
            self._expiring.cancel()
        if expires_at is not None:
            left = max(expires_at - time.time() - EXPIRING_S, 0.0)
            frame = encode(TokenExpiring(expires_at=moment))
            self._expiring = self._loop.call_later(left, self._outlet.send, frame)

    def _next(self) -> asyncio.TimerHandle:
        return self._loop.call_later(settings.AGENTS_HEARTBEAT_S / TICKS_PER_HEARTBEAT, self._tick)

    def _tick(self) -> None:
        """Into a full outlet nothing is said: what it holds is a sign of life."""
        self._beat = self._next()
        if self._outlet.wrote:
            self._outlet.wrote, self._quiet = False, 0
            return
        self._quiet += 1
        if self._quiet >= TICKS_PER_HEARTBEAT and not self._outlet.paused:
            self._outlet.send(encode(self._heartbeat()))
            self._outlet.wrote, self._quiet = False, 0
