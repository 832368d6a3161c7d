"""Reads of users."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from django.db.models import Exists

from accounts.identity import Identity
from accounts.models import RevokedToken, User
from accounts.tokens import AccessClaims, RefreshClaims, issued_before

_PLAIN_JTI = re.compile(r"[!-~]{1,255}")


def identity_of(user_id: int) -> Identity | None:
    """Return who ``user_id`` is, also when inactive; None when there is no such user. One query.

    Raises ``django.db.OperationalError`` when the database is away.
    """
    row = User.objects.filter(pk=user_id).values_list("mail", "name", "is_staff", "is_active").first()
    return None if row is None else Identity(user_id, *row)


def active_user(user_id: int, token_ids: Sequence[str] = ()) -> User | None:
    """Return the active user ``user_id``; None for unknown and inactive ones alike. One query.

    Nor is there one when a token of those ids was revoked.
    """
    found = User.objects.filter(pk=user_id, is_active=True)
    if token_ids:
        found = found.exclude(
            Exists(RevokedToken.objects.filter(jti__in=[stored_jti(name) for name in token_ids]))
        )
    return found.first()


def token_user(claims: AccessClaims | RefreshClaims) -> User | None:
    """Return the active user whom a verified token proves now: not revoked, not older than the password. One query."""
    ids = claims.revocable_ids if isinstance(claims, AccessClaims) else (claims.family,)
    user = active_user(claims.user_id, ids)
    if user is None or issued_before(valid_from(user), claims.issued_at, claims.expires_at):
        return None
    return user


def valid_from(user: User) -> float | None:
    """Return since when tokens of ``user`` are good, in Unix seconds; None: always."""
    return None if user.tokens_valid_from is None else user.tokens_valid_from.timestamp()


def stored_jti(jti: str) -> str:
    """Return ``jti`` as the database can hold it: itself, or its SHA-256 when other services made it odd or long."""
    return jti if _PLAIN_JTI.fullmatch(jti) else hashlib.sha256(jti.encode(errors="replace")).hexdigest()


def user_by_mail(mail: str) -> User | None:
    """Return the user of ``mail``, whatever its letter case; None when there is none. One query."""
    return User.objects.filter(mail=mail.strip().lower()).first()
