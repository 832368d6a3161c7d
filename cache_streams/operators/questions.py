"""What is asked of workers, and what they answer: closed shapes, packed."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from django.conf import settings

from cache_streams.facts import Facts

Order: TypeAlias = Literal["newest", "oldest", "waiting", "behind", "taken"]
ORDERS: tuple[Order, ...] = ("newest", "oldest", "waiting", "behind", "taken")
ROWS_MAX = 1_000
"""Sockets that one worker names in one answer, the first of the order asked for; who wants others, searches."""
PEOPLE_MAX = 100
ANSWERS_KEPT_S = 10


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which sockets; what is empty says nothing. ``text`` is a part of id, mail, path or address."""

    text: str = ""
    socket_id: str = ""
    user_id: int | None = None
    stream: str = ""
    family: str = ""
    worker: str = ""
    cold: bool = False


class Look(msgspec.Struct, frozen=True, tag="look"):
    """Count everything, and name the first ``most`` of the wanted sockets."""

    wanted: Wanted
    order: Order = "newest"
    most: int = ROWS_MAX


class End(msgspec.Struct, frozen=True, tag="end"):
    """Close one socket, or all of a user; ``by`` is the operator."""

    by: int
    socket_id: str = ""
    user_id: int | None = None


class Question(msgspec.Struct, frozen=True):
    """One question; ``id`` says where the answers go."""

    id: str
    body: Look | End


class Load(msgspec.Struct, array_like=True):
    """Subscriptions of one stream."""

    subscriptions: int = 0
    cold: int = 0
    behind: int = 0
    skipped: int = 0


class Person(msgspec.Struct, array_like=True):
    """The sockets of one user."""

    user_id: int
    mail: str
    sockets: int = 0
    cold: int = 0
    waiting: int = 0


class Seen(msgspec.Struct, array_like=True):
    """What one worker holds: ``user_ids`` and totals of all sockets, ``matched`` of the wanted ones, ``rows`` the first of those.

    ``people`` are the users with most sockets. ``hops`` are samples in seconds. ``took_ms`` is what counting cost.
    """

    sockets: int = 0
    user_ids: list[int] = msgspec.field(default_factory=list)
    waiting: int = 0
    full: int = 0
    families: dict[str, int] = msgspec.field(default_factory=dict)
    streams: dict[str, Load] = msgspec.field(default_factory=dict)
    people: list[Person] = msgspec.field(default_factory=list)
    matched: int = 0
    rows: list[Facts] = msgspec.field(default_factory=list)
    hops: dict[str, list[float]] = msgspec.field(default_factory=dict)
    took_ms: float = 0.0


class Answer(msgspec.Struct, array_like=True):
    """One worker's answer: what it saw, or the ids of the sockets that it closed."""

    worker: str
    seen: Seen | None = None
    ended: list[str] | None = None


def channel() -> str:
    """Return where questions are published. Pub/sub crosses database numbers: ours is in the name."""
    return f"{settings.GW_PREFIX}:operators:{settings.REDIS_DATABASE}"


def answers_key(question_id: str) -> str:
    """Return the Redis list that the answers to one question go to."""
    return f"{settings.GW_PREFIX}:operators:answers:{question_id}"
