"""What is known of one open socket: shapes that workers tell operators, and that are kept of sockets that ended."""

from __future__ import annotations

import msgspec


class Membership(msgspec.Struct, frozen=True, array_like=True):
    """One subscription; ``behind``: updates that it has yet to be told, ``skipped``: that it never was."""

    stream: str
    hot: bool
    behind: int = 0
    skipped: int = 0


class Credential(msgspec.Struct, frozen=True, array_like=True):
    """What a revocation of one token may name, until ``expires_at`` (Unix seconds); never the token."""

    jti: str | None
    family: str | None
    expires_at: float


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """One socket. ``waiting``: bytes in this process; ``taken``: those that its peer's system took, None where unknown.

    ``opened_at`` in Unix seconds; ``address`` as the server saw it, empty where it saw none.
    """

    socket_id: str
    user_id: int
    mail: str
    family: str
    path: str
    address: str
    opened_at: float
    waiting: int
    taken: int | None
    memberships: list[Membership]
    credentials: list[Credential]
    key_ids: list[int]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """How far a socket was told of one log; no cursor: of nothing yet."""

    stream: str
    partition: str
    cursor: str | None


class Ending(msgspec.Struct, frozen=True, array_like=True):
    """How a socket ended: ``by`` the gateway, the client, or neither (the connection was lost), with which close frame.

    ``rule`` says why in words. ``socket`` is what was known when the end began, ``places`` how far it had been told,
    ``received`` how many frames its client had sent. ``ended_at`` in Unix seconds.
    """

    socket: Facts
    ended_at: float
    by: str
    code: int
    reason: str
    rule: str
    received: int
    places: list[Place]
    worker: str = ""
