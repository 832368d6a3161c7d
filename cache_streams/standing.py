"""Whether a socket that is open may stay: its user, its credentials, and the rights that it was opened with."""

from __future__ import annotations

from collections.abc import Sequence

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from accounts.standing import Standing, standing_of
from accounts.tokens import issued_before
from cache_streams.authentication import Login
from cache_streams.permissions import has_lost
from cache_streams.protocol.close_codes import AUTH_REVOKED, FORBIDDEN, Close
from cache_streams.recent import AuthenticationUnavailable


async def closes_for(logins: Sequence[Login]) -> list[Close | None]:
    """Return for each login what its socket must be closed with, None when it may stay.

    Raises: AuthenticationUnavailable; then nothing is known and everything stays.
    """
    users = {login.identity.user_id for login in logins}
    tokens = {name for login in logins for claims in login.tokens for name in claims.revocable_ids}
    keys = {key_id for login in logins for key_id in login.key_ids}
    try:
        standing = await database_sync_to_async(standing_of)(users, tokens, keys)
    except DatabaseError as error:
        raise AuthenticationUnavailable from error
    return [close_for(login, standing) for login in logins]


def close_for(login: Login, standing: Standing) -> Close | None:
    """Return what the socket of ``login`` must be closed with under ``standing``, None when it may stay."""
    identity = standing.identities.get(login.identity.user_id)
    if identity is None:
        return AUTH_REVOKED if settings.REQUIRE_USER or login.identity.mail else None
    if not identity.is_active or not standing.keys.issuperset(login.key_ids):
        return AUTH_REVOKED
    for claims in login.tokens:
        too_old = issued_before(identity.tokens_valid_from, claims.issued_at, claims.expires_at)
        if too_old or not standing.revoked.isdisjoint(claims.revocable_ids):
            return AUTH_REVOKED
    return FORBIDDEN if has_lost(login.identity.rights, identity.rights) else None
