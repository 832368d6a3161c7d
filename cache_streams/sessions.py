"""The sockets that are open in this process, by user; who may no longer be here is closed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import ClassVar, Protocol
from weakref import WeakKeyDictionary

import structlog
from django.conf import settings

from cache_streams.authentication import Login, forget
from cache_streams.census import Census
from cache_streams.facts import Facts, Membership
from cache_streams.news import EVERYBODY
from cache_streams.protocol.allowance import limit_of
from cache_streams.protocol.close_codes import TOO_MANY_CONNECTIONS, Close, Family
from cache_streams.recent import AuthenticationUnavailable
from cache_streams.standing import verdicts_on

RECHECK_S = 30.0
"""Users, keys and revocations of all open sockets are read again so often, whatever news was lost."""
CHECKED_AT_ONCE = 500
LIMITS: Mapping[Family | None, str] = {
    None: "SOCKETS_PER_USER",
    Family.AGENTS: "AGENTS_SOCKETS_PER_USER",
}
"""Which setting bounds how many sockets a user has open: of all families together, and of one."""

logger = structlog.get_logger(__name__)


class Session(Protocol):
    """One open socket."""

    socket_id: str
    family: ClassVar[Family]
    opened_at: float
    """In Unix seconds."""

    @property
    def login(self) -> Login:
        """Whose it is, by which credentials, with the rights that it was opened with."""

    @property
    def path(self) -> str:
        """What was asked for, without its query."""

    @property
    def address(self) -> str:
        """Where the client is, as the server saw it; empty where it saw nothing."""

    def end(self, close: Close, rule: str = "") -> None:
        """Close the socket without waiting for it; ``rule`` says to operators why, where ``close`` does not say all."""

    def memberships(self) -> list[Membership]:
        """Return what the socket subscribes to now."""

    def taken_bytes(self) -> int | None:
        """Return how much of what was sent its peer's system has taken, None where nobody knows."""

    def facts(self) -> Facts:
        """Return all that operators may know of the socket."""

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
        self._censuses = {family: self._census(family, name) for family, name in LIMITS.items()}

    def add(self, user_id: int, session: Session) -> None:
        """Watch over a socket until ``remove``; user 0 is nobody, and not looked up."""
        self._open.setdefault(user_id, {})[session] = None
        self._changed(user_id, session.family)
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
        if session in sessions:
            self._changed(user_id, session.family)
        sessions.pop(session, None)
        if not sessions:
            self._open.pop(user_id, None)
        if not self._open:
            self.empty.set()

    def crowded(self, user_id: int, family: Family) -> bool:
        """Return whether this worker alone holds more sockets of a user than all of them together may."""
        limits = {
            each: limit_of(getattr(settings, LIMITS[each])) for each in (None, family) if each in LIMITS
        }
        return user_id != 0 and any(self._count(user_id, each) > most for each, most in limits.items())

    async def leave_censuses(self) -> None:
        """Let go of this worker's counts."""
        for census in self._censuses.values():
            await census.leave()

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

    def _census(self, family: Family | None, limit: str) -> Census:
        return Census(
            "sockets" if family is None else f"{family.value}-sockets",
            lambda: int(getattr(settings, limit)),
            count=lambda user_id: self._count(user_id, family),
            users=lambda: list(self._open),
            keep=lambda user_id, most: self._keep(user_id, family, most),
        )

    def _changed(self, user_id: int, family: Family) -> None:
        for each, census in self._censuses.items():
            if user_id != 0 and each in (None, family):
                census.changed(user_id)

    def _count(self, user_id: int, family: Family | None) -> int:
        if family is None:  # thousands of sockets may be one user's, and each that opens asks
            return len(self._open.get(user_id, ()))
        return len(self._of(user_id, family))

    def _of(self, user_id: int, family: Family | None) -> list[Session]:
        """Return a user's sockets of one family, or of any, oldest first."""
        sessions = self._open.get(user_id, ())
        return [session for session in sessions if family in (None, session.family)]

    def _keep(self, user_id: int, family: Family | None, most: int) -> None:
        """Close the newest of a user's sockets; they count no more from now on, whenever their clients let go."""
        for session in self._of(user_id, family)[most:]:
            session.end(TOO_MANY_CONNECTIONS, f"{most} of the user's sockets may be open in this worker now")
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
                verdicts = await verdicts_on([session.login for session in chunk])
            except AuthenticationUnavailable:
                logger.warning("user store unavailable; open sockets are checked again later")
                return
            for session, verdict in zip(chunk, verdicts, strict=True):
                if verdict is not None and session in self._open.get(session.login.identity.user_id, ()):
                    session.end(verdict.close, verdict.rule)


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
