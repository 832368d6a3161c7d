"""Logins with refresh tokens: each refresh token is good once, and using one twice ends everything issued since the login."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from accounts.models import RevokedToken, TokenFamily, User
from accounts.selectors import stored_jti, token_user
from accounts.signatures import TokenRefused
from accounts.tokens import (
    AccessClaims,
    RefreshClaims,
    issue_access_token,
    issue_refresh_token,
    verify_refresh_token,
)

CLEANED_AT_ONCE = 100
"""Rows past their time that each new one takes along: more than one, so that tables shrink."""
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token, and the refresh token that gets the next pair."""

    access: str
    refresh: str


def start_family(user: User) -> TokenPair:
    """Return the first tokens of a login."""
    _clean(TokenFamily)
    jti, expires_at = uuid.uuid4().hex, _refresh_end()
    family = TokenFamily.objects.create(user=user, jti=jti, expires_at=_moment(expires_at))
    return _pair(user, str(family.pk), jti, expires_at)


def rotate(raw: str) -> TokenPair:
    """Return the next pair for the refresh token ``raw``. Raises ``TokenRefused``.

    A token that was used before ends its family: of two holders, one has stolen it, and nobody knows which.
    """
    claims = verify_refresh_token(raw)
    user = token_user(claims)
    if user is None:
        raise TokenRefused("AUTH_INVALID", "user")
    jti, expires_at = uuid.uuid4().hex, _refresh_end()
    # One statement, so that of two that come at once only one finds the old id.
    moved = TokenFamily.objects.filter(
        pk=_family_id(claims.family), user=user, jti=claims.jti, ended_at=None
    ).update(jti=jti, expires_at=_moment(expires_at))
    if not moved:
        end_family(claims.family, user.pk)
        raise TokenRefused("AUTH_INVALID", "family")
    return _pair(user, claims.family, jti, expires_at)


def log_out(claims: AccessClaims | RefreshClaims) -> bool:
    """End the token and its family; False when it has neither id nor family and can only end by itself."""
    if claims.family is not None:
        end_family(claims.family, claims.user_id)
    if isinstance(claims, AccessClaims) and claims.jti is not None:
        revoke(claims.jti, claims.user_id, claims.expires_at)
    return claims.family is not None or claims.jti is not None


def end_family(family: str, user_id: int) -> None:
    """Refuse every token of ``family``, the access tokens included. An unknown or foreign family ends nothing."""
    known = TokenFamily.objects.filter(pk=_family_id(family), user_id=user_id)
    if known.filter(ended_at=None).update(ended_at=timezone.now()):
        revoke(family, user_id, time.time() + 60 * settings.JWT_EXPIRATION_MINUTES)


def revoke(jti: str, user_id: int, expires_at: float) -> None:
    """Refuse the token ``jti`` until it ends by itself at ``expires_at`` (Unix seconds); once more changes nothing."""
    _clean(RevokedToken)
    if User.objects.filter(pk=user_id).exists():  # without REQUIRE_USER tokens may name nobody
        RevokedToken.objects.get_or_create(
            jti=stored_jti(jti), defaults={"user_id": user_id, "expires_at": _moment(expires_at)}
        )


def _pair(user: User, family: str, jti: str, expires_at: float) -> TokenPair:
    return TokenPair(
        access=issue_access_token(user, family=family),
        refresh=issue_refresh_token(user, family=family, jti=jti, expires_at=expires_at),
    )


def _refresh_end() -> float:
    return time.time() + _DAY_S * settings.JWT_REFRESH_DAYS


def _moment(unix_s: float) -> datetime:
    """Return ``unix_s`` as the database takes it; what lies beyond its calendar is as good as for ever."""
    latest = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
    return datetime.fromtimestamp(min(unix_s, latest.timestamp()), UTC)


def _family_id(family: str) -> uuid.UUID:
    """Return the id; one that no family has for what is no UUID."""
    try:
        return uuid.UUID(family)
    except ValueError:
        return uuid.UUID(int=0)


def _clean(model: type[TokenFamily | RevokedToken]) -> None:
    past = model._default_manager.filter(expires_at__lt=timezone.now()).values_list("pk", flat=True)  # noqa: SLF001  # Django's own name for it
    model._default_manager.filter(pk__in=list(past[:CLEANED_AT_ONCE])).delete()  # noqa: SLF001  # as above
