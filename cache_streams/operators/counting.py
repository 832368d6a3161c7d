"""One worker's sockets, counted and searched a few at a time: 10,000 of them must not hold up a delivery."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Sequence

from cache_streams import hops
from cache_streams.facts import Membership
from cache_streams.operators.questions import PEOPLE_MAX, ROWS_MAX, Load, Look, Person, Seen, Wanted
from cache_streams.sessions import Session

AT_ONCE = 100
"""Sockets looked at in one step of the loop: less than half a millisecond."""


class Count:
    """What one look found so far."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self.seen = Seen()
        self._people: dict[int, Person] = {}
        self._found: list[tuple[float, int, Session]] = []

    def add(self, session: Session) -> None:
        """Count one socket, and keep it if it is wanted."""
        seen, login = self.seen, session.login
        waiting, memberships = session.waiting_bytes(), session.memberships()
        seen.sockets += 1
        seen.waiting += waiting
        seen.full += waiting > 0
        family = session.family.value
        seen.families[family] = seen.families.get(family, 0) + 1
        cold = behind = 0
        for each in memberships:
            load = seen.streams.setdefault(each.stream, Load())
            load.subscriptions += 1
            load.cold += not each.hot
            load.behind += each.behind
            load.skipped += each.skipped
            cold += not each.hot
            behind += each.behind
        identity = login.identity
        person = self._people.get(identity.user_id)
        if person is None:
            person = self._people[identity.user_id] = Person(identity.user_id, identity.mail)
        person.sockets += 1
        person.cold += cold
        person.waiting += waiting
        if is_wanted(session, memberships, self._look.wanted):
            self._keep(session, behind, waiting)

    def _keep(self, session: Session, behind: int, waiting: int) -> None:
        self.seen.matched += 1
        order = self._look.order
        if order == "waiting":
            rank = float(waiting)
        elif order == "behind":
            rank = float(behind)
        elif order == "taken":
            rank = float(session.taken_bytes() or 0)
        else:
            rank = session.opened_at if order == "newest" else -session.opened_at
        self._found.append((rank, self.seen.matched, session))

    def finished(self) -> Seen:
        """Return what was counted, with the first of those that are wanted."""
        seen = self.seen
        seen.user_ids = list(self._people)
        seen.people = heapq.nlargest(PEOPLE_MAX, self._people.values(), key=lambda person: person.sockets)
        first = heapq.nlargest(min(self._look.most, ROWS_MAX), self._found)
        seen.rows = [session.facts() for _, _, session in first]
        seen.hops = hops.recent()
        return seen


def is_wanted(session: Session, memberships: Sequence[Membership], wanted: Wanted) -> bool:
    """Return whether a socket is one of those asked for."""
    identity = session.login.identity
    if wanted.socket_id and session.socket_id != wanted.socket_id:
        return False
    if wanted.user_id is not None and identity.user_id != wanted.user_id:
        return False
    if wanted.family and session.family.value != wanted.family:
        return False
    if wanted.stream and all(each.stream != wanted.stream for each in memberships):
        return False
    if wanted.cold and all(each.hot for each in memberships):
        return False
    text = wanted.text.lower()
    return not text or any(
        text in part.lower() for part in (session.socket_id, identity.mail, session.path, session.address)
    )


async def counted(sessions: Sequence[Session], look: Look) -> Seen:
    """Return what ``sessions`` are, a few in each step of the loop."""
    count, cpu_s = Count(look), 0.0
    for first in range(0, len(sessions), AT_ONCE):
        began = time.thread_time()
        for session in sessions[first : first + AT_ONCE]:
            count.add(session)
        cpu_s += time.thread_time() - began
        await asyncio.sleep(0)
    began = time.thread_time()
    seen = count.finished()
    seen.took_ms = round((cpu_s + time.thread_time() - began) * 1000, 2)
    return seen
