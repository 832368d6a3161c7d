"""Whether a socket that is open may stay: its user, its credentials, and the rights that it was opened with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import Error as DatabaseError

from accounts.standing import Standing, standing_of
from accounts.tokens import issued_before
from cache_streams.authentication import Login
from cache_streams.permissions import has_lost
from cache_streams.protocol.close_codes import AUTH_REVOKED, FORBIDDEN, Close
from cache_streams.recent import AuthenticationUnavailable


class Verdict(NamedTuple):
    """What a socket must be closed with; ``rule`` says to its user and to operators what exactly ended it."""

    close: Close
    rule: str


async def verdicts_on(logins: Sequence[Login]) -> list[Verdict | None]:
    """Return for each login why its socket must be closed, None when it may stay.

    Raises: AuthenticationUnavailable; then nothing is known and everything stays.
    """
    users = {login.identity.user_id for login in logins}
    tokens = {name for login in logins for claims in login.tokens for name in claims.revocable_ids}
    keys = {key_id for login in logins for key_id in login.key_ids}
    try:
        standing = await database_sync_to_async(standing_of)(users, tokens, keys)
    except DatabaseError as error:
        raise AuthenticationUnavailable from error
    return [verdict_on(login, standing) for login in logins]


def verdict_on(login: Login, standing: Standing) -> Verdict | None:
    """Return why the socket of ``login`` must be closed under ``standing``, None when it may stay."""
    identity = standing.identities.get(login.identity.user_id)
    if identity is None:
        unknown = settings.REQUIRE_USER or login.identity.mail
        return Verdict(AUTH_REVOKED, "the user was deleted") if unknown else None
    if not identity.is_active:
        return Verdict(AUTH_REVOKED, "the user was deactivated")
    if not standing.keys.issuperset(login.key_ids):
        return Verdict(AUTH_REVOKED, "the API key was revoked, or its time ran out")
    if any(
        issued_before(identity.tokens_valid_from, each.issued_at, each.expires_at) for each in login.tokens
    ):
        return Verdict(AUTH_REVOKED, "all tokens of the user were ended, as by a new password")
    if not all(standing.revoked.isdisjoint(each.revocable_ids) for each in login.tokens):
        return Verdict(AUTH_REVOKED, "the token, or the login that it came from, was revoked")
    lost = has_lost(login.identity.rights, identity.rights)
    return (
        Verdict(FORBIDDEN, "a permission, or something that was the user's, was withdrawn") if lost else None
    )
