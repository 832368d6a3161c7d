"""The sockets that are open in this process, by user; who may no longer be here is closed."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from accounts.identity import Identity
from cache_streams.authentication import IDENTITIES, AuthenticationUnavailable
from cache_streams.protocol.close_codes import AUTH_REVOKED, FORBIDDEN, Close

RECHECK_S = 30.0
"""Every user with open sockets is read again so often, whatever news was lost."""

logger = structlog.get_logger(__name__)


class Session(Protocol):
    """One open socket."""

    @property
    def identity(self) -> Identity:
        """Whose it is, with the rights that it was opened with."""

    def end(self, close: Close) -> None:
        """Close the socket without waiting for it."""


class Sessions:
    """Open sockets of one event loop."""

    def __init__(self) -> None:
        self._open: dict[int, set[Session]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._periodic: asyncio.Task[None] | None = None

    def add(self, user_id: int, session: Session) -> None:
        """Watch over a socket until ``remove``; user 0 is nobody, and not looked up."""
        self._open.setdefault(user_id, set()).add(session)
        if self._periodic is None:
            self._periodic = asyncio.create_task(self._recheck_for_ever(), name="recheck users")

    def remove(self, user_id: int, session: Session) -> None:
        """Stop watching over a socket."""
        sessions = self._open.get(user_id, set())
        sessions.discard(session)
        if not sessions:
            self._open.pop(user_id, None)

    def news(self, kind: str, subject: str) -> None:
        """Hear that a user changed: it is read again at once."""
        if kind == "user" and subject.isdecimal():
            IDENTITIES.forget(int(subject))
            self._soon([int(subject)])

    def recheck(self) -> None:
        """Read every user again: news may have been lost."""
        IDENTITIES.forget()
        self._soon(list(self._open))

    def _soon(self, users: list[int]) -> None:
        task = asyncio.create_task(self._check(users), name="check users")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _recheck_for_ever(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            IDENTITIES.forget()
            await self._check(list(self._open))

    async def _check(self, users: list[int]) -> None:
        for user_id in users:
            if user_id == 0 or user_id not in self._open:
                continue
            try:
                identity = await IDENTITIES.get(user_id)
            except AuthenticationUnavailable:
                logger.warning("user store unavailable; open sockets are checked again later")
                return
            for session in list(self._open.get(user_id, ())):
                if identity is None:
                    session.end(AUTH_REVOKED)
                elif identity.is_staff != session.identity.is_staff:
                    session.end(FORBIDDEN)
