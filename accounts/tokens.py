"""Access tokens: one function verifies them for sockets and REST alike, one issues them.

simplejwt's token classes cannot do it: ``AccessToken`` refuses tokens without ``jti`` and type, which other services of
a deployment sign with the shared secret, and ``UntypedToken`` accepts refresh tokens. Every rule about claims is here, so
that it can be read, and tested with a clock of the test's own; shape, header and signature: ``accounts.signatures``.
"""

from __future__ import annotations

import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from accounts.signatures import TokenRefused, backend, signed_claims

if TYPE_CHECKING:
    from accounts.models import User

CLOCK_SKEW_S = 30.0
FOREIGN_LIFETIME_S = 86_400.0
USER_ID_MAX = 2**63 - 1
_DIGITS = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified token says; ``expires_at`` in Unix seconds. The user may since have gone: ask the selectors."""

    user_id: int
    expires_at: float
    jti: str | None = None
    username: str | None = None
    email: str | None = None
    issued_at: float | None = None
    family: str | None = None
    permissions: tuple[str, ...] | None = None
    """The most that the bearer may do, None: all that the user may. It can take rights away, never add any."""

    @property
    def revocable_ids(self) -> tuple[str, ...]:
        """What a revocation may name: the token, and the family that it was issued in."""
        return tuple(name for name in (self.jti, self.family) if name)


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says; whether it was used before is known to its family alone."""

    user_id: int
    expires_at: float
    issued_at: float
    jti: str
    family: str


def verify_access_token(raw: str, now: float | None = None) -> AccessClaims:
    """Return the claims of ``raw``, judged at ``now`` (Unix seconds, default: the clock).

    Raises ``TokenRefused``: AUTH_MALFORMED for shape and length, AUTH_INVALID for everything else.
    """
    claims, expires_at = _verified(raw, now)
    if claims.get("token_type", "access") != "access":
        raise TokenRefused("AUTH_INVALID", "type")
    session = claims.get("sid")  # other services may mean something else by it
    return AccessClaims(
        user_id=_user_id(claims.get("user_id")),
        expires_at=expires_at,
        jti=_optional_text(claims, "jti"),
        username=_optional_text(claims, "username"),
        email=_optional_text(claims, "email"),
        issued_at=_finite(claims.get("iat")),
        family=session if isinstance(session, str) else None,
        permissions=_permissions(claims),
    )


def verify_refresh_token(raw: str, now: float | None = None) -> RefreshClaims:
    """Return the claims of a refresh token of ours, judged as an access token is. Raises ``TokenRefused``."""
    claims, expires_at = _verified(raw, now)
    if claims.get("token_type") != "refresh":
        raise TokenRefused("AUTH_INVALID", "type")
    issued_at, jti = _finite(claims.get("iat")), _optional_text(claims, "jti")
    family = _optional_text(claims, "sid")
    if issued_at is None or jti is None or family is None:
        raise TokenRefused("AUTH_INVALID", "claim")
    return RefreshClaims(_user_id(claims.get("user_id")), expires_at, issued_at, jti, family)


def issued_before(valid_from: float | None, issued_at: float | None, expires_at: float) -> bool:
    """Return whether a token is older than ``valid_from`` (Unix seconds, None: no token is too old).

    Other services sign no ``iat``: theirs count as issued ``FOREIGN_LIFETIME_S`` before they end, the longest that is known.
    """
    if valid_from is None:
        return False
    return (expires_at - FOREIGN_LIFETIME_S if issued_at is None else issued_at) < valid_from


def issue_access_token(user: User, minutes: int | None = None, *, family: str | None = None) -> str:
    """Return a token for ``user`` that lives ``minutes`` (default ``JWT_EXPIRATION_MINUTES``); ``family`` can revoke it."""
    issued_at = _now()
    lifetime_s = 60 * (settings.JWT_EXPIRATION_MINUTES if minutes is None else minutes)
    claims: dict[str, object] = {
        "sub": user.mail,
        "user_id": user.pk,
        "username": user.mail,
        "email": user.mail,
        "exp": int(issued_at) + lifetime_s,
        "iat": issued_at,
        "jti": uuid.uuid4().hex,
        "token_type": "access",
    }
    if family is not None:
        claims["sid"] = family
    return backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).encode(claims)


def issue_refresh_token(user: User, *, family: str, jti: str, expires_at: float) -> str:
    """Return a refresh token, which opens nothing and is good for one new pair of tokens."""
    return backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).encode(
        {
            "sub": user.mail,
            "user_id": user.pk,
            "exp": int(expires_at),
            "iat": _now(),
            "jti": jti,
            "sid": family,
            "token_type": "refresh",
        }
    )


def _now() -> float:
    return round(time.time(), 6)  # a new password and the next token may share a millisecond


def _verified(raw: str, now: float | None) -> tuple[Mapping[str, object], float]:
    """Return the payload of any token of this deployment, and its end."""
    claims = signed_claims(raw)
    return claims, _check_times(claims, time.time() if now is None else now)


def _check_times(claims: Mapping[str, object], now: float) -> float:
    expires_at = _finite(claims.get("exp"))
    if expires_at is None or expires_at <= now:
        raise TokenRefused("AUTH_INVALID", "time")
    for name in ("iat", "nbf"):
        if name in claims:
            moment = _finite(claims[name])
            if moment is None or moment > now + CLOCK_SKEW_S:
                raise TokenRefused("AUTH_INVALID", "time")
    return expires_at


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _user_id(value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= USER_ID_MAX:
        raise TokenRefused("AUTH_INVALID", "user")
    return value


def _permissions(claims: Mapping[str, object]) -> tuple[str, ...] | None:
    """Return the claim ``permissions``; one of another shape than a list allows nothing."""
    if "permissions" not in claims:
        return None
    claimed = claims["permissions"]
    return tuple(name for name in claimed if isinstance(name, str)) if isinstance(claimed, list) else ()


def _optional_text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenRefused("AUTH_INVALID", "claim")
    return value
