"""Who is at the other end: verified claims plus the user they name, from a short-lived cache of this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from accounts.identity import Identity
from accounts.selectors import identity_of
from accounts.tokens import TokenRefused, verify_access_token
from cache_streams.carriers import CarrierRefused, Offer, carried_token

CACHED_S = 5.0
CACHED_USERS = 10_000


class AuthenticationRefused(Exception):
    """The credential proves nothing. ``code`` is for the client; the token is nowhere in this exception."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class AuthenticationUnavailable(Exception):
    """The user store does not answer: our fault, never "invalid"."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who a socket belongs to, and until when (Unix seconds) its token lets it live; None: for ever."""

    identity: Identity
    expires_at: float | None


ANONYMOUS = Login(Identity(user_id=0, mail="", name="", is_staff=False, is_active=True), None)
"""Whoever connects to the root mount while its authentication is switched off: sees market data only."""


class Identities:
    """Users by id, for a few seconds each; a news entry about a user drops the cached copy at once."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[float, Identity | None]] = OrderedDict()

    async def get(self, user_id: int) -> Identity | None:
        """Return the user, None if there is none or it is inactive. Raises: AuthenticationUnavailable."""
        known = self._known.get(user_id)
        if known is None or known[0] < time.monotonic() - CACHED_S:
            known = (time.monotonic(), await self._load(user_id))
            self._known[user_id] = known
            self._known.move_to_end(user_id)
            if len(self._known) > CACHED_USERS:
                self._known.popitem(last=False)
        return known[1]

    def forget(self, user_id: int | None = None) -> None:
        """Read one user, or all of them, anew at the next question."""
        if user_id is None:
            self._known.clear()
        else:
            self._known.pop(user_id, None)

    async def _load(self, user_id: int) -> Identity | None:
        try:
            found = await database_sync_to_async(identity_of)(user_id)
        except DatabaseError as error:
            raise AuthenticationUnavailable from error
        if found is None and not settings.REQUIRE_USER:
            return Identity(user_id=user_id, mail="", name="", is_staff=False, is_active=True)
        return found if found is not None and found.is_active else None


IDENTITIES = Identities()


async def authenticate(scope: Mapping[str, Any], offer: Offer) -> Login:  # Any: the ASGI connection scope
    """Return who opens this socket.

    Raises: AuthenticationRefused, AuthenticationUnavailable.
    """
    try:
        token = carried_token(scope, offer, allow_query=settings.WS_ALLOW_QUERY_TOKEN)
        if token is None:
            raise AuthenticationRefused("AUTH_MISSING")
        claims = verify_access_token(token)
    except (CarrierRefused, TokenRefused) as refused:
        raise AuthenticationRefused(refused.code) from None  # a cause might quote the token
    identity = await IDENTITIES.get(claims.user_id)
    if identity is None:
        raise AuthenticationRefused("AUTH_INVALID")
    return Login(identity, claims.expires_at)
