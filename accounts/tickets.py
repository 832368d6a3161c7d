"""Tickets: what a socket may carry in its URL instead of a long-lived credential; good once, within 30 s, kept in Redis."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from dataclasses import dataclass

import structlog
from django.conf import settings
from redis.exceptions import RedisError

from accounts.tokens import AccessClaims

TICKET_TTL_S = 30
TICKET_BYTES = 32
TICKET_CHARACTERS_MAX = 128
TIMEOUT_S = 1.0

logger = structlog.get_logger(__name__)


class TicketsUnavailable(Exception):
    """Redis is away: no ticket can be made."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Whom a ticket stands for: a user, by the token or key that asked for it, and within ``scopes`` (none: all of it).

    ``expires_at`` (Unix seconds, None: never) is the end of that credential, not of the ticket.
    """

    user_id: int
    expires_at: float | None
    scopes: tuple[str, ...] = ()
    key_id: int | None = None
    jti: str | None = None
    family: str | None = None
    issued_at: float | None = None

    @property
    def claims(self) -> AccessClaims | None:
        """The token that asked for the ticket, as far as its end and revocation go."""
        if self.key_id is not None or self.expires_at is None:
            return None
        return AccessClaims(
            self.user_id, self.expires_at, jti=self.jti, family=self.family, issued_at=self.issued_at
        )


def issue_ticket(ticket: Ticket) -> str:
    """Store ``ticket`` and return the text that stands for it; Redis gets its hash alone. Raises ``TicketsUnavailable``."""
    raw = secrets.token_urlsafe(TICKET_BYTES)
    try:
        with settings.REDIS_CLIENT(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as redis:
            redis.set(ticket_key(raw), json.dumps(dataclasses.asdict(ticket)), ex=TICKET_TTL_S)
    except (RedisError, OSError) as error:
        logger.warning("ticket not stored", error=type(error).__name__)
        raise TicketsUnavailable from error
    return raw


def ticket_key(raw: str) -> str:
    """Return the Redis key of a ticket; whoever takes it must take it away in the same step (GETDEL)."""
    return f"{settings.GW_PREFIX}:ticket:{hashlib.sha256(raw.encode(errors='surrogatepass')).hexdigest()}"


def parse_ticket(stored: bytes) -> Ticket:
    """Return what was stored under ``ticket_key``. Raises ``ValueError`` and ``TypeError`` for what we did not store."""
    fields = json.loads(stored)
    return Ticket(**{**fields, "scopes": tuple(fields["scopes"])})
