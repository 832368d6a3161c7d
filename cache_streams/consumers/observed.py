"""What operators may know of a socket, told by the socket itself when somebody asks."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable
from itertools import islice
from typing import ClassVar

from channels.consumer import AsyncConsumer

from cache_streams.authentication import Login
from cache_streams.facts import Credential, Ending, Facts, Membership, Place
from cache_streams.outlet import LOST, Outlet, Parting
from cache_streams.places import cursor_text
from cache_streams.protocol.close_codes import CLOSES, Family
from cache_streams.subscription import Subscription

PATH_SHOWN = 200
"""Characters of a path that are told: clients choose a part of it."""
REASON_SHOWN = 123
PLACES_SHOWN = 32
"""Logs of one socket whose cursors are kept with its ending."""


class Observed(AsyncConsumer):
    """The side of a consumer that operators see; nothing here is kept or counted before somebody looks."""

    family: ClassVar[Family]
    outlet: Outlet
    socket_id: str
    opened_at: float
    received = 0
    """Frames that the client has sent."""
    _rule = ""
    _at_end: tuple[Facts, list[Place]] | None = None

    @property
    @abstractmethod
    def login(self) -> Login:
        """Who opened this socket."""

    @abstractmethod
    def memberships(self) -> list[Membership]:
        """Return what the socket subscribes to now."""

    @abstractmethod
    def places(self) -> list[Place]:
        """Return how far the socket was told of each log, of the first few."""

    def note_end(self) -> None:
        """Keep what is known now, as the end begins: the queue, and how far the socket was told."""
        self._at_end = (self.facts(), self.places())

    def ending(self, code: int | None) -> Ending:
        """Return how the socket ended; ``code`` is what ASGI says of it."""
        facts, places = self._at_end or (self.facts(), self.places())
        parting = self.outlet.parting()
        if parting is LOST and code not in (None, LOST.code):
            parting = Parting("client", code or LOST.code, "")
        cause = self._rule or self.outlet.cause or rule_of(parting)
        return Ending(
            facts,
            time.time(),
            parting.by,
            parting.code,
            parting.reason[:REASON_SHOWN],
            cause,
            self.received,
            places,
        )

    @property
    def path(self) -> str:
        """What was asked for, without its query."""
        return str(self.scope["path"])[:PATH_SHOWN]

    @property
    def address(self) -> str:
        """Where the client is, as the server saw it; empty where it saw nothing."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    def waiting_bytes(self) -> int:
        """Return how much of what was sent still waits in this process."""
        return self.outlet.buffered()

    def taken_bytes(self) -> int | None:
        """Return how much of what was sent its peer's system has taken, None where nobody knows."""
        return self.outlet.taken()

    def facts(self) -> Facts:
        """Return all that operators may know of the socket."""
        login = self.login
        return Facts(
            socket_id=self.socket_id,
            user_id=login.identity.user_id,
            mail=login.identity.mail,
            family=self.family.value,
            path=self.path,
            address=self.address,
            opened_at=self.opened_at,
            waiting=self.waiting_bytes(),
            taken=self.taken_bytes(),
            memberships=self.memberships(),
            credentials=[Credential(each.jti, each.family, each.expires_at) for each in login.tokens],
            key_ids=list(login.key_ids),
        )


def rule_of(parting: Parting) -> str:
    """Return why a socket ended, in words, as the table of closes says it."""
    if parting.by == "client":
        return "the client closed it"
    if parting.by == "neither":
        return "the connection was lost: no close frame came from either side"
    meanings = [close.meaning for close in CLOSES if (close.code, close.reason) == parting[1:]]
    return meanings[0] if meanings else "the client broke the WebSocket protocol, or its process stopped"


def places_of(subscriptions: Iterable[Subscription]) -> list[Place]:
    """Return how far subscriptions were told of each log, of the first few."""
    found = (
        Place(each.stream.name, partition, None if cursor is None else cursor_text(cursor))
        for each in subscriptions
        for partition, cursor in each.cursors()
    )
    return list(islice(found, PLACES_SHOWN))


def membership_of(subscription: Subscription) -> Membership:
    """Return what operators are told of one subscription."""
    return Membership(subscription.stream.name, subscription.hot, subscription.behind(), subscription.skipped)
