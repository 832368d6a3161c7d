"""Why a socket was closed: code, reason, and whether a client should come back, as data.

Ranges: 1000-1015 mean what RFC 6455 and its registry say. 4400-4499 are ours, for cases without a fitting standard code;
less 4000 they read as the HTTP status of the same meaning. No other code is sent.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

REASON_BYTES_LIMIT = 123
"""A close frame carries at most 125 bytes, two of which are the code."""

OWN_CODES = range(4400, 4500)


class Family(enum.Enum):
    """The four ways of speaking on a socket."""

    RPC = "rpc"
    PUSH = "push"
    AGENTS = "agents"
    NATIVE = "native"


class Reconnect(enum.Enum):
    """What a client should do after a close."""

    NO = "no"
    RESUME = "yes, with the last cursor"
    BACK_OFF = "yes, with growing pauses"
    LATER = "yes, after the time told"
    AFRESH = "yes, without a cursor: it will not be recovered"
    NEW_TOKEN = "only with a new token"  # noqa: S105  # advice, not a secret


ALL = frozenset(Family)
CACHE = frozenset({Family.RPC, Family.PUSH})
COMPATIBLE = CACHE | {Family.AGENTS}
NATIVE = frozenset({Family.NATIVE})
AGENTS = frozenset({Family.AGENTS})
RESUMING = AGENTS | NATIVE


@dataclass(frozen=True, slots=True)
class Close:
    """One way to end a socket; ``families`` are those that send it, ``meaning`` is for the reader of the documents."""

    code: int
    reason: str
    families: frozenset[Family]
    reconnect: Reconnect
    meaning: str


NORMAL = Close(1000, "", ALL, Reconnect.NO, "the client asked to close")
SERVER_SHUTDOWN = Close(1001, "server_shutdown", COMPATIBLE, Reconnect.RESUME, "planned stop or restart")
UNSUPPORTED = Close(1003, "unsupported_data", RESUMING, Reconnect.NO, "binary frame")
AUTH_MISSING = Close(1008, "auth_missing", RESUMING, Reconnect.NEW_TOKEN, "no credentials")
AUTH_MALFORMED = Close(
    1008, "auth_malformed", AGENTS, Reconnect.NEW_TOKEN, "credentials of impossible shape or length"
)
AUTH_INVALID = Close(1008, "auth_invalid", RESUMING, Reconnect.NEW_TOKEN, "credentials that do not verify")
AUTH_CONFLICT = Close(
    1008, "auth_conflict", RESUMING, Reconnect.NEW_TOKEN, "credentials that contradict each other"
)
AUTH_REVOKED = Close(
    1008, "auth_revoked", ALL, Reconnect.NEW_TOKEN, "the token or key was revoked while connected"
)
USER_INACTIVE = Close(
    1008, "user_inactive", COMPATIBLE, Reconnect.NO, "the user was deactivated while connected"
)
FORBIDDEN = Close(1008, "forbidden", ALL, Reconnect.NEW_TOKEN, "the permission was withdrawn while connected")
TOKEN_EXPIRED = Close(
    1008, "Token expired", COMPATIBLE, Reconnect.NEW_TOKEN, "the token's time ran out while connected"
)
TOKEN_EXPIRED_NATIVE = Close(1008, "token_expired", NATIVE, Reconnect.NEW_TOKEN, TOKEN_EXPIRED.meaning)
CACHE_AUTH_MISSING = Close(
    1008,
    "Missing authentication token",
    CACHE,
    Reconnect.NEW_TOKEN,
    "no credentials, server without HTTP refusals",
)
CACHE_AUTH_INVALID = Close(
    1008,
    "Invalid authentication token",
    CACHE,
    Reconnect.NEW_TOKEN,
    "bad credentials, server without HTTP refusals",
)
CACHE_USER_UNKNOWN = Close(
    1008,
    "User not found",
    CACHE,
    Reconnect.NEW_TOKEN,
    "the token's user does not exist or left while connected",
)
TOO_LARGE = Close(1009, "too_large", ALL, Reconnect.NO, "frame above the limit")
INTERNAL_ERROR = Close(1011, "internal_error", ALL, Reconnect.BACK_OFF, "our fault")
MUTE = Close(
    1011,
    "keepalive ping timeout",
    ALL,
    Reconnect.RESUME,
    "no answer to a ping, and nothing taken that was sent",
)
SERVICE_RESTART = Close(1012, "service_restart", NATIVE, Reconnect.RESUME, "planned stop or restart")
TRY_AGAIN_LATER = Close(1013, "try_again_later", ALL, Reconnect.LATER, "overload")
INVALID_CURSOR = Close(
    4400, "invalid_cursor", AGENTS, Reconnect.AFRESH, "the cursor cannot be read; start from the beginning"
)
SLOW_CONSUMER = Close(
    4408, "slow_consumer", ALL, Reconnect.AFRESH, "behind for too long, or beyond retention"
)
RATE_LIMITED = Close(4429, "rate_limited", ALL, Reconnect.LATER, "too many requests, or 20 bad ones in a row")
TOO_MANY_CONNECTIONS = Close(
    4429, "too_many_connections", ALL, Reconnect.LATER, "too many sockets of one user"
)

CLOSES: tuple[Close, ...] = (
    NORMAL,
    SERVER_SHUTDOWN,
    UNSUPPORTED,
    AUTH_MISSING,
    AUTH_MALFORMED,
    AUTH_INVALID,
    AUTH_CONFLICT,
    AUTH_REVOKED,
    USER_INACTIVE,
    FORBIDDEN,
    TOKEN_EXPIRED,
    TOKEN_EXPIRED_NATIVE,
    CACHE_AUTH_MISSING,
    CACHE_AUTH_INVALID,
    CACHE_USER_UNKNOWN,
    TOO_LARGE,
    INTERNAL_ERROR,
    MUTE,
    SERVICE_RESTART,
    TRY_AGAIN_LATER,
    INVALID_CURSOR,
    SLOW_CONSUMER,
    RATE_LIMITED,
    TOO_MANY_CONNECTIONS,
)
"""The whole table, by code."""


def closes_of(family: Family) -> tuple[Close, ...]:
    """Return the rows that one family sends, by code."""
    return tuple(close for close in CLOSES if family in close.families)


def shutdown(family: Family) -> Close:
    """Return what a planned stop closes with: 1012 for the native family, 1001 for those whose clients know no other."""
    return SERVICE_RESTART if family is Family.NATIVE else SERVER_SHUTDOWN


def token_expired(family: Family) -> Close:
    """Return what the end of a token's time closes with; the native family spells its reasons alike, the others as published."""
    return TOKEN_EXPIRED_NATIVE if family is Family.NATIVE else TOKEN_EXPIRED
