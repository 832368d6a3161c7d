"""Who is at the other end: verified credentials plus the user they name, from short-lived caches of this process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError
from redis.exceptions import RedisError

from accounts.identity import Identity
from accounts.keys import KeyClaims, digest_of, good_keys, key_claims
from accounts.selectors import identity_of, stored_jti
from accounts.signatures import TokenRefused
from accounts.standing import revocations, revoked_among
from accounts.tickets import TICKET_CHARACTERS_MAX, Ticket, parse_ticket, ticket_key
from accounts.tokens import AccessClaims, issued_before, verify_access_token
from cache_streams.carriers import CarrierRefused, Offer, carried_key, carried_ticket, carried_token
from cache_streams.connections import ask, shared_redis
from cache_streams.recent import AuthenticationUnavailable, Recent

KEY_SOCKET_S = 86_400.0
"""A socket that a key opened ends after so long: the latest moment at which a revocation takes effect, whatever fails."""
READ_SCOPE = "read"
logger = structlog.get_logger(__name__)


class AuthenticationRefused(Exception):
    """The credential proves nothing. ``code`` is for the client; the credential is nowhere in this exception."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Login:
    """Who a socket belongs to, by which credentials, and until when (Unix seconds) they let it live; None: for ever.

    No ``scopes`` means all that the user may. ``read_at``: when the credentials were read, on the loop's clock.
    """

    identity: Identity
    expires_at: float | None
    tokens: tuple[AccessClaims, ...] = ()
    key_ids: tuple[int, ...] = ()
    scopes: frozenset[str] = frozenset()
    read_at: float = field(default_factory=time.monotonic)

    def joined(self, other: Login) -> Login:
        """Return what two credentials of one user open together: no more than each of them. Raises: AuthenticationRefused."""
        if self.identity.user_id != other.identity.user_id:
            raise AuthenticationRefused("AUTH_CONFLICT")
        scopes = self.scopes & other.scopes if self.scopes and other.scopes else self.scopes | other.scopes
        if not scopes and (self.scopes or other.scopes):
            raise AuthenticationRefused("FORBIDDEN")
        ends = [login.expires_at for login in (self, other) if login.expires_at is not None]
        return Login(
            self.identity,
            min(ends, default=None),
            self.tokens + other.tokens,
            self.key_ids + other.key_ids,
            scopes,
            min(self.read_at, other.read_at),
        )


ANONYMOUS = Login(Identity(user_id=0, mail="", name="", is_staff=False, is_active=True), None)
"""Whoever connects to the root mount while its authentication is switched off: sees market data only."""


IDENTITIES: Recent[int, Identity | None] = Recent()
KEYS: Recent[str, KeyClaims | None] = Recent()
"""By digest: the keys themselves are kept nowhere."""
REVOKED: Recent[tuple[str, ...], frozenset[str]] = Recent()
REVOCATIONS: Recent[None, frozenset[str] | None] = Recent()
"""All of them while they are few, so that a token seen for the first time costs no query."""
REVOCATIONS_KEPT = 10_000


def forget(user_id: int | None = None) -> None:
    """Drop what is known of a user, or of everybody (None). Keys and revocations are few: all of them go."""
    IDENTITIES.forget(user_id)
    KEYS.forget()
    REVOKED.forget()
    REVOCATIONS.forget()


async def authenticate(scope: Mapping[str, Any], offer: Offer) -> Login:  # Any: the ASGI connection scope
    """Return who opens this socket: every credential that it carries must be good, and of the same user.

    Raises: AuthenticationRefused, AuthenticationUnavailable.
    """
    try:
        token = carried_token(scope, offer, allow_query=settings.WS_ALLOW_QUERY_TOKEN)
        key = carried_key(scope, settings.API_KEY_HEADER_NAME) if settings.ENABLE_API_KEY_AUTH else None
        ticket = carried_ticket(scope)
        claims = None if token is None else verify_access_token(token)
    except (CarrierRefused, TokenRefused) as refused:
        raise AuthenticationRefused(refused.code) from None  # a cause might quote the token
    logins: list[Login] = []
    if claims is not None:
        logins.append(await _token_login(claims))
    if key is not None:
        logins.append(await _key_login(key))
    if ticket is not None:
        logins.append(await _ticket_login(ticket))
    if not logins:
        raise AuthenticationRefused("AUTH_MISSING")
    login = reduce(Login.joined, logins)
    if login.scopes and READ_SCOPE not in login.scopes:
        raise AuthenticationRefused("FORBIDDEN")
    return login


async def login_of(token: str) -> Login:
    """Return whom a token proves that came on an open socket. Raises: AuthenticationRefused, AuthenticationUnavailable."""
    try:
        return await _token_login(verify_access_token(token))
    except (TokenRefused, AuthenticationRefused) as refused:
        logger.info("token on an open socket refused", code=refused.code)
        raise AuthenticationRefused(refused.code) from None  # a cause might quote the token


async def _token_login(claims: AccessClaims, scopes: Sequence[str] = ()) -> Login:
    read_at = time.monotonic()
    identity = await _identity(claims.user_id)
    if issued_before(identity.tokens_valid_from, claims.issued_at, claims.expires_at):
        raise AuthenticationRefused("AUTH_INVALID")
    if await _is_revoked(claims.revocable_ids):
        raise AuthenticationRefused("AUTH_INVALID")
    return Login(identity, claims.expires_at, (claims,), scopes=frozenset(scopes), read_at=read_at)


async def _is_revoked(ids: tuple[str, ...]) -> bool:
    if not ids:
        return False
    revoked = await REVOCATIONS.get(None, partial(revocations, REVOCATIONS_KEPT))
    if revoked is None:
        return bool(await REVOKED.get(ids, partial(revoked_among, ids)))
    return any(stored_jti(name) in revoked for name in ids)


async def _key_login(raw: str) -> Login:
    read_at = time.monotonic()
    claims = await KEYS.get(digest_of(raw), partial(key_claims, raw))
    if claims is None:
        raise AuthenticationRefused("AUTH_INVALID")
    ends = _key_end(claims.expires_at)
    return Login(
        await _identity(claims.user_id), ends, key_ids=(claims.key_id,), scopes=claims.scopes, read_at=read_at
    )


async def _ticket_login(raw: str) -> Login:
    """Take the ticket away and return what it stands for, if the credential that asked for it still holds."""
    ticket = await _taken(raw)
    if ticket.claims is not None:
        if ticket.claims.expires_at <= time.time():
            raise AuthenticationRefused("AUTH_INVALID")
        return await _token_login(ticket.claims, ticket.scopes)
    read_at = time.monotonic()
    key_ids = () if ticket.key_id is None else (ticket.key_id,)
    try:
        good = await database_sync_to_async(good_keys)(key_ids)
    except DatabaseError as error:
        raise AuthenticationUnavailable from error
    if not good:
        raise AuthenticationRefused("AUTH_INVALID")
    return Login(
        await _identity(ticket.user_id),
        _key_end(ticket.expires_at),
        key_ids=key_ids,
        scopes=frozenset(ticket.scopes),
        read_at=read_at,
    )


async def _taken(raw: str) -> Ticket:
    if len(raw) > TICKET_CHARACTERS_MAX:
        raise AuthenticationRefused("AUTH_MALFORMED")
    try:
        stored = await ask(shared_redis(), "GETDEL", ticket_key(raw))
    except (RedisError, OSError) as error:
        raise AuthenticationUnavailable from error
    if stored is None:
        raise AuthenticationRefused("AUTH_INVALID")
    return parse_ticket(stored)


def _key_end(expires_at: float | None) -> float:
    """Return when a socket of a key ends. Raises: AuthenticationRefused when that is past."""
    latest = time.time() + KEY_SOCKET_S
    if expires_at is not None and expires_at <= time.time():
        raise AuthenticationRefused("AUTH_INVALID")
    return latest if expires_at is None else min(expires_at, latest)


async def _identity(user_id: int) -> Identity:
    """Return an active user. Raises: AuthenticationRefused, AuthenticationUnavailable."""
    found = await IDENTITIES.get(user_id, partial(identity_of, user_id))
    if found is None and not settings.REQUIRE_USER:
        return Identity(user_id=user_id, mail="", name="", is_staff=False, is_active=True)
    if found is None or not found.is_active:
        raise AuthenticationRefused("AUTH_INVALID")
    return found
