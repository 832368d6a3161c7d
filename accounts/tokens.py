"""Access tokens: one function verifies them for sockets and REST alike, one issues them.

simplejwt's token classes cannot do it: ``AccessToken`` refuses tokens without ``jti`` and type, which other services of
a deployment sign with the shared secret, and ``UntypedToken`` accepts refresh tokens. Its ``TokenBackend`` checks the
signature; every rule about claims is here, so that it can be read, and tested with a clock of the test's own.
"""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from django.conf import settings
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

if TYPE_CHECKING:
    from accounts.models import User

TOKEN_CHARACTERS_MAX = 4096
CLOCK_SKEW_S = 30.0
USER_ID_MAX = 2**63 - 1
_SHAPE = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
_DIGITS = re.compile(r"[0-9]{1,19}")
_IMPOSSIBLE_TAIL = 1  # base64 text of 4n + 1 characters encodes nothing
_ANY_TIME_S = 1e11  # longer than datetime reaches: leaves judging times to this module

Code = Literal["AUTH_MALFORMED", "AUTH_INVALID"]
Reason = Literal["length", "shape", "header", "signature", "time", "type", "user", "claim"]


class TokenRefused(Exception):
    """A token that proves nothing; carries a ``code`` for clients and a ``reason`` for metrics, never token text."""

    def __init__(self, code: Code, reason: Reason) -> None:
        super().__init__(code)
        self.code: Code = code
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified token says; ``expires_at`` in Unix seconds. The user may since have gone: ask the selectors."""

    user_id: int
    expires_at: float
    jti: str | None = None
    username: str | None = None
    email: str | None = None


def verify_access_token(raw: str, now: float | None = None) -> AccessClaims:
    """Return the claims of ``raw``, judged at ``now`` (Unix seconds, default: the clock).

    Raises ``TokenRefused``: AUTH_MALFORMED for shape and length, AUTH_INVALID for everything else.
    """
    _check_shape(raw)
    claims = _signed_claims(raw)
    expires_at = _check_times(claims, time.time() if now is None else now)
    if claims.get("token_type", "access") != "access":
        raise TokenRefused("AUTH_INVALID", "type")
    return AccessClaims(
        user_id=_user_id(claims.get("user_id")),
        expires_at=expires_at,
        jti=_optional_text(claims, "jti"),
        username=_optional_text(claims, "username"),
        email=_optional_text(claims, "email"),
    )


def issue_access_token(user: User, minutes: int | None = None) -> str:
    """Return a token for ``user`` that lives ``minutes`` (default ``JWT_EXPIRATION_MINUTES``)."""
    issued_at = int(time.time())
    lifetime_s = 60 * (settings.JWT_EXPIRATION_MINUTES if minutes is None else minutes)
    return _backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).encode(
        {
            "sub": user.mail,
            "user_id": user.pk,
            "username": user.mail,
            "email": user.mail,
            "exp": issued_at + lifetime_s,
            "iat": issued_at,
            "jti": uuid.uuid4().hex,
            "token_type": "access",
        }
    )


def _check_shape(raw: str) -> None:
    if len(raw) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("AUTH_MALFORMED", "length")
    if not _SHAPE.fullmatch(raw) or any(len(part) % 4 == _IMPOSSIBLE_TAIL for part in raw.split(".")):
        raise TokenRefused("AUTH_MALFORMED", "shape")


def _signed_claims(raw: str) -> Mapping[str, object]:
    """Return the payload once header and signature hold; what it claims is not judged yet."""
    header_text, _, signature = raw.split(".")
    try:
        header = json.loads(_decoded(header_text))
    except (ValueError, RecursionError):
        raise TokenRefused("AUTH_INVALID", "header") from None  # the cause quotes the token
    if not isinstance(header, dict) or header.get("alg") != settings.JWT_ALGORITHM or "crit" in header:
        raise TokenRefused("AUTH_INVALID", "header")
    if urlsafe_b64encode(_decoded(signature)).rstrip(b"=") != signature.encode("ascii"):
        raise TokenRefused(
            "AUTH_INVALID", "signature"
        )  # spare bits set: a second spelling, which older PyJWT believes
    try:
        claims: Mapping[str, object] = _backend(settings.JWT_ALGORITHM, settings.JWT_SECRET_KEY).decode(
            raw  # type: ignore[arg-type]  # annotated as simplejwt's Token, passed on as text
        )
    except (TokenBackendError, ValueError, RecursionError):
        raise TokenRefused("AUTH_INVALID", "signature") from None
    return claims


@lru_cache(maxsize=4)
def _backend(algorithm: str, secret: str) -> TokenBackend:
    return TokenBackend(algorithm, signing_key=secret, leeway=_ANY_TIME_S)


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


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


def _optional_text(claims: Mapping[str, object], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise TokenRefused("AUTH_INVALID", "claim")
    return value
