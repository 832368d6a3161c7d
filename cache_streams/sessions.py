"""The sockets that are open in this process, by user; who may no longer be here is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings

from cache_streams.authentication import Login, forget
from cache_streams.census import Census
from cache_streams.news import EVERYBODY
from cache_streams.protocol.allowance import limit_of
from cache_streams.protocol.close_codes import TOO_MANY_CONNECTIONS, Close
from cache_streams.recent import AuthenticationUnavailable
from cache_streams.standing import closes_for

RECHECK_S = 30.0
"""Users, keys and revocations of all open sockets are read again so often, whatever news was lost."""
CHECKED_AT_ONCE = 500

logger = structlog.get_logger(__name__)


class Session(Protocol):
    """One open socket."""

    @property
    def login(self) -> Login:
        """Whose it is, by which credentials, with the rights that it was opened with."""

    def end(self, close: Close) -> None:
        """Close the socket without waiting for it."""

    def waiting_bytes(self) -> int:
        """Return how much of what was sent still waits in this process."""

    def announce_end(self, reconnect_within_s: float, deadline_s: float) -> bool:
        """Tell the client that this process stops soon; False when its family has no words for that."""

    def drain(self) -> None:
        """Tell the client that this process stops, and close as its family does."""


class Sessions:
    """Open sockets of one event loop."""

    def __init__(self) -> None:
        self._open: dict[int, dict[Session, None]] = {}  # a user's sockets, oldest first
        self._tasks: set[asyncio.Task[None]] = set()
        self.empty = asyncio.Event()
        """Set while no socket is open."""
        self.empty.set()
        self._periodic: asyncio.Task[None] | None = None
        self._news_at = 0.0
        self.census = Census(self._count, lambda: list(self._open), self._keep)

    def add(self, user_id: int, session: Session) -> None:
        """Watch over a socket until ``remove``; user 0 is nobody, and not looked up."""
        self._open.setdefault(user_id, {})[session] = None
        if user_id != 0:
            self.census.changed(user_id)
        self.empty.clear()
        if self._periodic is None:
            self._periodic = asyncio.create_task(self._recheck_for_ever(), name="recheck users")
        if session.login.read_at <= self._news_at:  # they may have been about this one, during its handshake
            self._soon([user_id])

    def everyone(self) -> list[Session]:
        """Return every open socket."""
        # Copies, because metrics are also asked for from other threads.
        return [session for sessions in list(self._open.values()) for session in list(sessions)]

    def of(self, user_id: int) -> Collection[Session]:
        """Return the open sockets of one user, oldest first."""
        return self._open.get(user_id, {}).keys()

    def remove(self, user_id: int, session: Session) -> None:
        """Stop watching over a socket."""
        sessions = self._open.get(user_id, {})
        if session in sessions and user_id != 0:
            self.census.changed(user_id)
        sessions.pop(session, None)
        if not sessions:
            self._open.pop(user_id, None)
        if not self._open:
            self.empty.set()

    def crowded(self, user_id: int) -> bool:
        """Return whether this worker alone holds more sockets of a user than all of them together may."""
        return user_id != 0 and self._count(user_id) > limit_of(settings.SOCKETS_PER_USER)

    def news(self, kind: str, subject: str) -> None:
        """Hear that rights or credentials of a user changed, or of everybody: they are read again at once."""
        if kind == "user" and subject == EVERYBODY:
            self.recheck()
        elif kind == "user" and subject.isdecimal():
            forget(int(subject))
            self._news_at = time.monotonic()
            self._soon([int(subject)])

    def recheck(self) -> None:
        """Read everybody again: news may have been lost."""
        forget()
        self._news_at = time.monotonic()
        self._soon(list(self._open))

    def _count(self, user_id: int) -> int:
        return len(self._open.get(user_id, ()))

    def _keep(self, user_id: int, most: int) -> None:
        """Close the newest of a user's sockets; they count no more from now on, whenever their clients let go."""
        for session in list(self._open.get(user_id, ()))[most:]:
            session.end(TOO_MANY_CONNECTIONS)
            self.remove(user_id, session)

    def _soon(self, users: list[int]) -> None:
        task = asyncio.create_task(self._check(users), name="check users")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            forget()
            await self._check(list(self._open))

    async def _check(self, users: list[int]) -> None:
        sessions = [session for user_id in users if user_id != 0 for session in self._open.get(user_id, ())]
        for start in range(0, len(sessions), CHECKED_AT_ONCE):
            chunk = sessions[start : start + CHECKED_AT_ONCE]
            try:
                closes = await closes_for([session.login for session in chunk])
            except AuthenticationUnavailable:
                logger.warning("user store unavailable; open sockets are checked again later")
                return
            for session, close in zip(chunk, closes, strict=True):
                if close is not None and session in self._open.get(session.login.identity.user_id, ()):
                    session.end(close)


_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, Sessions] = WeakKeyDictionary()


def loop_sessions() -> Sessions:
    """Return the open sockets of the running event loop."""
    loop = asyncio.get_running_loop()
    sessions = _sessions.get(loop)
    if sessions is None:
        sessions = _sessions[loop] = Sessions()
    return sessions


def all_sessions() -> list[Sessions]:
    """Return the open sockets of every event loop of this process."""
    return list(_sessions.values())
